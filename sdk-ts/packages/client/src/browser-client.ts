/** The client for browsers: things saved in IndexedDB, one connection for all tabs. */

import { Browser } from './browser.js';
import type { ClientOptions } from './browser-options.js';
import { Client as AnyClient } from './client.js';
import type { Addresses } from './options.js';
import { OwnTab } from './place.js';
import { Tabs } from './tabs.js';

/** One device's connection to a hub, shared by the tabs of a browser. Making one opens nothing: it may be made on a server, too.
 *
 * ```ts
 * const client = new Client('ws://127.0.0.1:8080/ws', { user: 'alice' });
 * client.inbox.on('message', (message) => console.log(message.sender, message.content));
 * await client.connect();
 * const receipt = await client.send('user:bob', 'hello');   // saved: a reload does not lose it
 * await receipt.accepted;                                    // stored by the hub
 * ```
 *
 * Several addresses are those of hubs that share one store, where no balancer stands before them; see {@link Addresses}.
 *
 * ```ts
 * const client = new Client(['wss://a.hub.example', 'wss://b.hub.example'], { user: 'alice' });
 * ```
 */
export class Client<Data = unknown> extends AnyClient<Data> {
  constructor(addresses: Addresses, options: ClientOptions = {}) {
    const { storage = 'persistent' } = options;
    // An application's own storage may be one that only this tab sees.
    const place = storage === 'persistent' ? new Tabs(options) : new OwnTab(storage === 'memory' ? undefined : storage);
    super(new Browser(addresses, options, place));
  }
}
