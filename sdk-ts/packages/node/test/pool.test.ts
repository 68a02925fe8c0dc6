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
  expect(bots.stats()).toEqual({ open: 50, leased: 0, waiting: 0 });
});

test('a client is reused, closed when it was idle for a while, and opened again on the same outbox', async () => {
  const place = folder();
  await using bots = new ClientPool(hub.url, { idleMs: 100, options: (name) => ({ outbox: join(place, name) }) });
  const name = user('bot');
  const [first, same] = await Promise.all([bots.acquire(name), bots.acquire(name)]);
  expect(same.client).toBe(first.client);
  first.release();
  // Once is enough.
  first.release();
  await new Promise((resolve) => setTimeout(resolve, 200));
  // Somebody still uses it.
  expect(first.client.state.get().name).toBe('connected');
  same.release();
  await eventually(() => expect(first.client.state.get().name).toBe('closed'));
  expect(bots.stats().open).toBe(0);
  using again = await bots.acquire(name);
  expect([again.client === first.client, again.client.device === first.client.device]).toEqual([false, true]);
  await bots.use(name, (bot) => expect(bot).toBe(again.client));
});

test('where there is no room the one idle for longest makes it, and where all are used they are waited for, in order', async () => {
  await using bots = new ClientPool(hub.url, { limit: 2 });
  const [one, two, three, four] = [user('bot'), user('bot'), user('bot'), user('bot')];
  const [first, second] = [await bots.acquire(one), await bots.acquire(two)];
  const order: string[] = [];
  const wait = async (name: string): Promise<void> => {
    using lease = await bots.acquire(name);
    order.push(lease.client.user);
  };
  // Two of one user: the second needs no room, and leaves it to the next.
  const waiting = [wait(three), wait(three), wait(four)];
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([order, bots.stats()]).toEqual([[], { open: 2, leased: 2, waiting: 3 }]);
  second.release();
  await Promise.all(waiting);
  expect([order, bots.stats().waiting, first.client.state.get().name]).toEqual([[three, three, four], 0, 'connected']);
  await bots.close();
  expect([first.client.state.get().name, bots.stats().open]).toEqual(['closed', 0]);
  await expect(bots.acquire(one)).rejects.toThrow('the pool was closed');
});

test('a client that cannot be opened is not kept, and its room is free', async () => {
  let place = '/nowhere/at/all';
  await using bots = new ClientPool(hub.url, { limit: 1, options: () => ({ outbox: place }) });
  const name = user('bot');
  const both = await Promise.allSettled([bots.acquire(name), bots.acquire(user('bot'))]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(bots.stats()).toEqual({ open: 0, leased: 0, waiting: 0 });
  place = join(folder(), 'outbox');
  using lease = await bots.acquire(name);
  expect(lease.client.state.get().name).toBe('connected');
});

test('who waits for room is told when the pool is closed', async () => {
  const bots = new ClientPool(hub.url, { limit: 1 });
  await bots.acquire(user('bot'));
  const waiting = bots.acquire(user('bot'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await Promise.all([bots.close(), expect(waiting).rejects.toThrow('the pool was closed')]);
  expect(() => new ClientPool(hub.url, { limit: 0 })).toThrow('at least 1, not 0');
});

test('users that are acquired at the same moment take their turns: none is closed before it is used', async () => {
  await using bots = new ClientPool(hub.url, { limit: 2 });
  const names = Array.from({ length: 6 }, () => user('bot'));
  const ends = await Promise.allSettled(names.map((name) => bots.use(name, (bot) => bot.state.get().name)));
  expect(ends).toEqual(names.map(() => ({ status: 'fulfilled', value: 'connected' })));
});

test('one whose options fail leaves its room to the next', async () => {
  const [gone, wrong, next] = [user('bot'), user('bot'), user('bot')];
  await using bots = new ClientPool(hub.url, {
    limit: 1,
    options: (name) => {
      if (name === wrong) throw new Error('no such bot');
      return name === gone ? { outbox: '/nowhere/at/all' } : {};
    },
  });
  const all = [gone, wrong, next].map((name) => bots.use(name, (bot) => bot.user));
  const late = new Promise((resolve) => setTimeout(resolve, 2_000, 'waits for ever'));
  expect(await Promise.race([late, Promise.allSettled(all).then((ends) => ends.map(({ status }) => status))])).toEqual(['rejected', 'rejected', 'fulfilled']);
});
