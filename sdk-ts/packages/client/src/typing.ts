import type { Client } from './client.js';
import { type ConversationName, conversationOf } from './message.js';
import { type Readable, Writable } from './readable.js';

/** So long somebody counts as typing after the last sign of it, in milliseconds. */
const LASTS_MS = 5_000;

/** Who types, per conversation, for as long as somebody looks. */
export class Typing<Data> {
  readonly #client: Client<Data>;
  readonly #values: Map<ConversationName, Writable<readonly string[]>> = new Map();

  constructor(client: Client<Data>) {
    this.#client = client;
  }

  of(name: ConversationName): Readable<readonly string[]> {
    let value = this.#values.get(name);
    if (!value) this.#values.set(name, (value = this.#make(name)));
    return value;
  }

  #make(name: ConversationName): Writable<readonly string[]> {
    const client = this.#client;
    const timers = new Map<string, ReturnType<typeof setTimeout>>();
    let stops: (() => void)[] = [];
    const forget = (user: string): void => {
      clearTimeout(timers.get(user));
      if (timers.delete(user)) value.set([...timers.keys()]);
    };
    const value = new Writable<readonly string[]>([], (watched) => {
      for (const stop of stops.splice(0)) stop();
      for (const user of [...timers.keys()]) forget(user);
      if (!watched) return;
      stops = [
        client.on('volatile', (message) => {
          const { message_type: type, sender } = message;
          if (type !== 'typing' || sender === client.user || conversationOf(message, client.user) !== name) return;
          clearTimeout(timers.get(sender));
          const fresh = !timers.has(sender);
          timers.set(sender, setTimeout(() => forget(sender), LASTS_MS));
          if (fresh) value.set([...timers.keys()]);
        }),
        // What was typed has come.
        client.on('handed', (message) => conversationOf(message, client.user) === name && forget(message.sender)),
      ];
    });
    return value;
  }
}
