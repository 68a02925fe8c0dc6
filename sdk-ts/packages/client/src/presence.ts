import type { Client } from './client.js';
import { type Readable, Writable } from './readable.js';

/** How a user is to be seen. */
export type Status = 'online' | 'offline' | 'busy' | 'away' | 'invisible';

interface User {
  readonly user_id: string;
  readonly status?: Status;
}

/** Whom one looks at. */
interface Asked {
  readonly user_ids?: readonly string[];
  readonly group_id?: string;
}

/** An answer has many users, a change one. */
interface Frame {
  readonly message_type: string;
  readonly data?: { readonly users?: readonly User[] } & Partial<User>;
}

/** Watches users for as long as somebody looks, also over reconnects. */
export class Presence<Data> {
  readonly #client: Client<Data>;
  readonly #watched: Map<string, Writable<ReadonlyMap<string, Status>>> = new Map();

  constructor(client: Client<Data>) {
    this.#client = client;
    client.on('presence', (frame) => this.#heard(frame as Frame));
    client.on('state', (state) => {
      if (state.name === 'connected') for (const [key, value] of this.#watched) if (value.isWatched) this.#ask('watch', key);
    });
  }

  of(of: { users: readonly string[] } | { group: string }): Readable<ReadonlyMap<string, Status>> {
    const data = 'group' in of ? { group_id: of.group } : { user_ids: [...new Set(of.users)].sort() };
    const key = JSON.stringify(data);
    let value = this.#watched.get(key);
    if (!value) {
      value = new Writable<ReadonlyMap<string, Status>>(new Map(), (watched) => {
        if (this.#client.state.get().name !== 'connected') return;
        if (watched) this.#ask('watch', key);
        else this.#leave(key);
      });
      this.#watched.set(key, value);
    }
    return value;
  }

  /** Nobody looks at these any more; users that others look at are watched on. */
  #leave(key: string): void {
    // Others of the connection's tabs may look on, which this one does not know.
    if (this.#client.isShared) return;
    const { user_ids: users, ...group } = JSON.parse(key) as Asked;
    if (!users) return this.#ask('unwatch', JSON.stringify(group));
    const watched = [...this.#watched].filter(([, value]) => value.isWatched);
    const others = new Set(watched.flatMap(([other]) => (JSON.parse(other) as Asked).user_ids ?? []));
    const left = users.filter((user) => !others.has(user));
    // Without users it would end all watching.
    if (left.length > 0) this.#ask('unwatch', JSON.stringify({ user_ids: left }));
  }

  #ask(what: 'watch' | 'unwatch', key: string): void {
    const asked = this.#client.request({ message_type: what, data: JSON.parse(key) as object });
    // Cut off: it is asked for again after the next connect.
    asked.then(({ frame }) => what === 'watch' && this.#heard(frame as Frame, key)).catch(() => undefined);
  }

  #heard(frame: Frame, only?: string): void {
    const otherwise: Status = frame.message_type === 'user_left' ? 'offline' : 'online';
    const { users = frame.data?.user_id ? [frame.data as User] : [] } = frame.data ?? {};
    for (const [key, value] of this.#watched) {
      if (only !== undefined && key !== only) continue;
      const asked = JSON.parse(key) as Asked;
      const mine = users.filter(({ user_id: id }) => only !== undefined || this.#concerns(asked.user_ids, id, value));
      if (mine.length === 0) continue;
      const next = new Map(value.get());
      for (const { user_id: id, status } of mine) next.set(id, status ?? otherwise);
      value.set(next);
    }
  }

  /** Of a group's members the hub names all; of users only those asked for. */
  #concerns(asked: readonly string[] | undefined, id: string, value: Readable<ReadonlyMap<string, Status>>): boolean {
    return asked ? asked.includes(id) : value.get().has(id);
  }
}
