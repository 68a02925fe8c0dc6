import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import type { Client } from '../src/index.js';
import { client, Hub, MEMORY } from './support.js';

const COUNT = 100_000;
const hub = await new Hub(...MEMORY, '--set', 'retention.inbox=200000').start();

/** Sends numbers, a thousand at a time. */
async function send(from: Client, to: string): Promise<void> {
  for (let at = 0; at < COUNT; at += 1000) {
    const sent = await Promise.all(Array.from({ length: 1000 }, (_, index) => from.send(`user:${to}`, `${at + index}`)));
    await Promise.all(sent.map((receipt) => receipt.accepted));
  }
}

/** The first number that is not the next, or how many came in order. */
function receive(at: Client): Promise<number> {
  let next = 0;
  return new Promise((resolve) => {
    at.inbox.on('message', ({ content }) => {
      if (content !== `${next}`) return resolve(next);
      if ((next += 1) === COUNT) resolve(next);
    });
  });
}

test('a hundred thousand messages each way arrive once and in order, and the event loop goes on meanwhile', { timeout: 120_000 }, async () => {
  const [alice, bob] = [client(hub.url, 'alice'), client(hub.url, 'bob')];
  const received = [receive(alice), receive(bob)];
  await Promise.all([alice.connect(), bob.connect()]);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  await Promise.all([send(alice, 'bob'), send(bob, 'alice')]);
  expect(await Promise.all(received)).toEqual([COUNT, COUNT]);
  delay.disable();
  console.log(`event loop held up: ${Math.round(delay.percentile(99) / 1e6)} ms in 99 of 100 cases`);
  // Nothing more comes.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(alice.sync.get()).toEqual({ unsaved: 0, saved: 0, underWay: 0, caughtUp: true });
});

test('a hundred thousand messages through the iterable, by a reader that takes its time, are all taken in order', { timeout: 120_000 }, async () => {
  const [carol, dave] = [client(hub.url, 'carol'), client(hub.url, 'dave')];
  const reading = (async () => {
    let next = 0;
    for await (const { message } of dave.inbox.messages()) {
      expect(message?.content).toBe(`${next}`);
      next += 1;
      if (next % 5_000 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      if (next === COUNT) return next;
    }
    return next;
  })();
  await Promise.all([carol.connect(), dave.connect()]);
  await send(carol, 'dave');
  expect(await reading).toBe(COUNT);
});
