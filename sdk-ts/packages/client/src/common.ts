/** `@wsc/client/common`: what is the same wherever a client runs. */

export type { ClientEvents, RequestFrame, SendOptions, StreamEvents } from './client-events.js';
export { type Conversation, type ConversationList, Conversations } from './conversations.js';
export type { Settlement, State, Sync } from './engine/protocol.js';
export { ClosedError, ErrorCode, ReceiptError, type ReceiptFault, RequestError, type RequestFault, SendError, type SendFault, StorageError, WscError } from './errors.js';
export { type ConversationName, conversationOf, type Gap, type Message, newMessageId } from './message.js';
export type { OutgoingMessage, Priority, StreamName } from './message.js';
export { MESSAGE_TYPES, type MessageType } from './message-types.js';
export type { Addresses, CommonOptions, TokenProvider } from './options.js';
export type { HistoryOptions, Page } from './history.js';
export type { GroupFrame, NoticeFrame, PresenceFrame, PresenceUser, Status } from './frames.js';
export type { Readable } from './readable.js';
export { type Accepted, Receipt, type Stage } from './receipt.js';
export type { Answer, AnswerFrame } from './requests.js';
export type { PendingMessage } from './sends.js';
export { type Delivery, Group, type MembersPage, Stream } from './stream.js';
export { Timeline, type TimelineItem, type TimelineOptions, type TimelineView } from './timeline.js';
