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
import { computed, type ComputedRef, type MaybeRefOrGetter, type ShallowRef, toValue } from 'vue';
import { useClient } from './plugin.js';
import { useReadable } from './use-readable.js';

/** Where the connection stands. */
export function useConnection(): Readonly<ShallowRef<State>> {
  return useReadable(useClient().state);
}

/** How far sends and streams are. */
export function useSync(): Readonly<ShallowRef<Sync>> {
  return useReadable(useClient().sync);
}

export interface Messages<Data> {
  /** What the screen shows: items, loading, more, error. */
  readonly view: Readonly<ShallowRef<TimelineView<Data>>>;
  /** Loads what lies before. */
  readonly loadOlder: () => Promise<void>;
  /** Everything on the screen was read. */
  readonly markRead: () => void;
}

/** A conversation: what was, what comes, and what this user sends, each once, in order. */
export function useMessages<Data = unknown>(
  name: MaybeRefOrGetter<ConversationName>,
  options?: TimelineOptions,
): Messages<Data> {
  const client = useClient<Data>();
  const timeline = () => client.timeline(toValue(name), options);
  const view = useReadable(timeline);
  return { view, loadOlder: () => timeline().loadOlder(), markRead: () => timeline().markRead() };
}

/** The user's conversations, newest first. */
export function useConversations<Data = unknown>(): Readonly<ShallowRef<ConversationList<Data>>> {
  return useReadable(useClient<Data>().conversations);
}

/** Unread messages: of one conversation, or of all. */
export function useUnread(name?: MaybeRefOrGetter<ConversationName>): ComputedRef<number> {
  const conversations = useConversations();
  return computed(() => {
    const { list, unread } = conversations.value;
    return name === undefined ? unread : (list.find((row) => row.name === toValue(name))?.unread ?? 0);
  });
}

/** Sends to a conversation. */
export function useSend<Data = unknown>(
  name: MaybeRefOrGetter<ConversationName>,
): (message: string | OutgoingMessage<Data>) => Promise<Receipt> {
  const client = useClient<Data>();
  return (message) => client.send(toValue(name), message);
}

/** Who of these users, or of a group, is there. */
export function usePresence(
  of: MaybeRefOrGetter<{ users: readonly string[] } | { group: string }>,
): Readonly<ShallowRef<ReadonlyMap<string, Status>>> {
  const client = useClient();
  return useReadable(() => client.presence(toValue(of)));
}

/** Who types in a conversation just now. */
export function useTyping(name: MaybeRefOrGetter<ConversationName>): Readonly<ShallowRef<readonly string[]>> {
  const client = useClient();
  return useReadable(() => client.typists(toValue(name)));
}
