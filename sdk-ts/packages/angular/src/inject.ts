import { computed, inject, type Signal } from '@angular/core';
import type {
  Client,
  ConversationList,
  ConversationName,
  OutgoingMessage,
  Receipt,
  State,
  Status,
  Sync,
  TimelineOptions,
  TimelineView,
} from '@wsc/client';
import { injectReadable } from './inject-readable.js';
import { Wsc } from './provide.js';

/** The client that {@link provideWsc} gave. */
export function injectClient<Data = unknown>(): Client<Data> {
  return (inject(Wsc) as Wsc<Data>).client;
}

/** Where the connection stands. */
export function injectConnection(): Signal<State> {
  const client = injectClient();
  return injectReadable(() => client.state);
}

/** How far sends and streams are. */
export function injectSync(): Signal<Sync> {
  const client = injectClient();
  return injectReadable(() => client.sync);
}

export interface Messages<Data> {
  /** What the screen shows: items, loading, more, error. */
  readonly view: Signal<TimelineView<Data>>;
  /** Loads what lies before. */
  readonly loadOlder: () => Promise<void>;
  /** Everything on the screen was read. */
  readonly markRead: () => void;
}

/** A conversation: what was, what comes, and what this user sends, each once, in order. */
export function injectMessages<Data = unknown>(name: () => ConversationName, options?: TimelineOptions): Messages<Data> {
  const client = injectClient<Data>();
  const timeline = () => client.timeline(name(), options);
  const view = injectReadable(timeline);
  return { view, loadOlder: () => timeline().loadOlder(), markRead: () => timeline().markRead() };
}

/** The user's conversations, newest first. */
export function injectConversations<Data = unknown>(): Signal<ConversationList<Data>> {
  const client = injectClient<Data>();
  return injectReadable(() => client.conversations);
}

/** Unread messages: of one conversation, or of all. */
export function injectUnread(name?: () => ConversationName): Signal<number> {
  const conversations = injectConversations();
  return computed(() => {
    const { list, unread } = conversations();
    return name === undefined ? unread : (list.find((row) => row.name === name())?.unread ?? 0);
  });
}

/** Sends to a conversation. */
export function injectSend<Data = unknown>(
  name: () => ConversationName,
): (message: string | OutgoingMessage<Data>) => Promise<Receipt> {
  const client = injectClient<Data>();
  return (message) => client.send(name(), message);
}

/** Who of these users, or of a group, is there. */
export function injectPresence(
  of: () => { users: readonly string[] } | { group: string },
): Signal<ReadonlyMap<string, Status>> {
  const client = injectClient();
  return injectReadable(() => client.presence(of()));
}

/** Who types in a conversation just now. */
export function injectTyping(name: () => ConversationName): Signal<readonly string[]> {
  const client = injectClient();
  return injectReadable(() => client.typists(name()));
}
