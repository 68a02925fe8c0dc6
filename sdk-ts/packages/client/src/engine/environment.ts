/** What the machine has of its surroundings: sockets, one timer, signs of the network; and the list of what it says. Knows no rule of the protocol. */

import type { Call } from './events.js';
import * as Input from './input.js';
import { type Given, input, type Session } from './module.js';
import { SUBPROTOCOL } from './tables.js';

/** Longer waits overflow in browsers and end at once. */
const LONGEST_MS = 0x7fffffff;

export class Environment {
  readonly #urls: readonly string[];
  readonly #deliver: (calls: Call[]) => void;
  readonly #stopped: AbortController = new AbortController();
  #session: Session | undefined;
  #calls: Call[] = [];
  #deadline = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `deliver` is given everything that the machine says at once. */
  constructor(urls: readonly string[], deliver: (calls: Call[]) => void) {
    // In any order: the clients of a hub that is gone do not all go to the same one.
    this.#urls = urls.map((url) => [Math.random(), url] as const).sort(([a], [b]) => a - b).map(([, url]) => url);
    this.#deliver = deliver;
  }

  /** The session lives here from now on. What it said while it was made. */
  begin(session: Session): Call[] {
    this.#session = session;
    const { signal } = this.#stopped;
    // Each is a reason to look at the connection at once. Node has neither window nor document.
    const { addEventListener: listen, document } = globalThis as Partial<typeof globalThis>;
    const seen = (): void => void (document?.hidden || this.#input(Input.Network, 1));
    listen?.('offline', () => this.#input(Input.Network), { signal });
    for (const sign of ['online', 'pageshow']) listen?.(sign, seen, { signal });
    for (const sign of ['visibilitychange', 'resume']) document?.addEventListener(sign, seen, { signal });
    return this.#take();
  }

  /** Nothing comes from here any more. */
  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#session = undefined;
  }

  /** Called by the machine: one thing that happened. */
  tell(kind: number, w: number, x: number, y: number, z: number, a: string, b: string, c: string, bytes: Uint8Array | undefined): void {
    this.#calls.push({ kind, n: [w, x, y, z], t: [a, b, c], bytes });
  }

  /** Called by the machine: opens a socket at one of the addresses; which, it counts. */
  open(link: number, address: number): WebSocket | undefined {
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#urls[address % this.#urls.length]!, SUBPROTOCOL);
    } catch {
      return undefined;
    }
    socket.binaryType = 'arraybuffer';
    socket.onopen = (): void => this.#input(Input.Opened, link);
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>): void =>
      typeof data === 'string' ? this.#input(Input.Text, link, 0, data) : this.#input(Input.Binary, link, 0, '', '', new Uint8Array(data));
    socket.onclose = ({ code, reason }): void => this.#input(Input.Closed, link, code, reason);
    // Says nothing that `onclose` after it does not; but in Node an error that nobody listens for ends the process.
    socket.onerror = (): void => undefined;
    return socket;
  }

  /** Called by the machine: it has said everything, and is to be called at `deadline`, in milliseconds since 1970; 0: never. */
  flush(deadline: number): void {
    if (deadline !== this.#deadline) {
      this.#deadline = deadline;
      clearTimeout(this.#timer);
      if (deadline > 0) this.#timer = setTimeout(() => this.#timeout(), Math.min(Math.max(0, deadline - Date.now()), LONGEST_MS));
    }
    const calls = this.#take();
    if (calls.length > 0) this.#deliver(calls);
  }

  #timeout(): void {
    this.#deadline = 0;
    this.#input(Input.Timeout);
  }

  #take(): Call[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  #input(...given: Given): void {
    if (this.#session) input(this.#session, ...given);
  }
}
