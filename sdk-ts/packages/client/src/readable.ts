/** Values that change: read now, told later. What every adapter to a framework is built on. */

/** A value and its changes. `get` gives the same object until the value is another. */
export interface Readable<T> {
  /** The value now. */
  get(): T;
  /** Calls back after each change, until the function it gives is called. */
  subscribe(listener: (value: T) => void): () => void;
}

/** A readable that its owner sets. */
export class Writable<T> implements Readable<T> {
  #value: T;
  #listeners: Set<(value: T) => void> | undefined;
  readonly #watched: ((watched: boolean) => void) | undefined;

  /** `watched` is called when the first listener comes and when the last has gone. */
  constructor(value: T, watched?: (watched: boolean) => void) {
    this.#value = value;
    this.#watched = watched;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    if (this.#listeners) for (const listener of [...this.#listeners]) guarded(() => listener(value));
  }

  subscribe(listener: (value: T) => void): () => void {
    // A function subscribed twice is told twice.
    const own = (value: T): void => listener(value);
    const listeners = (this.#listeners ??= new Set());
    listeners.add(own);
    if (listeners.size === 1) this.#watched?.(true);
    return () => {
      if (listeners.delete(own) && listeners.size === 0) this.#watched?.(false);
    };
  }

  get isWatched(): boolean {
    return (this.#listeners?.size ?? 0) > 0;
  }
}

/** Runs a function of the application: what it throws is reported as any uncaught error and disturbs nothing here. */
export function guarded(act: () => void): void {
  try {
    act();
  } catch (error) {
    uncaught(error);
  }
}

/** Reports what was thrown as any uncaught error. */
export function uncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Runs `act` once for any number of calls: at once, then at most every `ms`, so that a burst is one change. */
export function coalesced(act: () => void, ms: number): () => void {
  let last = 0;
  let waits = false;
  const run = (): void => {
    waits = false;
    last = performance.now();
    act();
  };
  return () => {
    if (waits) return;
    waits = true;
    const left = last + ms - performance.now();
    if (left > 0) setTimeout(run, left);
    else queueMicrotask(run);
  };
}
