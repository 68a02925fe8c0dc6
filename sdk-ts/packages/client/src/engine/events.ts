/** What the machine says: one call each, its fields are said in `core/src/client/bridge.rs`. */

import type { Json } from '../json.js';

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
