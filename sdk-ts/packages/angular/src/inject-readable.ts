import { effect, type Signal, signal, untracked } from '@angular/core';
import type { Readable } from '@wsc/client';

/** The value of a readable as a signal; the function may give another one when signals it reads change. */
export function injectReadable<T>(readable: () => Readable<T>): Signal<T> {
  const value = signal(untracked(readable).get(), { equal: Object.is });
  effect((onCleanup) => {
    const now = readable();
    const show = (): void => value.set(now.get());
    onCleanup(now.subscribe(show));
    untracked(show);
  });
  return value.asReadonly();
}
