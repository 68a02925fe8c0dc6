/** What an entrance without the module says when nobody gives it. */

import { WscError } from './errors.js';

export function missing(): never {
  throw new WscError('give the option `wasm`: where wsc.wasm of this package is served; or import @wsc/client/inline');
}
