/** Many clients of one process: bots, bridges, whoever speaks for many users. */

import { WscError } from '@wsc/client/common';
import { Client } from './client.js';
import type { ClientOptions } from './options.js';

export interface PoolOptions {
  /** The options of a user's client; `user` is set. Two users never share an outbox. */
  options?: (user: string) => ClientOptions;
  /** Clients open at once, at most. Default 1,000. */
  limit?: number;
  /** A client that was released stays open so long, in milliseconds. Default 60,000. */
  idleMs?: number;
}

interface Member<Data> {
  readonly client: Client<Data>;
  readonly connected: Promise<void>;
  uses: number;
  timer?: NodeJS.Timeout;
}

/** A client for each user, opened when it is needed, reused, closed when it was idle for a while.
 *
 * ```ts
 * const bots = new ClientPool('ws://127.0.0.1:8080/ws');
 * await bots.use('bot-7', (bot) => bot.send('user:alice', 'hello'));
 * await bots.close();
 * ```
 */
export class ClientPool<Data = unknown> {
  readonly #address: string;
  readonly #options: (user: string) => ClientOptions;
  readonly #limit: number;
  readonly #idleMs: number;
  /** Those that nobody uses stand in the order in which they were released. */
  readonly #members: Map<string, Member<Data>> = new Map();
  readonly #closing: Map<string, Promise<void>> = new Map();
  #closed = false;

  constructor(address: string, { options, limit = 1_000, idleMs = 60_000 }: PoolOptions = {}) {
    this.#address = address;
    this.#options = options ?? ((): ClientOptions => ({}));
    this.#limit = limit;
    this.#idleMs = idleMs;
  }

  /** Clients that are open. */
  get size(): number {
    return this.#members.size;
  }

  /** A user's client, connected. It stays open until {@link ClientPool.release} was called as often as this. */
  async get(user: string): Promise<Client<Data>> {
    let member = this.#members.get(user);
    if (!member) {
      // Two must not open the same outbox.
      while (this.#closing.has(user)) await this.#closing.get(user);
      member = this.#members.get(user) ?? this.#open(user);
    }
    clearTimeout(member.timer);
    member.uses += 1;
    try {
      await member.connected;
    } catch (error) {
      if (this.#members.get(user) === member) this.#close(user, member);
      throw error;
    }
    return member.client;
  }

  /** A user's client is not needed just now. */
  release(user: string): void {
    const member = this.#members.get(user);
    if (!member || member.uses === 0) return;
    member.uses -= 1;
    if (member.uses > 0) return;
    this.#members.delete(user);
    this.#members.set(user, member);
    member.timer = setTimeout(() => this.#close(user, member), this.#idleMs).unref();
  }

  /** Does something with a user's client, and releases it. */
  async use<T>(user: string, act: (client: Client<Data>) => T | Promise<T>): Promise<T> {
    const client = await this.get(user);
    try {
      return await act(client);
    } finally {
      this.release(user);
    }
  }

  /** Closes all. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [user, member] of this.#members) this.#close(user, member);
    await Promise.all(this.#closing.values());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(user: string): Member<Data> {
    if (this.#closed) throw new WscError('the pool was closed');
    if (this.#members.size >= this.#limit) {
      const idle = [...this.#members].find(([, { uses }]) => uses === 0);
      if (!idle) throw new WscError(`all ${this.#limit} clients of the pool are in use: release some, or raise \`limit\``, 0, true);
      this.#close(...idle);
    }
    const client = new Client<Data>(this.#address, { ...this.#options(user), user });
    const connected = client.connect();
    // Whoever waits is told; that nobody does is no error.
    connected.catch(() => undefined);
    const member = { client, connected, uses: 0 };
    this.#members.set(user, member);
    return member;
  }

  #close(user: string, member: Member<Data>): void {
    clearTimeout(member.timer);
    this.#members.delete(user);
    const closing = member.client.close().finally(() => this.#closing.delete(user));
    this.#closing.set(user, closing);
  }
}
