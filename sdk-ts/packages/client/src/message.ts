/** Messages as they stand on the wire: the same names in every SDK and in the hub's HTTP interface. */

import type { Json } from './json.js';
import type { MessageType } from './message-types.js';

/** A stream's name: `inbox`, `broadcast` or `group:<id>`. */
export type StreamName = 'inbox' | 'broadcast' | `group:${string}`;

/** Whom a conversation is with: a stream, or one user's part of the inbox. */
export type ConversationName = StreamName | `user:${string}`;

/** How important a message says it is. It never reorders. */
export type Priority = 'low' | 'normal' | 'high' | 'urgent' | 'critical';

/** What an application may write into a message. Exactly one target: `receiver`, one of `group_ids`, or `broadcast_type: 'global'`. */
export interface OutgoingMessage<Data = unknown> {
  /** What kind of message; absent: `text`, or `binary` with a payload. */
  message_type?: MessageType;
  /** Names the message for ever: sent again under the same id it takes effect once. Absent: one is made (UUIDv7). 1 to 64 printable ASCII characters. */
  message_id?: string;
  /** To this user. */
  receiver?: string;
  /** Only to this device of the user. */
  receiver_client?: string;
  /** To this group: exactly one, of which the sender is a member. */
  group_ids?: readonly string[];
  /** `global`: to everybody; needs the right `broadcast`. */
  broadcast_type?: 'global';
  /** Text. */
  content?: string;
  /** Any JSON object of the application. */
  data?: Data;
  session_id?: string;
  sender_name?: string;
  receiver_name?: string;
  /** The message this answers, or that `edit` and `recall` are about. */
  reply_to_msg_id?: string;
  priority?: Priority;
  /** Receipts are wanted: `delivered` and `read`. */
  require_ack?: boolean;
  /** How long it lives, in milliseconds: then it is neither handed over nor sent. */
  expires_in_ms?: number;
  /** Not stored: handed to whoever is there now. */
  volatile?: boolean;
  /** Stored, not handed over; only history has it. */
  skip_send_to_client?: boolean;
  trace_id?: string;
}

/** A message as the hub hands it out. */
export interface Message<Data = unknown> {
  readonly message_type: MessageType;
  readonly message_id: string;
  /** Who sent it, as the hub authenticated. */
  readonly sender: string;
  readonly sender_type?: string;
  /** The device it was sent from. */
  readonly sender_client?: string;
  readonly sender_name?: string;
  readonly receiver?: string;
  readonly receiver_type?: string;
  readonly receiver_client?: string;
  readonly receiver_name?: string;
  readonly group_ids?: readonly string[];
  readonly broadcast_type?: string;
  readonly session_id?: string;
  readonly content?: string;
  readonly data?: Data;
  /** When the hub took it: RFC 3339, UTC. */
  readonly create_at?: string;
  readonly reply_to_msg_id?: string;
  /** Its stream; absent: volatile. */
  readonly stream?: StreamName;
  /** Its position in the stream. */
  readonly seq_no?: number;
  readonly priority?: Priority;
  /** `offline`: waited for this device; `history`: fetched; absent: live. */
  readonly source?: 'offline' | 'history';
  readonly push_type?: string;
  readonly require_ack?: boolean;
  readonly volatile?: boolean;
  readonly skip_send_to_client?: boolean;
  readonly expires_in_ms?: number;
  readonly trace_id?: string;
  /** A copy for an observer. */
  readonly observed?: boolean;
  /** The bytes of a binary message. */
  readonly payload?: Uint8Array;
  /** The JSON text it came in: with the option `raw`. */
  readonly raw?: string;
}

/** Positions that were for this device and are gone. */
export interface Gap {
  readonly stream: StreamName;
  readonly from: number;
  /** The last position; `from` − 1: it is not known which, if any. */
  readonly to: number;
  /** `expired`, `trimmed`, `left`, `epoch`, `unexplained`. */
  readonly reason: string;
}

/** How an application wants its messages. */
export interface Reading {
  /** Reads JSON; absent: `JSON.parse`. */
  readonly parse?: ((text: string) => unknown) | undefined;
  /** Whether each message has the text that it came in. */
  readonly raw?: boolean | undefined;
}

/** Reads a message that crossed as JSON. */
export function readMessage(json: Json, payload: Uint8Array | undefined, { parse = JSON.parse, raw }: Reading): Message {
  if (typeof json !== 'string') return payload ? { ...(json as Message), payload } : (json as Message);
  const message = parse(json) as Message;
  return payload || raw ? { ...message, ...(payload && { payload }), ...(raw && { raw: json }) } : message;
}

/** The conversation a message belongs to, as the user sees it. */
export function conversationOf(message: Message, user: string): ConversationName {
  const group = message.group_ids?.[0];
  if (group !== undefined) return `group:${group}`;
  if (message.stream && message.stream !== 'inbox') return message.stream;
  if (message.broadcast_type === 'global') return 'broadcast';
  return `user:${message.sender === user ? (message.receiver ?? user) : message.sender}`;
}

/** The stream that has a conversation's messages. */
export function streamOf(name: ConversationName): StreamName {
  return name.startsWith('user:') ? 'inbox' : (name as StreamName);
}

export type Target = Pick<OutgoingMessage, 'receiver' | 'group_ids' | 'broadcast_type'>;

/** The fields that address a conversation. */
export function targetOf(name: ConversationName): Target {
  if (/^user:./s.test(name)) return { receiver: name.slice(5) };
  if (/^group:./s.test(name)) return { group_ids: [name.slice(6)] };
  if (name === 'broadcast') return { broadcast_type: 'global' };
  throw new TypeError(`"${name}" is not a valid conversation: write user:<id>, group:<id> or broadcast`);
}

/** A message id: a UUIDv7, so that ids sort by time. */
export function newMessageId(now: number = Date.now()): string {
  if (now !== head.of) {
    const time = Math.floor(now).toString(16).padStart(12, '0');
    head = { of: now, text: `${time.slice(0, 8)}-${time.slice(8)}-7` };
  }
  return head.text + randomTail();
}

/** What the ids of a millisecond begin with. */
let head = { of: -1, text: '' };

/** A random UUID after its version. Pages that came over plain http can make none, but have random numbers. */
function randomTail(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID().slice(15);
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 3)}-a${hex.slice(3, 6)}-${hex.slice(6)}`;
}
