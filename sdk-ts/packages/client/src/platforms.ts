/** `@wsc/client/platforms`: what a package that brings the client to another platform builds on. Not for applications. */

export { socketUrl } from './account.js';
export { Client as AnyClient } from './client.js';
export { type Call, Kind } from './engine/events.js';
export type { Command, Handed, Json, Port, Report } from './engine/protocol.js';
export { failureOf, handedOf, reportOf, SEND_FAULTS, settlementOf, stateOf } from './engine/translation.js';
export type { Host, Platform } from './platform.js';
export { Tokens } from './tokens.js';
