/** What tabs and the engine tell each other. Everything here can be cloned: it crosses a BroadcastChannel. */

import type { RequestFault, SendFault } from '../errors.js';
import type { Json } from '../json.js';
import type { StreamName } from '../message.js';

/** The connection, as an application sees it. */
export type State =
  | { readonly name: 'idle' | 'connecting' | 'connected' }
  /** The next attempt begins then, in milliseconds since 1970. */
  | { readonly name: 'waiting'; readonly until: number; readonly attempts: number }
  /** Over until the application connects again. `code`: why the hub closed it; 0 otherwise. `error`: it cannot work as it was set up; `reason` says why. */
  | {
      readonly name: 'closed';
      readonly why: 'application' | 'hub' | 'no token' | 'error';
      readonly code: number;
      readonly reason: string;
    };

/** How far sends and streams are. */
export interface Sync {
  /** Sends that are not stored yet. */
  readonly unsaved: number;
  /** Sends kept here until the hub settles them, those under way included. */
  readonly saved: number;
  /** Of these, sent and unanswered. */
  readonly underWay: number;
  /** Whether every stream was read up to the newest message it had at connect. */
  readonly caughtUp: boolean;
}

/** What a tab asks the engine for. */
export type Command =
  | { readonly do: 'connect' }
  | { readonly do: 'send'; readonly id: string; readonly object: string; readonly payload?: Uint8Array }
  | { readonly do: 'cancel'; readonly id: string }
  | { readonly do: 'request'; readonly ticket: number; readonly object: string }
  | { readonly do: 'mark read'; readonly stream: StreamName; readonly peer: string; readonly position: number }
  | { readonly do: 'acknowledge'; readonly stream: StreamName; readonly generation: number; readonly position: number }
  /** The streams that somebody in this tab reads; `*`: all. */
  | { readonly do: 'read'; readonly streams: readonly string[] }
  /** Whose status this tab watches: users or groups, as JSON. */
  | { readonly do: 'watch'; readonly keys: readonly string[] }
  /** A tab is looked at again: is the connection still there? */
  | { readonly do: 'wake' }
  /** Everything kept is thrown away. */
  | { readonly do: 'forget' }
  /** The tab is new, or its engine is: where does everything stand? */
  | { readonly do: 'greet' };

/** An entry of a stream, or something that takes its place. */
export interface Handed {
  readonly stream: StreamName;
  readonly generation: number;
  /** The position; of a gap, its last. */
  readonly position: number;
  readonly json?: Json;
  readonly payload?: Uint8Array;
  readonly gap?: { readonly from: number; readonly reason: string };
}

export interface Settlement {
  readonly id: string;
  readonly outcome:
    | 'accepted'
    | 'duplicate'
    | 'refused'
    | 'unknown'
    | 'expired'
    | 'cancelled'
    | 'dropped'
    | 'sent';
  readonly stream: StreamName | '';
  readonly position: number;
  readonly at: string;
  readonly code: number;
  readonly reason: string;
  readonly retryAfterMs: number;
}

/** A message of this device that is not settled: its JSON and the bytes beside it. */
export interface Pending {
  readonly id: string;
  readonly json: Json;
  readonly payload?: Uint8Array;
}

/** How a request ended. */
export type RequestEnd =
  | {
      readonly is: 'answer';
      readonly frame: Json;
      readonly entries: readonly { readonly json: Json; readonly payload?: Uint8Array }[];
    }
  | {
      readonly is: 'no answer';
      readonly fault: RequestFault;
      readonly code: number;
      readonly reason: string;
      readonly retryAfterMs: number;
    };

/** What the engine tells all tabs, or one. */
export type Report =
  | { readonly is: 'state'; readonly state: State; readonly user: string }
  | { readonly is: 'sync'; readonly sync: Sync }
  /** How far everything is: the answer to `greet`, and the first thing a new engine says. */
  | {
      readonly is: 'snapshot';
      readonly state: State;
      readonly user: string;
      readonly device: string;
      readonly sync: Sync;
      /** Per stream, the last position handed over. */
      readonly positions: readonly (readonly [StreamName, number])[];
      readonly pending: readonly Pending[];
    }
  | { readonly is: 'caught up' | 'forgotten' }
  | { readonly is: 'opened'; readonly stream: StreamName; readonly from: number; readonly head: number }
  | { readonly is: 'closed'; readonly stream: StreamName; readonly reason: string }
  | { readonly is: 'handed'; readonly handed: Handed }
  /** An entry came that nobody reads yet: it is handed over later. */
  | { readonly is: 'volatile'; readonly json: Json; readonly payload?: Uint8Array }
  /** A message is saved: what is in it, so that every tab can show it; `json` absent: there is only the one that sent it. */
  | { readonly is: 'saved'; readonly id: string; readonly json?: Json; readonly payload?: Uint8Array }
  | { readonly is: 'rejected'; readonly id: string; readonly fault: SendFault; readonly message: string }
  | { readonly is: 'settled'; readonly settlement: Settlement }
  | {
      readonly is: 'receipt';
      readonly id: string;
      readonly stage: 'accepted' | 'delivered' | 'read';
      readonly receiver: string;
      readonly device: string;
    }
  | { readonly is: 'receipt ended'; readonly id: string }
  | (RequestEnd & { readonly ticket: number })
  /** The engine has saved a mark: the next one knows it without being told. */
  | { readonly is: 'mark saved'; readonly stream: StreamName; readonly peer: string; readonly position: number }
  | {
      readonly is: 'mark refused';
      readonly stream: StreamName;
      readonly peer: string;
      readonly code: number;
    }
  | { readonly is: 'group' | 'presence' | 'notice'; readonly frame: Json }
  /** What the hub answered to a watch. */
  | { readonly is: 'watched'; readonly key: string; readonly frame: Json }
  /** A socket is gone, or did not open. */
  | { readonly is: 'socket closed'; readonly connected: boolean; readonly code: number; readonly reason: string }
  | { readonly is: 'fault'; readonly what: string; readonly code: number; readonly id: string };

/** Where a client's commands go, and reports come from. */
export interface Port {
  /** Whether other clients may use the same connection. */
  readonly isShared?: boolean;
  post(command: Command): void;
  /** Keeps an entry that is just being handed over from being acknowledged, until the function is called. Absent: there is no waiting here. */
  hold?(stream: StreamName, seq: number): () => void;
  /** Leaves: nothing is said or heard any more. */
  leave(): Promise<void>;
}
