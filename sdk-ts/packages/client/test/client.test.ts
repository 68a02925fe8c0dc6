import 'fake-indexeddb/auto';
import { expect, test, vi } from 'vitest';
import { type ClosedError, type Message, MemoryStorage, type ReceiptError, type RequestError, type SendError, type Storage } from '@wsc/client';
import { client, url, user } from '../../../test/hub.js';

const waitFor = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5000 });
const contents = (messages: readonly Message[]): unknown[] => messages.map(({ content }) => content);

test('what comes before the first listener is handed to it, in order', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  for (const content of ['one', 'two', 'three']) await (await alice.send(`user:${bob.user}`, content)).accepted;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const got: Message[] = [];
  bob.inbox.on('message', (message) => got.push(message));
  await waitFor(() => expect(contents(got)).toEqual(['one', 'two', 'three']));
});

test('a listener that throws disturbs neither the others nor the client', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  const thrown: unknown[] = [];
  process.once('uncaughtException', (error) => thrown.push(error));
  const before = process.listeners('uncaughtException').slice(0, -1);
  for (const listener of before) process.off('uncaughtException', listener);
  bob.inbox.on('message', () => {
    throw new Error('mine');
  });
  const got: Message[] = [];
  bob.inbox.on('message', (message) => got.push(message));
  await alice.send(`user:${bob.user}`, 'hello');
  await waitFor(() => expect([got.length, thrown.length]).toEqual([1, 1]));
  for (const listener of before) process.on('uncaughtException', listener);
});

test('a storage of another user is refused and stays as it is', async () => {
  const storage = new MemoryStorage();
  const [alice, mallory] = [client(user('alice'), { storage }), client(user('mallory'), { storage })];
  await alice.connect();
  await alice.close();
  const before = await storage.load();
  await expect(mallory.connect()).rejects.toThrow(`what is saved here belongs to user ${alice.user}, not to user ${mallory.user}`);
  expect(await storage.load()).toEqual(before);
});

test('a client that was refused its storage listens to nothing any more', async () => {
  const storage = new MemoryStorage();
  const alice = client(user('alice'), { storage });
  await alice.connect();
  await alice.close();
  const page = new EventTarget();
  let listening = 0;
  vi.stubGlobal('addEventListener', (name: string, act: () => void, options: { signal: AbortSignal }) => {
    page.addEventListener(name, act, options);
    listening += 1;
    options.signal.addEventListener('abort', () => (listening -= 1));
  });
  const close = vi.spyOn(storage, 'close');
  await expect(client(user('mallory'), { storage }).connect()).rejects.toThrow('what is saved here belongs');
  vi.unstubAllGlobals();
  expect([listening, close.mock.calls.length]).toEqual([0, 1]);
});

class Full extends MemoryStorage {
  full = false;
  override append(bytes: Uint8Array): Promise<void> {
    return this.full ? Promise.reject(new Error('the disk is full')) : super.append(bytes);
  }
  override replace(bytes: Uint8Array): Promise<void> {
    return this.full ? Promise.reject(new Error('the disk is full')) : super.replace(bytes);
  }
}

test('a message that cannot be kept is refused and never sent; the next one is', async () => {
  const storage = new Full();
  const [alice, bob] = [client(user('alice'), { storage }), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  const got: Message[] = [];
  bob.inbox.on('message', (message) => got.push(message));
  storage.full = true;
  const refused = alice.send(`user:${bob.user}`, 'lost');
  await expect(refused).rejects.toMatchObject({ fault: 'storage', message: 'the disk is full' } satisfies Partial<SendError>);
  storage.full = false;
  await (await alice.send(`user:${bob.user}`, 'kept')).accepted;
  await waitFor(() => expect(contents(got)).toEqual(['kept']));
  expect(alice.sync.get()).toMatchObject({ saved: 0, unsaved: 0 });
});

test('a message too large for what room is left is refused, also beside one that is not', async () => {
  class Small extends MemoryStorage {
    override append(bytes: Uint8Array): Promise<void> {
      return bytes.length > 10_000 ? Promise.reject(new Error('the disk is full')) : super.append(bytes);
    }
    override replace(bytes: Uint8Array): Promise<void> {
      return bytes.length > 10_000 ? Promise.reject(new Error('the disk is full')) : super.replace(bytes);
    }
  }
  const alice = client(user('alice'), { storage: new Small() });
  const [large, small] = [alice.send('user:bob', 'x'.repeat(20_000)), alice.send('user:bob', 'y')];
  await expect(large).rejects.toMatchObject({ fault: 'storage', message: 'the disk is full' } satisfies Partial<SendError>);
  await small;
  await alice.connect();
  await (await small).accepted;
});

test('what was kept goes out also where nothing more can be kept', async () => {
  const storage = new Full();
  const [alice, bob] = [client(user('alice'), { storage }), client(user('bob'))];
  await bob.connect();
  const got: Message[] = [];
  bob.inbox.on('message', (message) => got.push(message));
  await alice.send(`user:${bob.user}`, 'kept');
  storage.full = true;
  await alice.connect();
  await waitFor(() => expect(contents(got)).toEqual(['kept']));
});

test('where nothing can be kept the client works all the same and says so', async () => {
  const broken: Storage = Object.assign(new MemoryStorage(), { load: () => Promise.reject(new Error('denied')) });
  const alice = client(user('alice'), { storage: broken });
  const faults: string[] = [];
  alice.on('fault', ({ what }) => faults.push(what));
  await alice.connect();
  await (await alice.send(`user:${alice.user}`, 'x')).accepted;
  expect(faults).toEqual(['nothing is saved here: denied']);
});

test('where the first write fails the next one writes the whole, and nothing kept is lost', async () => {
  const storage = new MemoryStorage();
  vi.spyOn(storage, 'replace').mockRejectedValueOnce(new Error('not now'));
  const first = client(user('alice'), { storage, device: undefined as never });
  const faults: string[] = [];
  first.on('fault', ({ what }) => faults.push(what));
  await first.send('user:bob', 'kept');
  // As it is when the page is closed at this moment.
  const copy = new MemoryStorage();
  await copy.append(await storage.load());
  const second = client(first.user, { storage: copy, device: undefined as never });
  second.on('fault', ({ what }) => faults.push(what));
  await second.connect();
  expect([faults, second.device]).toEqual([['nothing is saved here: not now'], first.device]);
});

test('where nothing can be kept the hub keeps no device either', async () => {
  const broken: Storage = Object.assign(new MemoryStorage(), { load: () => Promise.reject(new Error('denied')) });
  const alice = client(user('alice'), { storage: broken, device: undefined as never });
  await alice.connect();
  expect(alice.device).toBe('');
});

test('what was not sent goes out with the next client, in order, and its timeline shows it before', async () => {
  const [name, bob] = [user('alice'), client(user('bob'))];
  await bob.connect();
  const got: Message[] = [];
  bob.inbox.on('message', (message) => got.push(message));
  const first = client(name, { storage: 'persistent' });
  // Never connected: everything is kept, and nothing sent.
  for (const content of ['one', 'two', 'three']) await first.send(`user:${bob.user}`, content);
  expect([first.state.get().name, first.sync.get().saved]).toEqual(['idle', 3]);
  await first.close();
  const second = client(name, { storage: 'persistent' });
  const timeline = second.timeline(`user:${bob.user}`);
  const seen: string[] = [];
  timeline.subscribe(({ items }) => seen.push(items.map(({ message, stage }) => `${message?.content} ${stage}`).join()));
  await second.connect();
  await waitFor(() => expect(contents(got)).toEqual(['one', 'two', 'three']));
  await waitFor(() => expect(seen.at(-1)).toBe('one accepted,two accepted,three accepted'));
});

test('what is forgotten is gone', async () => {
  const name = user('alice');
  const first = client(name, { storage: 'persistent' });
  await first.send('user:nobody', 'never');
  await first.forget();
  expect(first.state.get()).toMatchObject({ name: 'closed', why: 'application' });
  const second = client(name, { storage: 'persistent' });
  await second.connect();
  expect(second.sync.get().saved).toBe(0);
});

test('what cannot be forgotten is not said to be', async () => {
  const storage = Object.assign(new MemoryStorage(), { clear: () => Promise.reject(new Error('the disk is read-only')) });
  const alice = client(user('alice'), { storage });
  await alice.connect();
  await expect(alice.forget()).rejects.toThrow('the disk is read-only');
  await waitFor(() => expect(alice.state.get().name).toBe('closed'));
  // Of somebody else it is not this client's to delete.
  await expect(client(user('mallory'), { storage }).forget()).rejects.toThrow('what is saved here belongs');
});

test('a slow reader of the iterable goes on from the log', { timeout: 60_000 }, async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  const reading = bob.inbox.messages();
  const first = reading.next();
  const count = 6000;
  for (let at = 0; at < count; at += 500) {
    const sent = await Promise.all(Array.from({ length: 500 }, (_, index) => alice.send(`user:${bob.user}`, `${at + index}`)));
    await Promise.all(sent.map((receipt) => receipt.accepted));
  }
  await waitFor(() => expect(bob.sync.get().caughtUp).toBe(true));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const got = [(await first).value];
  while (got.length < count) got.push((await reading.next()).value);
  expect(got.map((delivery) => delivery?.message?.content)).toEqual(Array.from({ length: count }, (_, index) => `${index}`));
  await reading.return();
});

test('with acknowledgement by hand a message comes again until it was given', async () => {
  const [name, alice] = [user('bob'), client(user('alice'))];
  await alice.connect();
  await (await alice.send(`user:${name}`, 'hello')).accepted;
  const storage = new MemoryStorage();
  const handed = async (acknowledge: boolean): Promise<unknown[]> => {
    const bob = client(name, { storage, acknowledge: 'manual' });
    const got: Message[] = [];
    bob.inbox.on('message', (message) => {
      got.push(message);
      if (acknowledge) bob.acknowledge(message);
    });
    await bob.connect();
    await waitFor(() => expect(bob.sync.get().caughtUp).toBe(true));
    await bob.close();
    return contents(got);
  };
  expect([await handed(false), await handed(true), await handed(true)]).toEqual([['hello'], ['hello'], []]);
});

test('groups are joined, spoken to, listed, left; history comes in pages', async () => {
  const [alice, bob, name] = [client(user('alice')), client(user('bob')), user('team')];
  await Promise.all([alice.connect(), bob.connect()]);
  await alice.group(name).join();
  await bob.group(name).join();
  const got: Message[] = [];
  bob.group(name).on('message', (message) => got.push(message));
  for (let number = 1; number <= 7; number += 1) await (await alice.group(name).send(`${number}`)).accepted;
  await waitFor(() => expect(got.length).toBe(7));
  expect((await alice.group(name).members()).users).toEqual([alice.user, bob.user].sort());
  const newest = await bob.group(name).history({ limit: 3 });
  expect([contents(newest.messages), newest.more]).toEqual([['5', '6', '7'], true]);
  const before = await bob.group(name).history({ limit: 3, before: newest.from });
  expect(contents(before.messages)).toEqual(['2', '3', '4']);
  expect(contents((await bob.group(name).history({ after: newest.to - 1 })).messages)).toEqual(['7']);
  await bob.group(name).leave();
  await expect(bob.group(name).send('x').then((receipt) => receipt.accepted)).rejects.toMatchObject({ fault: 'refused', code: 81401 } satisfies Partial<ReceiptError>);
  expect((await alice.group(name).members()).users).toEqual([alice.user]);
  await expect(bob.request({ message_type: 'group_leave', group_ids: [name] })).rejects.toMatchObject({ fault: 'refused', code: 81401 } satisfies Partial<RequestError>);
});

test('bytes arrive as they were sent, and data as any object', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  const got: Message[] = [];
  bob.inbox.on('message', (message) => got.push(message));
  const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
  await alice.sendBinary(`user:${bob.user}`, bytes, { content: 'picture.png', data: { width: 3 } });
  await waitFor(() => expect(got.length).toBe(1));
  expect(got[0]).toMatchObject({ message_type: 'binary', content: 'picture.png', data: { width: 3 } });
  expect(got[0]?.payload).toEqual(bytes);
});

test('what is wrong with a message is said at once, by its field', async () => {
  const alice = client(user('alice'));
  const refused = (message: object): Promise<unknown> => alice.send(message as never).catch((error: SendError) => [error.fault, error.message]);
  expect(await refused({ receiver: 'bob', group_ids: ['team'] })).toEqual(['invalid', expect.stringContaining('receiver: one message has one target')]);
  expect(await refused({ receiver: 'bob', message_id: '' })).toEqual(['invalid', expect.stringContaining('message_id')]);
  expect(await refused({ receiver: 'bob', content: 'x'.repeat(70_000) })).toEqual(['too large', expect.any(String)]);
  expect(await refused({ receiver: 'b', message_type: 'ack' })).toEqual(['invalid', expect.stringContaining('message_type')]);
});

test('signals end the waiting, and a closed client says that it is', async () => {
  const alice = client(user('alice'));
  await expect(alice.connect({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  await alice.connect();
  await expect(alice.inbox.history({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  await alice.close();
  await expect(alice.send('user:bob', 'x')).rejects.toMatchObject({ fault: 'closed' });
  await expect(alice.inbox.history()).rejects.toThrow('closed');
  await alice.connect();
  await (await alice.send('user:bob', 'x')).accepted;
});

test('a newer connection of the device closes the older one for good', async () => {
  const name = user('alice');
  const [first, second] = [client(name, { device: 'same' }), client(name, { device: 'same' })];
  await first.connect();
  await second.connect();
  await waitFor(() => expect(first.state.get()).toMatchObject({ name: 'closed', why: 'hub', code: 4009 }));
  await expect(first.send('user:bob', 'x')).rejects.toMatchObject({ fault: 'closed' });
  expect(second.state.get().name).toBe('connected');
});

test('a hub that is not there is tried again and again, and can be waited for', async () => {
  const { Client } = await import('@wsc/client');
  const lonely = new Client(url().replace(/:\d+/, ':9'), { user: 'alice', storage: 'memory' });
  const waited = lonely.connect().catch((error: ClosedError) => error.message);
  await waitFor(() => expect(lonely.state.get()).toMatchObject({ name: 'waiting', attempts: expect.any(Number) }));
  await lonely.close();
  expect(await waited).toBe('the client was closed');
});

test('closed means closed, whatever was asked for between', async () => {
  const alice = client(user('alice'));
  await alice.connect();
  const closing = alice.close();
  const between = alice.connect().catch((error: ClosedError) => error.message);
  await Promise.all([closing, alice.close()]);
  expect(await between).toContain('closed');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(alice.state.get().name).toBe('closed');
});

test('a client that cannot keep anything from the start works, and one of another user is refused', async () => {
  const storage = new Full();
  storage.full = true;
  const alice = client(user('alice'), { storage });
  await alice.connect();
  expect(alice.state.get().name).toBe('connected');
  const part = (value: object): string => btoa(JSON.stringify(value)).replaceAll('=', '');
  const token = (uid: string): string => `${part({})}.${part({ uid })}.x`;
  const { Client } = await import('@wsc/client');
  let who = 'alice';
  const shared = new Client(url(), { token: () => token(who), storage: new MemoryStorage() });
  await shared.send('user:bob', 'of alice');
  await shared.close();
  who = 'eve';
  await expect(shared.connect()).rejects.toThrow('another user');
  await shared.close();
});

test('what was taken before a close is settled after the next connect, and what is not followed says so', async () => {
  const alice = client(user('alice'));
  const receipt = await alice.send('user:bob', 'kept');
  await alice.close();
  await alice.connect();
  expect((await receipt.accepted).position).toBe(1);
  await expect(receipt.delivered).rejects.toMatchObject({ fault: 'not followed' } satisfies Partial<ReceiptError>);
});

test('volatile messages leave nothing behind', async () => {
  const alice = client(user('alice'));
  await alice.connect();
  for (let number = 0; number < 5; number += 1) {
    await (await alice.send('user:bob', { message_type: 'typing' })).accepted;
  }
  await (await alice.send('user:bob', 'stored')).accepted;
  expect(alice.sync.get()).toMatchObject({ saved: 0, unsaved: 0 });
  const timeline = alice.timeline('user:bob');
  const stop = timeline.subscribe(() => undefined);
  await waitFor(() => expect(timeline.get().items.map(({ message }) => message?.content)).toEqual(['stored']));
  stop();
});

test('opened, closed and opened again at once is opened once', async () => {
  const alice = client(user('alice'));
  const states: string[] = [];
  alice.on('state', ({ name }) => states.push(name));
  const first = alice.connect().catch((error: ClosedError) => error.message);
  void alice.close();
  await alice.connect();
  expect(await first).toMatch(/closed|application/);
  await (await alice.send('user:bob', 'x')).accepted;
  await new Promise((resolve) => setTimeout(resolve, 200));
  // Two engines of one device would put each other out.
  expect([alice.state.get().name, states.filter((name) => name === 'connected').length]).toEqual(['connected', 1]);
});
