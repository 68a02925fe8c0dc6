/** How far this tab is in each stream. The engine may be in another tab and die: what it had handed over and this tab did not hear is fetched, what comes a second time is dropped. */

import type { Handed } from './engine/protocol.js';
import { RequestError, WscError } from './errors.js';
import type { Gap, Message, StreamName } from './message.js';
import type { HistoryOptions, Page } from './history.js';
import { after } from './promises.js';

/** What could not be fetched is asked for again after this, in milliseconds, unless the hub says when. */
const AGAIN_MS = 1_000;

/** What the positions need of their client. */
export interface Reader<Data> {
  history(stream: StreamName, options: HistoryOptions): Promise<Page<Data>>;
  isForDevice(message: Message): boolean;
  deliver(message: Message<Data>): void;
  missed(gap: Gap): void;
  connected(): Promise<void>;
  take(handed: Handed): void;
}

export class Positions<Data> {
  readonly #reader: Reader<Data>;
  readonly #positions: Map<StreamName, number> = new Map();
  /** Streams of which something is fetched; what comes meanwhile waits. */
  readonly #behind: Map<StreamName, Handed[]> = new Map();
  #life = 0;

  constructor(reader: Reader<Data>) {
    this.#reader = reader;
  }

  /** A stream is read from here on. */
  open(stream: StreamName, from: number): void {
    this.#positions.set(stream, from - 1);
  }

  close(stream: StreamName): void {
    this.#positions.delete(stream);
  }

  /** Whether this is to be handed over now. */
  takes(handed: Handed): boolean {
    const { stream, position, gap } = handed;
    const behind = this.#behind.get(stream);
    if (behind) {
      behind.push(handed);
      return false;
    }
    const before = this.#positions.get(stream);
    // An epoch begins where it likes; anything else below this tab's position came before, from another engine.
    if (before !== undefined && position <= before && gap?.reason !== 'epoch') return false;
    this.#positions.set(stream, position);
    return true;
  }

  /** A new engine goes on after `position`. */
  catchUp(stream: StreamName, position: number): void {
    const mine = this.#positions.get(stream);
    if (mine === undefined) this.#positions.set(stream, position);
    if (mine === undefined || mine >= position || this.#behind.has(stream)) return;
    this.#behind.set(stream, []);
    const life = this.#life;
    void this.#fetch(stream, mine, position, life).finally(() => {
      if (life !== this.#life) return;
      const behind = this.#behind.get(stream) ?? [];
      this.#behind.delete(stream);
      for (const handed of behind) this.#reader.take(handed);
    });
  }

  /** Nothing is known any more. */
  clear(): void {
    this.#life += 1;
    this.#positions.clear();
    this.#behind.clear();
  }

  async #fetch(stream: StreamName, from: number, upTo: number, life: number): Promise<void> {
    const reader = this.#reader;
    for (let mine = from; mine < upTo; ) {
      try {
        await reader.connected();
        const page = await reader.history(stream, { after: mine, limit: 500 });
        if (life !== this.#life) return;
        for (const message of page.messages) {
          if ((message.seq_no ?? 0) <= upTo && reader.isForDevice(message)) reader.deliver(message);
        }
        if (page.from > mine + 1) {
          const to = Math.min(page.from - 1, upTo);
          reader.missed({ stream, from: mine + 1, to, reason: 'trimmed' });
        }
        mine = Math.max(page.to, mine + 1);
        this.#positions.set(stream, Math.min(mine, upTo));
      } catch (error) {
        // Refused for good: the stream is not this user's any more. Anything else passes: again when connected.
        if (error instanceof RequestError && !error.retryable) return;
        const ms = error instanceof WscError ? (error.retryAfterMs ?? AGAIN_MS) : AGAIN_MS;
        await after(ms);
        if (life !== this.#life) return;
      }
    }
  }
}
