/** Parts of a stream's history, as an application asks for them. */

import type { Message } from './message.js';

/** Which part of the history. */
export interface HistoryOptions {
  /** Messages before this position. */
  before?: number;
  /** Messages after this position. */
  after?: number;
  /** Maximum number of positions looked at: 1 to 500, default 50. */
  limit?: number;
  signal?: AbortSignal;
}

/** A part of the history. */
export interface Page<Data = unknown> {
  /** Own messages included, the oldest first. */
  readonly messages: readonly Message<Data>[];
  /** The first and the last position looked at. */
  readonly from: number;
  readonly to: number;
  /** The oldest position this user may see, and the newest there is. */
  readonly floor: number;
  readonly head: number;
  /** Whether there is more in the direction asked for. */
  readonly more: boolean;
}
