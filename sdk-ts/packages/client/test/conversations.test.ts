import { expect, test, vi } from 'vitest';
import { Conversations } from '../src/conversations.js';
import type { Wiring } from '../src/wiring.js';
import { client, user } from '../../../test/hub.js';

/** A client that answers when the test says so. */
class Hub {
  readonly user = 'alice';
  readonly state = { get: () => ({ name: 'connected' }) };
  readonly pending = [];
  readonly answers: ((conversations: object[]) => void)[] = [];
  readonly #listeners: Map<string, (event: object) => void> = new Map();

  request(): Promise<object> {
    return new Promise((resolve) => this.answers.push((conversations) => resolve({ frame: { data: { conversations } } })));
  }

  reading(): () => void {
    return () => undefined;
  }

  on(name: string, listener: (event: object) => void): () => void {
    this.#listeners.set(name, listener);
    return () => undefined;
  }

  say(name: string, event: object): void {
    this.#listeners.get(name)!(event);
  }

  async answer(number: number, ...conversations: object[]): Promise<void> {
    await vi.waitFor(() => expect(this.answers.length).toBeGreaterThan(number));
    this.answers[number]!(conversations);
  }
}

test('what was read while the hub was asked stays read, and what is other messages now is not', async () => {
  const hub = new Hub();
  const conversations = new Conversations(hub as unknown as Wiring<unknown>);
  conversations.subscribe(() => undefined);
  const bob = (fields: object) => ({ peer: 'bob', last: 2, read: 0, unread: 2, ...fields });
  await hub.answer(0, bob({}));
  await vi.waitFor(() => expect(conversations.get().unread).toBe(2));
  hub.say('settled', { outcome: 'accepted' });
  await vi.waitFor(() => expect(hub.answers.length).toBe(2));
  hub.say('marked', { conversation: 'user:bob', position: 2 });
  await hub.answer(1, bob({}), { peer: 'carol', last: 3, read: 3 });
  await vi.waitFor(() => expect(conversations.get().list.length).toBe(2));
  expect(conversations.get().unread).toBe(0);
  // Something came since that was not read.
  hub.say('settled', { outcome: 'accepted' });
  await hub.answer(2, bob({ last: 4, unread: 4 }));
  await vi.waitFor(() => expect(conversations.get().unread).toBeGreaterThan(0));
  await hub.answer(3, bob({ last: 4, read: 2, unread: 2 }));
  await vi.waitFor(() => expect(conversations.get().unread).toBe(2));
  hub.say('gap', { stream: 'inbox', reason: 'epoch' });
  await hub.answer(4, bob({ last: 1, read: 0, unread: 1 }));
  await vi.waitFor(() => expect(conversations.get().list[0]).toMatchObject({ read: 0, unread: 1 }));
});

test('a row that the hub gave before its message came gets the message, and counts it once', async () => {
  const hub = new Hub();
  const conversations = new Conversations(hub as unknown as Wiring<unknown>);
  conversations.subscribe(() => undefined);
  await hub.answer(0, { peer: 'bob', last: 2, read: 0, unread: 2 });
  await vi.waitFor(() => expect(conversations.get().loaded).toBe(true));
  for (const seq_no of [1, 2]) hub.say('handed', { message_type: 'text', message_id: `m${seq_no}`, sender: 'bob', receiver: 'alice', seq_no });
  await vi.waitFor(() => expect(conversations.get()).toMatchObject({ unread: 2, list: [{ last: 2, message: { message_id: 'm2' } }] }));
});

test('the newest message of a conversation is also one that this client sent', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  const newest = (content: string) =>
    vi.waitFor(() => {
      const row = alice.conversations.get().list[0];
      expect(row).toMatchObject({ name: `user:${bob.user}`, message: { content } });
      expect(row!.message!.seq_no).toBe(row!.last);
    });
  const early = await alice.send(`user:${bob.user}`, 'early');
  const stop = alice.conversations.subscribe(() => undefined);
  await Promise.all([alice.connect(), bob.connect()]);
  await early.accepted;
  await newest('early');
  await bob.send(`user:${alice.user}`, 'an answer');
  await newest('an answer');
  await (await alice.send(`user:${bob.user}`, 'and back')).accepted;
  await newest('and back');
  stop();
});
