/** What a client in a browser needs to begin: its module, a name for its tab. */

import { WscError } from './errors.js';
import { newMessageId } from './message.js';
import type { WasmSource } from './options.js';

let given: () => WasmSource | Promise<WasmSource> = () => {
  throw new WscError('give the option `wasm`: where wsc.wasm of this package is served');
};

/** @internal Where the module comes from when the options do not say. */
export function wasmSource(): WasmSource | Promise<WasmSource> {
  return given();
}

/** @internal Sets where the module comes from when the options do not say. */
export function setWasmSource(source: () => WasmSource | Promise<WasmSource>): void {
  given = source;
}

/** A name for this tab that survives its reloads. */
export function tabName(): string {
  try {
    const name = sessionStorage.getItem('wsc tab') ?? newMessageId();
    sessionStorage.setItem('wsc tab', name);
    return name;
  } catch {
    return newMessageId();
  }
}
