// A user who sends and receives, and writes down every fact as a line before it goes on: a kill loses no line that counts.
// `member.mjs SETTINGS`; at the first line on its standard input it waits until all is quiet, says so and closes.

import { writeSync } from 'node:fs';
import { Client } from '../../dist/index.js';
import { Facts } from './facts.mjs';

const { url, user, to, first, last, flight, life, outbox, pause } = JSON.parse(process.argv[2]);
const client = new Client(url, { user, device: `of-${user}`, outbox });
const facts = new Facts(client, user, `of-${user}`, (line) => writeSync(1, `${line}\n`));
facts.add({ what: 'started', life });
const asked = new Promise((resolve) => process.stdin.once('data', resolve));
await client.connect();
await facts.send(to, first, last, flight, pause);
await asked;
await facts.quiet();
await client.close();
process.exit();
