/** `@wsc/vue`: a plugin and composables over `@wsc/client`. Holds no state of its own. */

export { createWsc, useClient, type WscPluginOptions } from './plugin.js';
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
} from './composables.js';
