/** What a client tells beside its streams, and what it is asked with. */

import type { Settlement, State } from './engine/protocol.js';
import type { Gap, Message, StreamName } from './message.js';
import type { GroupFrame, NoticeFrame, PresenceFrame } from './frames.js';
import type { Stage } from './receipt.js';
import type { PendingMessage } from './sends.js';

/** What happens beside the streams. */
export interface ClientEvents<Data> {
  /** A message of any stream, in order, once. */
  message: Message<Data>;
  /** Messages that were for this device and are gone. */
  gap: Gap;
  /** As `message`, for those who only look: it does not count as reading. */
  handed: Message<Data>;
  /** A message without a position: typing, volatile messages, an observer's copies. */
  volatile: Message<Data>;
  state: State;
  /** The connection is gone: the hub's close code, or 0. Where the platform tells it (Node). */
  disconnected: { readonly code: number; readonly reason: string };
  /** An attempt to connect failed. Where the platform tells it (Node). */
  connectError: { readonly code: number; readonly reason: string };
  /** A stream is read from now on. */
  opened: { readonly stream: StreamName; readonly from: number; readonly head: number };
  /** A stream is not read any more: `left`, `removed`, `disbanded`, `unreadable`. */
  closed: { readonly stream: StreamName; readonly reason: string };
  /** A message of this device, whichever tab sent it, is saved here. */
  saved: PendingMessage<Data>;
  /** A message of this device ended. */
  settled: Settlement;
  /** A message got further. */
  receipt: { readonly id: string; readonly stage: Stage; readonly receiver: string; readonly device: string };
  /** Members of a group came or went: the hub's frame. */
  group: GroupFrame;
  /** Users that are watched changed: the hub's frame. */
  presence: PresenceFrame;
  /** The hub has something to say: its frame. */
  notice: NoticeFrame;
  /** Something that should not be; nothing has to be done. */
  fault: { readonly what: string; readonly code: number; readonly messageId: string };
}

/** What happens in one stream. */
export interface StreamEvents<Data> {
  /** A message, in order, once. */
  message: Message<Data>;
  /** Messages that were for this device and are gone. */
  gap: Gap;
}

/** For one send. */
export interface SendOptions {
  /** Ends the waiting before the message is saved. */
  signal?: AbortSignal;
}

/** A request as it stands on the wire. */
export interface RequestFrame {
  readonly message_type: string;
  readonly [field: string]: unknown;
}
