import type { RequestFrame, SendOptions, StreamEvents } from './client-events.js';
import { RequestError } from './errors.js';
import type { HistoryOptions, Page } from './history.js';
import type { Gap, Message, OutgoingMessage, StreamName } from './message.js';
import { after, quiet } from './promises.js';
import type { Receipt } from './receipt.js';
import type { Wiring } from './wiring.js';

/** What a stream hands over: messages in order, once, and gaps in their place. */
export type Delivery<Data = unknown> =
  | { readonly message: Message<Data>; readonly gap?: never }
  | { readonly gap: Gap; readonly message?: never };

/** What waits for a slow reader at most; the rest is fetched when it comes to it. */
const QUEUE = 4096;

/** One of the user's streams. */
export class Stream<Data = unknown> {
  readonly name: StreamName;
  /** @internal */
  protected readonly wiring: Wiring<Data>;

  /** @internal */
  constructor(wiring: Wiring<Data>, name: StreamName) {
    this.wiring = wiring;
    this.name = name;
  }

  /** Calls back for each message (or gap) from now on, until the function it gives is called. The first listener also gets what came before it and nobody read. */
  on<K extends keyof StreamEvents<Data>>(name: K, listener: (event: StreamEvents<Data>[K]) => void): () => void {
    return this.wiring.listen(this.name, name, listener);
  }

  /** The messages from now on, as an async iterable: `for await (const { message, gap } of stream.messages())`. One that falls behind goes on from the hub's log; in Node the hub waits for it: a message is acknowledged when the next one is asked for. */
  async *messages(options: { signal?: AbortSignal } = {}): AsyncGenerator<Delivery<Data>, void, undefined> {
    const { signal } = options;
    const queue: Delivery<Data>[] = [];
    let wake: () => void = () => undefined;
    /** The first and the last position that found no room. */
    let [missed, newest]: [number | undefined, number] = [undefined, 0];
    // Where the hub waits for what is not taken yet, everything that comes has room.
    const held: (() => void)[] = [];
    const put = (delivery: Delivery<Data>, seq: number): void => {
      const taken = this.wiring.hold(this.name, seq);
      if (taken) held.push(taken);
      if (taken || (missed === undefined && queue.length < QUEUE)) queue.push(delivery);
      else [missed, newest] = [missed ?? seq, seq];
      wake();
    };
    const stops = [
      this.on('message', (message) => put({ message }, message.seq_no ?? 0)),
      this.on('gap', (gap) => put({ gap }, Math.max(gap.from, gap.to))),
    ];
    const abort = (): void => wake();
    signal?.addEventListener('abort', abort);
    try {
      while (!signal?.aborted) {
        const next = queue.shift();
        if (next) {
          yield next;
          held.shift()?.();
        } else if (missed !== undefined) {
          const page: Page<Data> | undefined = await this.history({ after: missed - 1, limit: 500, ...(signal && { signal }) }).catch(
            async (error: unknown) => {
              if (!(error instanceof RequestError && error.retryable)) throw error;
              await after(error.retryAfterMs ?? 1_000);
              return undefined;
            },
          );
          if (!page) continue;
          if (page.from > missed) {
            queue.push({ gap: { stream: this.name, from: missed, to: page.from - 1, reason: 'trimmed' } });
          }
          // What lies beyond the last one missed comes live as well.
          const missing = page.messages.filter((message) => (message.seq_no ?? 0) <= newest);
          const mine = missing.filter((message) => this.wiring.isForDevice(message));
          queue.push(...mine.map((message) => ({ message })));
          missed = page.to < newest ? page.to + 1 : undefined;
        } else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      for (const stop of stops) stop();
      for (const taken of held) taken();
    }
  }

  /** A page of what was: the newest, or what lies before or after a position. */
  history(options: HistoryOptions = {}): Promise<Page<Data>> {
    return quiet(this.wiring.history(this.name, options));
  }
}

export interface MembersPage {
  readonly users: readonly string[];
  /** What to give as `after` for the next page; absent: this is the last. */
  readonly next?: string;
  readonly total: number;
}

/** A group and its stream. */
export class Group<Data = unknown> extends Stream<Data> {
  readonly id: string;

  /** @internal */
  constructor(wiring: Wiring<Data>, id: string) {
    super(wiring, `group:${id}`);
    this.id = id;
  }

  /** Sends to it: a text, or a message. */
  send(message: string | OutgoingMessage<Data>, options?: SendOptions): Promise<Receipt> {
    return quiet(this.wiring.send(this.name, typeof message === 'string' ? { content: message } : message, options));
  }

  /** Joins it; a group that does not exist is made. */
  join(): Promise<void> {
    return this.#ask({ message_type: 'group_join', group_ids: [this.id] });
  }

  /** Leaves it: nothing more of it comes. */
  leave(): Promise<void> {
    return this.#ask({ message_type: 'group_leave', group_ids: [this.id] });
  }

  /** Who is in it. */
  members(options: { limit?: number; after?: string; signal?: AbortSignal } = {}): Promise<MembersPage> {
    const { signal, ...page } = options;
    const asked = this.wiring.request({ message_type: 'group_members', data: { group_id: this.id, ...page } }, signal);
    return quiet(asked.then(({ frame }) => frame.data as MembersPage));
  }

  /** Takes a user out; needs the right `admin`. */
  remove(user: string): Promise<void> {
    return this.#ask({ message_type: 'group_remove', data: { group_id: this.id, user_id: user } });
  }

  /** Ends it for all; needs the right `admin`. */
  disband(): Promise<void> {
    return this.#ask({ message_type: 'group_disband', data: { group_id: this.id } });
  }

  #ask(frame: RequestFrame): Promise<void> {
    return quiet(this.wiring.request(frame).then(() => undefined));
  }
}
