/** `@wsc/client/platforms`: what a package that brings the client to another platform builds on. Not for applications. */

export { socketUrls } from './account.js';
export { Client as AnyClient } from './client.js';
export type { Call } from './engine/events.js';
export * as Kind from './engine/kind.js';
export type { Command, Handed, Pending, Port, Report, RequestEnd } from './engine/protocol.js';
export { VERSION } from './engine/tables.js';
export { answerOf, failureOf, handedOf, reportOf, sendFaultOf, settlementOf, stateOf, syncOf } from './engine/translation.js';
export { Watches } from './engine/watches.js';
export type { Json } from './json.js';
export type { Reading } from './message.js';
export type { Host, Platform } from './platform.js';
export { Tokens } from './tokens.js';
