/** `@wsc/client/platforms`: what a package that brings the client to another platform builds on. Not for applications. */

export { socketUrl } from './account.js';
export { Client as AnyClient } from './client.js';
export type { Call } from './engine/events.js';
export * as Kind from './engine/kind.js';
export type { Command, Handed, Json, Port, Report } from './engine/protocol.js';
export { answerOf, failureOf, handedOf, reportOf, sendFaultOf, settlementOf, stateOf } from './engine/translation.js';
export { VERSION } from './engine/tables.js';
export type { Host, Platform } from './platform.js';
export { Tokens } from './tokens.js';
