/** Where the engine runs: in this tab alone, or in one of all tabs of a user, which the browser's locks elect. */

import { newMessageId } from '../message.js';
import { Engine, type EngineSettings } from './engine.js';
import type { Host } from '../platform.js';
import type { Command, Port, Report } from './protocol.js';

/** The engine runs in this tab, and serves no other. */
export class OwnPort implements Port {
  readonly #engine: Promise<Engine | undefined>;
  readonly #id: string = newMessageId();
  #ready: Engine | undefined;
  #waiting: Command[] = [];
  #left = false;

  constructor(settings: EngineSettings, host: Host) {
    const say = (reports: readonly Report[]): void => host.hear(reports, this.#id);
    this.#engine = Engine.start(settings, say).then(
      (engine) => {
        if (this.#left) return engine;
        this.#ready = engine;
        host.hear([engine.standing()], this.#id);
        for (const command of this.#waiting.splice(0)) engine.command(this.#id, command);
        return engine;
      },
      (error: unknown) => {
        host.failed(error);
        return undefined;
      },
    );
  }

  post(command: Command): void {
    if (this.#ready) this.#ready.command(this.#id, command);
    else this.#waiting.push(command);
  }

  async leave(): Promise<void> {
    this.#left = true;
    await (await this.#engine)?.stop();
  }
}

type Envelope =
  /** `believed`: the engine that the tab has heard last. */
  | { readonly from: string; readonly believed: string; readonly command: Command }
  | { readonly engine: string; readonly reports: readonly Report[]; readonly to?: string };

/** One engine for all tabs: the tab that holds the lock runs it. When it closes, crashes or is thrown away, the browser gives the lock to the next, which goes on from the storage. */
export class SharedPort implements Port {
  readonly isShared = true;
  readonly #settings: EngineSettings;
  readonly #host: Host;
  readonly #name: string;
  readonly #id: string = newMessageId();
  readonly #channel: BroadcastChannel;
  readonly #leaving: AbortController = new AbortController();
  readonly #left: Promise<void>;
  readonly #known: Set<string> = new Set();
  #engine: Engine | undefined;
  #believed = '';

  constructor(name: string, settings: EngineSettings, host: Host) {
    this.#settings = settings;
    this.#host = host;
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Envelope>): void => this.#receive(data);
    // Held as long as this tab lives: who waits for it learns that the tab is gone.
    const alive = this.#hold(`${name} ${this.#id}`, () => this.#untilLeft());
    this.#left = Promise.all([alive, this.#hold(name, () => this.#lead())]).then(() => this.#channel.close());
    // The engine may be in a tab that nobody looks at and that the system let sleep.
    globalThis.document?.addEventListener('visibilitychange', () => !document.hidden && this.post({ do: 'wake' }), {
      signal: this.#leaving.signal,
    });
    this.post({ do: 'greet' });
  }

  post(command: Command): void {
    if (this.#engine) this.#engine.command(this.#id, command);
    // Lost where there is no engine yet; the tab says everything again to a new one.
    else if (!this.#leaving.signal.aborted) this.#tell({ from: this.#id, believed: this.#believed, command });
  }

  leave(): Promise<void> {
    this.#leaving.abort();
    return this.#left;
  }

  async #lead(): Promise<void> {
    const say = (reports: readonly Report[], to?: string): void => this.#say(reports, to);
    let engine: Engine;
    try {
      engine = await Engine.start(this.#settings, say);
    } catch (error) {
      // Another tab may fare better.
      this.#host.failed(error);
      return;
    }
    if (!this.#leaving.signal.aborted) {
      this.#engine = engine;
      this.#say([engine.standing()]);
      await this.#untilLeft();
      this.#engine = undefined;
    }
    await engine.stop();
  }

  #say(reports: readonly Report[], to?: string): void {
    const envelope: Envelope = { engine: this.#id, reports, ...(to !== undefined && { to }) };
    // The others first: what is acknowledged after this tab has it, they have too.
    if (to !== this.#id && !this.#leaving.signal.aborted) this.#tell(envelope);
    if (to === undefined || to === this.#id) this.#host.hear(reports, this.#id);
  }

  #tell(envelope: Envelope): void {
    this.#channel.postMessage(envelope);
  }

  #receive(envelope: Envelope): void {
    if ('command' in envelope) {
      if (!this.#engine) return;
      this.#watch(envelope.from);
      // Said to an engine before this one: the tab says it again, in order, when it has heard this one.
      const { believed, command } = envelope;
      if ((command.do === 'send' || command.do === 'request') && believed !== this.#id) return;
      this.#engine.command(envelope.from, envelope.command);
    } else if (envelope.to === undefined || envelope.to === this.#id) {
      this.#believed = envelope.engine;
      this.#host.hear(envelope.reports, envelope.engine);
    }
  }

  /** Learns when a tab is gone. */
  #watch(tab: string): void {
    if (this.#known.has(tab)) return;
    this.#known.add(tab);
    void this.#hold(`${this.#name} ${tab}`, () => {
      this.#known.delete(tab);
      this.#engine?.lose(tab);
      return Promise.resolve();
    });
  }

  async #hold(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await navigator.locks.request(name, { signal: this.#leaving.signal }, act);
    } catch (error) {
      if (!this.#leaving.signal.aborted) this.#host.failed(error);
    }
  }

  #untilLeft(): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#leaving;
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}

/** Whether tabs can share an engine here. */
export function canShare(): boolean {
  return typeof BroadcastChannel === 'function' && typeof navigator === 'object' && 'locks' in navigator;
}
