/** One engine for all tabs of a user. The browser's locks elect the tab that runs it: the leader. When it closes, crashes or is thrown away, the browser gives the lock to the next one, which goes on from the storage.
 *
 * A leader may also stand still: an `alert`, a long script, a debugger, a frozen page. The others ask it for signs of life, and one of them steals the lock of a leader that gives none. The storage lets the new engine alone write; the old one notices when it wakes, by its lock, by the storage or by the announcement of the new one, and follows. */

import { newMessageId } from '../message.js';
import type { Host } from '../platform.js';
import { Deposed } from '../storage/storage.js';
import { Engine, type EngineSettings } from './engine.js';
import type { Command, Port, Report } from './protocol.js';

/** How often a tab looks whether the leader lives, in milliseconds. */
const BEAT_MS = 1_000;
/** After so many beats without a sign of life the leader stands still. It was asked for one at all but the first. */
const BEATS = 4;
/** The hub's close code of a connection that another one of the same device took over. */
const REPLACED = 4009;
/** A leader that was deposed hears of it so soon after it wakes, in milliseconds. */
const AWAKE_MS = 500;
/** So long after it began an engine may meet the connection of the one before it, in milliseconds. */
const YOUNG_MS = 30_000;

type Envelope =
  /** A tab's command for `engine`, the one that it believes in. */
  | { readonly from: string; readonly engine: string; readonly command: Command }
  /** A tab asks whether there is a leader. */
  | { readonly from: string; readonly command?: never }
  /** What an engine tells; `isFirst`: it announces itself. Without reports it is a sign of life. */
  | { readonly engine: string; readonly reports: readonly Report[]; readonly to?: string; readonly isFirst?: boolean };

export class SharedPort implements Port {
  readonly isShared = true;
  readonly #settings: EngineSettings;
  readonly #host: Host;
  readonly #name: string;
  readonly #id: string = newMessageId();
  readonly #channel: BroadcastChannel;
  readonly #leaving: AbortController = new AbortController();
  readonly #left: Promise<unknown>;
  /** Tabs whose end is waited for. */
  readonly #tabs: Set<string> = new Set();
  /** The engine that this tab listens to. */
  #believed = '';
  /** Another one was heard. */
  #doubts = false;
  /** Beats since the last sign of life. */
  #missed = 0;
  #beat: ReturnType<typeof setTimeout> | undefined;
  /** Ends this tab's leadership; present while it leads. */
  #lead: AbortController | undefined;
  #leads: Promise<unknown> = Promise.resolve();
  #engine: Engine | undefined;

  constructor(name: string, settings: EngineSettings, host: Host) {
    this.#settings = settings;
    this.#host = host;
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Envelope>): void => this.#receive(data);
    const { signal } = this.#leaving;
    // Held as long as this tab lives: who waits for it learns that the tab is gone.
    const alive = this.#hold(`${name} ${this.#id}`, () => aborted(signal));
    this.#left = Promise.all([alive, this.#stand()]).then(() => this.#channel.close());
    // The engine may be in a tab that nobody looks at and that the system let sleep.
    globalThis.document?.addEventListener('visibilitychange', () => !document.hidden && this.post({ do: 'wake' }), { signal });
    // A frozen page goes on hearing the others, but neither its timers nor its storage answer.
    globalThis.document?.addEventListener('freeze', () => this.#follow(), { signal });
    this.post({ do: 'greet' });
    this.#listen();
  }

  post(command: Command): void {
    if (this.#engine) this.#engine.command(this.#id, command);
    // Lost where there is no engine yet; the tab says everything again to a new one.
    else this.#say({ from: this.#id, engine: this.#believed, command });
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    clearTimeout(this.#beat);
    await this.#left;
  }

  /** Stands for election until this tab leaves. */
  async #stand(): Promise<void> {
    const { signal } = this.#leaving;
    while (!signal.aborted && (await this.#contend({ signal })));
    await this.#leads;
  }

  /** Asks for the lock and leads while it is held. False: there is nothing more to ask for. */
  async #contend(options: LockOptions): Promise<boolean> {
    const lead = new AbortController();
    try {
      return await navigator.locks.request(this.#name, options, () => this.#run(lead));
    } catch (error) {
      const isStolen = (error as Error).name === 'AbortError' && !this.#leaving.signal.aborted;
      if (!isStolen) this.#broken(error);
      this.#follow(lead);
      return isStolen;
    }
  }

  /** Looks whether the leader lives. */
  #listen(): void {
    this.#beat = setTimeout(() => {
      if (!this.#lead) {
        this.#missed += 1;
        if (this.#doubts) this.post({ do: 'greet' });
        this.#doubts = false;
        if (this.#missed > BEATS) {
          this.#missed = 0;
          this.#host.lost();
          void this.#contend({ steal: true });
        } else if (this.#missed > 1) this.#say({ from: this.#id });
      }
      this.#listen();
      // Not all at once.
    }, BEAT_MS * (1 + Math.random() / 4));
  }

  /** Runs the engine until this tab leaves or is deposed. False: it cannot be run here. */
  #run(lead: AbortController): Promise<boolean> {
    this.#lead = lead;
    // One that was deposed may still be ending.
    const leads = this.#leads.then(() => this.#serve(lead));
    this.#leads = leads;
    return leads;
  }

  async #serve(lead: AbortController): Promise<boolean> {
    const id = newMessageId();
    let began = Date.now();
    const isOver = (): boolean => lead.signal.aborted || this.#leaving.signal.aborted;
    const tell = (reports: readonly Report[], to?: string, isFirst = false): void => {
      if (lead.signal.aborted) return;
      // The others first: what is acknowledged after this tab has it, they have too.
      if (to !== this.#id) this.#say({ engine: id, reports, ...(to !== undefined && { to }), isFirst });
      if (to === undefined || to === this.#id) this.#host.hear(reports, id);
    };
    const tabs = {
      tell: (reports: readonly Report[], to?: string): void => {
        // Replaced: by a new leader, of which this one hears any moment, or by the old one, which is gone by now.
        if (!reports.some((report) => report.is === 'state' && report.state.name === 'closed' && report.state.code === REPLACED)) return tell(reports, to);
        const isYoung = Date.now() - began < YOUNG_MS;
        // Once: two devices of one id would take turns for ever.
        began = 0;
        setTimeout(() => (isYoung ? engine?.command(this.#id, { do: 'connect' }) : tell(reports, to)), AWAKE_MS);
      },
      failed: (error: unknown): void => (error instanceof Deposed ? lead.abort() : this.#broken(error)),
    };
    let engine: Engine | undefined;
    if (isOver()) return true;
    // Where it takes time to begin this tab is alive all the same.
    this.#say({ engine: id, reports: [] });
    try {
      engine = await Engine.start(this.#settings, tabs);
    } catch (error) {
      // Another tab may fare better.
      this.#broken(error);
      return false;
    }
    if (!isOver()) {
      this.#engine = engine;
      this.#believed = id;
      tell([engine.snapshot()], undefined, true);
      await Promise.race([aborted(lead.signal), aborted(this.#leaving.signal)]);
    }
    this.#follow(lead);
    await engine.stop();
    return true;
  }

  /** Leads no more. */
  #follow(lead = this.#lead): void {
    lead?.abort();
    if (!lead || this.#lead !== lead) return;
    this.#lead = this.#engine = undefined;
    if (this.#leaving.signal.aborted) return;
    this.#host.lost();
    this.post({ do: 'greet' });
  }

  #say(envelope: Envelope): void {
    if (!this.#leaving.signal.aborted) this.#channel.postMessage(envelope);
  }

  #receive(envelope: Envelope): void {
    if ('reports' in envelope) this.#hear(envelope);
    else if (!envelope.command) {
      if (this.#lead) this.#say({ engine: this.#believed, reports: [] });
    } else if (this.#engine) {
      const { from, engine, command } = envelope;
      this.#watch(from);
      // Said to an engine before this one: the tab says it again, in order, when it has heard this one.
      if ((command.do === 'send' || command.do === 'request') && engine !== this.#believed) return;
      this.#engine.command(from, command);
    }
  }

  #hear({ engine, reports, to, isFirst = false }: Extract<Envelope, { reports: unknown }>): void {
    this.#missed = 0;
    const isMine = to === this.#id;
    if (isFirst || (!this.#lead && (isMine || this.#believed === ''))) {
      this.#believed = engine;
      if (isFirst) this.#follow();
    }
    if (engine !== this.#believed) this.#doubts = true;
    else if (to === undefined || isMine) this.#host.hear(reports, engine);
  }

  /** Learns when a tab is gone. */
  #watch(tab: string): void {
    if (this.#tabs.has(tab)) return;
    this.#tabs.add(tab);
    void this.#hold(`${this.#name} ${tab}`, () => {
      this.#tabs.delete(tab);
      this.#engine?.lose(tab);
      return Promise.resolve();
    });
  }

  async #hold(name: string, act: () => Promise<unknown>): Promise<void> {
    await navigator.locks.request(name, { signal: this.#leaving.signal }, act).catch((error: unknown) => this.#broken(error));
  }

  #broken(error: unknown): void {
    if (!this.#leaving.signal.aborted) this.#host.failed(error);
  }
}

/** When the signal comes. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
