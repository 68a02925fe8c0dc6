/** How a client is made. */

/** Gives a token: asked at connect and before the one in use ends. `null`: there will be none, the client closes. What it throws, and whatever is not a JWT, is told as a `fault` and tried again with backoff. */
export type TokenProvider = () => string | null | Promise<string | null>;

/** Where the hub is: `ws://` or `wss://`, also written `http://` and `https://`; without a path, `/ws`.
 *
 * Several addresses are those of hubs that share one store. The client takes them in a random order of its own and keeps to one that works. It goes on to the next when an attempt failed, when the hub closed the connection or drains, and when it says nothing more; a connection that was only lost is tried again where it was. The waits between attempts are divided by the number of addresses. What a browser has saved belongs to the first address: it stays the first. */
export type Addresses = string | readonly string[];

/** Who the user is. */
export interface IdentityOptions {
  /** A JWT, or who gives one. Without: only against a hub that runs without authentication. */
  token?: string | TokenProvider;
  /** Who the user is: needed without a token; with one it must be the token's. What is saved belongs to this user alone. */
  user?: string;
  /** The user's type, without a token. */
  userType?: string;
  /** The application: without a token, and with `user` where an application is in the token. */
  app?: string;
  /** The namespace (tenant): as `app`. What is saved belongs to one user of one tenant. */
  namespace?: string;
}

/** What every client may be told, wherever it runs. */
export interface CommonOptions extends IdentityOptions {
  /** This installation's id; absent: one is made and kept. In memory, and with none given, the hub keeps nothing for this device. */
  device?: string;
  /** Only these groups are read; absent: all of the user's. */
  groups?: readonly string[];
  /** A new device begins at the newest message instead of at the user's first. */
  startAtHead?: boolean;
  /** When a message counts as handed over: once the listeners have returned (`auto`), or when {@link Client.acknowledge} says so. */
  acknowledge?: 'auto' | 'manual';
  /** Reads the JSON of messages; absent: `JSON.parse`, which rounds whole numbers beyond 2^53. */
  parse?: (text: string) => unknown;
  /** Whether each message has, as `raw`, the JSON text it came in. Default `false`. */
  raw?: boolean;
  /** Maximum number of unsettled messages. Default 10,000. */
  outboxCount?: number;
  /** Maximum of their bytes. Default 16 MiB. */
  outboxBytes?: number;
}
