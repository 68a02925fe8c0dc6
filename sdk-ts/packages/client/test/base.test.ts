import { readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { Client, conversations, MemoryStorage, presence, stored, timeline, typists } from '@wsc/client/base';
import { client, url, user } from '../../../test/hub.js';

const wasm = (): Promise<Uint8Array<ArrayBuffer>> => readFile(new URL('../wasm/wsc.wasm', import.meta.url)) as never;

test('the client in parts sends and receives, and its parts are one for each client', async () => {
  const [name, bob] = [user('alice'), client(user('bob'))];
  const alice = new Client(url(), { user: name, wasm: await wasm() });
  const to = `user:${bob.user}` as const;
  const [lines, list] = [timeline(alice, to), conversations(alice)];
  expect(timeline(alice, to)).toBe(lines);
  expect(conversations(alice)).toBe(list);
  const stops = [lines, list, typists(alice, to), presence(alice, { users: [bob.user] })].map((value) => value.subscribe(() => {}));
  await Promise.all([alice.connect(), bob.connect()]);
  await (await alice.send(to, 'hello')).accepted;
  // A message ends typing, and what is volatile may overtake it.
  await (await bob.send(`user:${name}`, 'and back')).accepted;
  bob.typing(`user:${name}`);
  await vi.waitFor(() => {
    expect(lines.get().items.map(({ message }) => message?.content)).toEqual(['hello', 'and back']);
    expect(list.get().list.map((conversation) => conversation.name)).toEqual([to]);
    expect(typists(alice, to).get()).toEqual([bob.user]);
    expect(presence(alice, { users: [bob.user] }).get().get(bob.user)).toBe('online');
  });
  for (const stop of stops) stop();
  expect(alice.device).toBe('');
  await alice.close();
});

test('what one saved another takes up', async () => {
  const [storage, name] = [new MemoryStorage(), user('alice')];
  const first = new Client('ws://127.0.0.1:1/ws', { user: name, wasm: await wasm(), place: stored(storage) });
  await first.send('user:bob', 'later');
  await first.close();
  const second = new Client('ws://127.0.0.1:1/ws', { user: name, place: stored(storage) });
  second.connect();
  await vi.waitFor(() => expect(second.sync.get().saved).toBe(1));
  expect(second.device).not.toBe('');
  await second.close();
});
