/** What the parts of a client need of it: streams, timelines, conversations, presence, typing. Not for applications. */

import type { ClientEvents, RequestFrame, SendOptions, StreamEvents } from './client-events.js';
import type { HistoryOptions, Page } from './history.js';
import type { ConversationName, Message, OutgoingMessage, StreamName } from './message.js';
import type { Readable } from './readable.js';
import type { Receipt } from './receipt.js';
import type { Answer } from './requests.js';
import type { PendingMessage } from './sends.js';
import type { State } from './engine/protocol.js';
import type { PresenceFrame } from './frames.js';

/** Also told, but only here. */
export interface InnerEvents<Data> extends ClientEvents<Data> {
  /** This device read a conversation. */
  marked: { readonly conversation: ConversationName; readonly position: number };
  /** What the hub answered to a watch. */
  watched: { readonly key: string; readonly frame: PresenceFrame };
}

export interface Wiring<Data> {
  /** Empty: not known yet. */
  readonly user: string;
  readonly state: Readable<State>;
  /** The messages of this device that wait for the hub's word. */
  readonly pending: Iterable<PendingMessage<Data>>;
  /** An event of the client. Does not count as reading. */
  on<K extends keyof InnerEvents<Data>>(name: K, listener: (event: InnerEvents<Data>[K]) => void): () => void;
  /** An event of a stream. Whoever listens to its messages reads it. */
  listen<K extends keyof StreamEvents<Data>>(stream: StreamName, name: K, listener: (event: StreamEvents<Data>[K]) => void): () => void;
  /** Somebody reads a stream, or all (`*`), until the function is called. */
  reading(stream: string): () => void;
  /** Keeps an entry that is just being handed over from being acknowledged, until the function is called; absent: there is no waiting here. */
  hold(stream: StreamName, position: number): (() => void) | undefined;
  /** Whether this device would be handed a message that was fetched. */
  isForDevice(message: Message): boolean;
  history(stream: StreamName, options: HistoryOptions): Promise<Page<Data>>;
  request(frame: RequestFrame, signal?: AbortSignal): Promise<Answer>;
  send(to: ConversationName, message: OutgoingMessage<Data>, options?: SendOptions): Promise<Receipt>;
  markRead(conversation: ConversationName, position: number): void;
  /** Users or a group, as JSON, whose status this tab wants to hear of, or no more. */
  watch(key: string, watches: boolean): void;
}
