// One measurement in a process of its own: `client.mjs KIND DIRECTION URL USER DEVICE COUNT SIZE FLIGHT`. Prints its result as JSON.

import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';

const [kind, direction, url, user, device, ...numbers] = process.argv.slice(2);
const [count, size, flight] = numbers.map(Number);
const content = 'x'.repeat(size);
const { WebSocket } = await import('ws');
const { Client } = await import('../dist/index.js');

/** What a program without an SDK would write: no resends, no order, no outbox, nothing over a reconnect. */
const bare = {
  async open(received) {
    const socket = new WebSocket(`${url}/ws`, 'wsc.v1', { perMessageDeflate: false });
    const waiting = new Map();
    let connected;
    const opened = new Promise((resolve) => (connected = resolve));
    let handed = 0;
    socket.on('open', () => socket.send(JSON.stringify({ message_type: 'connect', protocol: 1, user_id: user, device_id: device })));
    socket.on('message', (data) => {
      const frame = JSON.parse(data.toString());
      if (frame.sender !== undefined) {
        received(frame);
        // As often as the SDK at this speed.
        if ((handed += 1) % 1024 === 0) socket.send(JSON.stringify({ message_type: 'ack', stream: 'inbox', seq_no: frame.seq_no }));
      } else if (frame.message_type === 'ack') {
        waiting.get(frame.message_id)?.(frame);
        waiting.delete(frame.message_id);
      } else if (frame.message_type === 'connected') connected();
    });
    await opened;
    return {
      send: (to) =>
        new Promise((resolve) => {
          const message_id = randomUUID();
          waiting.set(message_id, resolve);
          socket.send(JSON.stringify({ message_type: 'text', message_id, receiver: to, content }));
        }),
      close: () => new Promise((resolve) => socket.once('close', resolve).close()),
    };
  },
};

const sdk = {
  async open(received) {
    const client = new Client(url, { user, device });
    client.inbox.on('message', received);
    await client.connect();
    return { send: async (to) => (await client.send(`user:${to}`, content)).accepted, close: () => client.close() };
  },
};

async function measure() {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  let opened;
  if (direction === 'in') {
    let next = 1;
    await new Promise((resolve, reject) => {
      opened = { ws: bare, wsc: sdk }[kind].open(({ seq_no: seq }) => {
        if (seq !== next) reject(new Error(`position ${seq} in place of ${next}`));
        if (next++ === count) resolve();
      });
    });
  } else {
    opened = { ws: bare, wsc: sdk }[kind].open(() => undefined);
    const { send } = await opened;
    let sent = 0;
    const one = async () => {
      while (sent < count) {
        sent += 1;
        await send(`of-${user}`);
      }
    };
    await Promise.all(Array.from({ length: flight }, one));
  }
  const seconds = (performance.now() - began) / 1000;
  const { user: own, system } = process.cpuUsage(cpu);
  await (await opened).close();
  return { seconds, cpu: (own + system) / 1e6 };
}

console.log(JSON.stringify(await measure()));
process.exit();
