// Several addresses, with real hubs behind them.
import 'fake-indexeddb/auto';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Client, type ClientOptions } from '@wsc/client';
import { type Hub, startHub, user } from '../../../test/hub.js';

/** Where sockets were opened, the newest last. */
const opened: string[] = [];
const hubs: Hub[] = [];
const clients: Client[] = [];
const nobodies: string[] = [];

beforeAll(async () => {
  vi.stubGlobal(
    'WebSocket',
    class extends WebSocket {
      constructor(url: string, protocol: string) {
        opened.push(url);
        super(url, protocol);
      }
    },
  );
  hubs.push(await startHub(), await startHub());
  const servers = [createServer(), createServer()];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    nobodies.push(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`);
  }
  for (const server of servers) server.close();
});
afterEach(async () => void (await Promise.all(clients.splice(0).map((client) => client.close()))));
afterAll(() => {
  vi.unstubAllGlobals();
  for (const hub of hubs) hub.stop();
});

const at = (hub: Hub): string => `${hub.url}/ws`;

function client(addresses: readonly string[], options: ClientOptions): Client {
  const made = new Client(addresses, { storage: 'memory', device: 'd', ...options });
  clients.push(made);
  return made;
}

test('each client takes the addresses in an order of its own, and those where nobody is cost no more than short waits', async () => {
  const begun = new Set<string>();
  const hub = hubs[0]!;
  for (let count = 0; begun.size < 3; count += 1) {
    expect(count).toBeLessThan(100);
    const alice = client([...nobodies, hub.url], { user: user('alice') });
    opened.length = 0;
    await alice.connect({ signal: AbortSignal.timeout(3_000) });
    expect(opened.at(-1)).toBe(at(hub));
    // From the first of them to each of the others; and at once to the hub.
    if (opened[0] !== nobodies[1]) begun.add(opened.slice(0, 2).join(' '));
  }
});

test('a client goes on at another hub when its own is killed', async () => {
  const mine = [await startHub(), await startHub()];
  const alice = client(mine.map(({ url }) => url), { user: user('alice') });
  await alice.connect();
  const gone = mine.findIndex((hub) => at(hub) === opened.at(-1));
  mine[gone]!.stop();
  await vi.waitFor(() => expect(alice.state.get().name).not.toBe('connected'));
  await (await alice.send('user:bob', 'hello')).accepted;
  expect(opened.at(-1)).toBe(at(mine[1 - gone]!));
  mine[1 - gone]!.stop();
});

test('what is saved belongs to the first address, however many there are', async () => {
  const options: ClientOptions = { user: user('alice'), storage: 'persistent', shareTabs: false };
  const before = client([nobodies[0]!], options);
  await before.send('user:bob', 'saved');
  await before.close();
  const after = client([nobodies[0]!, hubs[0]!.url, hubs[1]!.url], options);
  await after.connect();
  await vi.waitFor(() => expect(after.sync.get()).toMatchObject({ unsaved: 0, saved: 0 }));
  const { messages } = await after.inbox.history();
  expect(messages.map(({ content }) => content)).toEqual(['saved']);
});
