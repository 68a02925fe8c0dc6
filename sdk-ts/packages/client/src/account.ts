/** Whose client this is: what a token says, and the name under which things are kept. Never checks a token; the hub does. */

import { WscError } from './errors.js';
import type { Addresses, IdentityOptions } from './options.js';

interface Claims {
  readonly uid?: string;
  readonly aid?: string;
  readonly tid?: string;
}

/** A name for all that belongs to this user at this hub, the same in every tab. */
export function accountOf(url: string, options: IdentityOptions, token: string | undefined): string {
  const claims = token === undefined ? {} : claimsOf(token);
  const user = options.user ?? claims.uid;
  if (user === undefined) {
    throw new WscError('`user` is required, or a token with the claim `uid`');
  }
  if (claims.uid !== undefined && claims.uid !== user) {
    throw new WscError(`the token is of "${claims.uid}", not of "${user}"`);
  }
  // Where the options name the user they name the rest as well: things are then opened before there is a token.
  const named = options.user !== undefined;
  const scope = [named ? options.app : claims.aid, named ? options.namespace : claims.tid].map((part) => part ?? '');
  return ['wsc', url, ...scope, user].map(encodeURIComponent).join(' ');
}

/** Whose a token is, as the machine has it: user, application and namespace, those of the default left empty; empty where it does not say. */
export function ownerOf(token: string): string {
  const { uid, aid, tid } = claimsOf(token);
  return uid === undefined ? '' : [uid, aid === '__default_app__' ? '' : aid, tid === '__default_ns__' ? '' : tid].join('\t');
}

/** What a token says. Fails for what is not a JWT. */
export function claimsOf(token: string): Claims {
  try {
    const base64 = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
  } catch {
    // Not what it is: it may be a secret all the same.
    throw new WscError('the token is not a JWT');
  }
}

/** How an address is written. */
const FORM = 'give ws://host:port or wss://host';

/** The addresses of the hub's WebSocket, at least one. */
export function socketUrls(addresses: Addresses): string[] {
  const urls = [addresses].flat().map(socketUrl);
  if (urls.length < 1) throw new TypeError(`no address of a hub is given: ${FORM}`);
  return urls;
}

/** The address of a WebSocket: without a path, `/ws`. Relative addresses and `http` are understood. */
function socketUrl(address: string): string {
  try {
    const url = new URL(address, globalThis.location?.href);
    url.protocol = url.protocol.replace(/^http/, 'ws');
    if (url.pathname === '/') url.pathname = '/ws';
    url.hash = '';
    if (/^wss?:/.test(url.href)) return url.href;
  } catch {
    // As one of another scheme.
  }
  throw new TypeError(`"${address}" is not a valid address of a hub: ${FORM}`);
}
