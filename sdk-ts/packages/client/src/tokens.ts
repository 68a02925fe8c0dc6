/** The tokens of one client, all of one user: what is kept must not go out under another name. */

import { accountOf } from './account.js';
import { ClosedError, WscError } from './errors.js';
import type { IdentityOptions, TokenProvider } from './options.js';

export class Tokens {
  readonly #url: string;
  readonly #options: IdentityOptions;
  #account = '';
  /** The user, once it is known. */
  user: string | undefined;

  constructor(url: string, options: IdentityOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** A name for all that belongs to this user at this hub; empty: not known yet. */
  get account(): string {
    return this.#account;
  }

  /** The token to begin with, if one is needed or there; from then on the account is known. */
  async first(): Promise<string> {
    const { token, user } = this.#options;
    // Only a token says whose things may be opened.
    const needed = typeof token === 'function' && user === undefined;
    const first = needed ? await token() : typeof token === 'string' ? token : undefined;
    if (first === null) throw new ClosedError('there will be no token');
    this.#check(first);
    return first ?? '';
  }

  /** A provider that gives this user's tokens and no others. */
  provider(): TokenProvider | undefined {
    const { token } = this.#options;
    if (typeof token !== 'function') return undefined;
    return async () => {
      const given = await token();
      // Whose it is can only be told of a JWT; the machine says what is wrong with anything else.
      if (typeof given === 'string' && given.split('.').length === 3) this.#check(given);
      return given;
    };
  }

  #check(token: string | undefined): void {
    const [account, user] = accountOf(this.#url, this.#options, token);
    if (this.#account !== '' && this.#account !== account) {
      throw new WscError('the token is of another user: make another Client for another user');
    }
    this.#account = account;
    this.user = user;
  }
}
