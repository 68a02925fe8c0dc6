import { StorageError } from '../errors.js';
import { concatenated, Deposed, type Storage } from './storage.js';

const STORE = 'record';
/** A browser that does not open its storage for so long, in milliseconds, does not open it at all: some never answer. */
const PATIENCE_MS = 10_000;

/** So many of those who wrote before cannot write any more, even if they wake only now. */
const CLAIMS = 32;

/** Keeps things in IndexedDB, one database per hub and user. Appends that wait share one transaction.
 *
 * The last one that loaded is the only writer. Each part has the number after the one before it, and to load is to claim
 * a number with an empty part: whoever wrote until then finds its next number taken. */
export class IndexedDbStorage implements Storage {
  readonly #name: string;
  #opened: Promise<IDBDatabase> | undefined;
  /** The number of the next part; 0: nothing was loaded yet. */
  #next = 0;
  /** The numbers that were claimed, of this one last. */
  #claims: number[] = [];
  /** Whether the record was deleted under this writer. */
  #lost = false;
  #waiting: { parts: Uint8Array[]; durable: boolean; done: Promise<void> } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string) {
    this.#name = name;
  }

  async load(): Promise<Uint8Array> {
    const transaction = (await this.#database()).transaction(STORE, 'readwrite');
    const store = transaction.objectStore(STORE);
    const keys = store.getAllKeys();
    const parts = store.getAll() as IDBRequest<Uint8Array[]>;
    parts.onsuccess = (): void => {
      const known = keys.result as number[];
      const claimed = (known.at(-1) ?? 0) + 1;
      this.#claims = [...known.filter((_, at) => parts.result[at]?.length === 0), claimed].slice(-CLAIMS);
      this.#next = claimed + 1;
      this.#lost = false;
      // Whoever wrote until now finds its number taken.
      store.add(new Uint8Array(), claimed);
      commit(transaction);
    };
    await ended(transaction);
    return concatenated(parts.result.map((part) => new Uint8Array(part)));
  }

  append(bytes: Uint8Array, durable: boolean): Promise<void> {
    const waiting = this.#waiting;
    if (waiting) {
      waiting.parts.push(bytes);
      waiting.durable ||= durable;
      return waiting.done;
    }
    const begun = { parts: [bytes], durable, done: Promise.resolve() };
    this.#waiting = begun;
    begun.done = this.#after(() => {
      this.#waiting = undefined;
      return this.#write(concatenated(begun.parts), begun.durable, false);
    });
    return begun.done;
  }

  replace(bytes: Uint8Array): Promise<void> {
    // What comes after belongs behind it.
    this.#waiting = undefined;
    return this.#after(() => this.#write(bytes, true, true));
  }

  clear(): Promise<void> {
    return this.replace(new Uint8Array());
  }

  async close(): Promise<void> {
    await this.#last;
    const opened = this.#opened;
    this.#opened = undefined;
    (await opened?.catch(() => undefined))?.close();
  }

  /** In the order asked for; one that fails does not keep back the next. */
  #after(act: () => Promise<void>): Promise<void> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(bytes: Uint8Array, durable: boolean, whole: boolean): Promise<void> {
    const database = await this.#database();
    if (this.#lost && !whole) throw new StorageError('what was saved here has been deleted');
    const transaction = database.transaction(STORE, 'readwrite', { durability: durable ? 'strict' : 'relaxed' });
    const store = transaction.objectStore(STORE);
    const next = this.#next || 1;
    store.add(bytes, next);
    // All but what is claimed, which must stay taken.
    let before = 0;
    for (const kept of whole ? [...this.#claims, next] : []) {
      store.delete(IDBKeyRange.bound(before, kept, true, true));
      before = kept;
    }
    // Asked for at once: a page that stands still now holds up nobody.
    commit(transaction);
    await ended(transaction);
    this.#next = next + 1;
    this.#lost = false;
  }

  #database(): Promise<IDBDatabase> {
    return (this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    }));
  }

  async #open(): Promise<IDBDatabase> {
    const request = indexedDB.open(this.#name, 1);
    request.onupgradeneeded = (): void => {
      request.result.createObjectStore(STORE, { autoIncrement: true });
      this.#lost = this.#next > 0;
    };
    const database = await opened(request);
    const gone = (): void => {
      this.#opened = undefined;
      database.close();
    };
    // Another tab deletes it, or the user clears the site's data.
    database.onversionchange = gone;
    database.onclose = gone;
    return database;
  }
}

/** Older browsers end a transaction only when nothing more is asked of it. */
function commit(transaction: IDBTransaction): void {
  (transaction as Partial<IDBTransaction>).commit?.();
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = (): void => resolve();
    transaction.onabort = (): void => reject(failure(transaction.error));
  });
}

/** The database, but not for ever. What opens too late is closed again. */
function opened(request: IDBOpenDBRequest): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new StorageError(`the browser's storage did not open within ${PATIENCE_MS / 1000} seconds: reload the page`));
    }, PATIENCE_MS);
    request.onsuccess = (): void => {
      clearTimeout(timer);
      if (late) request.result.close();
      else resolve(request.result);
    };
    request.onerror = (): void => {
      clearTimeout(timer);
      reject(failure(request.error));
    };
  });
}

function failure(error: DOMException | null): Error {
  if (error?.name === 'ConstraintError') return new Deposed();
  const full = error?.name === 'QuotaExceededError';
  const hint = full ? 'the browser gives this site no more room' : (error?.message ?? 'it was aborted');
  return new StorageError(`the browser's storage failed: ${hint}`, error);
}
