/** `@wsc/angular`: a provider, a service and signals over `@wsc/client`. Holds no state of its own; works with zone.js and without. */

export { provideWsc, Wsc, type WscOptions } from './provide.js';
export { injectReadable } from './inject-readable.js';
export {
  injectClient,
  injectConnection,
  injectConversations,
  injectMessages,
  injectPresence,
  injectSend,
  injectSync,
  injectTyping,
  injectUnread,
  type Messages,
} from './inject.js';
