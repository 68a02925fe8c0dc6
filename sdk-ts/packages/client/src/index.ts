/** `@wsc/client`: with the WebAssembly module inside, so that no bundler needs to know of it. */

import { setWasmSource } from './opening.js';
import { inflated } from './engine/module.js';

// Fetched by bundlers as a chunk of its own, when a client first connects.
setWasmSource(async () => inflated((await import('../wasm/inline.js')).default));

export * from './exports.js';
