/** What a client runs on: who opens its sockets and keeps its things. One platform belongs to one client. */

import type { Port, Report } from './engine/protocol.js';
import type { Reading } from './message.js';

/** The client's side. */
export interface Host {
  /** An engine said something; `engine` names which. */
  hear(reports: readonly Report[], engine: string): void;
  /** The engine is gone; another one begins. */
  lost(): void;
  /** The engine could not start, or broke. */
  failed(error: unknown): void;
}

export interface Platform {
  /** The user, if the options name one. */
  readonly user: string | undefined;
  /** Whether the application acknowledges itself. */
  readonly isManual: boolean;
  /** How messages are read. */
  readonly reading: Reading;
  /** All that must be there before a port can be opened. May take its time; the signal ends it. */
  prepare(host: Host, signal: AbortSignal): Promise<void>;
  /** Opens a port, which first reports how everything stands. The one before it has been left. */
  open(host: Host): Port;
}
