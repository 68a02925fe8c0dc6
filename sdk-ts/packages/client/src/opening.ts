/** Where a client in a browser finds its module. */

import type { WasmSource } from './browser-options.js';

type Source = () => WasmSource | Promise<WasmSource>;

let given: Source | undefined;

/** @internal Where the module comes from when the options do not say. Every entrance has set it. */
export function wasmSource(): WasmSource | Promise<WasmSource> {
  return given!();
}

/** @internal Sets where the module comes from when the options do not say. */
export function setWasmSource(source: Source): void {
  given = source;
}

/** @internal As {@link setWasmSource}, unless it is set. */
export function setLastWasmSource(source: Source): void {
  given ??= source;
}
