/** What the machine says: one call each, kinds and fields as in `core/src/client/flat.rs`. */

import type { Json } from './protocol.js';

export const Kind = {
  State: 0,
  CaughtUp: 1,
  Message: 2,
  Volatile: 3,
  Gap: 4,
  StreamOpened: 5,
  StreamClosed: 6,
  Settled: 7,
  Receipt: 8,
  ReceiptEnded: 9,
  Fetched: 10,
  Answer: 11,
  RequestFailed: 12,
  MarkRefused: 13,
  GroupChanged: 14,
  Presence: 15,
  Notice: 16,
  Fault: 17,
  FetchToken: 18,
  Persist: 19,
  Taken: 20,
  NotTaken: 21,
  Sync: 22,
  Unread: 23,
  Parted: 24,
  Ended: 25,
  Open: 26,
  Write: 27,
  Shut: 28,
} as const;

/** One of them. */
export interface Call {
  readonly kind: number;
  /** Up to four numbers. */
  readonly n: readonly [number, number, number, number];
  /** Up to three texts; the last may be a message or frame. */
  readonly t: readonly [string, string, Json];
  readonly bytes: Uint8Array | undefined;
}

/** Collects what the module says until it has said everything. */
export class Collector {
  #calls: Call[] = [];
  readonly #deliver: (calls: Call[]) => void;

  constructor(deliver: (calls: Call[]) => void) {
    this.#deliver = deliver;
  }

  tell(kind: number, numbers: Float64Array, a: string, b: string, c: string, bytes: Uint8Array | undefined): void {
    const [w = 0, x = 0, y = 0, z = 0] = numbers;
    this.#calls.push({ kind, n: [w, x, y, z], t: [a, b, c], bytes });
  }

  flush(): void {
    if (this.#calls.length === 0) return;
    const calls = this.#calls;
    this.#calls = [];
    this.#deliver(calls);
  }
}

export const OUTCOMES = [
  'accepted',
  'duplicate',
  'refused',
  'unknown',
  'expired',
  'cancelled',
  'dropped',
  'sent',
] as const;

export const STAGES = ['accepted', 'delivered', 'read'] as const;
