import type { BaseClient } from './base-client.js';
import { onePer } from './one-per.js';
import { type ConversationName, conversationOf, type Message } from './message.js';
import { coalesced, type Readable, Writable } from './readable.js';
import type { PendingMessage } from './sends.js';
import type { Wiring } from './wiring.js';

/** One conversation of the user. */
export interface Conversation<Data = unknown> {
  readonly name: ConversationName;
  /** The newest position. */
  readonly last: number;
  /** Read up to here. */
  readonly read: number;
  /** Messages of others after it. */
  readonly unread: number;
  /** The newest message, if it came or was sent while this client was there. */
  readonly message?: Message<Data>;
}

export interface ConversationList<Data = unknown> {
  /** Newest first. */
  readonly list: readonly Conversation<Data>[];
  /** Of all conversations together. */
  readonly unread: number;
  /** Whether it was loaded. */
  readonly loaded: boolean;
}

interface Row {
  readonly peer?: string;
  readonly group_id?: string;
  readonly last?: number;
  readonly read?: number;
  readonly unread?: number;
}

/** Changes on the screen come at most so often, in milliseconds. */
const FRAME_MS = 16;
/** What is loaded at most. */
const PAGES = 20;

/** The user's conversations: equal on all devices. */
export class Conversations<Data = unknown> implements Readable<ConversationList<Data>> {
  readonly #wiring: Wiring<Data>;
  readonly #rows: Map<ConversationName, Conversation<Data>> = new Map();
  readonly #value: Writable<ConversationList<Data>>;
  readonly #publish: () => void;
  readonly #reload: () => void;
  #loaded = false;
  #stops: (() => void)[] = [];

  /** @internal */
  constructor(wiring: Wiring<Data>) {
    this.#wiring = wiring;
    this.#value = new Writable<ConversationList<Data>>({ list: [], unread: 0, loaded: false }, (watched) => this.#watched(watched));
    this.#publish = coalesced(() => this.#show(), FRAME_MS);
    this.#reload = coalesced(() => void this.#load(), 500);
  }

  get(): ConversationList<Data> {
    return this.#value.get();
  }

  subscribe(listener: (value: ConversationList<Data>) => void): () => void {
    return this.#value.subscribe(listener);
  }

  /** This device read a conversation. */
  #marked(name: ConversationName, position: number): void {
    const row = this.#rows.get(name);
    if (!row || position <= row.read) return;
    if (position >= row.last) this.#put({ ...row, read: position, unread: 0 });
    else this.#reload();
  }

  #watched(watched: boolean): void {
    for (const stop of this.#stops.splice(0)) stop();
    if (!watched) return;
    const wiring = this.#wiring;
    // What this device sent and the hub has not settled yet.
    const sent = new Map<string, PendingMessage<Data>>();
    const saved = (message: PendingMessage<Data>): unknown => sent.set(message.message_id, message);
    for (const message of wiring.pending) saved(message);
    this.#stops = [
      // What the list shows has come.
      wiring.reading('*'),
      wiring.on('handed', (message) => this.#heard(message)),
      wiring.on('marked', ({ conversation, position }) => this.#marked(conversation, position)),
      wiring.on('gap', ({ reason }) => {
        // The positions are other messages now.
        if (reason === 'epoch') for (const [name, row] of this.#rows) this.#rows.set(name, { ...row, last: 0, read: 0 });
        this.#reload();
      }),
      wiring.on('saved', saved),
      wiring.on('settled', ({ id, outcome, position, at }) => {
        const message = sent.get(id);
        sent.delete(id);
        if (outcome !== 'accepted') return;
        if (message) this.#heard({ ...message, sender: wiring.user, seq_no: position, create_at: at } as Message<Data>);
        this.#reload();
      }),
      wiring.on('opened', () => this.#loaded && this.#reload()),
      wiring.on('closed', ({ stream }) => {
        this.#rows.delete(stream);
        this.#publish();
      }),
      wiring.on('state', ({ name }) => name === 'connected' && this.#reload()),
    ];
    this.#reload();
  }

  #heard(message: Message<Data>): void {
    const { message_type: type, data } = message;
    if (type === 'read' && message.sender === this.#wiring.user) {
      const mark = data as { stream: ConversationName; peer?: string; seq_no: number } | undefined;
      if (mark) this.#marked(mark.peer ? `user:${mark.peer}` : mark.stream, mark.seq_no);
      return;
    }
    const name = conversationOf(message, this.#wiring.user);
    const row = this.#rows.get(name) ?? { name, last: 0, read: 0, unread: 0 };
    const seq = message.seq_no ?? 0;
    // The hub's row was here first: it counted the message, and has no text.
    if (seq && seq === row.last) {
      this.#rows.set(name, { ...row, message });
      this.#publish();
    }
    if (seq <= row.last) return;
    const foreign = message.sender !== this.#wiring.user && seq > row.read;
    this.#put({ ...row, last: seq, unread: row.unread + (foreign ? 1 : 0), message });
  }

  #put(row: Conversation<Data>): void {
    this.#rows.delete(row.name);
    this.#rows.set(row.name, row);
    this.#publish();
  }

  async #load(): Promise<void> {
    if (this.#wiring.state.get().name !== 'connected') return;
    const found: Conversation<Data>[] = [];
    try {
      let after: string | undefined;
      for (let page = 0; page < PAGES; page += 1) {
        const data = { limit: 100, ...(after && { after }) };
        const { frame } = await this.#wiring.request({ message_type: 'conversations', data });
        const answer = frame.data as { conversations?: Row[]; next?: string };
        for (const { peer, group_id: group, last = 0, read = 0, unread = 0 } of answer.conversations ?? []) {
          const name: ConversationName = group ? `group:${group}` : `user:${peer}`;
          const message = this.#rows.get(name)?.message;
          found.push({ name, last, read, unread, ...(message && { message }) });
        }
        after = answer.next;
        if (!after) break;
      }
    } catch {
      // Cut off: loaded again after the next connect.
      return;
    }
    // What came while the answer was under way is newer than the answer.
    const before = new Map(this.#rows);
    const newer = [...before.values()].filter((row) => !found.some(({ name, last }) => name === row.name && last >= row.last));
    this.#rows.clear();
    for (const row of found.reverse()) this.#rows.set(row.name, this.#read(row, before.get(row.name)?.read ?? 0));
    for (const row of newer) if (row.message) this.#put(row);
    this.#loaded = true;
    this.#publish();
  }

  /** A row of the hub's as it is when everything up to here was read, which the hub did not know yet. */
  #read(row: Conversation<Data>, read: number): Conversation<Data> {
    if (read <= row.read) return row;
    if (read >= row.last) return { ...row, read, unread: 0 };
    // How many are left only the hub knows, a moment later.
    this.#reload();
    return row;
  }

  #show(): void {
    const list = [...this.#rows.values()].reverse();
    const unread = list.reduce((sum, row) => sum + row.unread, 0);
    this.#value.set({ list, unread, loaded: this.#loaded });
  }
}

const of = onePer((wiring) => new Conversations(wiring));

/** The user's conversations with their unread counts, newest first; loaded when somebody looks. Whoever looks has what came: it counts as handed over, not as read.
 *
 * ```ts
 * conversations(client).subscribe(({ list, unread }) => render(list, unread));
 * ```
 */
export function conversations<Data>(client: BaseClient<Data>): Conversations<Data> {
  return of(client) as Conversations<Data>;
}
