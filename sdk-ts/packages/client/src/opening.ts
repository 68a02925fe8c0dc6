/** Where a client in a browser finds its module. */

import { WscError } from './errors.js';
import type { WasmSource } from './browser-options.js';

let given: () => WasmSource | Promise<WasmSource> = () => {
  throw new WscError('give the option `wasm`: where wsc.wasm of this package is served; or import @wsc/client/inline');
};

/** @internal Where the module comes from when the options do not say. */
export function wasmSource(): WasmSource | Promise<WasmSource> {
  return given();
}

/** @internal Sets where the module comes from when the options do not say. */
export function setWasmSource(source: () => WasmSource | Promise<WasmSource>): void {
  given = source;
}
