/** Where a client in a browser saves things, and through what it reaches its engine. */

import { OwnPort } from './engine/own-port.js';
import type { EngineSettings } from './engine/engine.js';
import type { Port } from './engine/protocol.js';
import type { Host } from './platform.js';
import { MemoryStorage } from './storage/memory.js';
import type { Storage } from './storage/storage.js';

/** What does not depend on the place. */
export type Settings = Omit<EngineSettings, 'storage'>;

export interface Place {
  /** All that must be there before a port can be opened. */
  prepare(host: Host): Promise<void>;
  /** `account`: a name for all that belongs to this user at this hub. */
  open(account: string, settings: Settings, host: Host): Port;
}

/** This tab alone, with a storage of the application's or none. */
export class OwnTab implements Place {
  readonly #storage: Storage;
  readonly #device: '' | undefined;

  constructor(storage?: Storage) {
    this.#storage = storage ?? new MemoryStorage();
    // The hub keeps nothing for a device that forgets.
    this.#device = storage ? undefined : '';
  }

  async prepare(): Promise<void> {}

  open(_account: string, settings: Settings, host: Host): Port {
    return new OwnPort({ ...settings, device: settings.device ?? this.#device, storage: this.#storage }, host);
  }
}
