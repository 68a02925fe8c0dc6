// What goes wrong outside, and must not go wrong here.

import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client, type ReceiptError } from '../src/index.js';
import { client, eventually, folder, Hub, MEMORY, secret, user } from './support.js';

const hub = await new Hub(...MEMORY).start();

test('a provider that throws, or gives what is not a JWT, is told and asked again', { timeout: 30_000 }, async () => {
  const { words, token } = secret();
  const guarded = await new Hub(...MEMORY, ...words).start();
  const answers = [() => Promise.reject(new Error('offline')), () => '<html>502', () => '', () => undefined as never];
  const alice = new Client(guarded.url, { user: 'alice', device: 'd', token: () => (answers.shift() ?? (() => token('alice', 60)))() });
  const faults: string[] = [];
  const states: string[] = [];
  alice.on('fault', ({ what }) => faults.push(what));
  alice.on('state', ({ name }) => states.push(name));
  await alice.connect();
  const notOne = 'no token: the token is not a JWT';
  expect(faults).toEqual(['no token: offline', notOne, notOne, 'no token: the answer is undefined; give a JWT, or null to close the client']);
  expect(states).not.toContain('closed');
  await alice.close();
});

test('what a proxy answers is a failed attempt, and the client connects when the hub is back', { timeout: 30_000 }, async () => {
  const statuses = [404, 403, 400, 401];
  const proxy = createServer();
  proxy.on('upgrade', (_, socket) => {
    const page = '<html>deploying</html>';
    socket.end(`HTTP/1.1 ${statuses.shift() ?? 502} Gone\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\nConnection: close\r\n\r\n${page}`);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  const alice = client(`ws://127.0.0.1:${port}/ws`, user('alice'));
  const states: string[] = [];
  alice.on('state', ({ name }) => states.push(name));
  const connecting = alice.connect();
  await eventually(() => expect(statuses).toEqual([]), 20_000);
  await new Promise((resolve) => proxy.close(resolve));
  const back = await new Hub('--store', 'memory', '--listen', `127.0.0.1:${port}`).start();
  await connecting;
  expect(states).not.toContain('closed');
  await alice.close();
  await back.kill();
});

test("another user's outbox is refused, says whose it is, and stays as it is", async () => {
  const outbox = join(folder(), 'outbox');
  const [alice, mallory] = [client(hub.url, user('alice'), { outbox }), user('mallory')];
  await alice.send('user:bob', 'mine');
  await alice.close();
  const before = readFileSync(outbox);
  await expect(client(hub.url, mallory, { outbox }).connect()).rejects.toThrow(`the outbox belongs to user ${alice.user}, not to user ${mallory}`);
  expect(readFileSync(outbox)).toEqual(before);
});

test('damage of an outbox is told, and what is whole goes out', { timeout: 20_000 }, async () => {
  const outbox = join(folder(), 'outbox');
  const first = client('ws://127.0.0.1:1/ws', user('alice'), { outbox });
  for (const text of ['first', 'second', 'third']) await first.send('user:bob', text);
  await first.close();
  const bytes = readFileSync(outbox);
  bytes[bytes.indexOf('second')]! ^= 1;
  writeFileSync(outbox, bytes);
  const again = client(hub.url, first.user, { outbox });
  const faults: string[] = [];
  again.on('fault', ({ what }) => faults.push(what));
  const settled: string[] = [];
  again.on('settled', ({ outcome }) => settled.push(outcome));
  await again.connect();
  await eventually(() => expect(settled).toEqual(['accepted', 'accepted']));
  expect(faults.join()).toContain('damaged');
  expect(readFileSync(`${outbox}.damaged`)).toEqual(bytes);
});

test('no promise that nobody waits for is an uncaught error', async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  const before = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
  try {
    const alice = client(hub.url, user('alice'));
    await alice.connect();
    const { accepted, delivered, read } = await alice.send('group:nowhere', { content: 'hello', require_ack: true });
    const error = await accepted.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect((error as ReceiptError).fault).toBe('refused');
    expect([delivered, read]).toHaveLength(2);
    // All that an application may leave alone.
    void alice.send('inbox', 'to nobody');
    void alice.request({ message_type: 'nothing' });
    void alice.group('nowhere').members();
    void alice.timeline('group:nowhere').loadOlder();
    void alice.connect({ signal: AbortSignal.abort() });
    void alice.close();
    void alice.send('user:bob', 'late');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(uncaught).toEqual([]);
  } finally {
    process.removeListener('unhandledRejection', note);
    for (const listener of before) process.on('unhandledRejection', listener);
  }
});
