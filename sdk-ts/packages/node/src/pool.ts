/** Many clients of one process: bots, bridges, whoever speaks for many users. */

import { type Addresses, ClosedError } from '@wsc/client/common';
import { Client } from './client.js';
import type { ClientOptions } from './options.js';

export interface PoolOptions {
  /** The options of a user's client; `user` is set. Two users never share an outbox. */
  options?: (user: string) => ClientOptions;
  /** Maximum number of clients open at once. Default 1,000. */
  limit?: number;
  /** A client that nobody uses is closed after this, in milliseconds. By default when the pool is full and another user needs the room. */
  idleMs?: number;
}

/** The numbers of a pool. */
export interface PoolStats {
  /** Clients that are open. */
  readonly open: number;
  /** Of those, the ones in use. */
  readonly leased: number;
  /** Calls of `acquire` that wait for room. */
  readonly waiting: number;
}

/** The use of a client, until released; the client itself stays open. */
export interface Lease<Data = unknown> extends Disposable {
  /** The client: connected, or about to be again. */
  readonly client: Client<Data>;
  /** Releases it; once is enough. */
  release(): void;
}

interface Member<Data> {
  readonly user: string;
  readonly client: Client<Data>;
  readonly connected: Promise<void>;
  leases: number;
  timer?: NodeJS.Timeout;
}

/** A client for each user: connected when it is first acquired, shared by all who acquire it meanwhile, and kept open until another user needs the room.
 *
 * ```ts
 * const bots = new ClientPool('ws://127.0.0.1:8080/ws');
 * await bots.use('bot-7', (bot) => bot.send('user:alice', 'hello'));
 * await bots.close();
 * ```
 */
export class ClientPool<Data = unknown> {
  readonly #addresses: Addresses;
  readonly #options: (user: string) => ClientOptions;
  readonly #limit: number;
  readonly #idleMs: number | undefined;
  /** The one released longest ago first. */
  readonly #members: Map<string, Member<Data>> = new Map();
  readonly #closing: Map<string, Promise<void>> = new Map();
  /** Each is called when there may be room, in order. */
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  constructor(addresses: Addresses, { options, limit = 1_000, idleMs }: PoolOptions = {}) {
    if (!(limit >= 1)) throw new TypeError(`the limit of a pool is at least 1, not ${limit}`);
    this.#addresses = addresses;
    this.#options = options ?? ((): ClientOptions => ({}));
    this.#limit = limit;
    this.#idleMs = idleMs;
  }

  /** The numbers of the pool at this moment.
   *
   * ```ts
   * const { open, leased, waiting } = bots.stats();
   * ```
   */
  stats(): PoolStats {
    const leased = [...this.#members.values()].filter(({ leases }) => leases > 0).length;
    return { open: this.#members.size, leased, waiting: this.#waiting.length };
  }

  /** A user's client. Resolves when it is connected; where all clients are in use, when one is released. Rejects as `connect()` does.
   *
   * ```ts
   * using lease = await bots.acquire('bot-7');
   * lease.client.inbox.on('message', (message) => answer(message));
   * ```
   */
  async acquire(user: string): Promise<Lease<Data>> {
    const member = await this.#member(user);
    let isHeld = true;
    const release = (): void => {
      if (isHeld) this.#release(member);
      isHeld = false;
    };
    try {
      await member.connected;
    } catch (error) {
      if (this.#members.get(user) === member) this.#close(member);
      throw error;
    }
    return { client: member.client, release, [Symbol.dispose]: release };
  }

  /** Does something with a user's client, and releases it.
   *
   * ```ts
   * const receipt = await bots.use('bot-7', (bot) => bot.send('user:alice', 'hello'));
   * ```
   */
  async use<T>(user: string, act: (client: Client<Data>) => T | Promise<T>): Promise<T> {
    const { client, release } = await this.acquire(user);
    try {
      return await act(client);
    } finally {
      release();
    }
  }

  /** Closes all clients, also those in use.
   *
   * ```ts
   * await bots.close();
   * ```
   */
  async close(): Promise<void> {
    this.#closed = true;
    for (const member of this.#members.values()) this.#close(member);
    for (const retry of this.#waiting.splice(0)) retry();
    await Promise.all(this.#closing.values());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The one that is open, or a new one as soon as there is room; already leased, or another user could take its room. */
  async #member(user: string): Promise<Member<Data>> {
    for (let waited = false; ; ) {
      if (this.#closed) throw new ClosedError('the pool was closed');
      const member = this.#members.get(user);
      // One that was closed for good is of no use to anybody who comes now.
      if (member && (member.leases > 0 || member.client.state.get().name !== 'closed')) {
        // The room is for the next one.
        if (waited) this.#waiting.shift()?.();
        clearTimeout(member.timer);
        member.leases += 1;
        return member;
      }
      if (member) this.#close(member);
      const closing = this.#closing.get(user);
      // Two must not open the same outbox.
      if (closing) await closing;
      else if ((waited || this.#waiting.length === 0) && this.#hasRoom()) return this.#open(user);
      else {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        waited = true;
      }
    }
  }

  /** Whether another client may be opened; closes the one that was unused for longest if that helps. */
  #hasRoom(): boolean {
    if (this.#members.size < this.#limit) return true;
    const idle = [...this.#members.values()].find(({ leases }) => leases === 0);
    if (idle) this.#close(idle);
    return idle !== undefined;
  }

  #open(user: string): Member<Data> {
    let client: Client<Data>;
    try {
      client = new Client<Data>(this.#addresses, { ...this.#options(user), user });
    } catch (error) {
      // The room is for the next one.
      this.#waiting.shift()?.();
      throw error;
    }
    const member = { user, client, connected: client.connect(), leases: 1 };
    this.#members.set(user, member);
    return member;
  }

  #release(member: Member<Data>): void {
    member.leases -= 1;
    if (member.leases > 0 || this.#members.get(member.user) !== member) return;
    this.#members.delete(member.user);
    this.#members.set(member.user, member);
    if (this.#idleMs !== undefined) member.timer = setTimeout(() => this.#close(member), this.#idleMs).unref();
    this.#waiting.shift()?.();
  }

  #close(member: Member<Data>): void {
    clearTimeout(member.timer);
    this.#members.delete(member.user);
    const closing = member.client.close().finally(() => {
      this.#closing.delete(member.user);
      this.#waiting.shift()?.();
    });
    this.#closing.set(member.user, closing);
  }
}
