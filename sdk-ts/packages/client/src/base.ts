/** `@wsc/client/base`: the client in parts, for pages that weigh every kilobyte. A bundler leaves out what is not imported. */

import { BaseClient } from './base-client.js';
import { Browser } from './browser.js';
import type { BrowserOptions } from './browser-options.js';
import { missing } from './missing.js';
import { setLastWasmSource } from './opening.js';
import type { Addresses } from './options.js';
import { OwnTab, type Place } from './place.js';
import type { Storage } from './storage/storage.js';
import { Tabs } from './tabs.js';

export type { BrowserOptions, WasmSource } from './browser-options.js';
export * from './common.js';
export { conversations } from './conversations.js';
export type { Place } from './place.js';
export { presence } from './presence.js';
export { MemoryStorage } from './storage/memory.js';
export type { Storage } from './storage/storage.js';
export { timeline } from './timeline.js';
export { typists } from './typists.js';

setLastWasmSource(missing);

export interface BaseOptions extends BrowserOptions {
  /** Where things are saved and whether tabs share a connection: {@link persistent}. Absent: in memory, in this tab alone. */
  place?: Place;
}

/** The browser's database, and one connection for all tabs of the user where the browser can.
 *
 * ```ts
 * const client = new Client(url, { user: 'alice', wasm, place: persistent() });
 * ```
 */
export function persistent(options: { shareTabs?: boolean; device?: string } = {}): Place {
  return new Tabs(options);
}

/** This tab alone, with a storage of your own.
 *
 * ```ts
 * const client = new Client(url, { user: 'alice', wasm, place: stored(new MemoryStorage()) });
 * ```
 */
export function stored(storage: Storage): Place {
  return new OwnTab(storage);
}

/** One device's connection to a hub, without timelines, conversations, typing and presence, which are functions here.
 *
 * ```ts
 * const client = new Client('wss://hub.example/ws', { user: 'alice', wasm: '/wsc.wasm' });
 * client.inbox.on('message', (message) => console.log(message.sender, message.content));
 * await client.connect();
 * ```
 */
export class Client<Data = unknown> extends BaseClient<Data> {
  constructor(addresses: Addresses, options: BaseOptions = {}) {
    super(new Browser(addresses, options, options.place ?? new OwnTab()));
  }
}
