// The example as it stands: `cargo tool example node-bot`.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { Client } from '../src/index.js';
import { folder, Hub, MEMORY } from './support.js';

const ROOT = join(import.meta.dirname, '../../../..');
const hub = await new Hub(...MEMORY).start();
const env = { ...process.env, HUB: hub.url };

/** Starts a program that says that it is ready; it ends with the test. */
async function start(place: string, file: string, ready: string, more = {}): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [file], { cwd: place, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.startsWith(ready) && resolve());
    void ended.then(() => reject(new Error(`${file} ended`)));
  });
  return () => (child.kill('SIGKILL'), ended);
}

test('the example answers users and a group', { timeout: 60_000 }, async () => {
  const place = join(ROOT, 'examples/node-bot');
  await start(place, 'bot.mjs', 'the bot listens', { OUTBOX: join(folder(), 'outbox') });
  const carol = new Client(hub.url, { user: 'carol', device: 'd' });
  const got: (string | undefined)[] = [];
  carol.on('message', ({ sender, content, group_ids: groups }) => sender === 'bot' && got.push(`${groups?.[0] ?? 'me'}: ${content}`));
  await carol.connect();
  await carol.group('help').join();
  await carol.send('user:bot', 'hello');
  await carol.send('group:help', 'When are you open?');
  await carol.send('user:bot', 'something else');
  await expect.poll(() => got.toSorted(), { timeout: 10_000 }).toEqual([
    'help: I am here day and night, and back after every restart.',
    'me: Hello! Ask me about prices, opening hours or refunds.',
    'me: You said: something else',
  ]);
  await carol.close();
});
