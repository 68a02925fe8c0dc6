/** The client's commands to the native session, its reports back. Knows no rule of the protocol. */

import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Message, type StreamName, StorageError, type TokenProvider } from '@wsc/client/common';
import { answerOf, type Call, type Command, failureOf, handedOf, type Host, type Json, Kind, type Port, type Report, reportOf, type RequestEnd, sendFaultOf, settlementOf, stateOf, Watches } from '@wsc/client/platforms';
import { Acknowledgements } from './acknowledgements.js';
import { native, type NativeCommand, type Session, type Settings } from './native.js';

/** One of a batch: `bytes` is a place in the list beside it. Messages of one stream, one after the other, are one line. */
type Line = Omit<Call, 'bytes'> & { readonly bytes?: number };

interface Snapshot {
  readonly device: string;
  readonly cursors: readonly (readonly [StreamName, number])[];
  readonly pending: readonly object[];
}

interface Entry {
  readonly json: Json;
  readonly payload?: Uint8Array;
}

export interface NativeSettings extends Settings {
  readonly provider: TokenProvider | undefined;
  readonly manual: boolean;
  /** Whether messages come as texts. */
  readonly texts: boolean;
}

/** A timer this long never runs in practice; Node knows no longer one. */
const LONG_MS = 2 ** 31 - 1;
/** The client's tickets are below. */
const LAST_TICKET = 2 ** 40;

export class NativePort implements Port {
  readonly #host: Host;
  readonly #settings: NativeSettings;
  readonly #engine: string = crypto.randomUUID();
  readonly #opened: Promise<void>;
  readonly #acknowledgements: Acknowledgements;
  /** Sends that wait for the session. */
  #early: Set<string> | undefined = new Set();
  /** Acknowledged by hand nothing may count as handed over because nobody reads it: it waits here, as long as it must. */
  #unread: Report[] = [];
  #reads: ReadonlySet<string> = new Set();
  /** What answers bring, by ticket. */
  readonly #fetched: Map<number, Entry[]> = new Map();
  readonly #watches: Watches = new Watches((what, key) => this.#watch(what, key));
  /** What is watched, by the ticket that it was asked for with. */
  readonly #watching: Map<number, string> = new Map();
  #lastWatch = 0;
  #session: Session | undefined;
  #commands: NativeCommand[] = [];
  #soon = false;
  #end: () => void = () => undefined;
  readonly #ended: Promise<void> = new Promise((resolve) => (this.#end = resolve));
  /** Keeps the process alive, as a socket would. */
  #alive: NodeJS.Timeout | undefined;
  #referenced: boolean;
  #leaving = false;

  constructor(settings: NativeSettings, host: Host, referenced: boolean) {
    this.#settings = settings;
    this.#host = host;
    this.#referenced = referenced;
    if (settings.manual) this.#enqueue({ do: 'read', streams: ['*'] });
    this.#acknowledgements = new Acknowledgements((stream, generation, position) => this.#enqueue({ do: 'acknowledge', stream, generation, position }));
    this.#keepAlive();
    // Not before the client has its port.
    this.#opened = Promise.resolve().then(() => this.#open());
  }

  post(command: Command): void {
    switch (command.do) {
      case 'connect':
        this.#keepAlive();
        return this.#enqueue({ do: 'connect' });
      case 'send': {
        const { id, object, payload } = command;
        // Asked for before the session was open, and again now that it is.
        if (this.#early?.has(id)) return;
        if (!this.#session) this.#early?.add(id);
        return this.#enqueue(payload ? { do: 'send', id, object, payload } : { do: 'send', id, object });
      }
      case 'mark read': {
        const { stream, peer, position } = command;
        this.#enqueue({ do: 'markRead', stream, peer, position });
        // Without an outbox the next session knows nothing of it.
        if (this.#settings.outbox !== undefined) this.#host.hear([{ is: 'mark saved', stream, peer, position }], this.#engine);
        return;
      }
      case 'read':
        if (!this.#settings.manual) return this.#enqueue({ do: 'read', streams: [...command.streams] });
        this.#reads = new Set(command.streams);
        return this.#tell(this.#unread.splice(0));
      case 'wake':
        return this.#enqueue({ do: 'network', online: true });
      case 'acknowledge': {
        const { stream, generation, position } = command;
        return this.#enqueue({ do: 'acknowledge', stream, generation, position });
      }
      case 'cancel':
      case 'request':
        return this.#enqueue(command);
      case 'watch':
        return this.#watches.set('', command.keys);
      case 'forget':
        return void this.#forget();
      case 'greet':
        // There is one client, which hears everything from the beginning.
        return;
    }
  }

  hold(stream: StreamName, position: number): () => void {
    // By hand it is the application that says what it has; the hub waits for that.
    return this.#settings.manual ? (): void => undefined : this.#acknowledgements.hold(stream, position);
  }

  async leave(): Promise<void> {
    // Closing is waited for.
    this.#leaving = true;
    this.#referenced = true;
    this.#keepAlive();
    await this.#opened;
    if (this.#session) {
      if (!this.#settings.manual) this.#acknowledgements.flush();
      this.#enqueue({ do: 'close' });
      await this.#ended;
    }
    clearInterval(this.#alive);
  }

  /** Whether the process lives as long as this does. */
  set referenced(is: boolean) {
    this.#referenced = is;
    if (is) this.#alive?.ref();
    else this.#alive?.unref();
  }

  #keepAlive(): void {
    clearInterval(this.#alive);
    this.#alive = setInterval(() => undefined, LONG_MS);
    this.referenced = this.#referenced;
  }

  async #open(): Promise<void> {
    const { provider, manual: _, texts, ...settings } = this.#settings;
    try {
      this.#session = await native().Session.open({ ...settings, asks: provider !== undefined });
    } catch (error) {
      const { outbox } = settings;
      this.#host.failed(outbox === undefined ? error : new StorageError(`${outbox}: ${(error as Error).message}`, error));
      return;
    }
    const { device, cursors, pending } = JSON.parse(this.#session.snapshot) as Snapshot;
    const sync = { unsaved: 0, saved: pending.length, underWay: 0, caughtUp: false };
    const waiting = pending.map((json) => ({ id: (json as { message_id: string }).message_id, json }));
    this.#host.hear([{ is: 'snapshot', state: { name: 'idle' }, user: '', device, sync, positions: cursors, pending: waiting }], this.#engine);
    this.#early = undefined;
    this.#session.listen((text, bytes) => this.#deliver(text, bytes), texts);
    this.#submit();
  }

  /** Commands of one turn go together. */
  #enqueue(command: NativeCommand): void {
    this.#commands.push(command);
    if (this.#soon) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      this.#submit();
    });
  }

  /** In order; messages, which may be many, as two texts. */
  #submit(): void {
    const session = this.#session;
    if (!session) return;
    const [ids, objects, others]: [string[], string[], NativeCommand[]] = [[], [], []];
    const flush = (): void => {
      if (ids.length > 0) session.send(ids.splice(0).join('\n'), objects.splice(0).join('\n'));
      if (others.length > 0) session.submit(others.splice(0));
    };
    for (const command of this.#commands.splice(0)) {
      const isLine = command.do === 'send' && !command.payload && !command.id.includes('\n');
      if (isLine ? others.length > 0 : ids.length > 0) flush();
      if (isLine) {
        ids.push(command.id);
        objects.push(command.object);
      } else others.push(command);
    }
    flush();
  }

  #deliver(text: string, bytes: readonly Uint8Array[]): void {
    try {
      let reports: Report[] = [];
      for (const line of JSON.parse(text) as Line[]) {
        const { kind, n, t } = line;
        if (kind !== Kind.Message && kind !== Kind.Gap) {
          this.#hear(callOf(line, bytes), reports);
          continue;
        }
        // What is given from here on nobody could acknowledge: it comes with the next connection.
        if (this.#leaving) continue;
        const [stream, generation] = [t[0] as StreamName, n[0]];
        if (!this.#acknowledgements.knows(stream, generation)) {
          this.#tell(reports);
          reports = [];
          this.#acknowledgements.begin(stream, generation);
        }
        if (Array.isArray(t[2])) {
          for (const json of t[2] as Message[]) reports.push({ is: 'handed', handed: { stream, generation, position: json.seq_no ?? 0, json } });
        } else reports.push({ is: 'handed', handed: handedOf(callOf(line, bytes))! });
      }
      this.#tell(reports);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** The listeners have returned: what nobody holds the application has. */
  #tell(reports: readonly Report[]): void {
    if (this.#settings.manual) {
      const isRead = (report: Report): boolean => report.is !== 'handed' || this.#reads.has(report.handed.stream) || this.#reads.has('*');
      this.#unread.push(...reports.filter((report) => !isRead(report)));
      return this.#host.hear(reports.filter(isRead), this.#engine);
    }
    this.#host.hear(reports, this.#engine);
    const last = new Map<StreamName, number>();
    for (const report of reports) if (report.is === 'handed') last.set(report.handed.stream, report.handed.position);
    for (const [stream, position] of last) this.#acknowledgements.heard(stream, position);
    this.#acknowledgements.flush();
  }

  #hear(call: Call, reports: Report[]): void {
    const { n, t, bytes } = call;
    const [w, x] = n;
    switch (call.kind) {
      case Kind.State: {
        const state = stateOf(call);
        if (state.name === 'closed' && !this.#leaving) clearInterval(this.#alive);
        reports.push({ is: 'state', state, user: t[1] });
        if (state.name === 'connected') this.#watches.again();
        return;
      }
      case Kind.Saved:
        reports.push({ is: 'saved', id: t[0] });
        return;
      case Kind.Rejected: {
        const fault = sendFaultOf(w);
        // An earlier process has left it here.
        if (fault === 'repeated') reports.push({ is: 'saved', id: t[0] });
        else reports.push({ is: 'rejected', id: t[0], fault, message: t[1] });
        return;
      }
      case Kind.Settled:
        reports.push({ is: 'settled', settlement: settlementOf(call) });
        return;
      case Kind.Fetched: {
        const entry = { json: t[2], ...(bytes && { payload: bytes }) };
        const entries = this.#fetched.get(w);
        if (entries) entries.push(entry);
        else this.#fetched.set(w, [entry]);
        return;
      }
      case Kind.Answer:
      case Kind.RequestFailed: {
        const end: RequestEnd = call.kind === Kind.Answer ? { is: 'answer', frame: t[2], entries: this.#fetched.get(w) ?? [] } : failureOf(call);
        this.#fetched.delete(w);
        const key = this.#watching.get(w);
        this.#watching.delete(w);
        if (w <= LAST_TICKET) reports.push({ ...end, ticket: w });
        else if (key !== undefined && end.is === 'answer') reports.push({ is: 'watched', key, frame: end.frame });
        return;
      }
      case Kind.Unread:
        reports.push({ is: 'fault', what: `nobody reads ${t[0]}`, code: 0, id: '' });
        return;
      case Kind.SocketClosed:
        reports.push({ is: 'socket closed', connected: w === 1, code: x, reason: t[0] });
        return;
      case Kind.FetchToken:
        return void this.#fetchToken();
      case Kind.Ended:
        return this.#end();
    }
    const report = reportOf(call);
    if (report) reports.push(report);
  }

  #watch(what: 'watch' | 'unwatch', key: string): void {
    const ticket = LAST_TICKET + ++this.#lastWatch;
    if (what === 'watch') this.#watching.set(ticket, key);
    // Cut off: asked for again after the next connect.
    this.#enqueue({ do: 'request', ticket, object: `{"message_type":"${what}","data":${key}}` });
  }

  async #fetchToken(): Promise<void> {
    const [token, why] = await answerOf(this.#settings.provider);
    this.#enqueue({ do: 'token', ...(token !== undefined && { token }), ...(why !== undefined && { why }) });
  }

  async #forget(): Promise<void> {
    await this.leave();
    const { outbox } = this.#settings;
    try {
      if (outbox !== undefined) remove(outbox);
    } catch (error) {
      return this.#host.failed(new StorageError(`${outbox}: ${(error as Error).message}`, error));
    }
    this.#host.hear([{ is: 'forgotten' }], this.#engine);
  }
}

/** Deletes an outbox with all that was put beside it. */
function remove(outbox: string): void {
  for (const end of ['', '.new', '.lock']) rmSync(outbox + end, { force: true });
  const [folder, name] = [dirname(outbox), basename(outbox)];
  for (const file of readdirSync(folder)) {
    if (file.startsWith(name) && /^\.damaged(\.\d+)?$/.test(file.slice(name.length))) rmSync(join(folder, file), { force: true });
  }
}

function callOf(line: Line, bytes: readonly Uint8Array[]): Call {
  const call: Omit<Call, 'bytes'> = line;
  return line.bytes === undefined ? (call as Call) : { ...call, bytes: bytes[line.bytes] };
}
