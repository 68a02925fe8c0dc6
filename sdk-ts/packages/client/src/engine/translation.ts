/** What the machine says, in the words that clients hear. Keeps nothing: what belongs together is put together elsewhere. */

import { messageOf, type SendFault } from '../errors.js';
import type { StreamName } from '../message.js';
import type { TokenProvider } from '../options.js';
import type { Call } from './events.js';
import * as Kind from './kind.js';
import type { Handed, Report, RequestEnd, Settlement, State, Sync } from './protocol.js';
import { CLOSED_WORDS, OUTCOME_WORDS, REJECTION_WORDS, REQUEST_FAULT_WORDS, STAGE_WORDS, STATE_WORDS } from './tables.js';

/** Why a message was not taken, by the machine's number. */
export function sendFaultOf(rejection: number): SendFault {
  const word = REJECTION_WORDS[rejection - 1] ?? 'invalid';
  return word === 'unreadable' ? 'invalid' : word;
}

/** A provider's token; or, without one, why there is none now; without that, for a `null`, there will be none. */
export async function answerOf(provider: TokenProvider | undefined): Promise<[token?: string | undefined, why?: string]> {
  try {
    // What is no text is no token either, and the machine says so.
    const token = await provider?.();
    return token === null ? [] : [String(token)];
  } catch (error) {
    return [undefined, messageOf(error)];
  }
}

/** An entry, or what takes its place; of anything else `undefined`. */
export function handedOf({ kind, n, t, bytes }: Call): Handed | undefined {
  const [generation, position, to] = n;
  const stream = t[0] as StreamName;
  if (kind === Kind.Message) return { stream, generation, position, json: t[2], ...(bytes && { payload: bytes }) };
  if (kind === Kind.Gap) return { stream, generation, position: to, gap: { from: position, reason: t[1] } };
  return undefined;
}

export function stateOf({ n: [state, detail, attempts], t: [reason] }: Call): State {
  const name = STATE_WORDS[state] ?? 'idle';
  if (name === 'waiting') return { name, until: detail, attempts };
  if (name !== 'closed') return { name };
  const why = CLOSED_WORDS[detail] ?? 'hub';
  return { name, why, code: why === 'hub' ? detail : 0, reason };
}

export function settlementOf({ n: [, which, y, retryAfterMs], t: [id, b, at] }: Call): Settlement {
  const outcome = OUTCOME_WORDS[which] ?? 'unknown';
  const accepted = outcome === 'accepted' || outcome === 'duplicate';
  const place = { stream: (accepted ? b : '') as StreamName | '', position: accepted ? y : 0, at: at as string };
  return { id, outcome, ...place, code: accepted ? 0 : y, reason: accepted ? '' : b, retryAfterMs };
}

export function syncOf([unsaved, saved, underWay, caughtUp]: Call['n']): Sync {
  return { unsaved, saved, underWay, caughtUp: caughtUp === 1 };
}

/** A request without an answer. */
export function failureOf({ n: [, why, code, retryAfterMs], t: [reason] }: Call): RequestEnd {
  return { is: 'no answer', fault: REQUEST_FAULT_WORDS[why] ?? 'refused', code, reason, retryAfterMs };
}

/** The report of something that needs nothing else to be understood; of anything else `undefined`. */
export function reportOf({ kind, n, t, bytes }: Call): Report | undefined {
  const [w, x, y] = n;
  const [a, b, c] = t;
  switch (kind) {
    case Kind.CaughtUp:
      return { is: 'caught up' };
    case Kind.Sync:
      return { is: 'sync', sync: syncOf(n) };
    case Kind.Volatile:
      return { is: 'volatile', json: c, ...(bytes && { payload: bytes }) };
    case Kind.StreamOpened:
      return { is: 'opened', stream: a as StreamName, from: x, head: y };
    case Kind.StreamClosed:
      return { is: 'closed', stream: a as StreamName, reason: b };
    case Kind.Receipt:
      return { is: 'receipt', id: a, stage: STAGE_WORDS[x] ?? 'accepted', receiver: b, device: c as string };
    case Kind.ReceiptEnded:
      return { is: 'receipt ended', id: a };
    case Kind.MarkRefused:
      return { is: 'mark refused', code: w, stream: a as StreamName, peer: b };
    case Kind.GroupChanged:
      return { is: 'group', frame: c };
    case Kind.Presence:
      return { is: 'presence', frame: c };
    case Kind.Notice:
      return { is: 'notice', frame: c };
    case Kind.Fault:
      return { is: 'fault', what: (a || 'a frame of the hub was not understood') + (c && `: ${c}`), code: x, id: b };
    default:
      return undefined;
  }
}
