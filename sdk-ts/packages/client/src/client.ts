/** The client of an application, wherever it runs, with all there is. */

import { BaseClient } from './base-client.js';
import { type Conversations, conversations } from './conversations.js';
import type { Status } from './frames.js';
import type { ConversationName } from './message.js';
import { presence } from './presence.js';
import { quiet } from './promises.js';
import type { Readable } from './readable.js';
import { type Timeline, timeline, type TimelineOptions } from './timeline.js';
import { typists } from './typists.js';

/** One device's connection to a hub. Making one opens nothing. No promise of it has to be waited for: what fails is also told by `state`, `fault` and receipts. */
export class Client<Data = unknown> extends BaseClient<Data> {
  /** The user's conversations with their unread counts, newest first; loaded when somebody looks. Whoever looks has what came: it counts as handed over, not as read.
   *
   * ```ts
   * client.conversations.subscribe(({ list, unread }) => render(list, unread));
   * ```
   */
  get conversations(): Conversations<Data> {
    return conversations(this);
  }

  /** A conversation as a list for a screen: what was, what comes, and what this user sends, with how far it got. The same conversation is the same timeline.
   *
   * ```ts
   * const stop = client.timeline('user:bob').subscribe(({ items }) => render(items));
   * ```
   */
  timeline(name: ConversationName, options: TimelineOptions = {}): Timeline<Data> {
    return timeline(this, name, options);
  }

  /** Who types in a conversation just now.
   *
   * ```ts
   * client.typists('group:team').subscribe((users) => console.log(users.join(', ')));
   * ```
   */
  typists(name: ConversationName): Readable<readonly string[]> {
    return typists(this, name);
  }

  /** Who of these users, or of a group, is there: now and as it changes.
   *
   * ```ts
   * client.presence({ users: ['bob'] }).subscribe((status) => console.log(status.get('bob')));
   * ```
   */
  presence(of: { users: readonly string[] } | { group: string }): Readable<ReadonlyMap<string, Status>> {
    return presence(this, of);
  }

  /** Says how this user is to be seen.
   *
   * ```ts
   * await client.setStatus('away');
   * ```
   */
  setStatus(status: Status): Promise<void> {
    return quiet(this.request({ message_type: 'user_status_changed', data: { status } }).then(() => undefined));
  }
}
