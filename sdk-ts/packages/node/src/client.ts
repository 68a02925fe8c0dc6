/** The client in Node: the same as in a browser, over the native session, with an outbox file. */

import type { Addresses } from '@wsc/client/common';
import { AnyClient, type Host, type Platform, type Reading, socketUrls, Tokens, VERSION } from '@wsc/client/platforms';
import { native } from './native.js';
import type { ClientOptions } from './options.js';
import { NativePort } from './port.js';

/** One device's connection to a hub. Making one opens nothing.
 *
 * ```ts
 * const client = new Client('ws://127.0.0.1:8080/ws', { user: 'alice', outbox: 'alice.outbox' });
 * client.inbox.on('message', (message) => console.log(message.sender, message.content));
 * await client.connect();
 * const receipt = await client.send('user:bob', 'hello');   // kept: a restart does not lose it
 * await receipt.accepted;                                    // stored by the hub
 * await client.close();
 * ```
 *
 * Several addresses are those of hubs that share one store, where no balancer stands before them; see {@link Addresses}.
 *
 * ```ts
 * const client = new Client(['wss://a.hub.example', 'wss://b.hub.example'], { user: 'alice' });
 * ```
 */
export class Client<Data = unknown> extends AnyClient<Data> {
  readonly #node: Node;

  constructor(addresses: Addresses, options: ClientOptions = {}) {
    const node = new Node(addresses, options);
    super(node);
    this.#node = node;
  }

  /** The process lives as long as this is open: so it is from the beginning. */
  ref(): this {
    this.#node.reference(true);
    return this;
  }

  /** The process may end although this is open. */
  unref(): this {
    this.#node.reference(false);
    return this;
  }
}

class Node implements Platform {
  readonly #addresses: Addresses;
  readonly #options: ClientOptions;
  #tokens: Tokens | undefined;
  #first = '';
  #port: NativePort | undefined;
  #referenced = true;

  constructor(addresses: Addresses, options: ClientOptions) {
    this.#addresses = addresses;
    this.#options = options;
  }

  get user(): string | undefined {
    return this.#options.user;
  }

  get isManual(): boolean {
    return this.#options.acknowledge === 'manual';
  }

  reference(is: boolean): void {
    this.#referenced = is;
    if (this.#port) this.#port.referenced = is;
  }

  get reading(): Reading {
    return this.#options;
  }

  async prepare(host: Host, signal: AbortSignal): Promise<void> {
    native();
    this.#tokens ??= new Tokens(socketUrls(this.#addresses)[0]!, this.#options);
    const { token, user } = this.#options;
    // Whose token a provider gives is seen when it is asked.
    if (typeof token !== 'function' || user !== undefined) this.#first = await this.#tokens.first(host, signal);
  }

  open(host: Host): NativePort {
    const { acknowledge: _, token: __, parse, raw = false, groups, ...options } = this.#options;
    const settings = {
      ...options,
      urls: socketUrls(this.#addresses),
      client: `wsc-node/${VERSION}`,
      ...(this.#first && { token: this.#first }),
      ...(groups && { groups: groups as string[] }),
      provider: this.#tokens?.provider(),
      manual: this.isManual,
      texts: raw || parse !== undefined,
    };
    return (this.#port = new NativePort(settings, host, this.#referenced));
  }
}
