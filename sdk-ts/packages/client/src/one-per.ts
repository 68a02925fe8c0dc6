/** What there is once for each client, made when it is first asked for. */

import type { Wiring } from './wiring.js';

export function onePer<T>(make: (wiring: Wiring<unknown>) => T): (client: { readonly core: object }) => T {
  const all = new WeakMap<object, T>();
  return ({ core }) => {
    let one = all.get(core);
    if (one === undefined) all.set(core, (one = make(core as Wiring<unknown>)));
    return one;
  };
}
