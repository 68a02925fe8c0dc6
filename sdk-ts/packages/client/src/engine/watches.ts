/** Whose status the tabs of a connection watch: asked of the hub once, given up when no tab looks any more. */

/** Users or a group, as the hub is asked for them. */
interface Watched {
  readonly user_ids?: readonly string[];
  readonly group_id?: string;
}

/** Asks the hub; what it answers to `watch` is for one tab, or for all. */
export type AskWatch = (what: 'watch' | 'unwatch', key: string, tab?: string) => void;

export class Watches {
  /** What each tab watches, as JSON. */
  readonly #tabs: Map<string, ReadonlySet<string>> = new Map();
  readonly #ask: AskWatch;

  constructor(ask: AskWatch) {
    this.#ask = ask;
  }

  /** A tab watches these and no others. */
  set(tab: string, keys: readonly string[]): void {
    const before = this.#tabs.get(tab) ?? new Set<string>();
    this.#tabs.set(tab, new Set(keys));
    for (const key of keys) if (!before.has(key)) this.#ask('watch', key, tab);
    const others = this.#all();
    for (const key of before) if (!others.has(key)) this.#leave(key, others);
  }

  /** A new connection knows of none. */
  again(): void {
    for (const key of this.#all()) this.#ask('watch', key);
  }

  /** Nobody looks at these any more; users that are in another list are watched on. */
  #leave(key: string, others: ReadonlySet<string>): void {
    const { user_ids: users } = JSON.parse(key) as Watched;
    if (!users) return this.#ask('unwatch', key);
    const watched = new Set([...others].flatMap((other) => (JSON.parse(other) as Watched).user_ids ?? []));
    const left = users.filter((user) => !watched.has(user));
    // Without users it would end all watching.
    if (left.length > 0) this.#ask('unwatch', JSON.stringify({ user_ids: left }));
  }

  #all(): ReadonlySet<string> {
    return new Set([...this.#tabs.values()].flatMap((keys) => [...keys]));
  }
}
