import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ClientPool } from '../src/index.js';
import { client, contents, eventually, folder, Hub, inbox, MEMORY, user } from './support.js';

const hub = await new Hub(...MEMORY).start();

test('a pool speaks for many users in one process, each with its own client and order', async () => {
  const alice = client(hub.url, user('alice'));
  const got = inbox(alice);
  await alice.connect();
  await using bots = new ClientPool(hub.url);
  const names = Array.from({ length: 50 }, () => user('bot'));
  for (const number of [1, 2, 3]) {
    await Promise.all(names.map((name) => bots.use(name, async (bot) => (await bot.send(`user:${alice.user}`, `${number}`)).accepted)));
  }
  await eventually(() => expect(got.length).toBe(150));
  for (const name of names) expect(contents(got.filter(({ sender }) => sender === name))).toEqual(['1', '2', '3']);
  expect(bots.size).toBe(50);
});

test('a client is reused, closed when it was idle for a while, and opened again on the same outbox', async () => {
  const place = folder();
  await using bots = new ClientPool(hub.url, { idleMs: 100, options: (name) => ({ outbox: join(place, name) }) });
  const name = user('bot');
  const [first, same] = await Promise.all([bots.get(name), bots.get(name)]);
  expect(same).toBe(first);
  bots.release(name);
  await new Promise((resolve) => setTimeout(resolve, 200));
  // Somebody still uses it.
  expect(first.state.get().name).toBe('connected');
  bots.release(name);
  await eventually(() => expect(first.state.get().name).toBe('closed'));
  expect(bots.size).toBe(0);
  const again = await bots.get(name);
  expect([again === first, again.device === first.device]).toEqual([false, true]);
  // One more release than there were uses changes nothing.
  bots.release(name);
  bots.release(name);
  await bots.use(name, (bot) => expect(bot).toBe(again));
});

test('where there is no room the one idle for longest makes it, and where all are used it is said', async () => {
  await using bots = new ClientPool(hub.url, { limit: 2 });
  const [one, two, three] = [user('bot'), user('bot'), user('bot')];
  const first = await bots.get(one);
  await bots.get(two);
  await expect(bots.get(three)).rejects.toMatchObject({ message: expect.stringContaining('all 2 clients of the pool are in use'), retryable: true });
  bots.release(two);
  bots.release(one);
  const newest = await bots.get(three);
  expect([newest.state.get().name, first.state.get().name, bots.size]).toEqual(['connected', 'connected', 2]);
  await bots.close();
  expect([newest.state.get().name, first.state.get().name, bots.size]).toEqual(['closed', 'closed', 0]);
  await expect(bots.get(one)).rejects.toThrow('the pool was closed');
});

test('a client that cannot be opened is not kept', async () => {
  let place = '/nowhere/at/all';
  await using bots = new ClientPool(hub.url, { options: () => ({ outbox: place }) });
  const name = user('bot');
  await expect(bots.get(name)).rejects.toThrow('No such file');
  expect(bots.size).toBe(0);
  place = join(folder(), 'outbox');
  expect((await bots.get(name)).state.get().name).toBe('connected');
});
