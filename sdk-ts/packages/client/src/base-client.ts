/// <reference lib="esnext.disposable" preserve="true" />
/** The client of an application, wherever it runs, without what is for screens. */

import type { ClientEvents, RequestFrame, SendOptions } from './client-events.js';
import { Core } from './core.js';
import type { State, Sync } from './engine/protocol.js';
import { type ConversationName, conversationOf, type Gap, type Message, type OutgoingMessage, type StreamName } from './message.js';
import type { Platform } from './platform.js';
import { quiet } from './promises.js';
import type { Readable } from './readable.js';
import type { Receipt } from './receipt.js';
import type { Answer } from './requests.js';
import { Group, Stream } from './stream.js';
import { Typing } from './typing.js';

/** One device's connection to a hub. Making one opens nothing. No promise of it has to be waited for: what fails is also told by `state`, `fault` and receipts. */
export class BaseClient<Data = unknown> {
  /** @internal */
  readonly core: Core<Data>;
  readonly #streams: Map<StreamName, Stream<Data>> = new Map();
  readonly #typing: Typing = new Typing();

  /** This user's messages with other users. */
  readonly inbox: Stream<Data>;
  /** Messages to everybody. */
  readonly broadcast: Stream<Data>;

  /** For platforms, which have a class each that applications use. */
  constructor(platform: Platform) {
    this.core = new Core<Data>(platform);
    this.inbox = this.stream('inbox');
    this.broadcast = this.stream('broadcast');
  }

  /** Where the connection stands.
   *
   * ```ts
   * client.state.subscribe((state) => state.name === 'closed' && console.log(state.why, state.reason));
   * ```
   */
  get state(): Readable<State> {
    return this.core.state;
  }

  /** How far sends and streams are.
   *
   * ```ts
   * const { saved, caughtUp } = client.sync.get();
   * ```
   */
  get sync(): Readable<Sync> {
    return this.core.sync;
  }

  /** The user, once the hub or the options named it. */
  get user(): string {
    return this.core.user;
  }

  /** This installation's id, once it is known; empty: the hub keeps nothing for it. */
  get device(): string {
    return this.core.device;
  }

  /** Connects, and from now on keeps connected: resolves when it is. Rejects when it is closed for good, or by the signal, which ends the waiting and not the client.
   *
   * ```ts
   * await client.connect({ signal: AbortSignal.timeout(10_000) });
   * ```
   */
  connect(options: { signal?: AbortSignal } = {}): Promise<void> {
    return quiet(this.core.connect(options.signal));
  }

  /** Closes this tab's client. What is unsettled stays saved; other tabs stay connected.
   *
   * ```ts
   * await client.close();
   * ```
   */
  close(): Promise<void> {
    return quiet(this.core.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Forgets all that is saved for this user in this browser (unsent messages, positions, the device), and closes in all tabs. For shared computers.
   *
   * ```ts
   * await client.forget();   // at logout
   * ```
   */
  forget(): Promise<void> {
    return quiet(this.core.forget());
  }

  /** Calls back on each event of this name, until the function it gives is called.
   *
   * ```ts
   * const stop = client.on('fault', ({ what }) => console.warn(what));
   * ```
   */
  on<K extends keyof ClientEvents<Data>>(name: K, listener: (event: ClientEvents<Data>[K]) => void): () => void {
    const off = this.core.on(name, listener as never);
    const unread = name === 'message' ? this.core.reading('*') : undefined;
    return () => {
      off();
      unread?.();
    };
  }

  /** A stream by its name.
   *
   * ```ts
   * client.stream('inbox').on('message', (message) => console.log(message.content));
   * ```
   */
  stream(name: StreamName): Stream<Data> {
    const known = this.#streams.get(name);
    if (known) return known;
    const made = name.startsWith('group:') ? new Group<Data>(this.core, name.slice(6)) : new Stream<Data>(this.core, name);
    this.#streams.set(name, made);
    return made;
  }

  /** A group.
   *
   * ```ts
   * await client.group('team').join();
   * ```
   */
  group(id: string): Group<Data> {
    return this.stream(`group:${id}`) as Group<Data>;
  }

  /** Takes a message: resolves when it is saved here. From then on it is sent until the hub has it, over reloads and days without a network. `to` is a conversation; a message that names its target may stand alone.
   *
   * ```ts
   * const receipt = await client.send('user:bob', 'hello');
   * await receipt.accepted;
   * ```
   */
  send(to: ConversationName, message: string | OutgoingMessage<Data>, options?: SendOptions): Promise<Receipt>;
  send(message: OutgoingMessage<Data>, options?: SendOptions): Promise<Receipt>;
  send(
    first: ConversationName | OutgoingMessage<Data>,
    second?: string | OutgoingMessage<Data> | SendOptions,
    third?: SendOptions,
  ): Promise<Receipt> {
    if (typeof first !== 'string') return this.#send(undefined, first, second as SendOptions | undefined);
    return this.#send(first, typeof second === 'string' ? { content: second } : (second as OutgoingMessage<Data>), third);
  }

  /** As {@link BaseClient.send}, with bytes beside the message.
   *
   * ```ts
   * await client.sendBinary('user:bob', await file.arrayBuffer(), { content: file.name });
   * ```
   */
  sendBinary(
    to: ConversationName,
    bytes: Uint8Array | ArrayBuffer,
    message: OutgoingMessage<Data> = {},
    options?: SendOptions,
  ): Promise<Receipt> {
    // The caller may use its buffer for the next one.
    const payload = new Uint8Array(bytes instanceof Uint8Array ? bytes : bytes.slice(0));
    return this.#send(to, { message_type: 'binary', ...message }, options, payload);
  }

  /** Takes back a message that never went out; what became of it its receipt tells.
   *
   * ```ts
   * client.cancel(receipt);
   * ```
   */
  cancel(receipt: Receipt): void {
    this.core.cancel(receipt.id);
  }

  /** Tells the others that this user types: call it at every key. Never stored.
   *
   * ```ts
   * input.addEventListener('input', () => client.typing('user:bob'));
   * ```
   */
  typing(to: ConversationName): void {
    if (this.core.state.get().name === 'connected' && this.#typing.isDue(to)) void this.send(to, { message_type: 'typing' });
  }

  /** Everything of a conversation up to this position was read: on all of the user's devices. Saved, also over a reload, until the hub has it.
   *
   * ```ts
   * client.markRead('user:bob', message.seq_no!);
   * ```
   */
  markRead(conversation: ConversationName, position: number): void {
    this.core.markRead(conversation, position);
  }

  /** The application has this message, and all before it in its stream; only with `acknowledge: 'manual'`.
   *
   * ```ts
   * client.inbox.on('message', async (message) => { await store(message); client.acknowledge(message); });
   * ```
   */
  acknowledge(message: Message<Data> | Gap): void {
    this.core.acknowledge(message);
  }

  /** Asks the hub anything it answers: the frame of a request without `message_id`.
   *
   * ```ts
   * const { frame } = await client.request({ message_type: 'health_check' });
   * ```
   */
  request(frame: RequestFrame, signal?: AbortSignal): Promise<Answer> {
    return quiet(this.core.request(frame, signal));
  }

  #send(to: ConversationName | undefined, message: OutgoingMessage<Data>, options?: SendOptions, payload?: Uint8Array): Promise<Receipt> {
    if (message.message_type !== 'typing') this.#typing.sent(to ?? conversationOf({ ...message, sender: this.user } as Message, this.user));
    return quiet(this.core.send(to, message, options, payload));
  }
}
