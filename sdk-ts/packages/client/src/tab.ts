/** The name of this tab: the same over its reloads, and another in its duplicate, which begins with a copy of the session's storage. */

import { newMessageId } from './message.js';

const KEY = 'wsc tab';
/** The page before a reload may be a moment in going; a tab that lives keeps its name for longer. In milliseconds. */
const PATIENCE_MS = 1_000;

let claimed: Promise<string> | undefined;

export function tabName(): Promise<string> {
  return (claimed ??= claim());
}

async function claim(): Promise<string> {
  try {
    const before = sessionStorage.getItem(KEY);
    if (before !== null && (await isFree(before))) return before;
    const name = newMessageId();
    sessionStorage.setItem(KEY, name);
    await isFree(name);
    return name;
  } catch {
    // No storage for the session: nothing is kept over a reload.
    return newMessageId();
  }
}

/** Whether no other tab has this name; from then on this one has it. */
function isFree(name: string): Promise<boolean> {
  const of = `${KEY} ${name}`;
  return isUnlocked(of)
    .catch(() => isSilent(of))
    .catch(() => true);
}

/** Fails where there are no locks. */
async function isUnlocked(name: string): Promise<boolean> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return new Promise((resolve, reject) => {
    const held = (): Promise<never> => {
      resolve(true);
      // As long as the page lives.
      return new Promise(() => undefined);
    };
    navigator.locks.request(name, { signal }, held).catch((error: unknown) => (signal.aborted ? resolve(false) : reject(error as Error)));
  });
}

/** Where there are no locks: who has the name says so. */
async function isSilent(name: string): Promise<boolean> {
  const channel = new BroadcastChannel(name);
  return new Promise((resolve) => {
    let mine = false;
    const end = (free: boolean): void => {
      clearTimeout(timer);
      mine = free;
      if (!free) channel.close();
      resolve(free);
    };
    const timer = setTimeout(() => end(true), PATIENCE_MS / 4);
    channel.onmessage = ({ data }: MessageEvent<'asked' | 'taken'>): void => {
      if (data === 'taken' && !mine) end(false);
      else if (data === 'asked' && mine) channel.postMessage('taken');
    };
    channel.postMessage('asked');
  });
}
