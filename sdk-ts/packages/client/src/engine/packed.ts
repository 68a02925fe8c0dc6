/** The module, unpacked from the text that it is carried in. See `bindings/packing`. */

import { length, memory, packed, unpacker } from '../../wasm/inline.js';

/** Of memory; and as much lies before what was unpacked. */
const PAGE = 65_536;

/** The bytes of the module. */
export async function unpacked(): Promise<Uint8Array<ArrayBuffer>> {
  const { instance } = await WebAssembly.instantiate(bytes(unpacker));
  const { memory: own, unpack } = instance.exports as { memory: WebAssembly.Memory; unpack(memory: number, length: number): void };
  const at = own.grow(Math.ceil(memory / PAGE)) * PAGE;
  new Uint8Array(own.buffer).set(bytes(packed), at);
  unpack(at, length);
  return new Uint8Array(own.buffer).slice(at + PAGE, at + PAGE + length);
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
