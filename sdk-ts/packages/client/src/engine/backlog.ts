/** Keeps back what nobody reads yet: entries of a stream wait a while for their first reader, so that none is lost between connecting and listening. */

import type { Handed } from './protocol.js';
import { BACKLOG_BYTES, UNREAD_MS } from './tables.js';

interface Held {
  entries: Handed[];
  timer: ReturnType<typeof setTimeout>;
}

export class Backlog {
  readonly #held: Map<string, Held> = new Map();
  readonly #readers: Map<string, ReadonlySet<string>> = new Map();
  readonly #release: (entries: Handed[], read: boolean) => void;
  #size = 0;

  /** `release` hands over what was held; `read`: because somebody reads it now. */
  constructor(release: (entries: Handed[], read: boolean) => void) {
    this.#release = release;
  }

  /** What a tab reads. */
  reads(tab: string, streams: readonly string[]): void {
    if (streams.length === 0) this.#readers.delete(tab);
    else this.#readers.set(tab, new Set(streams));
    for (const stream of [...this.#held.keys()]) if (this.#isRead(stream)) this.#free(stream, true);
  }

  /** Keeps an entry back; false: it is read, or must not wait. */
  keep(entry: Handed): boolean {
    if (this.#isRead(entry.stream)) return false;
    const held = this.#held.get(entry.stream);
    if (held) held.entries.push(entry);
    else {
      const timer = setTimeout(() => this.#free(entry.stream, false), UNREAD_MS);
      this.#held.set(entry.stream, { entries: [entry], timer });
    }
    // Characters count as bytes; the hub's window bounds how many entries there are.
    this.#size += size(entry);
    if (this.#size > BACKLOG_BYTES) this.#free(entry.stream, false);
    return true;
  }

  stop(): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
  }

  #isRead(stream: string): boolean {
    for (const streams of this.#readers.values()) if (streams.has(stream) || streams.has('*')) return true;
    return false;
  }

  #free(stream: string, read: boolean): void {
    const held = this.#held.get(stream);
    if (!held) return;
    clearTimeout(held.timer);
    this.#held.delete(stream);
    for (const entry of held.entries) this.#size -= size(entry);
    this.#release(held.entries, read);
  }
}

function size(entry: Handed): number {
  // Here it is still text.
  return ((entry.json as string | undefined)?.length ?? 0) + (entry.payload?.length ?? 0);
}
