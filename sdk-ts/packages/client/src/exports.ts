/** What both entrances for browsers give. */

export { Client } from './browser-client.js';
export * from './common.js';
export type { ClientOptions, WasmSource } from './browser-options.js';
export { MemoryStorage } from './storage/memory.js';
export type { Storage } from './storage/storage.js';
