import { guarded } from './readable.js';

/** Typed events: what throws in a listener disturbs neither the others nor the client. */
export class Emitter<Events> {
  readonly #listeners: Map<keyof Events, Set<(event: never) => void>> = new Map();

  /** Calls back on each event of this name, until the function it gives is called. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void {
    const own = (event: Events[K]): void => listener(event);
    let set = this.#listeners.get(name);
    if (!set) this.#listeners.set(name, (set = new Set()));
    set.add(own as (event: never) => void);
    return () => void set.delete(own as (event: never) => void);
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      guarded(() => (listener as (event: Events[K]) => void)(event));
    }
  }
}
