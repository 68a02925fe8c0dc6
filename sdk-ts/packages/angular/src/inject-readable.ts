import { computed, effect, type Signal, signal } from '@angular/core';
import type { Readable } from '@wsc/client';

/** The value of a readable as a signal; the function may give another one when signals it reads change. It is first called when the value is read: inputs of a component are there by then. */
export function injectReadable<T>(readable: () => Readable<T>): Signal<T> {
  const source = computed(readable);
  const changes = signal(0);
  const changed = (): void => changes.update((count) => count + 1);
  effect((onCleanup) => {
    onCleanup(source().subscribe(changed));
    // What changed before anybody listened.
    changed();
  });
  return computed(
    () => {
      changes();
      return source().get();
    },
    { equal: Object.is },
  );
}
