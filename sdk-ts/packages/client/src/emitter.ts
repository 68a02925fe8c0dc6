import { uncaught } from './readable.js';

/** Typed events: what throws in a listener disturbs neither the others nor the client. */
export class Emitter<Events> {
  readonly #listeners: Map<keyof Events, readonly ((event: never) => void)[]> = new Map();

  /** Calls back on each event of this name, until the function it gives is called. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void {
    const own = (event: Events[K]): void => listener(event);
    const others = (): ((event: never) => void)[] => (this.#listeners.get(name) ?? []).filter((other) => other !== own);
    // Never changed: who is being called now is not disturbed.
    this.#listeners.set(name, [...others(), own]);
    return () => void this.#listeners.set(name, others());
  }

  /** Whether anybody listens. */
  hears(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.length ?? 0) > 0;
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    const listeners = this.#listeners.get(name) as readonly ((event: Events[K]) => void)[] | undefined;
    if (!listeners) return;
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        uncaught(error);
      }
    }
  }
}
