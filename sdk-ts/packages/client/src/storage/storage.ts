/** What outlives the page: unsent messages, positions in streams, the device's id. An append-only record of bytes. */
export interface Storage {
  /** Everything saved, in the order it came; empty: nothing yet. Called before anything else. */
  load(): Promise<Uint8Array>;
  /** Adds bytes. When it returns they are saved; `durable`: also when the machine loses its power. */
  append(bytes: Uint8Array, durable: boolean): Promise<void>;
  /** Puts bytes in place of all, in one step. */
  replace(bytes: Uint8Array): Promise<void>;
  /** Forgets everything. */
  clear(): Promise<void>;
  /** Gives up what is held; {@link Storage.load} may come again. */
  close(): Promise<void>;
}

/** Another one has taken over what is saved here: nothing is written any more. */
export class Deposed extends Error {
  override readonly message = 'another tab has taken over what is saved here';
}

/** Several arrays as one. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
