import type { Command } from './engine/protocol.js';

/** Conversations whose marks wait at most. */
const WAITING = 256;

type Mark = Extract<Command, { do: 'mark read' }>;
type Read = Omit<Mark, 'do'>;

/** How far this tab said to have read, until an engine has saved it: it may die with what it was told, and the next one is told again. */
export class Marks {
  readonly #marks: Map<string, Mark> = new Map();

  add(mark: Mark): void {
    const before = this.#marks.get(keyOf(mark));
    this.#marks.delete(keyOf(mark));
    this.#marks.set(keyOf(mark), before && before.position > mark.position ? before : mark);
    const [oldest] = this.#marks.keys();
    if (this.#marks.size > WAITING && oldest !== undefined) this.#marks.delete(oldest);
  }

  /** An engine has saved a mark, and those before it. */
  drop(saved: Read): void {
    const mark = this.#marks.get(keyOf(saved));
    if (mark && mark.position <= saved.position) this.#marks.delete(keyOf(saved));
  }

  /** The positions of a stream are other messages now. */
  renew(stream: string): void {
    for (const [key, mark] of this.#marks) if (mark.stream === stream) this.#marks.delete(key);
  }

  clear(): void {
    this.#marks.clear();
  }

  again(post: (command: Command) => void): void {
    for (const mark of this.#marks.values()) post(mark);
  }
}

function keyOf({ stream, peer }: Read): string {
  return `${stream} ${peer}`;
}
