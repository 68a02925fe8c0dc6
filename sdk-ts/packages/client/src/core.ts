/** What is behind a client: its port, what it waits for, and who is told. Knows nothing of sockets and storage: those are its platform's. */

import type { RequestFrame, SendOptions, StreamEvents } from './client-events.js';
import { Emitter } from './emitter.js';
import type { Command, Handed, Port, Report, State, Sync } from './engine/protocol.js';
import { ClosedError, messageOf, SendError } from './errors.js';
import type { HistoryOptions, Page } from './history.js';
import { read } from './json.js';
import { Marks } from './marks.js';
import {
  type ConversationName,
  type Gap,
  type Message,
  newMessageId,
  type OutgoingMessage,
  readMessage,
  streamOf,
  type StreamName,
  type Target,
  targetOf,
} from './message.js';
import type { Host, Platform } from './platform.js';
import { Positions } from './positions.js';
import type { PresenceFrame } from './frames.js';
import { raced } from './promises.js';
import { Writable } from './readable.js';
import type { Receipt } from './receipt.js';
import { type Answer, Requests } from './requests.js';
import { type PendingMessage, Sends } from './sends.js';
import type { InnerEvents, Wiring } from './wiring.js';

const CLOSED = 'the client was closed';
const FIRST = `${CLOSED}: connect it first`;

/** Set by bundlers. */
declare const process: { readonly env: { readonly NODE_ENV?: string } };

export class Core<Data> implements Wiring<Data>, Host {
  readonly #platform: Platform;
  readonly #emitter: Emitter<InnerEvents<Data>> = new Emitter();
  readonly #streams: Map<StreamName, Emitter<StreamEvents<Data>>> = new Map();
  readonly state: Writable<State> = new Writable<State>({ name: 'idle' });
  readonly sync: Writable<Sync> = new Writable<Sync>({ unsaved: 0, saved: 0, underWay: 0, caughtUp: false });
  readonly #readers: Map<string, number> = new Map();
  readonly #sends: Sends<Data> = new Sends();
  readonly #requests: Requests;
  readonly #marks: Marks = new Marks();
  readonly #positions: Positions<Data>;
  readonly #watches: Set<string> = new Set();
  readonly #generations: WeakMap<object, number> = new WeakMap();
  #port: Port | undefined;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Whether the application asked to connect. */
  #wanted = false;
  #closed = false;
  #forgotten: ((failed?: Promise<never>) => void) | undefined;
  /** Ends what is opened. */
  #life: AbortController = new AbortController();
  #engine = '';
  /** Sends that wait for the port. */
  #entering = 0;
  #readingSoon = false;
  #user = '';
  device = '';

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#requests = new Requests((entry) => this.#read(entry.json, entry.payload));
    this.#positions = new Positions<Data>({
      history: (stream, options) => this.history(stream, options),
      isForDevice: (message) => this.isForDevice(message),
      deliver: (message) => this.#deliver(message),
      missed: (gap) => this.#missed(gap),
      connected: () => this.#whenConnected(undefined),
      take: (handed) => this.#take(handed),
    });
  }

  get user(): string {
    return this.#user || (this.#platform.user ?? '');
  }

  get pending(): Iterable<PendingMessage<Data>> {
    return this.#sends.pending;
  }

  async connect(signal: AbortSignal | undefined): Promise<void> {
    this.#closed = false;
    this.#wanted = true;
    await raced(this.#open(), signal);
    this.#opened().post({ do: 'connect' });
    await this.#whenConnected(signal);
  }

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

  async forget(): Promise<void> {
    await this.#open();
    this.#marks.clear();
    await new Promise<void>((resolve) => {
      this.#forgotten = resolve;
      this.#post({ do: 'forget' });
    });
    await this.close();
  }

  on<K extends keyof InnerEvents<Data>>(name: K, listener: (event: InnerEvents<Data>[K]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  listen<K extends keyof StreamEvents<Data>>(stream: StreamName, name: K, listener: (event: StreamEvents<Data>[K]) => void): () => void {
    let emitter = this.#streams.get(stream);
    if (!emitter) this.#streams.set(stream, (emitter = new Emitter()));
    const off = emitter.on(name, listener);
    const unread = name === 'message' ? this.reading(stream) : undefined;
    return () => {
      off();
      unread?.();
    };
  }

  /** Somebody reads a stream, or all (`*`), until the function is called. */
  reading(stream: string): () => void {
    const change = (by: number): void => {
      const count = (this.#readers.get(stream) ?? 0) + by;
      if (count > 0) this.#readers.set(stream, count);
      else this.#readers.delete(stream);
      if (this.#readingSoon) return;
      this.#readingSoon = true;
      queueMicrotask(() => {
        this.#readingSoon = false;
        this.#post({ do: 'read', streams: [...this.#readers.keys()] });
      });
    };
    change(1);
    let reads = true;
    return () => {
      if (reads) change(-1);
      reads = false;
    };
  }

  hold(stream: StreamName, position: number): (() => void) | undefined {
    return this.#port?.hold?.(stream, position);
  }

  watch(key: string, watches: boolean): void {
    if (watches) this.#watches.add(key);
    else this.#watches.delete(key);
    this.#post({ do: 'watch', keys: [...this.#watches] });
  }

  /** Takes a message: resolves when it is saved. */
  async send(to: ConversationName | undefined, message: OutgoingMessage<Data>, options?: SendOptions, payload?: Uint8Array): Promise<Receipt> {
    const target: Target | undefined = to === undefined ? undefined : targetOf(to);
    options?.signal?.throwIfAborted();
    if (this.#closed) throw new SendError('closed', FIRST);
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

  cancel(id: string): void {
    this.#sends.cancel(id);
    this.#post({ do: 'cancel', id });
  }

  markRead(conversation: ConversationName, position: number): void {
    const peer = conversation.startsWith('user:') ? conversation.slice(5) : '';
    const mark = { do: 'mark read', stream: streamOf(conversation), peer, position } as const;
    this.#marks.add(mark);
    this.#post(mark);
    this.#emitter.emit('marked', { conversation, position });
  }

  acknowledge(message: Message<Data> | Gap): void {
    const generation = this.#generations.get(message);
    if (generation === undefined) return;
    const position = 'reason' in message && 'to' in message ? message.to : ((message as Message).seq_no ?? 0);
    this.#post({ do: 'acknowledge', stream: message.stream!, generation, position });
  }

  async request(frame: RequestFrame, signal?: AbortSignal): Promise<Answer> {
    if (this.#closed) throw new ClosedError(FIRST);
    await this.#open();
    const object = JSON.stringify(frame);
    const port = this.#opened();
    return this.#requests.ask(signal, (ticket) => port.post({ do: 'request', ticket, object }));
  }

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

  isForDevice(message: Message): boolean {
    if (message.skip_send_to_client) return false;
    if (message.sender === this.user && message.sender_client === this.device) return false;
    const narrowed = message.stream === 'inbox' && message.receiver === this.user && message.receiver_client;
    return !narrowed || narrowed === this.device;
  }

  hear(reports: readonly Report[], engine: string): void {
    for (const report of reports) this.#heard(report, engine);
  }

  lost(): void {
    const { name } = this.state.get();
    if (name !== 'connected' && name !== 'waiting') return;
    this.sync.set({ ...this.sync.get(), caughtUp: false });
    this.#enter({ name: 'connecting' });
  }

  failed(error: unknown): void {
    const what = messageOf(error);
    // The next connect begins anew.
    void this.#port?.leave();
    this.#port = this.#opening = undefined;
    this.#wanted = false;
    this.#requests.drop(what);
    this.#sends.close(what);
    this.#unforgotten(error as Error);
    this.#emitter.emit('fault', { what, code: 0, messageId: '' });
    this.#enter({ name: 'closed', why: error instanceof ClosedError ? 'no token' : 'error', code: 0, reason: what });
    let isProduction = false;
    try {
      isProduction = process.env.NODE_ENV === 'production';
    } catch {
      // No bundler was here.
    }
    if (!isProduction) console.error(`wsc: the client is closed: ${what}`);
  }

  #unforgotten(error: Error): void {
    this.#forgotten = void this.#forgotten?.(Promise.reject(error));
  }

  async #open(): Promise<void> {
    // What is being closed is not opened again: another begins after it.
    while (this.#closing) await this.#closing;
    if (this.#closed) throw new ClosedError(CLOSED);
    await (this.#opening ??= this.#start());
  }

  /** The port that was opened; it may have broken since. */
  #opened(error = (reason: string): Error => new ClosedError(reason)): Port {
    if (this.#port) return this.#port;
    const state = this.state.get();
    throw error((state.name === 'closed' && state.reason) || CLOSED);
  }

  async #start(): Promise<void> {
    const { signal } = this.#life;
    try {
      await this.#platform.prepare(this, signal);
    } catch (error) {
      if (!signal.aborted) this.failed(error);
      throw signal.aborted ? new ClosedError(CLOSED) : error;
    }
    if (signal.aborted) throw new ClosedError(CLOSED);
    // How the last one ended says nothing of this one.
    if (this.state.get().name === 'closed') this.#enter({ name: 'idle' });
    this.#port = this.#platform.open(this);
  }

  async #leave(): Promise<void> {
    // One that is under way finds that it is too late.
    this.#life.abort();
    this.#life = new AbortController();
    this.#opening = undefined;
    const port = this.#port;
    this.#port = undefined;
    this.#engine = '';
    await port?.leave();
    this.#enter({ name: 'closed', why: 'application', code: 0, reason: '' });
    this.#requests.drop(CLOSED);
    this.#sends.close(CLOSED);
    this.#unforgotten(new ClosedError(CLOSED));
    this.#positions.clear();
  }

  #whenConnected(signal: AbortSignal | undefined): Promise<void> {
    let stop: (() => void) | undefined;
    const connected = new Promise<void>((resolve, reject) => {
      // The state from before belongs to the attempt before.
      if (this.state.get().name === 'connected') return resolve();
      stop = this.state.subscribe((state) => {
        if (state.name === 'connected') resolve();
        else if (state.name === 'closed') reject(new ClosedError(state.reason || (state.why === 'application' ? CLOSED : `the client is closed: ${state.why}`), state.code));
      });
    });
    return raced(connected, signal).finally(() => stop?.());
  }

  #post(command: Command): void {
    this.#port?.post(command);
  }

  #heard(report: Report, engine: string): void {
    switch (report.is) {
      case 'snapshot':
        return this.#stand(report, engine);
      case 'state':
        this.#user = report.user;
        // The hub closed it for good: nobody connects but the application.
        if (report.state.name === 'closed' && report.state.why === 'hub') this.#wanted = false;
        return this.#enter(report.state);
      case 'sync':
        return this.sync.set(report.sync);
      case 'handed':
        return this.#take(report.handed);
      case 'volatile':
        return this.#emitter.emit('volatile', this.#read(report.json, report.payload));
      case 'opened':
        this.#positions.open(report.stream, report.from);
        return this.#emitter.emit('opened', report);
      case 'closed':
        this.#positions.close(report.stream);
        return this.#emitter.emit('closed', report);
      case 'saved': {
        this.#sends.saved(report);
        // Not even looked into where nobody wants to know.
        const message = this.#emitter.hears('saved') && this.#sends.message(report.id);
        if (message) this.#emitter.emit('saved', message);
        return;
      }
      case 'rejected':
        return this.#sends.rejected(report);
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
        return this.#emitter.emit(report.is, read(report.frame) as never);
      case 'mark saved':
        return this.#marks.drop(report);
      case 'mark refused':
        return this.#emitter.emit('fault', { what: `the read mark of ${report.stream} was refused`, code: report.code, messageId: '' });
      case 'fault':
        return this.#emitter.emit('fault', { what: report.what, code: report.code, messageId: report.id });
      case 'forgotten':
        this.#forgotten = void this.#forgotten?.();
        return void this.close();
      case 'socket closed':
        return this.#emitter.emit(report.connected ? 'disconnected' : 'connectError', report);
      case 'watched':
        return this.#emitter.emit('watched', { key: report.key, frame: read(report.frame) as PresenceFrame });
      case 'caught up':
        return;
    }
  }

  /** An engine says how far everything is. A new one knows nothing of this tab: it is told again. */
  #stand(report: Extract<Report, { is: 'snapshot' }>, engine: string): void {
    const fresh = engine !== this.#engine;
    this.#engine = engine;
    this.#user = report.user;
    this.device = report.device;
    this.sync.set(report.sync);
    // What was asked of the engine before is not answered; what the new state brings about is.
    if (fresh) this.#requests.drop();
    const pending = this.#sends.stand(report.pending);
    this.#enter(report.state);
    for (const message of pending) this.#emitter.emit('saved', message);
    if (!fresh) return;
    for (const [stream, position] of report.positions) this.#positions.catchUp(stream, position);
    const post = (command: Command): void => this.#post(command);
    if (this.#forgotten) return post({ do: 'forget' });
    post({ do: 'read', streams: [...this.#readers.keys()] });
    if (this.#wanted) post({ do: 'connect' });
    if (this.#watches.size > 0) post({ do: 'watch', keys: [...this.#watches] });
    this.#sends.again(post);
    this.#marks.again(post);
  }

  #enter(state: State): void {
    const before = this.state.get();
    if (JSON.stringify(before) === JSON.stringify(state)) return;
    this.state.set(state);
    this.#emitter.emit('state', state);
  }

  #read(json: string | object, payload: Uint8Array | undefined): Message<Data> {
    return readMessage(json, payload, this.#platform.reading) as Message<Data>;
  }

  #take(handed: Handed): void {
    if (!this.#positions.takes(handed)) return;
    const { stream, generation, position, gap } = handed;
    if (gap) {
      const missed: Gap = { stream, from: gap.from, to: position, reason: gap.reason };
      if (this.#platform.isManual) this.#generations.set(missed, generation);
      this.#missed(missed);
    } else {
      const message = this.#read(handed.json ?? '{}', handed.payload);
      if (this.#platform.isManual) this.#generations.set(message, generation);
      this.#deliver(message);
    }
  }

  #missed(gap: Gap): void {
    // The positions are other messages now.
    if (gap.reason === 'epoch') this.#marks.renew(gap.stream);
    this.#streams.get(gap.stream)?.emit('gap', gap);
    this.#emitter.emit('gap', gap);
  }

  #deliver(message: Message<Data>): void {
    if (message.stream) this.#streams.get(message.stream)?.emit('message', message);
    this.#emitter.emit('message', message);
    this.#emitter.emit('handed', message);
  }
}
