/** `@wsc/client/inline`: imported, it brings the WebAssembly module along, so that no bundler and no server needs to know of it. */

import { setWasmSource } from './opening.js';

// Fetched by bundlers as a chunk of its own, when a client first connects.
setWasmSource(async () => (await import('./engine/packed.js')).unpacked());
