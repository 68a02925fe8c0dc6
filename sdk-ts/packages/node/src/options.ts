import type { CommonOptions } from '@wsc/client/common';

/** How a client is made. */
export interface ClientOptions extends CommonOptions {
  /** The file that keeps unsent messages, places in streams and the device's id over restarts. It is locked: one client at a time, one file for each user. Absent: all is kept in memory. */
  outbox?: string;
}
