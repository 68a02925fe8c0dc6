import type { Command } from './engine/protocol.js';

/** Conversations whose marks are kept at most; of the longest unread the mark is let go. */
const KEPT = 64;

type Mark = Extract<Command, { do: 'mark read' }>;

/** How far this tab said to have read. The engine may die with what it was told: the next one is told again, and the hub takes a mark only forward. */
export class Marks {
  readonly #marks: Map<string, Mark> = new Map();

  add(conversation: string, mark: Mark): void {
    const before = this.#marks.get(conversation);
    this.#marks.delete(conversation);
    this.#marks.set(conversation, before && before.seq > mark.seq ? before : mark);
    const [oldest] = this.#marks.keys();
    if (this.#marks.size > KEPT && oldest !== undefined) this.#marks.delete(oldest);
  }

  again(post: (command: Command) => void): void {
    for (const mark of this.#marks.values()) post(mark);
  }
}
