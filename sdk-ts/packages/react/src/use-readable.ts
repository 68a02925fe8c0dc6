import type { Readable } from '@wsc/client';
import { useCallback, useSyncExternalStore } from 'react';

/** The value of a readable, rendered anew when it changes; on a server its value of now. */
export function useReadable<T>(readable: Readable<T>): T {
  const subscribe = useCallback((changed: () => void) => readable.subscribe(changed), [readable]);
  const get = useCallback(() => readable.get(), [readable]);
  return useSyncExternalStore(subscribe, get, get);
}
