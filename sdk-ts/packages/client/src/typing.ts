import { type ConversationName, conversationOf, type Message } from './message.js';
import { type Readable, Writable } from './readable.js';
import type { Wiring } from './wiring.js';

/** So long somebody counts as typing after the last sign of it, in milliseconds. */
const LASTS_MS = 5_000;

/** A user who goes on typing tells the others as often, in milliseconds: well before the others forget it. */
const TELLS_MS = 2_000;

/** Who types, per conversation, for as long as somebody looks. */
export class Typing<Data> {
  readonly #wiring: Wiring<Data>;
  readonly #told: Map<ConversationName, number> = new Map();
  readonly #values: Map<ConversationName, Writable<readonly string[]>> = new Map();

  constructor(wiring: Wiring<Data>) {
    this.#wiring = wiring;
  }

  of(name: ConversationName): Readable<readonly string[]> {
    let value = this.#values.get(name);
    if (!value) this.#values.set(name, (value = this.#make(name)));
    return value;
  }

  /** Whether the others should be told again that this user types. */
  isDue(name: ConversationName): boolean {
    const now = performance.now();
    if (now - (this.#told.get(name) ?? -Infinity) < TELLS_MS) return false;
    this.#told.set(name, now);
    return true;
  }

  /** A message went to a conversation: the others forget with it that this user types. */
  sent(name: ConversationName): void {
    this.#told.delete(name);
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
        wiring.on('held', came),
      ];
    });
    return value;
  }
}
