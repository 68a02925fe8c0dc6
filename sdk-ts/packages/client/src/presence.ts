/** Who is online. */

import type { BaseClient } from './base-client.js';
import type { PresenceFrame, PresenceUser, Status } from './frames.js';
import { onePer } from './one-per.js';
import { type Readable, Writable } from './readable.js';
import type { Wiring } from './wiring.js';

/** Watches users for as long as somebody looks, also over reconnects. */
class Presence<Data> {
  readonly #wiring: Wiring<Data>;
  readonly #watched: Map<string, Writable<ReadonlyMap<string, Status>>> = new Map();

  constructor(wiring: Wiring<Data>) {
    this.#wiring = wiring;
    wiring.on('presence', (frame) => this.#heard(frame));
    wiring.on('watched', ({ key, frame }) => this.#heard(frame, key));
  }

  of(of: { users: readonly string[] } | { group: string }): Readable<ReadonlyMap<string, Status>> {
    const data = 'group' in of ? { group_id: of.group } : { user_ids: [...new Set(of.users)].sort() };
    const key = JSON.stringify(data);
    let value = this.#watched.get(key);
    if (!value) {
      value = new Writable<ReadonlyMap<string, Status>>(new Map(), (watched) => this.#wiring.watch(key, watched));
      this.#watched.set(key, value);
    }
    return value;
  }

  /** A change, or the answer to `only`. */
  #heard({ message_type: type, data = {} }: PresenceFrame, only?: string): void {
    const otherwise: Status = type === 'user_left' ? 'offline' : 'online';
    const { users = data.user_id ? [data as PresenceUser] : [] } = data;
    for (const [key, value] of this.#watched) {
      if (only !== undefined && key !== only) continue;
      const { user_ids: asked } = JSON.parse(key) as { user_ids?: readonly string[] };
      // Of a group's members the hub names all; of users only those asked for.
      const concerns = (id: string): boolean => only !== undefined || (asked ? asked.includes(id) : value.get().has(id));
      const mine = users.filter(({ user_id: id }) => concerns(id));
      if (mine.length === 0) continue;
      const next = new Map(value.get());
      for (const { user_id: id, status } of mine) next.set(id, status ?? otherwise);
      value.set(next);
    }
  }
}

const of = onePer((wiring) => new Presence(wiring));

/** Who of these users, or of a group, is there: now and as it changes.
 *
 * ```ts
 * presence(client, { users: ['bob'] }).subscribe((status) => console.log(status.get('bob')));
 * ```
 */
export function presence<Data>(client: BaseClient<Data>, users: { users: readonly string[] } | { group: string }): Readable<ReadonlyMap<string, Status>> {
  return of(client).of(users);
}
