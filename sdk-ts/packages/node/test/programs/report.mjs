// Connects while a diagnostic report would take for ever: it resolves the address of every open socket. `report.mjs URL`.

import { connect, createServer } from 'node:net';
import { Client } from '../../dist/index.js';

process.report.getReport = () => {
  throw new Error('a report was asked for');
};
const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const sockets = Array.from({ length: 200 }, () => connect(server.address().port, '127.0.0.1'));
await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
let longest = 0;
let last = performance.now();
const timer = setInterval(() => {
  longest = Math.max(longest, performance.now() - last);
  last = performance.now();
}, 1);
const client = new Client(process.argv[2], { user: 'among sockets', device: 'd' });
await client.connect();
clearInterval(timer);
console.log(longest < 1000 ? 'connected' : `the event loop stood for ${longest} ms`);
await client.close();
process.exit(0);
