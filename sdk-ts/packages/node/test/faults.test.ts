// What goes wrong outside, and must not go wrong here.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client, type ReceiptError } from '../src/index.js';
import { client, folder, Hub, MEMORY, secret, user } from './support.js';

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

test("another user's outbox is refused, says whose it is, and stays as it is", async () => {
  const outbox = join(folder(), 'outbox');
  const [alice, mallory] = [client(hub.url, user('alice'), { outbox }), user('mallory')];
  await alice.send('user:bob', 'mine');
  await alice.close();
  const before = readFileSync(outbox);
  await expect(client(hub.url, mallory, { outbox }).connect()).rejects.toThrow(`the outbox belongs to user ${alice.user}, not to user ${mallory}`);
  expect(readFileSync(outbox)).toEqual(before);
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
