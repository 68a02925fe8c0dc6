/** The client in a browser: the machine as WebAssembly, things saved in IndexedDB, one connection for all tabs. */

import { socketUrl } from './account.js';
import { Client as AnyClient } from './client.js';
import type { EngineSettings } from './engine/engine.js';
import { load } from './engine/module.js';
import { OwnPort } from './engine/own-port.js';
import type { Port } from './engine/protocol.js';
import { SharedPort } from './engine/shared-port.js';
import { messageOf, WscError } from './errors.js';
import type { Reading } from './message.js';
import { wasmSource } from './opening.js';
import type { ClientOptions } from './browser-options.js';
import type { Host, Platform } from './platform.js';
import { IndexedDbStorage } from './storage/indexeddb.js';
import { MemoryStorage } from './storage/memory.js';
import type { Storage } from './storage/storage.js';
import { tabName } from './tab.js';
import { Tokens } from './tokens.js';

/** One device's connection to a hub, shared by the tabs of a browser. Making one opens nothing: it may be made on a server, too.
 *
 * ```ts
 * const client = new Client('ws://127.0.0.1:8080/ws', { user: 'alice' });
 * client.inbox.on('message', (message) => console.log(message.sender, message.content));
 * await client.connect();
 * const receipt = await client.send('user:bob', 'hello');   // saved: a reload does not lose it
 * await receipt.accepted;                                    // stored by the hub
 * ```
 */
export class Client<Data = unknown> extends AnyClient<Data> {
  constructor(address: string, options: ClientOptions = {}) {
    super(new Browser(address, options));
  }
}

class Browser implements Platform {
  readonly #address: string;
  readonly #options: ClientOptions;
  #url = '';
  #tokens: Tokens | undefined;
  #first = '';
  #memory: MemoryStorage | undefined;
  /** Under which things of this tab alone are saved; `undefined`: all tabs share them. */
  #alone: string | undefined;
  readonly tellsHeld = true;

  constructor(address: string, options: ClientOptions) {
    this.#address = address;
    this.#options = options;
  }

  get user(): string | undefined {
    return this.#options.user;
  }

  get isManual(): boolean {
    return this.#options.acknowledge === 'manual';
  }

  get reading(): Reading {
    return this.#options;
  }

  async prepare(host: Host, signal: AbortSignal): Promise<void> {
    if (typeof WebSocket !== 'function') {
      throw new WscError('there is no WebSocket here: connect in a browser (or in an effect), not while rendering on a server');
    }
    this.#url = socketUrl(this.#address);
    this.#tokens ??= new Tokens(this.#url, this.#options);
    this.#first = await this.#tokens.first(host, signal);
    const { shareTabs = true, device, storage = 'persistent' } = this.#options;
    // A tab of its own is a device of its own.
    const alone = storage === 'persistent' && !(shareTabs && (await canShare(host)));
    this.#alone = alone ? (device ?? (await tabName())) : undefined;
    await load(() => this.#options.wasm ?? wasmSource());
  }

  open(host: Host): Port {
    const { device, groups, storage } = this.#options;
    const { user, userType, app, namespace } = this.#options;
    const account = this.#tokens?.account ?? '';
    const chosen = this.#storage(account);
    const passing = chosen instanceof MemoryStorage && storage === 'memory';
    const settings: EngineSettings = {
      url: this.#url,
      device: device ?? (passing ? '' : undefined),
      token: this.#first,
      owner: this.#tokens?.user ?? '',
      provider: this.#tokens?.provider(),
      identity: [user ?? '', userType ?? '', app ?? '', namespace ?? ''],
      groups,
      startAtHead: this.#options.startAtHead ?? false,
      manual: this.isManual,
      outboxCount: this.#options.outboxCount ?? 0,
      outboxBytes: this.#options.outboxBytes ?? 0,
      storage: chosen,
    };
    // An application's own storage may be one that only this tab sees.
    const shared = chosen instanceof IndexedDbStorage && this.#alone === undefined;
    return shared ? new SharedPort(account, settings, host) : new OwnPort(settings, host);
  }

  #storage(account: string): Storage {
    const { storage = 'persistent' } = this.#options;
    if (typeof storage === 'object') return storage;
    if (storage === 'memory') return (this.#memory ??= new MemoryStorage());
    return new IndexedDbStorage(this.#alone === undefined ? account : `${account} ${this.#alone}`);
  }
}

/** Whether tabs can share an engine here. Some browsers refuse it to frames of other sites, and where cookies are blocked. */
async function canShare(host: Host): Promise<boolean> {
  try {
    new BroadcastChannel('wsc').close();
    return await navigator.locks.request('wsc', { mode: 'shared' }, () => true);
  } catch (error) {
    host.hear([{ is: 'fault', what: `tabs cannot share a connection here: ${messageOf(error)}`, code: 0, id: '' }], '');
    return false;
  }
}
