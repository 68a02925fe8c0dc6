import type { BaseClient } from './base-client.js';
import { onePer } from './one-per.js';
import type { Settlement } from './engine/protocol.js';
import type { WscError } from './errors.js';
import { type ConversationName, conversationOf, type Gap, type Message, streamOf } from './message.js';
import { coalesced, type Readable, Writable } from './readable.js';
import type { Stage } from './receipt.js';
import type { PendingMessage } from './sends.js';
import type { Wiring } from './wiring.js';

export interface TimelineOptions {
  /** Messages loaded at a time. Default 50. */
  limit?: number;
}

/** One line of a conversation. */
export interface TimelineItem<Data = unknown> {
  /** For lists: the message's id, or the gap's place. */
  readonly key: string;
  /** The message: as the hub has it, or as this user sent it. */
  readonly message?: Message<Data>;
  /** Messages that are gone. */
  readonly gap?: Gap;
  /** Whether this user sent it. */
  readonly mine: boolean;
  /** How far an own message got. */
  readonly stage?: Stage;
  /** Why it failed. */
  readonly reason?: string;
  /** Its sender took it back. */
  readonly recalled: boolean;
}

/** A conversation for a screen. */
export interface TimelineView<Data = unknown> {
  /** The oldest first; own messages that wait stand last. */
  readonly items: readonly TimelineItem<Data>[];
  readonly loading: boolean;
  /** Whether {@link Timeline.loadOlder} would bring more. */
  readonly more: boolean;
  readonly error: WscError | undefined;
}

/** Changes on the screen come at most so often, in milliseconds. */
const FRAME_MS = 16;
/** So long a timeline that nobody watches goes on: screens come back. */
const PATIENCE_MS = 1_000;
/** Lines kept while nobody asks for older ones. */
const KEPT = 1_000;

interface Line<Data> {
  item: TimelineItem<Data>;
  /** Its position; absent: it waits. */
  seq?: number;
}

/** A conversation as a list: what was, what comes and what this user sends, each once, in order. Loaded when somebody looks. */
export class Timeline<Data = unknown> implements Readable<TimelineView<Data>> {
  readonly name: ConversationName;
  readonly #wiring: Wiring<Data>;
  readonly #limit: number;
  readonly #value: Writable<TimelineView<Data>>;
  readonly #publish: () => void;
  readonly #lines: Map<string, Line<Data>> = new Map();
  #stops: (() => void)[] = [];
  #patience: ReturnType<typeof setTimeout> | undefined;
  #oldest: number | undefined;
  #loading: Promise<void> | undefined;
  /** Counts how often it began; what an earlier one loads comes too late. */
  #life = 0;
  #more = false;
  #marked = 0;
  #keep = KEPT;
  #error: WscError | undefined;

  /** @internal */
  constructor(wiring: Wiring<Data>, name: ConversationName, options: TimelineOptions) {
    this.#wiring = wiring;
    this.name = name;
    this.#limit = options.limit ?? 50;
    const empty = { items: [], loading: false, more: false, error: undefined };
    this.#value = new Writable<TimelineView<Data>>(empty, (watched) => this.#watched(watched));
    this.#publish = coalesced(() => this.#show(), FRAME_MS);
  }

  get(): TimelineView<Data> {
    return this.#value.get();
  }

  subscribe(listener: (value: TimelineView<Data>) => void): () => void {
    return this.#value.subscribe(listener);
  }

  /** Loads what lies before the oldest line. */
  loadOlder(): Promise<void> {
    if (!this.#more || this.#oldest === undefined) return Promise.resolve();
    this.#keep = Infinity;
    return this.#load();
  }

  /** Everything that is here was read, on all of the user's devices. */
  markRead(): void {
    let last = 0;
    for (const { seq = 0, item } of this.#lines.values()) if (!item.mine && seq > last) last = seq;
    if (last > this.#marked) this.#wiring.markRead(this.name, last);
    this.#marked = Math.max(last, this.#marked);
  }

  #watched(watched: boolean): void {
    clearTimeout(this.#patience);
    if (!watched) {
      this.#patience = setTimeout(() => this.#stop(), PATIENCE_MS);
      return;
    }
    if (this.#stops.length > 0) return;
    const wiring = this.#wiring;
    const stream = streamOf(this.name);
    this.#stops = [
      wiring.listen(stream, 'message', (message) => this.#add(message)),
      wiring.listen(stream, 'gap', (gap) => this.#missed(gap)),
      wiring.on('saved', (message) => this.#saved(message)),
      wiring.on('settled', (settlement) => this.#settled(settlement)),
      wiring.on('receipt', ({ id, stage }) => this.#advance(id, stage)),
      wiring.on('state', ({ name }) => name === 'connected' && this.#oldest === undefined && void this.#load()),
    ];
    for (const message of wiring.pending) this.#saved(message);
    if (wiring.state.get().name === 'connected') void this.#load();
  }

  #missed(gap: Gap): void {
    // The positions are other messages now.
    if (gap.reason === 'epoch') this.#marked = 0;
    this.#put(`gap ${gap.from}`, { key: `gap ${gap.from}`, gap, mine: false, recalled: false }, gap.from);
  }

  #stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    // What comes now is not seen: the next one who looks loads anew.
    this.#life += 1;
    this.#loading = undefined;
    this.#lines.clear();
    this.#oldest = undefined;
    this.#more = false;
    this.#keep = KEPT;
  }

  #load(): Promise<void> {
    if (this.#loading) return this.#loading;
    const life = this.#life;
    const loading = this.#loadPage(life).finally(() => {
      if (life === this.#life) this.#loading = undefined;
      this.#publish();
    });
    return (this.#loading = loading);
  }

  async #loadPage(life: number): Promise<void> {
    this.#publish();
    const loaded: Message<Data>[] = [];
    try {
      // The inbox holds all conversations with users: pages without a line of this one are passed over.
      for (let pages = 0; pages < 20 && loaded.length < this.#limit; pages += 1) {
        const place = this.#oldest === undefined ? {} : { before: this.#oldest };
        const limit = this.name.startsWith('user:') ? Math.max(this.#limit, 200) : this.#limit;
        const page = await this.#wiring.history(streamOf(this.name), { ...place, limit });
        if (life !== this.#life) return;
        this.#more = page.more;
        this.#oldest = page.messages.length > 0 || page.more ? page.from : (this.#oldest ?? page.from);
        loaded.push(...page.messages.filter((message) => this.#belongs(message)));
        if (!page.more) break;
      }
      this.#error = undefined;
    } catch (error) {
      if (life === this.#life) this.#error = error as WscError;
      return;
    }
    for (const message of loaded) this.#add(message);
    await this.#askReceipts(loaded);
  }

  /** How far own messages got before this client was there. */
  async #askReceipts(messages: readonly Message<Data>[]): Promise<void> {
    if (!this.name.startsWith('user:')) return;
    const own = messages.filter((message) => message.sender === this.#wiring.user && message.require_ack);
    const ids = own.slice(-100).map((message) => message.message_id);
    if (ids.length === 0) return;
    const asked = this.#wiring.request({ message_type: 'receipts', data: { message_ids: ids } });
    const frame = await asked.then((answer) => answer.frame).catch(() => undefined);
    const data = frame?.data as { receipts?: { message_id: string; stage: Stage | 'unknown' }[] } | undefined;
    for (const { message_id: id, stage } of data?.receipts ?? []) if (stage !== 'unknown') this.#advance(id, stage);
  }

  #belongs(message: Message<Data>): boolean {
    if (message.message_type === 'read' && message.sender === this.#wiring.user) return false;
    return this.name === 'inbox' || conversationOf(message, this.#wiring.user) === this.name;
  }

  #add(message: Message<Data>): void {
    if (!this.#belongs(message)) return;
    const id = message.message_id;
    if (this.#amends(message)) return;
    const mine = message.sender === this.#wiring.user;
    const before = this.#lines.get(id)?.item;
    const stage = mine ? (before?.stage === 'saved' || !before?.stage ? 'accepted' : before.stage) : undefined;
    this.#put(id, { key: id, message, mine, recalled: before?.recalled ?? false, ...(stage && { stage }) }, message.seq_no);
  }

  /** `edit` and `recall` change another line, and count only from its sender, or from the system or an admin. */
  #amends(message: Message<Data>): boolean {
    const { message_type: type, reply_to_msg_id: subject } = message;
    if ((type !== 'edit' && type !== 'recall') || subject === undefined) return false;
    const line = this.#lines.get(subject);
    const may = line?.item.message?.sender === message.sender || ['system', 'admin'].includes(message.sender_type ?? '');
    if (line?.item.message && may) {
      const { content, data } = message;
      const edited = { ...line.item.message, ...(content !== undefined && { content }), ...(data !== undefined && { data }) };
      line.item = type === 'recall' ? { ...line.item, recalled: true } : { ...line.item, message: edited };
      this.#publish();
    }
    return true;
  }

  #saved(message: PendingMessage<Data>): void {
    const own = { ...message, sender: this.#wiring.user } as Message<Data>;
    if (message.volatile || message.message_type === 'typing' || !this.#belongs(own) || this.#lines.has(own.message_id)) return;
    this.#put(own.message_id, { key: own.message_id, message: own, mine: true, stage: 'saved', recalled: false }, undefined);
  }

  #settled({ id, outcome, position, at, reason }: Settlement): void {
    const line = this.#lines.get(id);
    if (!line?.item.message) return;
    if (outcome !== 'accepted' && outcome !== 'duplicate') {
      line.item = { ...line.item, stage: 'failed', reason: reason || outcome };
      return this.#publish();
    }
    const message = { ...line.item.message, seq_no: position, stream: streamOf(this.name), create_at: at };
    if (this.#amends(message)) {
      this.#lines.delete(id);
      return this.#publish();
    }
    const stage = line.item.stage === 'saved' ? 'accepted' : line.item.stage;
    this.#put(id, { ...line.item, message, ...(stage && { stage }) }, position);
  }

  #advance(id: string, stage: Stage): void {
    const line = this.#lines.get(id);
    if (!line?.item.mine || line.item.stage === 'read' || line.item.stage === stage) return;
    line.item = { ...line.item, stage };
    this.#publish();
  }

  #put(key: string, item: TimelineItem<Data>, seq: number | undefined): void {
    this.#lines.set(key, { item, ...(seq !== undefined && { seq }) });
    this.#publish();
  }

  #show(): void {
    const lines = [...this.#lines.values()].sort((a, b) => (a.seq ?? Infinity) - (b.seq ?? Infinity) || 0);
    if (lines.length > this.#keep + 200) {
      for (const { item } of lines.splice(0, lines.length - this.#keep)) this.#lines.delete(item.key);
      this.#oldest = lines[0]?.seq;
      this.#more = true;
    }
    const [items, loading, more] = [lines.map(({ item }) => item), this.#loading !== undefined, this.#more];
    this.#value.set({ items, loading, more, error: this.#error });
  }
}

/** One for each conversation, so that all who look at one look at the same; those that nobody watches are empty. */
const of = onePer((wiring) => {
  const all = new Map<ConversationName, Timeline>();
  return (name: ConversationName, options: TimelineOptions): Timeline => {
    let one = all.get(name);
    if (!one) all.set(name, (one = new Timeline(wiring, name, options)));
    return one;
  };
});

/** A conversation as a list for a screen: what was, what comes, and what this user sends, with how far it got. The same conversation is the same timeline.
 *
 * ```ts
 * timeline(client, 'user:bob').subscribe(({ items }) => render(items));
 * ```
 */
export function timeline<Data>(client: BaseClient<Data>, name: ConversationName, options: TimelineOptions = {}): Timeline<Data> {
  return of(client)(name, options) as Timeline<Data>;
}
