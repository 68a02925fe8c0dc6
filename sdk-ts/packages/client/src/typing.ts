/** How often others are told that this user types. */

import type { ConversationName } from './message.js';

/** A user who goes on typing tells the others as often, in milliseconds: well before the others forget it. */
const TELLS_MS = 2_000;

export class Typing {
  readonly #told: Map<ConversationName, number> = new Map();

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
}
