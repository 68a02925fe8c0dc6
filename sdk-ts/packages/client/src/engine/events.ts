/** What the machine says: one call each, its fields are said in `core/src/client/bridge.rs`. */

import type { Json } from './protocol.js';

/** One thing said. */
export interface Call {
  /** One of `kind.ts`. */
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
