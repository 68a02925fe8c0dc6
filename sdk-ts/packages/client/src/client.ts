/** The client of an application, wherever it runs: one device's connection to a hub. Knows nothing of sockets and storage: those are its platform's. */

import type { ClientEvents, RequestFrame, SendOptions } from './client-events.js';
import { Conversations } from './conversations.js';
import { Emitter } from './emitter.js';
import type { Command, Handed, Port, Report, State, Sync } from './engine/protocol.js';
import { ClosedError, SendError } from './errors.js';
import { Marks } from './marks.js';
import {
  type ConversationName,
  type Gap,
  type Message,
  newMessageId,
  type OutgoingMessage,
  read,
  readMessage,
  streamOf,
  type StreamName,
  type Target,
  targetOf,
} from './message.js';
import { Places } from './places.js';
import type { Host, Platform } from './platform.js';
import { Presence, type Status } from './presence.js';
import { type Readable, Writable } from './readable.js';
import type { Receipt } from './receipt.js';
import { type Answer, Requests } from './requests.js';
import { type PendingMessage, Sends } from './sends.js';
import { raced } from './signal.js';
import { Group, type HistoryOptions, type Page, Stream } from './stream.js';
import { Timeline, type TimelineOptions } from './timeline.js';
import { Typing } from './typing.js';

const CLOSED = 'the client was closed';

/** One device's connection to a hub. Making one opens nothing. */
export class Client<Data = unknown> {
  readonly #platform: Platform;
  readonly #emitter: Emitter<ClientEvents<Data>> = new Emitter();
  readonly #state: Writable<State> = new Writable<State>({ name: 'idle' });
  readonly #sync: Writable<Sync> = new Writable<Sync>({ unsaved: 0, saved: 0, underWay: 0, caughtUp: false });
  readonly #streams: Map<StreamName, Stream<Data>> = new Map();
  readonly #readers: Map<string, number> = new Map();
  readonly #sends: Sends<Data> = new Sends();
  readonly #requests: Requests = new Requests();
  readonly #marks: Marks = new Marks();
  readonly #places: Places<Data>;
  readonly #generations: WeakMap<object, number> = new WeakMap();
  #port: Port | undefined;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Whether the application asked to connect. */
  #wanted = false;
  #closed = false;
  #forgotten: (() => void) | undefined;
  /** Counts how often it was closed. */
  #life = 0;
  #engine = '';
  /** Sends that wait for the port. */
  #entering = 0;
  #readingSoon = false;
  #user = '';
  #device = '';

  /** This user's messages with other users. */
  readonly inbox: Stream<Data>;
  /** Messages to everybody. */
  readonly broadcast: Stream<Data>;
  /** The user's conversations with their unread counts, newest first; loaded when somebody looks. */
  readonly conversations: Conversations<Data>;
  readonly #presence: Presence<Data>;
  readonly #typing: Typing<Data> = new Typing(this);
  /** One per conversation, so that all who look at one look at the same; those that nobody watches are empty. */
  readonly #timelines: Map<ConversationName, Timeline<Data>> = new Map();

  /** @internal */
  constructor(platform: Platform) {
    this.#platform = platform;
    this.inbox = this.stream('inbox');
    this.broadcast = this.stream('broadcast');
    this.conversations = new Conversations(this);
    this.#presence = new Presence(this);
    this.#places = new Places({
      history: (stream, options) => this.history(stream, options),
      isForDevice: (message) => this.isForDevice(message),
      deliver: (message) => this.#deliver(message),
      missed: (gap) => this.#missed(gap),
      connected: () => this.#whenConnected(undefined),
      take: (handed) => this.#take(handed),
    });
  }

  /** Where the connection stands. */
  get state(): Readable<State> {
    return this.#state;
  }

  /** How far sends and streams are. */
  get sync(): Readable<Sync> {
    return this.#sync;
  }

  /** The user, once the hub or the options named it. */
  get user(): string {
    return this.#user || (this.#platform.user ?? '');
  }

  /** This installation's id, once it is known; empty: the hub keeps nothing for it. */
  get device(): string {
    return this.#device;
  }

  /** Connects, and from now on keeps connected: resolves when it is. Rejects when it is closed for good, or by the signal, which ends the waiting and not the client. */
  async connect(options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#closed = false;
    this.#wanted = true;
    await raced(this.#open(), options.signal);
    this.#opened().post({ do: 'connect' });
    await this.#whenConnected(options.signal);
  }

  /** Closes this tab's client. What is unsettled stays kept; other tabs stay connected. */
  close(): Promise<void> {
    this.#closed = true;
    this.#wanted = false;
    // Each closes what was opened before it.
    const closing = (this.#closing ?? Promise.resolve()).then(() => this.#leave());
    this.#closing = closing;
    return closing.finally(() => {
      if (this.#closing === closing) this.#closing = undefined;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Forgets all that is kept for this user in this browser (unsent messages, places, the device), and closes in all tabs. For shared computers. */
  async forget(): Promise<void> {
    await this.#open();
    this.#marks.clear();
    await new Promise<void>((resolve) => {
      this.#forgotten = resolve;
      this.#port?.post({ do: 'forget' });
    });
    await this.close();
  }

  /** Calls back on each event of this name, until the function it gives is called. */
  on<K extends keyof ClientEvents<Data>>(name: K, listener: (event: ClientEvents<Data>[K]) => void): () => void {
    const off = this.#emitter.on(name, listener);
    const unread = name === 'message' ? this.reading('*') : undefined;
    return () => {
      off();
      unread?.();
    };
  }

  /** A stream. */
  stream(name: StreamName): Stream<Data> {
    const known = this.#streams.get(name);
    if (known) return known;
    const made = name.startsWith('group:') ? new Group<Data>(this, name.slice(6)) : new Stream<Data>(this, name);
    this.#streams.set(name, made);
    return made;
  }

  /** A group. */
  group(id: string): Group<Data> {
    return this.stream(`group:${id}`) as Group<Data>;
  }

  /** A conversation as a list for a screen: what was, what comes, and what this user sends, with how far it got. The same conversation is the same timeline. */
  timeline(name: ConversationName, options: TimelineOptions = {}): Timeline<Data> {
    let timeline = this.#timelines.get(name);
    if (!timeline) this.#timelines.set(name, (timeline = new Timeline<Data>(this, name, options)));
    return timeline;
  }

  /** Who types in a conversation just now. */
  typists(name: ConversationName): Readable<readonly string[]> {
    return this.#typing.of(name);
  }

  /** Who of these users, or of a group, is there: now and as it changes. */
  presence(of: { users: readonly string[] } | { group: string }): Readable<ReadonlyMap<string, Status>> {
    return this.#presence.of(of);
  }

  /** Says how this user is to be seen. */
  async setStatus(status: Status): Promise<void> {
    await this.request({ message_type: 'user_status_changed', data: { status } });
  }

  /** Takes a message: resolves when it is kept. From then on it is sent until the hub has it, over reloads and days without a network. `to` is a conversation; a message that names its target may stand alone. */
  send(to: ConversationName, message: string | OutgoingMessage<Data>, options?: SendOptions): Promise<Receipt>;
  send(message: OutgoingMessage<Data>, options?: SendOptions): Promise<Receipt>;
  send(
    first: ConversationName | OutgoingMessage<Data>,
    second?: string | OutgoingMessage<Data> | SendOptions,
    third?: SendOptions,
  ): Promise<Receipt> {
    if (typeof first !== 'string') return this.#send(first, undefined, undefined, second as SendOptions | undefined);
    const message = typeof second === 'string' ? { content: second } : (second as OutgoingMessage<Data>);
    return this.#send(message, targetOf(first), undefined, third);
  }

  /** As {@link Client.send}, with bytes beside the message. */
  sendBinary(
    to: ConversationName,
    bytes: Uint8Array | ArrayBuffer,
    message: OutgoingMessage<Data> = {},
    options?: SendOptions,
  ): Promise<Receipt> {
    // The caller may use its buffer for the next one.
    const payload = new Uint8Array(bytes instanceof Uint8Array ? bytes : bytes.slice(0));
    return this.#send({ message_type: 'binary', ...message }, targetOf(to), payload, options);
  }

  /** Takes back a message that never went out; what became of it its receipt tells. */
  cancel(receipt: Receipt): void {
    this.#sends.cancel(receipt.id);
    this.#port?.post({ do: 'cancel', id: receipt.id });
  }

  /** Tells the others that this user types: call it at every key. Never stored. */
  typing(to: ConversationName): void {
    if (this.#state.get().name !== 'connected') return;
    if (this.#typing.isDue(to)) void this.send(to, { message_type: 'typing' }).catch(() => undefined);
  }

  /** Everything of a conversation up to this position was read: on all of the user's devices. Kept, also over a reload, until the hub has it. */
  markRead(conversation: ConversationName, position: number): void {
    const peer = conversation.startsWith('user:') ? conversation.slice(5) : '';
    const mark: Command = { do: 'mark read', stream: streamOf(conversation), peer, seq: position };
    this.#marks.add(mark);
    this.#port?.post(mark);
    this.conversations.marked(conversation, position);
  }

  /** The application has this message, and all before it in its stream; only with `acknowledge: 'manual'`. */
  acknowledge(message: Message<Data> | Gap): void {
    const generation = this.#generations.get(message);
    if (generation === undefined) return;
    const seq = 'reason' in message && 'to' in message ? message.to : ((message as Message).seq_no ?? 0);
    this.#port?.post({ do: 'acknowledge', stream: message.stream!, generation, seq });
  }

  /** Asks the hub anything it answers: the frame of a request without `message_id`. */
  async request(frame: RequestFrame, signal?: AbortSignal): Promise<Answer> {
    if (this.#closed) throw new ClosedError('the client was closed: connect it first');
    await this.#open();
    const object = JSON.stringify(frame);
    const port = this.#opened();
    return this.#requests.ask(object, signal, (ticket) => port.post({ do: 'request', ticket, object }));
  }

  /** @internal See {@link Stream.history}. */
  async history(name: StreamName, options: HistoryOptions): Promise<Page<Data>> {
    const { before, after, limit = 50, signal } = options;
    const reverse = after === undefined;
    const from = reverse ? (before === undefined ? undefined : before - 1) : after + 1;
    if (from !== undefined && from < 1) return { messages: [], from: 1, to: 0, floor: 1, head: 0, more: false };
    const frame = { message_type: 'fetch', stream: name, limit, ...(from && { from }), ...(reverse && { reverse }) };
    const { frame: answer, entries } = await this.request(frame, signal);
    const page = answer.data as { from: number; to: number; floor: number; head: number; more?: boolean };
    const [low, high] = [Math.min(page.from, page.to), Math.max(page.from, page.to)];
    const messages = (reverse ? [...entries].reverse() : entries) as Message<Data>[];
    return { messages, from: low, to: high, floor: page.floor, head: page.head, more: page.more ?? false };
  }

  /** @internal Whether this device would be handed a message that was fetched. */
  isForDevice(message: Message): boolean {
    if (message.skip_send_to_client) return false;
    if (message.sender === this.user && message.sender_client === this.#device) return false;
    const narrowed = message.stream === 'inbox' && message.receiver === this.user && message.receiver_client;
    return !narrowed || narrowed === this.#device;
  }

  /** @internal Somebody reads a stream, until the function is called. */
  reading(stream: string): () => void {
    const change = (by: number): void => {
      const count = (this.#readers.get(stream) ?? 0) + by;
      if (count > 0) this.#readers.set(stream, count);
      else this.#readers.delete(stream);
      if (this.#readingSoon) return;
      this.#readingSoon = true;
      queueMicrotask(() => {
        this.#readingSoon = false;
        this.#port?.post({ do: 'read', streams: [...this.#readers.keys()] });
      });
    };
    change(1);
    let reads = true;
    return () => {
      if (reads) change(-1);
      reads = false;
    };
  }

  /** @internal Keeps an entry that is just being handed over from being acknowledged, where the platform can. */
  hold(stream: StreamName, seq: number): (() => void) | undefined {
    return this.#port?.hold?.(stream, seq);
  }

  /** @internal Whether other tabs may use the same connection. */
  get isShared(): boolean {
    return this.#port?.isShared ?? false;
  }

  /** @internal The messages of this device that wait for the hub's word. */
  get pending(): Iterable<PendingMessage<Data>> {
    return this.#sends.pending;
  }

  // ── Opening and closing ─────────────────────────────────────────────────────────────────────────────────────────

  async #open(): Promise<void> {
    // What is being closed is not opened again: another begins after it.
    while (this.#closing) await this.#closing;
    if (this.#closed) throw new ClosedError(CLOSED);
    const opening = (this.#opening ??= this.#start());
    try {
      await opening;
    } catch (error) {
      // The one after it may be under way.
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  /** The port that was opened; it may have broken since. */
  #opened(error = (reason: string): Error => new ClosedError(reason)): Port {
    if (this.#port) return this.#port;
    const state = this.#state.get();
    throw error((state.name === 'closed' && state.reason) || CLOSED);
  }

  async #start(): Promise<void> {
    const life = this.#life;
    const host: Host = {
      hear: (reports, engine) => this.#hear(reports, engine),
      failed: (error) => this.#fail(error),
    };
    await this.#platform.prepare(host);
    if (life !== this.#life) throw new ClosedError(CLOSED);
    // How the last one ended says nothing of this one.
    if (this.#state.get().name === 'closed') this.#enter({ name: 'idle' });
    this.#port = this.#platform.open(host);
  }

  async #leave(): Promise<void> {
    // One that is under way finds that it is too late.
    this.#life += 1;
    this.#opening = undefined;
    const port = this.#port;
    this.#port = undefined;
    this.#engine = '';
    await port?.leave();
    this.#enter({ name: 'closed', why: 'application', code: 0, reason: '' });
    this.#requests.drop(CLOSED);
    this.#sends.close(CLOSED);
    this.#places.clear();
  }

  #fail(error: unknown): void {
    const what = error instanceof Error ? error.message : String(error);
    // The next connect begins anew.
    void this.#port?.leave();
    this.#port = this.#opening = undefined;
    this.#wanted = false;
    this.#requests.drop(what);
    this.#sends.close(what);
    this.#emitter.emit('fault', { what, code: 0, messageId: '' });
    this.#enter({ name: 'closed', why: 'application', code: 0, reason: what });
  }

  #whenConnected(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (state: State, fresh: boolean): void => {
        // The state from before belongs to the attempt before.
        if (state.name === 'connected') finish(resolve);
        else if (state.name === 'closed' && fresh) {
          finish(() => reject(new ClosedError(state.reason || state.why, state.code)));
        }
      };
      const stop = this.#state.subscribe((state) => look(state, true));
      const abort = (): void => finish(() => reject(signal?.reason as Error));
      const finish = (end: () => void): void => {
        stop();
        signal?.removeEventListener('abort', abort);
        end();
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort);
      look(this.#state.get(), false);
    });
  }

  // ── Sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #send(message: OutgoingMessage<Data>, target: Target | undefined, payload: Uint8Array | undefined, options?: SendOptions): Promise<Receipt> {
    options?.signal?.throwIfAborted();
    if (this.#closed) throw new SendError('closed', 'the client was closed: connect it first');
    // Nothing is waited for where nothing waits: no send overtakes another.
    if (!this.#port || this.#closing || this.#entering > 0) {
      this.#entering += 1;
      await this.#open().finally(() => (this.#entering -= 1));
      options?.signal?.throwIfAborted();
    }
    const port = this.#opened((reason) => new SendError('closed', reason));
    const id = message.message_id ?? newMessageId();
    const object = JSON.stringify({ message_type: 'text', ...message, ...target, message_id: id });
    const { require_ack: asked, volatile, message_type: type } = message;
    const followed = !!asked && !!(target ?? message).receiver && !volatile && type !== 'typing';
    return this.#sends.send(payload ? { do: 'send', id, object, payload } : { do: 'send', id, object }, followed, (command) => port.post(command));
  }

  // ── Hearing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #hear(reports: readonly Report[], engine: string): void {
    for (const report of reports) this.#heard(report, engine);
  }

  #heard(report: Report, engine: string): void {
    switch (report.is) {
      case 'standing':
        return this.#stand(report, engine);
      case 'state':
        this.#user = report.user;
        // The hub closed it for good: nobody connects but the application.
        if (report.state.name === 'closed' && report.state.why === 'hub') this.#wanted = false;
        return this.#enter(report.state);
      case 'sync':
        return this.#sync.set(report.sync);
      case 'handed':
        return this.#take(report.handed);
      case 'volatile':
        return this.#emitter.emit('volatile', readMessage(report.json, report.payload) as Message<Data>);
      case 'opened':
        this.#places.open(report.stream, report.from);
        return this.#emitter.emit('opened', report);
      case 'closed':
        this.#places.close(report.stream);
        return this.#emitter.emit('closed', report);
      case 'taken': {
        this.#sends.taken(report);
        // Not even looked into where nobody wants to know.
        const message = this.#emitter.hears('taken') && this.#sends.message(report.id);
        if (message) this.#emitter.emit('taken', message);
        return;
      }
      case 'not taken':
        return this.#sends.notTaken(report);
      case 'settled':
        this.#sends.settled(report.settlement);
        return this.#emitter.emit('settled', report.settlement);
      case 'receipt':
        this.#sends.advance(report);
        return this.#emitter.emit('receipt', report);
      case 'receipt ended':
        return this.#sends.unfollowed(report.id);
      case 'answer':
      case 'no answer':
        return this.#requests.hear(report);
      case 'group':
      case 'presence':
      case 'notice':
        return this.#emitter.emit(report.is, read(report.frame));
      case 'mark kept':
        return this.#marks.drop(report);
      case 'mark refused':
        return this.#emitter.emit('fault', { what: `read mark of ${report.stream} refused`, code: report.code, messageId: '' });
      case 'fault':
        return this.#emitter.emit('fault', { what: report.what, code: report.code, messageId: report.id });
      case 'forgotten':
        this.#forgotten?.();
        this.#forgotten = undefined;
        return void this.close();
      case 'parted':
        return this.#emitter.emit(report.connected ? 'disconnected' : 'connectError', report);
      case 'caught up':
        return;
    }
  }

  /** An engine says how far everything is. A new one knows nothing of this tab: it is told again. */
  #stand(report: Extract<Report, { is: 'standing' }>, engine: string): void {
    const fresh = engine !== this.#engine;
    this.#engine = engine;
    this.#user = report.user;
    this.#device = report.device;
    this.#sync.set(report.sync);
    // What was asked of the engine before is not answered; what the new state brings about is.
    if (fresh) this.#requests.drop();
    const pending = this.#sends.stand(report.pending);
    this.#enter(report.state);
    for (const message of pending) this.#emitter.emit('taken', message);
    if (!fresh) return;
    for (const [stream, place] of report.places) this.#places.catchUp(stream, place);
    const post = (command: Command): void => this.#port?.post(command);
    if (this.#forgotten) return post({ do: 'forget' });
    post({ do: 'read', streams: [...this.#readers.keys()] });
    if (this.#wanted) post({ do: 'connect' });
    this.#sends.again(post);
    this.#marks.again(post);
  }

  #enter(state: State): void {
    const before = this.#state.get();
    if (JSON.stringify(before) === JSON.stringify(state)) return;
    this.#state.set(state);
    this.#emitter.emit('state', state);
  }

  #take(handed: Handed): void {
    if (!this.#places.takes(handed)) return;
    const { stream, generation, seq, gap } = handed;
    if (gap) {
      const missed: Gap = { stream, from: gap.from, to: seq, reason: gap.reason };
      if (this.#platform.isManual) this.#generations.set(missed, generation);
      this.#missed(missed);
    } else {
      const message = readMessage(handed.json ?? '{}', handed.payload) as Message<Data>;
      if (this.#platform.isManual) this.#generations.set(message, generation);
      this.#deliver(message);
    }
  }

  #missed(gap: Gap): void {
    // The positions are other messages now.
    if (gap.reason === 'epoch') this.#marks.renew(gap.stream);
    this.#streams.get(gap.stream)?.deliver({ gap });
    this.#emitter.emit('gap', gap);
  }

  #deliver(message: Message<Data>): void {
    if (message.stream) this.#streams.get(message.stream)?.deliver({ message });
    this.#emitter.emit('message', message);
    this.#emitter.emit('handed', message);
  }
}
