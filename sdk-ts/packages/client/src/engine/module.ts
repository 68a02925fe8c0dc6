/** Loads the WebAssembly module, once per source. */

import init, { initSync, Session } from '../../wasm/wsc.js';
import { WscError } from '../errors.js';
import type { WasmSource } from '../options.js';

export { Session };

let loaded: Promise<void> | undefined;

/** Makes {@link Session} usable. The first source counts: there is one module. */
export function load(source: () => WasmSource | Promise<WasmSource>): Promise<void> {
  return (loaded ??= instantiate(source).catch((error: unknown) => {
    loaded = undefined;
    throw new WscError(
      `the WebAssembly module could not be loaded (a Content-Security-Policy must allow 'wasm-unsafe-eval'): ${String(error)}`,
    );
  }));
}

async function instantiate(source: () => WasmSource | Promise<WasmSource>): Promise<void> {
  const from = await source();
  if (from instanceof WebAssembly.Module) initSync({ module: from });
  else await init({ module_or_path: from });
}

/** Bytes from base64 of what was deflated. */
export async function inflated(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const deflated = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
