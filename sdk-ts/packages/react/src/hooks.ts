import type {
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
import { useCallback } from 'react';
import { useClient } from './provider.js';
import { useReadable } from './use-readable.js';

/** Where the connection stands. */
export function useConnection(): State {
  return useReadable(useClient().state);
}

/** How far sends and streams are. */
export function useSync(): Sync {
  return useReadable(useClient().sync);
}

export interface Messages<Data> extends TimelineView<Data> {
  /** Loads what lies before. */
  readonly loadOlder: () => Promise<void>;
  /** Everything on the screen was read. */
  readonly markRead: () => void;
}

/** A conversation: what was, what comes, and what this user sends, each once, in order. */
export function useMessages<Data = unknown>(name: ConversationName, options?: TimelineOptions): Messages<Data> {
  const timeline = useClient<Data>().timeline(name, options);
  const view = useReadable(timeline);
  const loadOlder = useCallback(() => timeline.loadOlder(), [timeline]);
  const markRead = useCallback(() => timeline.markRead(), [timeline]);
  return { ...view, loadOlder, markRead };
}

/** The user's conversations, newest first. */
export function useConversations<Data = unknown>(): ConversationList<Data> {
  return useReadable(useClient<Data>().conversations);
}

/** Unread messages: of one conversation, or of all. */
export function useUnread(name?: ConversationName): number {
  const { list, unread } = useConversations();
  return name === undefined ? unread : (list.find((row) => row.name === name)?.unread ?? 0);
}

/** Sends to a conversation. */
export function useSend<Data = unknown>(
  name: ConversationName,
): (message: string | OutgoingMessage<Data>) => Promise<Receipt> {
  const client = useClient<Data>();
  return useCallback((message) => client.send(name, message), [client, name]);
}

/** Who of these users, or of a group, is there. */
export function usePresence(of: { users: readonly string[] } | { group: string }): ReadonlyMap<string, Status> {
  return useReadable(useClient().presence(of));
}

/** Who types in a conversation just now. */
export function useTyping(name: ConversationName): readonly string[] {
  return useReadable(useClient().typists(name));
}
