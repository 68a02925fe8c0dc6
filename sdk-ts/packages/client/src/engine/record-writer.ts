/** Writes what the module wants kept, in order, and says when sends are. */

import { concatenated, type Storage } from '../storage/storage.js';

/** A record this long is written anew from what is still needed. */
const LONG = 256 * 1024;

export interface Written {
  /** All sends up to this one are kept. */
  stored(upTo: number): void;
  /** These bytes are not, and so are not the sends in `sends`. */
  failed(sends: readonly number[], error: unknown): void;
}

export class RecordWriter {
  readonly #storage: Storage;
  readonly #snapshot: () => Uint8Array;
  readonly #written: Written;
  /** 0: there is no record, or it lacks a part. The next write puts it right. */
  #length: number;
  #limit: number;
  #last: Promise<void> = Promise.resolve();

  constructor(storage: Storage, length: number, snapshot: () => Uint8Array, written: Written) {
    this.#storage = storage;
    this.#length = length;
    this.#limit = Math.max(LONG, 2 * length);
    this.#snapshot = snapshot;
    this.#written = written;
  }

  /** Keeps changes; `sends` are the numbers of the sends among them. */
  write(parts: readonly Uint8Array[], sends: readonly number[]): void {
    const before = this.#last;
    this.#last = this.#begin(concatenated(parts), sends.length > 0)
      // The record may be gone, and a new one may do: the whole is written once more.
      .catch(() => this.replace())
      // What `stored` says is true of all that came before, too.
      .finally(() => before)
      .then(
      () => {
        const last = sends.at(-1);
        if (last) this.#written.stored(last);
      },
      (error: unknown) => this.#written.failed(sends, error),
    );
  }

  /** When everything asked for is written, or could not be. */
  done(): Promise<void> {
    return this.#last;
  }

  #begin(bytes: Uint8Array, durable: boolean): Promise<void> {
    if (this.#length && this.#length + bytes.length <= this.#limit) {
      this.#length += bytes.length;
      return this.#storage.append(bytes, durable);
    }
    return this.replace();
  }

  /** Writes the record anew. */
  replace(): Promise<void> {
    const whole = this.#snapshot();
    this.#length = whole.length;
    this.#limit = Math.max(LONG, 4 * whole.length);
    return this.#storage.replace(whole).catch((error: unknown) => {
      this.#length = 0;
      throw error;
    });
  }
}
