// @wsc/node beside bare `ws` on the same hub: messages per second and CPU time, in and out. `cargo tool bench-node`, or, after
// a build: `node sdk-ts/packages/node/bench/speed.mjs [ROUNDS]`. Each measurement is a process of its own; both kinds in turn.

import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Client } from '../dist/index.js';

const TARGET = process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, '../../../../target');
const ROUNDS = Number(process.argv[2] ?? 3);
const LIMITS = ['limits.sends=0', 'limits.send_bytes=0', 'limits.first_contacts=0', 'retention.inbox=1000000', 'limits.devices=1000'];
/** Direction, messages, bytes of content, unanswered at a time. */
const CASES = [
  ['in', 200_000, 100, 0],
  ['in', 100_000, 1000, 0],
  ['out', 200_000, 100, 256],
  ['out', 100_000, 1000, 256],
  ['out', 60_000, 100, 16],
  ['out', 5_000, 100, 1],
];

const words = ['serve', '--store', 'memory', '--listen', '127.0.0.1:0', ...LIMITS.flatMap((set) => ['--set', set])];
const hub = spawn(process.env.WSC_BIN ?? join(TARGET, 'release/wsc'), words, { stdio: ['ignore', 'pipe', 'ignore'] });
process.once('exit', () => hub.kill('SIGKILL'));
const url = await new Promise((resolve, reject) => {
  hub.once('error', reject);
  createInterface({ input: hub.stdout }).once('line', (line) => resolve(line.replace('listening on http', 'ws')));
});

/** Fills an inbox, so that a reader is as fast as it can. */
async function fill(user, count, size) {
  const client = new Client(url, { user: `to-${user}`, device: 'd' });
  await client.connect();
  for (let at = 0; at < count; at += 2000) {
    const receipts = Array.from({ length: Math.min(2000, count - at) }, () => client.send(`user:${user}`, 'x'.repeat(size)));
    await Promise.all((await Promise.all(receipts)).map((receipt) => receipt.accepted));
  }
  await client.close();
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const rows = [];
let devices = 0;
for (const [direction, count, size, flight] of CASES) {
  const results = { ws: [], wsc: [] };
  const user = `user-${direction}-${size}-${flight}`;
  if (direction === 'in') await fill(user, count, size);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of ['ws', 'wsc']) {
      // A new device reads the inbox from its beginning: who only sends is a new user, with nothing to read.
      const device = `d${(devices += 1)}`;
      const who = direction === 'in' ? user : `${user}-${device}`;
      const given = [join(import.meta.dirname, 'client.mjs'), kind, direction, url, who, device, count, size, flight].map(String);
      const { stdout } = await promisify(execFile)(process.execPath, given, { timeout: 120_000 });
      results[kind].push(JSON.parse(stdout));
    }
  }
  const of = (kind) => ({ rate: count / median(results[kind].map(({ seconds }) => seconds)), cpu: (median(results[kind].map(({ cpu }) => cpu)) / count) * 1e6 });
  const [ws, wsc] = [of('ws'), of('wsc')];
  rows.push([direction, size, flight || '–', ...[ws.rate, wsc.rate].map((rate) => Math.round(rate).toLocaleString('en')), (ws.rate / wsc.rate).toFixed(2), ws.cpu.toFixed(1), wsc.cpu.toFixed(1)]);
  console.error(rows.at(-1).join('  '));
}
console.log('| direction | bytes | unanswered | ws, messages/s | @wsc/node, messages/s | ws : @wsc/node | ws, µs CPU each | @wsc/node, µs CPU each |');
console.log('| --- | --: | --: | --: | --: | --: | --: | --: |');
for (const row of rows) console.log(`| ${row.join(' | ')} |`);
hub.kill();
