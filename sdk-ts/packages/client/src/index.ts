/** `@wsc/client`: everything, and the WebAssembly module inside. */

import './inline.js';

export * from './exports.js';
