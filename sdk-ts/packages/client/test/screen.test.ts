// What screens are made of, against a real hub: timelines, presence, typing.
import { expect, test, vi } from 'vitest';
import { client, user } from '../../../test/hub.js';
import { Client, type ConversationName, type TimelineView } from '@wsc/client';

/** What somebody sees who looks at a conversation from now on. */
function look(of: Client, name: ConversationName): { view: () => TimelineView; away: () => void } {
  const timeline = of.timeline(name);
  return { view: () => timeline.get(), away: timeline.subscribe(() => {}) };
}

const texts = ({ items }: TimelineView): unknown[] => items.map(({ message, stage }) => [message?.content, stage]);

test('what waits to be sent is on the screen whenever one looks, and not when it was settled', async () => {
  // Nobody listens there.
  const offline = new Client('ws://127.0.0.1:9/ws', { user: 'alice', storage: 'memory' });
  void offline.connect().catch(() => undefined);
  await offline.send('user:bob', 'one');
  const receipt = await offline.send('user:bob', 'two');
  await offline.send('user:carol', 'another conversation');
  const { view } = look(offline, 'user:bob');
  await vi.waitFor(() => expect(texts(view())).toEqual([['one', 'saved'], ['two', 'saved']]));
  offline.cancel(receipt);
  await vi.waitFor(() => expect(texts(view())).toEqual([['one', 'saved'], ['two', 'failed']]));
  await offline.close();
});

test('the bytes of an own message are on the screen before the hub has them, and after', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const mine = client(alice);
  const { view } = look(mine, `user:${bob}`);
  await mine.connect();
  await (await mine.sendBinary(`user:${bob}`, Uint8Array.of(1, 2, 3))).accepted;
  await vi.waitFor(() => expect(view().items.map(({ message }) => [...(message?.payload ?? [])])).toEqual([[1, 2, 3]]));
});

test('who looks at a user goes on seeing changes when another one looks away', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const [mine, theirs] = [client(alice), client(bob)];
  await Promise.all([mine.connect(), theirs.connect()]);
  const [many, one] = [mine.presence({ users: [alice, bob] }), mine.presence({ users: [bob] })];
  const stop = many.subscribe(() => {});
  const away = one.subscribe(() => {});
  await vi.waitFor(() => expect([many.get().get(bob), one.get().get(bob)]).toEqual(['online', 'online']));
  away();
  // The hub answers in the order of the requests: it has heard that nobody looks at the one.
  await mine.request({ message_type: 'health_check' });
  await theirs.setStatus('busy');
  await vi.waitFor(() => expect(many.get().get(bob)).toBe('busy'));
  stop();
});

test('a user who types fast tells it once in a while', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const [mine, theirs] = [client(alice), client(bob)];
  const heard: string[] = [];
  theirs.on('volatile', ({ message_type: type }) => heard.push(type));
  await Promise.all([mine.connect(), theirs.connect()]);
  for (let key = 0; key < 20; key += 1) mine.typing(`user:${bob}`);
  await (await mine.send(`user:${bob}`, { message_type: 'last', volatile: true, require_ack: true })).accepted;
  await vi.waitFor(() => expect(heard).toContain('last'));
  expect(heard).toEqual(['typing', 'last']);
});
