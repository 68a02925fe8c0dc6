'use client';

/** `@wsc/react`: hooks over `@wsc/client`. Holds no state of its own. Components of a server, such as the layout of Next.js, may render `WscProvider`. */

export { useClient, WscProvider, type WscProviderProps } from './provider.js';
export { useReadable } from './use-readable.js';
export {
  type Messages,
  useConnection,
  useConversations,
  useMessages,
  usePresence,
  useSend,
  useSync,
  useTyping,
  useUnread,
} from './hooks.js';
