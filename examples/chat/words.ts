/** What the three chats say: the same words for the same thing. Knows no framework and touches no page. */

import type { Conversation, ConversationName, Stage, State, Status, Sync, TimelineItem } from '@wsc/client';
import { type Attachment, attachmentOf } from './files';

/** A conversation's name for people. */
export function titleOf(name: ConversationName): string {
  if (name.startsWith('user:')) return name.slice(5);
  return name.startsWith('group:') ? `#${name.slice(6)}` : 'Everybody';
}

/** Whom to watch to say who is there. */
export function presenceOf(...names: readonly ConversationName[]): { users: readonly string[] } | { group: string } {
  const [first = ''] = names;
  if (names.length === 1 && first.startsWith('group:')) return { group: first.slice(6) };
  return { users: names.filter((name) => name.startsWith('user:')).map((name) => name.slice(5)) };
}

/** Who is there, in a conversation's heading. */
export function presenceText(name: ConversationName, statuses: ReadonlyMap<string, Status>): string {
  if (name.startsWith('user:')) return statuses.get(name.slice(5)) ?? '';
  const there = [...statuses.values()].filter((status) => status !== 'offline').length;
  return there === 0 ? '' : `${there} online`;
}

/** The rows of the list: the conversation that is open stands there before its first message, too. */
export function rowsOf(list: readonly Conversation[], open: ConversationName | undefined): readonly Conversation[] {
  if (!open || list.some(({ name }) => name === open)) return list;
  return [{ name: open, last: 0, read: 0, unread: 0 }, ...list];
}

/** What stands above the conversation while not everything is as usual; empty: all is well. */
export function bannerOf(state: State, sync: Sync): string {
  const waits = sync.saved === 1 ? ' 1 message waits here.' : sync.saved > 1 ? ` ${sync.saved} messages wait here.` : '';
  if (state.name === 'connected') return sync.caughtUp ? '' : 'Loading what came meanwhile …';
  if (state.name === 'closed' && state.why !== 'application') return `Disconnected: ${state.reason || state.why}.${waits}`;
  if (state.name === 'waiting') return `Offline. Trying again by itself.${waits}`;
  return `Connecting …${waits}`;
}

/** Who types. */
export function typingText(users: readonly string[]): string {
  if (users.length === 0) return '';
  return users.length === 1 ? `${users[0]} is typing …` : `${users.join(' and ')} are typing …`;
}

const TICKS: Readonly<Record<Stage, readonly [symbol: string, text: string]>> = {
  saved: ['◷', 'waits here'],
  accepted: ['✓', 'accepted'],
  delivered: ['✓✓', 'delivered'],
  read: ['✓✓', 'read'],
  failed: ['!', 'not sent'],
};

/** A line of a conversation as it is drawn. */
export interface Line {
  readonly key: string;
  readonly kind: 'mine' | 'other' | 'gap';
  readonly text: string;
  readonly sender: string;
  readonly time: string;
  readonly file?: Attachment | undefined;
  /** How far an own message got: for the eye, and in words. */
  readonly stage?: Stage | undefined;
  readonly symbol: string;
  readonly tick: string;
}

export function lineOf({ key, message, gap, mine, stage, reason, recalled }: TimelineItem): Line {
  const [symbol, tick] = stage ? TICKS[stage] : ['', ''];
  const about = { key, stage, symbol, tick: reason ? `${tick}: ${reason}` : tick };
  if (!message) return { ...about, kind: 'gap', text: `Messages are missing here (${gap?.reason}).`, sender: '', time: '' };
  const text = recalled ? 'Message taken back' : (message.content ?? '');
  const time = message.create_at ? new Date(message.create_at).toLocaleTimeString([], { timeStyle: 'short' }) : '';
  const file = recalled ? undefined : attachmentOf(message);
  return { ...about, kind: mine ? 'mine' : 'other', text, sender: message.sender_name ?? message.sender, time, file };
}
