/** `@wsc/client/slim`: without the WebAssembly module; the option `wasm` says where it is served. */

export * from './exports.js';
