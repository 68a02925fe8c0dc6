/** Runs the module for all tabs: their commands in, its reports out. Knows no rule of the protocol. */

import { StorageError } from '../errors.js';
import { newMessageId, type StreamName } from '../message.js';
import type { TokenProvider } from '../options.js';
import { MemoryStorage } from '../storage/memory.js';
import type { Storage } from '../storage/storage.js';
import { type Call, Collector } from './events.js';
import { Hold } from './hold.js';
import { Keeper } from './keeper.js';
import * as Kind from './kind.js';
import { Session } from './module.js';
import type { Command, Handed, Json, Report, State, Sync } from './protocol.js';
import { FLAG_CHOSEN_GROUPS, FLAG_KEPT_DEVICE, FLAG_START_AT_HEAD, FLAG_TOKEN_PROVIDER, STORAGE_DURABLE, VERSION } from './tables.js';
import { answerOf, failureOf, handedOf, reportOf, sendFaultOf, settlementOf, stateOf, syncOf } from './translation.js';

export interface EngineSettings {
  readonly url: string;
  /** Absent: one is made and kept; empty: the hub keeps nothing for this device. */
  readonly device: string | undefined;
  readonly token: string;
  /** The user, if it is known. */
  readonly owner: string;
  readonly provider: TokenProvider | undefined;
  /** user, type, application, namespace */
  readonly identity: readonly [string, string, string, string];
  readonly groups: readonly string[] | undefined;
  readonly startAtHead: boolean;
  readonly manual: boolean;
  readonly outboxCount: number;
  readonly outboxBytes: number;
  readonly storage: Storage;
}

/** Says something to one tab, or to all. */
export type Say = (reports: readonly Report[], tab?: string) => void;

interface Request {
  readonly tab: string;
  readonly ticket: number;
  readonly entries: { json: Json; payload?: Uint8Array }[];
}

export class Engine {
  readonly #settings: EngineSettings;
  readonly #storage: Storage;
  readonly #say: Say;
  readonly #session: Session;
  readonly #keeper: Keeper;
  readonly #hold: Hold;
  readonly device: string;
  /** The user to whom what is kept belongs; empty: nobody yet. */
  readonly #owner: string;
  readonly #damaged: boolean;
  #state: State = { name: 'idle' };
  #user = '';
  #sync: Sync = { unsaved: 0, saved: 0, underWay: 0, caughtUp: false };
  /** Sends that the storage has not confirmed. */
  readonly #storing: Map<number, { id: string; object: string; payload?: Uint8Array }> = new Map();
  /** Sends by message id, as long as they are not settled. */
  readonly #numbers: Map<string, number> = new Map();
  readonly #unstorable: Set<string> = new Set();
  /** Sends that ended while they were given to the module. */
  readonly #ended: Set<string> = new Set();
  readonly #requests: Map<number, Request> = new Map();
  /** Ends of requests that came before their number was known. */
  readonly #early: Map<number, Report> = new Map();
  readonly #places: Map<StreamName, number> = new Map();
  #outgoing: { reports: Report[]; tab?: string; handed?: Handed[] }[] = [];
  #saying = false;
  #stopped = false;

  private constructor(settings: EngineSettings, storage: Storage, say: Say, saved: Uint8Array) {
    this.#settings = settings;
    this.#storage = storage;
    this.#say = say;
    const device = settings.device ?? newMessageId();
    const texts = [settings.url, settings.owner, `wsc-js/${VERSION}`, device, settings.token, ...settings.identity];
    const flags =
      (settings.provider ? FLAG_TOKEN_PROVIDER : 0) |
      (settings.groups ? FLAG_CHOSEN_GROUPS : 0) |
      (settings.startAtHead ? FLAG_START_AT_HEAD : 0) |
      (settings.device === undefined ? FLAG_KEPT_DEVICE : 0);
    const numbers = [flags, STORAGE_DURABLE, settings.outboxCount, settings.outboxBytes, 0, 0];
    const seed = crypto.getRandomValues(new BigUint64Array(1))[0]!;
    const collector = new Collector((calls) => this.#take(calls));
    this.#session = new Session(
      [...texts, ...(settings.groups ?? [])].join('\n'),
      Uint32Array.from(numbers),
      seed,
      saved,
      collector,
    );
    const [kept = '', owner = '', damage, ...rest] = lines(this.#session.standing());
    [this.device, this.#owner, this.#damaged] = [kept, owner.split('\t')[0]!, damage !== ''];
    this.#hold = new Hold((entries, read) => this.#handOver(entries, read));
    this.#keeper = new Keeper(storage, saved.length, () => this.#session.snapshot(), {
      stored: (upTo) => this.#stored(upTo),
      failed: (sends, error) => this.#notStored(sends, error),
    });
    for (const line of rest.filter((line) => line[0] !== '{')) {
      const space = line.indexOf(' ');
      this.#places.set(line.slice(space + 1) as StreamName, Number(line.slice(0, space)));
    }
  }

  /** An engine that goes on where the last one of this storage stopped. */
  static async start(settings: EngineSettings, say: Say): Promise<Engine> {
    let storage = settings.storage;
    let saved: Uint8Array = new Uint8Array();
    let what = '';
    try {
      saved = await storage.load();
    } catch (error) {
      // Some browsers have none in private windows. Better a client that forgets than none; the application is told.
      what = `nothing is kept here: ${error instanceof Error ? error.message : String(error)}`;
      storage = new MemoryStorage();
    }
    const engine = new Engine(settings, storage, say, saved);
    if (settings.owner && engine.#owner !== settings.owner) {
      engine.#session.free();
      throw new StorageError(`what is kept here belongs to user ${engine.#owner}, not to user ${settings.owner}`);
    }
    if (engine.#damaged) {
      await storage.replace(engine.#session.snapshot()).catch((error: unknown) => {
        what = `nothing is kept here: ${error instanceof Error ? error.message : String(error)}`;
      });
      if (saved.length > 0) what = 'what was kept is damaged: unsent messages may be lost';
    }
    if (what) engine.#report({ is: 'fault', what, code: 0, id: '' });
    return engine;
  }

  standing(): Report {
    const { device } = this;
    const [state, sync, user] = [this.#state, this.#sync, this.#user];
    const places = [...this.#places];
    return { is: 'standing', state, user, device, sync, places, pending: lines(this.#session.standing()).filter((line) => line[0] === '{') };
  }

  command(tab: string, command: Command): void {
    if (this.#stopped) return;
    switch (command.do) {
      case 'connect':
        return this.#session.connect();
      case 'send':
        return this.#send(tab, command);
      case 'cancel': {
        const send = this.#numbers.get(command.id);
        if (send !== undefined) this.#session.cancel(send);
        return;
      }
      case 'request': {
        const number = this.#session.request(command.object);
        const early = this.#early.get(number);
        if (early) {
          this.#early.delete(number);
          this.#report({ ...early, ticket: command.ticket } as Report, tab);
        } else this.#requests.set(number, { tab, ticket: command.ticket, entries: [] });
        return;
      }
      case 'mark read':
        return this.#markRead(tab, command);
      case 'acknowledge':
        return this.#session.acknowledge(command.stream, command.generation, command.seq);
      case 'read':
        return this.#hold.reads(tab, command.streams);
      case 'wake':
        return this.#session.wake();
      case 'forget':
        return void this.#forget();
      case 'greet':
        return this.#report(this.standing(), tab);
    }
  }

  /** A tab is gone. */
  lose(tab: string): void {
    this.#hold.reads(tab, []);
  }

  /** Ends the connection; what is unsettled stays in the storage. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#hold.stop();
    this.#session.close();
    await this.#keeper.done();
    // What its timer or a waking page would still bring about has no place any more.
    this.#session.free();
    await this.#storage.close();
  }

  async #forget(): Promise<void> {
    this.#stopped = true;
    this.#hold.stop();
    this.#session.close();
    await this.#keeper.done();
    await this.#storage.clear().catch(() => undefined);
    this.#report({ is: 'forgotten' });
  }

  #markRead(tab: string, { stream, peer, seq }: Extract<Command, { do: 'mark read' }>): void {
    this.#session.markRead(stream, peer, seq);
    // What is kept in the memory dies with this engine: the tab goes on knowing it.
    if (this.#storage instanceof MemoryStorage) return;
    void this.#keeper.done().then(() => this.#report({ is: 'mark kept', stream, peer, seq }, tab));
  }

  #send(tab: string, { id, object, payload }: Extract<Command, { do: 'send' }>): void {
    this.#ended.clear();
    const send = this.#session.send(object, payload);
    const taken = { id, object, ...(payload && { payload }) };
    if (send < 0) {
      const fault = sendFaultOf(-send);
      // Another tab, or an engine before this one, has it already.
      if (fault === 'repeated' && [...this.#storing.values()].some((storing) => storing.id === id)) return;
      if (fault === 'repeated') return this.#report({ is: 'taken', ...taken }, tab);
      const wrong = fault === 'invalid' ? `invalid message: ${this.#session.wrong() || 'not a JSON object'}` : fault;
      return this.#report({ is: 'not taken', id, fault, message: wrong }, tab);
    }
    // A volatile one has ended already.
    if (this.#ended.has(id)) return;
    this.#storing.set(send, taken);
    this.#numbers.set(id, send);
  }

  #stored(upTo: number): void {
    const reports: Report[] = [];
    for (const [send, taken] of this.#storing) {
      if (send > upTo) break;
      this.#storing.delete(send);
      reports.push({ is: 'taken', ...taken });
    }
    this.#queue({ reports });
    if (!this.#stopped) this.#session.stored(upTo);
  }

  #notStored(sends: readonly number[], error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    for (const send of sends) {
      const storing = this.#storing.get(send);
      if (!storing) {
        // No message, but that those kept before may go out now: they do, all the same.
        this.#session.stored(send);
        continue;
      }
      this.#storing.delete(send);
      this.#unstorable.add(storing.id);
      this.#session.cancel(send);
      this.#report({ is: 'not taken', id: storing.id, fault: 'storage', message });
    }
    if (sends.length === 0) this.#report({ is: 'fault', what: message, code: 0, id: '' });
  }

  /** Everything the module said at once. */
  #take(calls: readonly Call[]): void {
    const [changes, sends, reports, handed]: [Uint8Array[], number[], Report[], Handed[]] = [[], [], [], []];
    for (const call of calls) {
      const entry = handedOf(call);
      if (entry) {
        if (this.#settings.manual || !this.#hold.keep(entry)) {
          handed.push(entry);
          reports.push({ is: 'handed', handed: entry });
        }
      } else if (call.kind === Kind.Persist) {
        changes.push(call.bytes ?? new Uint8Array());
        if (call.n[0] > 0) sends.push(call.n[0]);
      } else if (call.kind === Kind.FetchToken) void this.#fetchToken();
      else this.#translate(call, reports);
    }
    if (changes.length > 0) this.#keeper.write(changes, sends);
    this.#queue({ reports, handed });
  }

  #translate(call: Call, reports: Report[]): void {
    const { kind, n, t, bytes } = call;
    const [number, from] = n;
    const [name, , json] = t;
    switch (kind) {
      case Kind.State:
        this.#state = stateOf(call);
        this.#user = t[1];
        reports.push({ is: 'state', state: this.#state, user: this.#user });
        return;
      case Kind.Sync:
        this.#sync = syncOf(n);
        break;
      case Kind.Settled:
        this.#numbers.delete(name);
        this.#ended.add(name);
        if (!this.#unstorable.delete(name)) reports.push({ is: 'settled', settlement: settlementOf(call) });
        return;
      case Kind.Fetched:
        this.#requests.get(number)?.entries.push({ json, ...(bytes && { payload: bytes }) });
        return;
      case Kind.Answer: {
        const request = this.#requests.get(number);
        this.#requests.delete(number);
        if (!request) return;
        const { tab, ticket, entries } = request;
        return this.#queue({ reports: [{ is: 'answer', ticket, frame: json, entries }], tab });
      }
      case Kind.RequestFailed: {
        const request = this.#requests.get(number);
        this.#requests.delete(number);
        const failed = failureOf(call, request?.ticket ?? 0);
        if (request) this.#queue({ reports: [failed], tab: request.tab });
        else this.#early.set(number, failed);
        return;
      }
      case Kind.StreamOpened:
        this.#places.set(name as StreamName, from - 1);
        break;
      case Kind.StreamClosed:
        this.#places.delete(name as StreamName);
        break;
    }
    const report = reportOf(call);
    if (report) reports.push(report);
  }

  async #fetchToken(): Promise<void> {
    const [token, why] = await answerOf(this.#settings.provider);
    if (!this.#stopped) this.#session.supplyToken(token, why);
  }

  #handOver(handed: Handed[], read: boolean): void {
    const reports: Report[] = handed.map((entry) => ({ is: 'handed', handed: entry }));
    if (!read) reports.push({ is: 'fault', what: `nobody reads ${handed[0]?.stream}`, code: 0, id: '' });
    this.#queue({ reports, handed });
  }

  #report(report: Report, tab?: string): void {
    this.#queue({ reports: [report], ...(tab !== undefined && { tab }) });
  }

  /** In order, also when hearing one report brings about the next. */
  #queue(said: { reports: Report[]; tab?: string; handed?: Handed[] }): void {
    if (said.reports.length === 0) return;
    this.#outgoing.push(said);
    if (this.#saying) return;
    this.#saying = true;
    try {
      for (let next = this.#outgoing.shift(); next; next = this.#outgoing.shift()) {
        this.#say(next.reports, next.tab);
        this.#acknowledge(next.handed ?? []);
      }
    } finally {
      this.#saying = false;
    }
  }

  /** The listeners have returned: the application has it. */
  #acknowledge(handed: readonly Handed[]): void {
    const last = new Map(handed.map((entry) => [entry.stream, entry]));
    for (const [stream, { generation, seq }] of last) {
      this.#places.set(stream, seq);
      if (!this.#settings.manual && !this.#stopped) this.#session.acknowledge(stream, generation, seq);
    }
  }
}

function lines(text: string): string[] {
  return text.split('\n').slice(0, -1);
}
