import { concatenated, type Storage } from './storage.js';

/** Keeps things as long as this object lives. */
export class MemoryStorage implements Storage {
  #parts: Uint8Array[] = [];

  load(): Promise<Uint8Array> {
    return Promise.resolve(concatenated(this.#parts));
  }

  append(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes);
    return Promise.resolve();
  }

  replace(bytes: Uint8Array): Promise<void> {
    this.#parts = [bytes];
    return Promise.resolve();
  }

  clear(): Promise<void> {
    this.#parts = [];
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
