/** `@wsc/angular/rxjs`: the same as observables. */

import type { Delivery, Readable, Stream } from '@wsc/client';
import { Observable } from 'rxjs';

/** A readable as an observable: its value now, then each change. */
export function fromReadable<T>(readable: Readable<T>): Observable<T> {
  return new Observable((subscriber) => {
    const stop = readable.subscribe((value) => subscriber.next(value));
    subscriber.next(readable.get());
    return stop;
  });
}

/** The messages and gaps of a stream from now on. */
export function fromStream<Data>(stream: Stream<Data>): Observable<Delivery<Data>> {
  return new Observable((subscriber) => {
    const stops = [
      stream.on('message', (message) => subscriber.next({ message })),
      stream.on('gap', (gap) => subscriber.next({ gap })),
    ];
    return () => stops.forEach((stop) => stop());
  });
}
