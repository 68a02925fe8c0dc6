/** `@wsc/client`: with the WebAssembly module inside, so that no bundler needs to know of it. */

import { setWasmSource } from './opening.js';

// Fetched by bundlers as a chunk of its own, when a client first connects.
setWasmSource(async () => (await import('./engine/packed.js')).unpacked());

export * from './exports.js';
