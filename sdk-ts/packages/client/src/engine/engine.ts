/** Runs the module for all tabs: their commands in, its reports out. Knows no rule of the protocol. */

import { ownerOf } from '../account.js';
import { messageOf, StorageError } from '../errors.js';
import type { Json } from '../json.js';
import { newMessageId, type StreamName } from '../message.js';
import type { TokenProvider } from '../options.js';
import { MemoryStorage } from '../storage/memory.js';
import { Deposed, type Storage } from '../storage/storage.js';
import { Backlog } from './backlog.js';
import { Environment } from './environment.js';
import type { Call } from './events.js';
import * as Input from './input.js';
import * as Kind from './kind.js';
import { type Given, input, Session } from './module.js';
import type { Command, Handed, Pending, Report, RequestEnd, State, Sync } from './protocol.js';
import { RecordWriter } from './record-writer.js';
import { FLAG_CHOSEN_GROUPS, FLAG_KEPT_DEVICE, FLAG_START_AT_HEAD, FLAG_TOKEN_PROVIDER, STORAGE_DURABLE, VERSION } from './tables.js';
import { answerOf, failureOf, handedOf, reportOf, sendFaultOf, settlementOf, stateOf, syncOf } from './translation.js';
import { Watches } from './watches.js';

export interface EngineSettings {
  /** At least one. */
  readonly urls: readonly string[];
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

/** Whom an engine works for. */
export interface Tabs {
  /** Something for one tab, or for all. */
  tell(reports: readonly Report[], tab?: string): void;
  /** What is saved is another engine's now, or cannot be forgotten: this one is to be stopped. */
  failed(error: unknown): void;
}

/** A request under way: what came of its answer so far, and who is told of its end. */
interface Request {
  readonly entries: { json: Json; payload?: Uint8Array }[];
  readonly end: (end: RequestEnd) => void;
}

/** A send that is not settled. */
interface Unsettled extends Pending {
  readonly send: number;
}

export class Engine {
  readonly #settings: EngineSettings;
  readonly #tabs: Tabs;
  readonly #environment: Environment;
  readonly #session: Session;
  readonly #writer: RecordWriter;
  readonly #backlog: Backlog;
  #device = '';
  #state: State = { name: 'idle' };
  #user = '';
  #sync: Sync = { unsaved: 0, saved: 0, underWay: 0, caughtUp: false };
  /** By message id, in the order they were sent. */
  readonly #unsettled: Map<string, Unsettled> = new Map();
  /** Of these, those that the storage has not confirmed. */
  readonly #saving: Set<Unsettled> = new Set();
  /** The send that is given to the module, and whether it has ended meanwhile. */
  #sending: { tab: string; command: Extract<Command, { do: 'send' }>; ended: boolean } | undefined;
  readonly #unstorable: Set<string> = new Set();
  readonly #requests: Map<number, Request> = new Map();
  /** Ends of requests that came before their number was known. */
  readonly #early: Map<number, RequestEnd> = new Map();
  readonly #positions: Map<StreamName, number> = new Map();
  readonly #watches: Watches;
  #outgoing: { reports: Report[]; tab?: string; handed?: Handed[] }[] = [];
  #telling = false;
  #stopped = false;

  private constructor(settings: EngineSettings, tabs: Tabs, saved: Uint8Array) {
    this.#settings = settings;
    this.#tabs = tabs;
    const lines = [settings.owner, `wsc-js/${VERSION}`, settings.device ?? newMessageId(), settings.token, ...settings.identity, ...(settings.groups ?? [])];
    const flags =
      (settings.provider ? FLAG_TOKEN_PROVIDER : 0) |
      (settings.groups ? FLAG_CHOSEN_GROUPS : 0) |
      (settings.startAtHead ? FLAG_START_AT_HEAD : 0) |
      (settings.device === undefined ? FLAG_KEPT_DEVICE : 0);
    const seed = crypto.getRandomValues(new BigUint64Array(1))[0]!;
    const environment = new Environment(settings.urls, (calls) => this.#take(calls));
    const { outboxCount, outboxBytes } = settings;
    this.#session = new Session(lines.join('\n'), flags, STORAGE_DURABLE, outboxCount, outboxBytes, 0, 0, settings.urls.length, seed, saved, environment);
    this.#environment = environment;
    this.#backlog = new Backlog((entries, read) => this.#handOver(entries, read));
    this.#watches = new Watches((what, key, tab) => this.#watch(what, key, tab));
    this.#writer = new RecordWriter(settings.storage, saved.length, () => this.#session.snapshot(), {
      stored: (upTo) => this.#stored(upTo),
      failed: (sends, error) => this.#notStored(sends, error),
    });
  }

  /** An engine that goes on where the last one of this storage stopped. */
  static async start(settings: EngineSettings, tabs: Tabs): Promise<Engine> {
    const faults: string[] = [];
    const volatile = (error: unknown): Uint8Array => {
      // Some browsers have none in private windows. Better a client that forgets than none; the application is told.
      faults.push(`nothing is saved here: ${messageOf(error)}`);
      // The hub keeps nothing for a device that forgets.
      settings = { ...settings, storage: new MemoryStorage(), device: settings.device ?? '' };
      return new Uint8Array();
    };
    const saved = await settings.storage.load().catch(volatile);
    const engine = new Engine(settings, tabs, saved);
    let restored = saved.length > 0;
    for (const { kind, n, t, bytes } of engine.#environment.begin(engine.#session)) {
      if (kind === Kind.StreamOpened) engine.#positions.set(t[0] as StreamName, n[1] - 1);
      else if (kind === Kind.Sync) [engine.#sync, engine.#device] = [syncOf(n), t[0]];
      else if (kind === Kind.Saved) engine.#unsettled.set(t[0], { id: t[0], json: t[2], send: n[0], ...(bytes && { payload: bytes }) });
      else if (t[0] === '') restored = false;
      else {
        engine.#environment.stop();
        await engine.#free();
        throw new StorageError(`what is saved here belongs to user ${t[0].replaceAll('\t', ' ').trim()}, not to user ${settings.owner.replaceAll('\t', ' ').trim()}`);
      }
    }
    if (!restored) {
      await engine.#writer.replace().catch(volatile);
      if (saved.length > 0) faults.push('what was saved is damaged: unsent messages may be lost');
    }
    for (const what of faults) engine.#report({ is: 'fault', what, code: 0, id: '' });
    return engine;
  }

  /** How far everything is. */
  snapshot(): Report {
    const pending = [...this.#unsettled.values()].filter((unsettled) => !this.#saving.has(unsettled));
    const positions = [...this.#positions];
    return { is: 'snapshot', state: this.#state, user: this.#user, device: this.#device, sync: this.#sync, positions, pending };
  }

  command(tab: string, command: Command): void {
    if (this.#stopped) return;
    switch (command.do) {
      case 'connect':
        return void this.#input(Input.Connect);
      case 'send':
        return this.#send(tab, command);
      case 'cancel': {
        const unsettled = this.#unsettled.get(command.id);
        if (unsettled) this.#input(Input.Cancel, unsettled.send);
        return;
      }
      case 'request':
        return this.#ask(command.object, (end) => this.#report({ ...end, ticket: command.ticket }, tab));
      case 'watch':
        return this.#watches.set(tab, command.keys);
      case 'mark read':
        return this.#markRead(tab, command);
      case 'acknowledge':
        return void this.#input(Input.Acknowledge, command.generation, command.position, command.stream);
      case 'read':
        return this.#backlog.reads(tab, command.streams);
      case 'wake':
        return void this.#input(Input.Network, 1);
      case 'forget':
        return void this.#forget();
      case 'greet':
        return this.#report(this.snapshot(), tab);
    }
  }

  /** A tab is gone. */
  lose(tab: string): void {
    this.#backlog.reads(tab, []);
    this.#watches.set(tab, []);
  }

  /** Ends the connection; what is unsettled stays in the storage. */
  async stop(): Promise<void> {
    await this.#end();
    await this.#free();
  }

  #free(): Promise<void> {
    this.#session.free();
    return this.#settings.storage.close();
  }

  async #end(): Promise<void> {
    this.#stopped = true;
    this.#backlog.stop();
    this.#input(Input.Close);
    this.#environment.stop();
    await this.#writer.done();
  }

  async #forget(): Promise<void> {
    await this.#end();
    await this.#settings.storage.clear().then(
      () => this.#report({ is: 'forgotten' }),
      (error: unknown) => this.#tabs.failed(error),
    );
  }

  #ask(object: string, end: (end: RequestEnd) => void): void {
    const number = this.#input(Input.Request, 0, 0, object);
    const early = this.#early.get(number);
    this.#early.delete(number);
    if (early) end(early);
    else this.#requests.set(number, { end, entries: [] });
  }

  #watch(what: 'watch' | 'unwatch', key: string, tab: string | undefined): void {
    // Cut off: asked for again after the next connect.
    if (this.#state.name !== 'connected') return;
    this.#ask(`{"message_type":"${what}","data":${key}}`, (end) => {
      if (what === 'watch' && end.is === 'answer') this.#report({ is: 'watched', key, frame: end.frame }, tab);
    });
  }

  #markRead(tab: string, { stream, peer, position }: Extract<Command, { do: 'mark read' }>): void {
    this.#input(Input.MarkRead, position, 0, stream, peer);
    // What is kept in the memory dies with this engine: the tab goes on knowing it.
    if (this.#settings.storage instanceof MemoryStorage) return;
    void this.#writer.done().then(() => this.#report({ is: 'mark saved', stream, peer, position }, tab));
  }

  #send(tab: string, command: Extract<Command, { do: 'send' }>): void {
    const { id, object: json, payload } = command;
    const sending = { tab, command, ended: false };
    this.#sending = sending;
    const send = this.#input(Input.Send, 0, 0, json, '', payload);
    this.#sending = undefined;
    // Rejected, or volatile and over.
    if (send === 0 || sending.ended) return;
    const unsettled = { id, json, send, ...(payload && { payload }) };
    this.#unsettled.set(id, unsettled);
    this.#saving.add(unsettled);
  }

  #rejected({ n: [rejection], t: [field, reason] }: Call): void {
    const { tab, command } = this.#sending!;
    const { id, object: json, payload } = command;
    const fault = sendFaultOf(rejection);
    if (fault === 'repeated') {
      // Another tab, or an engine before this one, has it already; what is not saved yet is told when it is.
      if (!this.#saving.has(this.#unsettled.get(id)!)) this.#report({ is: 'saved', id, json, ...(payload && { payload }) }, tab);
      return;
    }
    const message = fault === 'invalid' ? `invalid message: ${field ? `${field}: ${reason}` : 'not a JSON object'}` : fault;
    this.#report({ is: 'rejected', id, fault, message }, tab);
  }

  #stored(upTo: number): void {
    const reports: Report[] = [];
    for (const unsettled of this.#saving) {
      const { id, json, payload, send } = unsettled;
      if (send > upTo) break;
      this.#saving.delete(unsettled);
      reports.push({ is: 'saved', id, json, ...(payload && { payload }) });
    }
    this.#queue({ reports });
    if (!this.#stopped) this.#input(Input.Stored, upTo);
  }

  #notStored(sends: readonly number[], error: unknown): void {
    if (error instanceof Deposed) return this.#tabs.failed(error);
    const message = messageOf(error);
    const saving = new Map([...this.#saving].map((unsettled) => [unsettled.send, unsettled]));
    for (const send of sends) {
      const unsettled = saving.get(send);
      // No message, but that those saved before may go out now: they do, all the same.
      if (!unsettled) {
        if (!this.#stopped) this.#input(Input.Stored, send);
        continue;
      }
      const { id } = unsettled;
      this.#saving.delete(unsettled);
      this.#unstorable.add(id);
      if (!this.#stopped) this.#input(Input.Cancel, send);
      this.#report({ is: 'rejected', id, fault: 'storage', message });
    }
    if (sends.length === 0) this.#report({ is: 'fault', what: message, code: 0, id: '' });
  }

  /** Everything the module said at once. */
  #take(calls: readonly Call[]): void {
    const [changes, sends, reports, handed]: [Uint8Array[], number[], Report[], Handed[]] = [[], [], [], []];
    for (const call of calls) {
      const entry = handedOf(call);
      if (entry) {
        if (!this.#settings.manual && this.#backlog.keep(entry)) continue;
        handed.push(entry);
        reports.push({ is: 'handed', handed: entry });
      } else if (call.kind === Kind.Persist) {
        changes.push(call.bytes ?? new Uint8Array());
        if (call.n[0] > 0) sends.push(call.n[0]);
      } else if (call.kind === Kind.FetchToken) void this.#fetchToken();
      else this.#translate(call, reports);
    }
    if (changes.length > 0) this.#writer.write(changes, sends);
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
        if (this.#state.name === 'connected') queueMicrotask(() => !this.#stopped && this.#watches.again());
        return;
      case Kind.Sync:
        this.#sync = syncOf(n);
        break;
      case Kind.Rejected:
        return this.#rejected(call);
      case Kind.Settled:
        this.#saving.delete(this.#unsettled.get(name)!);
        this.#unsettled.delete(name);
        if (this.#sending?.command.id === name) this.#sending.ended = true;
        if (!this.#unstorable.delete(name)) reports.push({ is: 'settled', settlement: settlementOf(call) });
        return;
      case Kind.Fetched:
        this.#requests.get(number)?.entries.push({ json, ...(bytes && { payload: bytes }) });
        return;
      case Kind.Answer:
      case Kind.RequestFailed: {
        const request = this.#requests.get(number);
        this.#requests.delete(number);
        const end: RequestEnd = kind === Kind.Answer ? { is: 'answer', frame: json, entries: request?.entries ?? [] } : failureOf(call);
        if (request) request.end(end);
        else this.#early.set(number, end);
        return;
      }
      case Kind.StreamOpened:
        this.#positions.set(name as StreamName, from - 1);
        break;
      case Kind.StreamClosed:
        this.#positions.delete(name as StreamName);
        break;
    }
    const report = reportOf(call);
    if (report) reports.push(report);
  }

  async #fetchToken(): Promise<void> {
    const [token, why] = await answerOf(this.#settings.provider);
    if (this.#stopped) return;
    if (token !== undefined) this.#input(Input.Token, 0, 0, token, ownerOf(token));
    else if (why !== undefined) this.#input(Input.TokenFailed, 0, 0, why);
    else this.#input(Input.NoToken);
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
  #queue(told: { reports: Report[]; tab?: string; handed?: Handed[] }): void {
    if (told.reports.length === 0) return;
    this.#outgoing.push(told);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#outgoing.shift(); next; next = this.#outgoing.shift()) {
        this.#tabs.tell(next.reports, next.tab);
        this.#acknowledge(next.handed ?? []);
      }
    } finally {
      this.#telling = false;
    }
  }

  /** The listeners have returned: the application has it. */
  #acknowledge(handed: readonly Handed[]): void {
    const last = new Map(handed.map((entry) => [entry.stream, entry]));
    for (const [stream, { generation, position }] of last) {
      this.#positions.set(stream, position);
      if (!this.#settings.manual && !this.#stopped) this.#input(Input.Acknowledge, generation, position, stream);
    }
  }

  #input(...given: Given): number {
    return input(this.#session, ...given);
  }
}
