import type { Readable } from '@wsc/client';
import { type MaybeRefOrGetter, type ShallowRef, shallowRef, toValue, watch } from 'vue';

/** The value of a readable as a ref; another readable may take its place. On a server its value of now. */
export function useReadable<T>(readable: MaybeRefOrGetter<Readable<T>>): Readonly<ShallowRef<T>> {
  const value = shallowRef(toValue(readable).get());
  if (typeof window !== 'undefined') {
    watch(
      () => toValue(readable),
      (now, _, onCleanup) => {
        const show = (): void => void (value.value = now.get());
        onCleanup(now.subscribe(show));
        show();
      },
      { immediate: true },
    );
  }
  return value;
}
