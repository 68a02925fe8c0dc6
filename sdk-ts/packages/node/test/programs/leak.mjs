// Opens and closes many clients and prints what the process holds after a while and at the end. `leak.mjs URL COUNT`.

import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Client } from '../../dist/index.js';

const [url, count] = process.argv.slice(2);
const AT_ONCE = 50;

async function one(number) {
  const client = new Client(url, { user: `user-${number % 100}`, device: `d${number}` });
  client.inbox.on('message', () => undefined);
  await client.connect();
  await (await client.send(`user:user-${(number + 1) % 100}`, { volatile: true, content: 'hello' })).accepted;
  await client.close();
}

async function holds() {
  await setTimeout(500);
  globalThis.gc();
  await setTimeout(100);
  globalThis.gc();
  const of = (folder) => readdirSync(`/proc/self/${folder}`).length;
  const { rss, heapUsed } = process.memoryUsage();
  return { files: of('fd'), threads: of('task'), memory: rss, heap: heapUsed, active: process.getActiveResourcesInfo().length };
}

const told = [];
for (let number = 0; number < Number(count); number += AT_ONCE) {
  if (number === Number(count) / 2) told.push(await holds());
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => one(number + index)));
}
told.push(await holds());
console.log(JSON.stringify(told));
