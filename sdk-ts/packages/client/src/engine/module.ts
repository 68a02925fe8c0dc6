/** Loads the WebAssembly module, once per source. */

import { __wbg_set_wasm, imports, Session } from '../../wasm/wsc.js';
import { messageOf, WscError } from '../errors.js';
import type { WasmSource } from '../browser-options.js';

export { Session };

/** One of `input.ts`, its numbers, texts and bytes. */
export type Given = [kind: number, x?: number, y?: number, text?: string, detail?: string, bytes?: Uint8Array | undefined];

/** Gives a session an input; gives the number of a send or a request, else 0. */
export function input(session: Session, ...[kind, x = 0, y = 0, text = '', detail = '', bytes]: Given): number {
  return session.input(kind, x, y, text, detail, bytes);
}

let loaded: Promise<void> | undefined;

/** Makes {@link Session} usable. The first source counts: there is one module. */
export function load(source: () => WasmSource | Promise<WasmSource>): Promise<void> {
  return (loaded ??= instantiate(source).catch((error: unknown) => {
    loaded = undefined;
    throw new WscError(explained(error));
  }));
}

async function instantiate(source: () => WasmSource | Promise<WasmSource>): Promise<void> {
  let from = await source();
  if (typeof from === 'string' || from instanceof URL) from = fetch(from);
  from = await from;
  if (from instanceof Response) {
    if (!from.ok) throw new Error(`${from.url} answered ${from.status}`);
    from = await from.arrayBuffer();
  }
  const module = from instanceof WebAssembly.Module ? from : await WebAssembly.compile(from as BufferSource);
  const { exports } = await WebAssembly.instantiate(module, { w: imports });
  __wbg_set_wasm(exports);
  (exports as { __wbindgen_start(): void }).__wbindgen_start();
}

/** What failed, and what may help. */
function explained(error: unknown): string {
  const what = `the WebAssembly module could not be loaded: ${messageOf(error)}`;
  // Only this is what a Content-Security-Policy brings about.
  const isForbidden = error instanceof WebAssembly.CompileError && /unsafe-eval|Content.Security.Policy/i.test(error.message);
  return isForbidden ? `${what}; the page's Content-Security-Policy must allow 'wasm-unsafe-eval'` : what;
}
