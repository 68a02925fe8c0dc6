/** The tokens of one client, all of one user: what is saved must not go out under another name. */

import { accountOf, claimsOf } from './account.js';
import { ClosedError, messageOf, WscError } from './errors.js';
import type { IdentityOptions, TokenProvider } from './options.js';
import type { Host } from './platform.js';
import { after } from './promises.js';

/** A provider that failed is asked again after this, and after twice as long each time, in milliseconds. */
const AGAIN_MS = 1_000;
const LONGEST_MS = 30_000;

export class Tokens {
  readonly #url: string;
  readonly #options: IdentityOptions;
  #account = '';

  constructor(url: string, options: IdentityOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** A name for all that belongs to this user at this hub; empty: not known yet. */
  get account(): string {
    return this.#account;
  }

  /** The token to begin with, if one is needed or there; from then on the account is known. A provider is asked until it gives one. */
  async first(host: Host, signal: AbortSignal): Promise<string> {
    const { token, user } = this.#options;
    if (typeof token !== 'function' || user !== undefined) {
      const given = typeof token === 'string' ? token : undefined;
      this.#check(given);
      return given ?? '';
    }
    // Only a token says whose things may be opened.
    for (let attempts = 1; ; attempts += 1) {
      host.hear([{ is: 'state', state: { name: 'connecting' }, user: '' }], '');
      const given = await ask(token).catch((error: unknown) => {
        host.hear([{ is: 'fault', what: `no token: ${messageOf(error)}`, code: 0, id: '' }], '');
        return undefined;
      });
      signal.throwIfAborted();
      if (given === null) throw new ClosedError('the token provider gave none');
      if (given !== undefined) {
        this.#check(given);
        return given;
      }
      const ms = Math.min(AGAIN_MS * 2 ** (attempts - 1), LONGEST_MS) * (0.5 + Math.random() / 2);
      host.hear([{ is: 'state', state: { name: 'waiting', until: Date.now() + ms, attempts }, user: '' }], '');
      await after(ms, signal);
    }
  }

  /** A provider that gives this user's tokens and no others: it fails for anything else. */
  provider(): TokenProvider | undefined {
    const { token } = this.#options;
    if (typeof token !== 'function') return undefined;
    return async () => {
      const given = await ask(token);
      if (given !== null) this.#check(given);
      return given;
    };
  }

  #check(token: string | undefined): void {
    const account = accountOf(this.#url, this.#options, token);
    if (this.#account !== '' && this.#account !== account) {
      throw new WscError('the token is of another user: make another Client for another user');
    }
    this.#account = account;
  }
}

/** A JWT, or `null`: there will be none. Fails for whatever else a provider gives or throws. */
async function ask(provider: TokenProvider): Promise<string | null> {
  const given: unknown = await provider();
  if (given === null) return null;
  if (typeof given !== 'string') throw new WscError(`the answer is ${String(given)}; give a JWT, or null to close the client`);
  claimsOf(given);
  return given;
}
