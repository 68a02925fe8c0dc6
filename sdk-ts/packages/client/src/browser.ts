/** A browser as a platform: the machine as WebAssembly. Where things are saved is its place's. */

import { ownerOf, socketUrls } from './account.js';
import type { BrowserOptions } from './browser-options.js';
import { load } from './engine/module.js';
import type { Port } from './engine/protocol.js';
import { WscError } from './errors.js';
import type { Reading } from './message.js';
import type { Addresses } from './options.js';
import { wasmSource } from './opening.js';
import type { Place, Settings } from './place.js';
import type { Host, Platform } from './platform.js';
import { Tokens } from './tokens.js';

export class Browser implements Platform {
  readonly #addresses: Addresses;
  readonly #options: BrowserOptions;
  readonly #place: Place;
  #tokens: Tokens | undefined;
  #first = '';

  constructor(addresses: Addresses, options: BrowserOptions, place: Place) {
    this.#addresses = addresses;
    this.#options = options;
    this.#place = place;
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
    this.#tokens ??= new Tokens(socketUrls(this.#addresses)[0]!, this.#options);
    this.#first = await this.#tokens.first(host, signal);
    await this.#place.prepare(host);
    await load(() => this.#options.wasm ?? wasmSource());
  }

  open(host: Host): Port {
    const { device, groups, user, userType, app, namespace } = this.#options;
    const settings: Settings = {
      urls: socketUrls(this.#addresses),
      device,
      token: this.#first,
      owner: (this.#first && ownerOf(this.#first)) || (user ?? ''),
      provider: this.#tokens?.provider(),
      identity: [user ?? '', userType ?? '', app ?? '', namespace ?? ''],
      groups,
      startAtHead: this.#options.startAtHead ?? false,
      manual: this.isManual,
      outboxCount: this.#options.outboxCount ?? 0,
      outboxBytes: this.#options.outboxBytes ?? 0,
    };
    return this.#place.open(this.#tokens?.account ?? '', settings, host);
  }
}
