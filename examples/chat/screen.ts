/** What the three chats do with the page itself: its address, its scrolling, whether somebody sees it. */

import type { Client, ConversationName, Readable, Timeline } from '@wsc/client';

/** From the page's address: `?user=alice&hub=ws://127.0.0.1:8080/ws`. */
export function settings(): { user: string; url: string } {
  const asked = new URLSearchParams(location.search);
  return { user: asked.get('user') ?? 'alice', url: asked.get('hub') ?? 'ws://127.0.0.1:8080/ws' };
}

/** The open conversation stands in the page's address: a reload keeps it, and going back leaves it. */
export const opened: Readable<ConversationName | undefined> = {
  get: () => (decodeURIComponent(location.hash.slice(1)) || undefined) as ConversationName | undefined,
  subscribe(listener) {
    const changed = (): void => listener(this.get());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  },
};

/** The link to a conversation, or to none. With all of the address: a page's `<base>` would take the user out of it. */
export function linkTo(name?: ConversationName): string {
  return `${location.pathname}${location.search}#${encodeURIComponent(name ?? '')}`;
}

/** Opens the conversation with a user, or joins a group (`#name`) and opens it. */
export async function start(client: Client, text: string): Promise<void> {
  const id = text.trim();
  const group = id.startsWith('#') ? id.slice(1) : undefined;
  if (group) await client.group(group).join();
  location.href = linkTo(group ? `group:${group}` : `user:${id}`);
}

/** So near to the end, in pixels, one follows what comes. */
const NEAR = 60;

/** Attends to a conversation on the screen until the function it gives is called: follows what comes, loads what was, marks as read what is seen. */
export function attend(log: HTMLElement, timeline: Timeline): () => void {
  let fromEnd = 0;
  let first: Element | null = null;
  const scrolled = (): void => {
    fromEnd = log.scrollHeight - log.clientHeight - log.scrollTop;
    if (log.scrollTop < 200) void timeline.loadOlder();
  };
  const place = (): void => {
    const before = first;
    first = log.querySelector('li');
    // Whoever reads on top keeps his place when older lines come.
    if (fromEnd < NEAR || first !== before) {
      log.scrollTop = log.scrollHeight - log.clientHeight - (fromEnd < NEAR ? 0 : fromEnd);
    }
    if (log.scrollHeight <= log.clientHeight) void timeline.loadOlder();
  };
  const read = (): void => {
    if (document.visibilityState === 'visible') timeline.markRead();
  };
  const lines = new MutationObserver(place);
  lines.observe(log, { subtree: true, childList: true });
  log.addEventListener('scroll', scrolled, { passive: true });
  // An image has its height when it is loaded.
  log.addEventListener('load', place, true);
  document.addEventListener('visibilitychange', read);
  const stop = timeline.subscribe(read);
  place();
  read();
  return () => {
    stop();
    lines.disconnect();
    log.removeEventListener('scroll', scrolled);
    log.removeEventListener('load', place, true);
    document.removeEventListener('visibilitychange', read);
  };
}
