/** How far the application is in each stream: an entry counts once nobody holds it or one before it. Says so once in a while, not for each. */

import type { StreamName } from '@wsc/client/common';

interface Place {
  readonly generation: number;
  /** The last position that all have heard. */
  heard: number;
  /** The last one said. */
  said: number;
  /** Positions that somebody has not taken yet, rising, and how many have not. */
  readonly held: Map<number, number>;
}

export class Acknowledgements {
  readonly #places: Map<StreamName, Place> = new Map();
  readonly #say: (stream: StreamName, generation: number, seq: number) => void;
  #soon = false;

  constructor(say: (stream: StreamName, generation: number, seq: number) => void) {
    this.#say = say;
  }

  /** Whether a stream's positions are counted so already. */
  knows(stream: StreamName, generation: number): boolean {
    return this.#places.get(stream)?.generation === generation;
  }

  /** A stream's positions are counted anew: those of before say nothing about them. */
  begin(stream: StreamName, generation: number): void {
    this.#places.set(stream, { generation, heard: 0, said: 0, held: new Map() });
  }

  /** Somebody keeps an entry that is being handed over, until the function is called. */
  hold(stream: StreamName, seq: number): () => void {
    const place = this.#places.get(stream);
    place?.held.set(seq, (place.held.get(seq) ?? 0) + 1);
    let holds = true;
    return () => {
      if (holds && place) this.#release(place, seq);
      holds = false;
    };
  }

  /** All have heard everything of a stream up to here. */
  heard(stream: StreamName, seq: number): void {
    const place = this.#places.get(stream);
    if (place) place.heard = seq;
  }

  /** Says how far everything is. */
  flush(): void {
    for (const [stream, place] of this.#places) {
      const first = place.held.keys().next();
      const seq = first.done ? place.heard : first.value - 1;
      if (seq <= place.said) continue;
      place.said = seq;
      this.#say(stream, place.generation, seq);
    }
  }

  #release(place: Place, seq: number): void {
    const others = (place.held.get(seq) ?? 1) - 1;
    if (others > 0) place.held.set(seq, others);
    else place.held.delete(seq);
    if (this.#soon) return;
    this.#soon = true;
    // A loop over what is there already takes one after the other without a pause.
    setImmediate(() => {
      this.#soon = false;
      this.flush();
    });
  }
}
