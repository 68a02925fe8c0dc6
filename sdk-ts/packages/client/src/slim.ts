/** `@wsc/client/slim`: without the WebAssembly module; the option `wasm` says where it is served. */

import { missing } from './missing.js';
import { setLastWasmSource } from './opening.js';

setLastWasmSource(missing);

export * from './exports.js';
