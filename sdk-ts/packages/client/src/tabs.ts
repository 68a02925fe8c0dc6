/** All tabs of a user: what is saved lies in the browser's database, and one connection serves all of them where the browser can. */

import { OwnPort } from './engine/own-port.js';
import type { Port } from './engine/protocol.js';
import { SharedPort } from './engine/shared-port.js';
import { messageOf } from './errors.js';
import type { Place, Settings } from './place.js';
import type { Host } from './platform.js';
import { IndexedDbStorage } from './storage/indexeddb.js';
import { tabName } from './tab.js';

export class Tabs implements Place {
  readonly #share: boolean;
  readonly #device: string | undefined;
  /** Under which things of this tab alone are saved; `undefined`: all tabs share them. */
  #alone: string | undefined;

  constructor({ shareTabs = true, device }: { shareTabs?: boolean | undefined; device?: string | undefined } = {}) {
    this.#share = shareTabs;
    this.#device = device;
  }

  async prepare(host: Host): Promise<void> {
    // A tab of its own is a device of its own.
    this.#alone = this.#share && (await canShare(host)) ? undefined : (this.#device ?? (await tabName()));
  }

  open(account: string, settings: Settings, host: Host): Port {
    const alone = this.#alone;
    if (alone === undefined) return new SharedPort(account, { ...settings, storage: new IndexedDbStorage(account) }, host);
    return new OwnPort({ ...settings, storage: new IndexedDbStorage(`${account} ${alone}`) }, host);
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
