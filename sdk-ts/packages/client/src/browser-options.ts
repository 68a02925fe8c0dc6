/** How a client is made in a browser. Apart from the other options: these types are known only where there is a DOM. */

import type { CommonOptions } from './options.js';
import type { Storage } from './storage/storage.js';

/** Options of every client in a browser. */
export interface BrowserOptions extends CommonOptions {
  /** The module of this package's `wsc.wasm`: needed by `@wsc/client/slim` and `@wsc/client/base`. */
  wasm?: WasmSource;
}

export interface ClientOptions extends BrowserOptions {
  /** Where unsent messages and positions are saved: `persistent` (IndexedDB, the default where there is one), `memory`, or your own. */
  storage?: 'persistent' | 'memory' | Storage;
  /** All tabs of a user share one connection (the default with persistent storage where the browser can). `false`: each tab has its own and is a device of its own. */
  shareTabs?: boolean;
}

/** Whatever a WebAssembly module can be had from. */
export type WasmSource = WebAssembly.Module | BufferSource | Response | URL | string | Promise<Response>;
