/** Who types. */

import type { BaseClient } from './base-client.js';
import { type ConversationName, conversationOf, type Message } from './message.js';
import { onePer } from './one-per.js';
import { type Readable, Writable } from './readable.js';
import type { Wiring } from './wiring.js';

/** So long somebody counts as typing after the last sign of it, in milliseconds. */
const LASTS_MS = 5_000;

/** Who types, per conversation, for as long as somebody looks. */
class Typists<Data> {
  readonly #wiring: Wiring<Data>;
  readonly #values: Map<ConversationName, Writable<readonly string[]>> = new Map();

  constructor(wiring: Wiring<Data>) {
    this.#wiring = wiring;
  }

  of(name: ConversationName): Readable<readonly string[]> {
    let value = this.#values.get(name);
    if (!value) this.#values.set(name, (value = this.#make(name)));
    return value;
  }

  #make(name: ConversationName): Writable<readonly string[]> {
    const wiring = this.#wiring;
    const timers = new Map<string, ReturnType<typeof setTimeout>>();
    let stops: (() => void)[] = [];
    const forget = (user: string): void => {
      clearTimeout(timers.get(user));
      if (timers.delete(user)) value.set([...timers.keys()]);
    };
    const came = (message: Message<Data>): void => {
      if (conversationOf(message, wiring.user) === name) forget(message.sender);
    };
    const value = new Writable<readonly string[]>([], (watched) => {
      for (const stop of stops.splice(0)) stop();
      for (const user of [...timers.keys()]) forget(user);
      if (!watched) return;
      stops = [
        wiring.on('volatile', (message) => {
          const { message_type: type, sender } = message;
          if (type !== 'typing' || sender === wiring.user || conversationOf(message, wiring.user) !== name) return;
          clearTimeout(timers.get(sender));
          const fresh = !timers.has(sender);
          timers.set(sender, setTimeout(() => forget(sender), LASTS_MS));
          if (fresh) value.set([...timers.keys()]);
        }),
        // What was typed has come.
        wiring.on('handed', came),
      ];
    });
    return value;
  }
}

const of = onePer((wiring) => new Typists(wiring));

/** Who types in a conversation just now.
 *
 * ```ts
 * typists(client, 'group:team').subscribe((users) => console.log(users.join(', ')));
 * ```
 */
export function typists<Data>(client: BaseClient<Data>, name: ConversationName): Readable<readonly string[]> {
  return of(client).of(name);
}
