// Ways for a process with clients to end. `ends.mjs WAY URL`.

import { Worker } from 'node:worker_threads';
import { Client } from '../../dist/index.js';

const [way, url] = process.argv.slice(2);
const client = new Client(url, { user: `of ${way}`, device: 'd' });
await client.connect();
console.log('connected');

switch (way) {
  case 'closed':
    await (await client.send('user:nobody', 'x')).accepted;
    await client.close();
    break;
  case 'unref':
    client.unref();
    break;
  case 'waiting without ref': {
    const lonely = new Client('ws://127.0.0.1:9', { user: 'lonely' });
    lonely.connect().catch(() => undefined);
    lonely.unref();
    client.unref();
    break;
  }
  case 'replaced':
    // The hub closes the older one for good.
    const closed = new Promise((resolve) => client.on('state', ({ name }) => name === 'closed' && resolve()));
    const second = new Client(url, { user: `of ${way}`, device: 'd' });
    await Promise.all([second.connect(), closed]);
    await second.close();
    break;
  case 'open':
    break;
  case 'exit':
    void client.send('user:nobody', 'x');
    process.exit(7);
  case 'exit while opening':
    void new Client(url, { user: 'a' }).connect();
    process.exit(7);
  case 'uncaught':
    throw new Error('mine');
  case 'workers': {
    // Each has clients that are sending and receiving when it is ended.
    const text = `
      import { parentPort, workerData } from 'node:worker_threads';
      const { Client } = await import(workerData.sdk);
      const clients = Array.from({ length: 5 }, (_, index) => new Client(workerData.url, { user: workerData.name + index, device: 'd' }));
      let got = 0;
      for (const client of clients) client.inbox.on('message', () => (got += 1) === 100 && parentPort.postMessage('busy'));
      await Promise.all(clients.map((client) => client.connect()));
      setInterval(() => clients.forEach((client, index) => client.send('user:' + workerData.name + ((index + 1) % 5), 'x').catch(() => {})), 1);
    `;
    const sdk = new URL('../../dist/index.js', import.meta.url).href;
    const source = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
    for (let round = 0; round < 3; round += 1) {
      const workers = Array.from({ length: 4 }, (_, number) => new Worker(source, { workerData: { sdk, url, name: `w${round}-${number}-` } }));
      await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))));
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    // The clients of this thread live on.
    await (await client.send('user:nobody', 'x')).accepted;
    await client.close();
    break;
  }
}
console.log('done');
