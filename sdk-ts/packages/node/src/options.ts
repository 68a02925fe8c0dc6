import type { CommonOptions } from '@wsc/client/common';

/** How a client is made. */
export interface ClientOptions extends CommonOptions {
  /** The file that keeps unsent messages, positions in streams and the device's id over restarts. It is locked: one client at a time, one file for each user. Absent: all is kept in memory. */
  outbox?: string;
  /** Authorities that are trusted beside the usual ones (Mozilla's): certificates as PEM. For hubs with a private one. */
  ca?: string;
}
