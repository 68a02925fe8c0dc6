import type { Command } from './engine/protocol.js';

/** Conversations whose marks wait at most. */
const WAITING = 256;

type Mark = Extract<Command, { do: 'mark read' }>;
type Place = Omit<Mark, 'do'>;

/** How far this tab said to have read, until an engine keeps it: it may die with what it was told, and the next one is told again. */
export class Marks {
  readonly #marks: Map<string, Mark> = new Map();

  add(mark: Mark): void {
    const before = this.#marks.get(keyOf(mark));
    this.#marks.delete(keyOf(mark));
    this.#marks.set(keyOf(mark), before && before.seq > mark.seq ? before : mark);
    const [oldest] = this.#marks.keys();
    if (this.#marks.size > WAITING && oldest !== undefined) this.#marks.delete(oldest);
  }

  /** An engine keeps a mark, and those before it. */
  drop(kept: Place): void {
    const mark = this.#marks.get(keyOf(kept));
    if (mark && mark.seq <= kept.seq) this.#marks.delete(keyOf(kept));
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

function keyOf({ stream, peer }: Place): string {
  return `${stream} ${peer}`;
}
