import { StorageError } from '../errors.js';
import { concatenated, type Storage } from './storage.js';

const STORE = 'record';
/** A browser that does not open its storage for so long, in milliseconds, does not open it at all: some never answer. */
const PATIENCE_MS = 10_000;

/** Keeps things in IndexedDB, one database per hub and user. Appends that wait share one transaction. */
export class IndexedDbStorage implements Storage {
  readonly #name: string;
  #opened: Promise<IDBDatabase> | undefined;
  /** Whether there was a record; a database that is new then has lost it. */
  #known = false;
  #lost = false;
  #waiting: { parts: Uint8Array[]; durable: boolean; done: Promise<void> } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string) {
    this.#name = name;
  }

  async load(): Promise<Uint8Array> {
    const store = (await this.#database()).transaction(STORE).objectStore(STORE);
    const parts = await of(store.getAll() as IDBRequest<Uint8Array[]>);
    this.#known = true;
    return concatenated(parts.map((part) => new Uint8Array(part)));
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
      return this.#write(begun.durable, false, (store) => store.add(concatenated(begun.parts)));
    });
    return begun.done;
  }

  replace(bytes: Uint8Array): Promise<void> {
    // What comes after belongs behind it.
    this.#waiting = undefined;
    return this.#after(() =>
      this.#write(true, true, (store) => {
        store.clear();
        store.add(bytes);
      }),
    );
  }

  clear(): Promise<void> {
    this.#waiting = undefined;
    return this.#after(() => this.#write(true, true, (store) => store.clear()));
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

  async #write(durable: boolean, whole: boolean, act: (store: IDBObjectStore) => void): Promise<void> {
    const database = await this.#database();
    if (this.#lost && !whole) throw new StorageError('what was kept here has been deleted');
    this.#lost = false;
    const durability = durable ? 'strict' : 'relaxed';
    const transaction = database.transaction(STORE, 'readwrite', { durability });
    act(transaction.objectStore(STORE));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = (): void => resolve();
      transaction.onabort = (): void => reject(failure(transaction.error));
    });
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
      this.#lost = this.#known;
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

function of<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = (): void => resolve(request.result);
    request.onerror = (): void => reject(failure(request.error));
  });
}

/** As {@link of}, but not for ever. What opens too late is closed again. */
function opened(request: IDBOpenDBRequest): Promise<IDBDatabase> {
  let late = false;
  const opening = of(request).then((database) => {
    if (late) database.close();
    return database;
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      late = true;
      reject(new StorageError(`the browser's storage did not open within ${PATIENCE_MS / 1000} seconds: reload the page`));
    }, PATIENCE_MS);
    opening.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function failure(error: DOMException | null): StorageError {
  const full = error?.name === 'QuotaExceededError';
  const hint = full ? 'the browser gives this site no more room' : (error?.message ?? 'it was aborted');
  return new StorageError(`the browser's storage failed: ${hint}`, error);
}
