import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { type Addresses, Client, ClosedError, ErrorCode, type Message, MESSAGE_TYPES, type ReceiptError, type RequestError, type SendError } from '../src/index.js';
import { client, contents, eventually, Hub, inbox, MEMORY, secret, user } from './support.js';

const hub = await new Hub(...MEMORY).start();
const one = (name: string, options = {}): Client => client(hub.url, user(name), options);

async function two(): Promise<[Client, Client]> {
  const pair: [Client, Client] = [one('alice'), one('bob')];
  await Promise.all(pair.map((each) => each.connect()));
  return pair;
}

test('a message is accepted, delivered and read', async () => {
  const [alice, bob] = await two();
  const got = inbox(bob);
  const receipt = await alice.send(`user:${bob.user}`, { content: 'héllo 👋', require_ack: true, data: { item: 7 } });
  expect(await receipt.accepted).toMatchObject({ stream: 'inbox', position: 1, duplicate: false });
  await receipt.delivered;
  expect(got).toMatchObject([{ sender: alice.user, sender_client: 'd', content: 'héllo 👋', data: { item: 7 }, stream: 'inbox', seq_no: 1 }]);
  bob.markRead(`user:${alice.user}`, 1);
  await receipt.read;
  expect(receipt.stage.get()).toBe('read');
});

test('bytes arrive as they were sent, with the message beside them, live and from history', async () => {
  const [alice, bob] = await two();
  const got = inbox(bob);
  const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index % 256);
  const sent = Buffer.from(bytes);
  const sending = alice.sendBinary(`user:${bob.user}`, sent, { message_type: 'image', data: { name: 'cat.png' } });
  // The caller may use its buffer for the next one.
  sent.fill(0);
  await (await sending).accepted;
  await (await alice.sendBinary(`user:${bob.user}`, new Uint8Array())).accepted;
  await eventually(() => expect(got.length).toBe(2));
  expect(got[0]).toMatchObject({ message_type: 'image', data: { name: 'cat.png' } });
  expect(got.map(({ payload }) => payload)).toEqual([bytes, new Uint8Array()]);
  expect((await bob.inbox.history()).messages[0]?.payload).toEqual(bytes);
});

test('every type that an application may send arrives as it is, and what only the hub may send is refused', async () => {
  const [alice, bob] = await two();
  const [got, passing] = [inbox(bob), [] as Message[]];
  bob.on('volatile', (message) => passing.push(message));
  const refused: string[] = [];
  for (const message_type of MESSAGE_TYPES) {
    await alice.send(`user:${bob.user}`, { message_type, content: message_type }).catch((error: SendError) => {
      expect([error.fault, error.message]).toEqual(['invalid', expect.stringContaining('message_type')]);
      refused.push(message_type);
    });
  }
  expect(refused.length).toBeLessThan(MESSAGE_TYPES.length / 2);
  const sent = MESSAGE_TYPES.filter((type) => !refused.includes(type));
  await eventually(() => expect([...got, ...passing].map(({ message_type }) => message_type).sort()).toEqual([...sent].sort()));
  expect(got.every(({ message_type, content }) => message_type === content)).toBe(true);
  expect(passing.map(({ message_type }) => message_type)).toEqual(['typing']);
  expect(refused.toSorted()).toMatchInlineSnapshot(`
    [
      "ack",
      "check_user_status",
      "config_update",
      "connected",
      "error",
      "force_offline",
      "get_online_users",
      "get_user_info",
      "group_changed",
      "health_check",
      "health_response",
      "heartbeat",
      "kick_out",
      "online_users_list",
      "ping",
      "pong",
      "server_status",
      "user_info_response",
      "user_joined",
      "user_left",
      "user_status_changed",
      "user_status_response",
      "welcome",
    ]
  `);
});

test('groups are joined, spoken to, listed and left; history comes in pages', async () => {
  const [alice, bob] = await two();
  const name = user('team');
  const [opened, closed]: [string[], string[]] = [[], []];
  bob.on('opened', ({ stream }) => opened.push(stream));
  bob.on('closed', ({ stream, reason }) => closed.push(`${stream} ${reason}`));
  await alice.group(name).join();
  await bob.group(name).join();
  const got: Message[] = [];
  bob.group(name).on('message', (message) => got.push(message));
  for (let number = 1; number <= 7; number += 1) await (await alice.group(name).send(`${number}`)).accepted;
  await eventually(() => expect(contents(got)).toEqual(['1', '2', '3', '4', '5', '6', '7']));
  expect((await alice.group(name).members()).users).toEqual([alice.user, bob.user].sort());
  const newest = await bob.group(name).history({ limit: 3 });
  expect([contents(newest.messages), newest.more]).toEqual([['5', '6', '7'], true]);
  expect(contents((await bob.group(name).history({ limit: 3, before: newest.from })).messages)).toEqual(['2', '3', '4']);
  await bob.group(name).leave();
  await eventually(() => expect([opened, closed]).toEqual([[`group:${name}`], [`group:${name} left`]]));
  const late = await bob.group(name).send('x');
  await expect(late.accepted).rejects.toMatchObject({ fault: 'refused', code: ErrorCode.GroupNotFound } satisfies Partial<ReceiptError>);
});

test('presence, typing, conversations and read marks are told as they change', async () => {
  const [alice, bob] = await two();
  const carol = one('carol');
  const presence = alice.presence({ users: [bob.user, carol.user] });
  const stops = [presence.subscribe(() => undefined), alice.conversations.subscribe(() => undefined)];
  await eventually(() => expect([...presence.get()].sort()).toEqual([[bob.user, 'online'], [carol.user, 'offline']].sort()));
  await carol.connect();
  await bob.setStatus('busy');
  await eventually(() => expect([...presence.get()].sort()).toEqual([[bob.user, 'busy'], [carol.user, 'online']].sort()));
  const typists = alice.typists(`user:${bob.user}`);
  stops.push(typists.subscribe(() => undefined));
  bob.typing(`user:${alice.user}`);
  await eventually(() => expect(typists.get()).toEqual([bob.user]));
  await (await bob.send(`user:${alice.user}`, 'hello')).accepted;
  await eventually(() => expect(alice.conversations.get()).toMatchObject({ unread: 1, list: [{ name: `user:${bob.user}`, unread: 1 }] }));
  const timeline = alice.timeline(`user:${bob.user}`);
  stops.push(timeline.subscribe(() => undefined));
  await eventually(() => expect(timeline.get().items.map(({ message }) => message?.content)).toEqual(['hello']));
  timeline.markRead();
  await eventually(() => expect(alice.conversations.get().unread).toBe(0));
  for (const stop of stops) stop();
});

test('errors say whose fault it is, by class, fault and code', async () => {
  const alice = one('alice', { outboxCount: 3 });
  const refused = (message: object): Promise<unknown> => alice.send(message as never).catch((error: SendError) => [error.name, error.fault, error.message]);
  expect(await refused({ receiver: 'bob', group_ids: ['team'] })).toEqual(['SendError', 'invalid', expect.stringContaining('receiver: one message has one target')]);
  expect(await refused({ receiver: 'bob', message_id: '' })).toEqual(['SendError', 'invalid', expect.stringContaining('message_id')]);
  expect(await refused({ receiver: 'bob', content: 'x'.repeat(70_000) })).toEqual(['SendError', 'too large', expect.any(String)]);
  expect(await refused({ receiver: 'bob', data: 'no object' })).toEqual(['SendError', 'invalid', expect.stringContaining('data')]);
  const waiting = await Promise.all(['1', '2', '3'].map((content) => alice.send('user:bob', { content, message_id: `full-${content}` })));
  await expect(alice.send('user:bob', '4')).rejects.toMatchObject({ fault: 'outbox full', retryable: true });
  await expect(alice.send('user:bob', { message_id: 'full-1' })).rejects.toMatchObject({ fault: 'repeated' });
  alice.cancel(waiting[0]!);
  await expect(waiting[0]!.accepted).rejects.toMatchObject({ name: 'ReceiptError', fault: 'cancelled' } satisfies Partial<ReceiptError>);
  await expect(alice.inbox.history()).rejects.toMatchObject({ name: 'RequestError', fault: 'disconnected', retryable: true } satisfies Partial<RequestError>);
  await alice.connect();
  expect((await waiting[1]!.accepted).position).toBe(1);
  await expect(alice.request({ message_type: 'group_leave', group_ids: ['none'] })).rejects.toMatchObject({ fault: 'refused', code: ErrorCode.GroupNotFound, retryable: false });
  const nobody = await alice.send('group:none', 'x');
  await expect(nobody.accepted).rejects.toMatchObject({ fault: 'refused', code: ErrorCode.GroupNotFound });
  const brief = await alice.send('user:bob', { volatile: true, content: 'now or never' });
  expect((await brief.accepted).position).toBe(0);
  await alice.close();
  await expect(alice.send('user:bob', 'x')).rejects.toMatchObject({ fault: 'closed' });
  await expect(alice.inbox.history()).rejects.toThrow(ClosedError);
});

test('bad options are refused with what to do', async () => {
  const wrong = (url: Addresses, options = {}): Promise<string> => new Client(url, options).connect().then(() => 'connected', (error: Error) => error.message);
  expect(await wrong('nonsense', { user: 'a' })).toContain('"nonsense" is not a valid address of a hub: give ws://host:port or wss://host');
  expect(await wrong([hub.url, 'ftp://hub'], { user: 'a' })).toContain('"ftp://hub" is not a valid');
  expect(await wrong([], { user: 'a' })).toContain('no address of a hub is given');
  expect(await wrong(hub.url)).toContain('`user` is required, or a token');
  expect(await wrong(hub.url, { token: 'x.y.z' })).toContain('the token is not a JWT');
  expect(await wrong(hub.url, { user: 7 })).toMatch(/user/i);
  expect(await wrong(hub.url, { user: 'a', groups: 'team' })).toMatch(/groups/);
});

test('what comes before the first listener is handed to it, in order', async () => {
  const [alice, bob] = await two();
  for (const content of ['one', 'two', 'three']) await (await alice.send(`user:${bob.user}`, content)).accepted;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const got = inbox(bob);
  await eventually(() => expect(contents(got)).toEqual(['one', 'two', 'three']));
});

test('a listener that throws disturbs neither the others nor the client', async () => {
  const [alice, bob] = await two();
  const thrown: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error));
  try {
    bob.inbox.on('message', () => {
      throw new Error('mine');
    });
    const got = inbox(bob);
    for (const content of ['one', 'two']) await alice.send(`user:${bob.user}`, content);
    await eventually(() => expect([contents(got), thrown.length]).toEqual([['one', 'two'], 2]));
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  }
});

test('with acknowledgement by hand a message comes again until it was given', async () => {
  const [alice] = await two();
  const name = user('bob');
  await (await alice.send(`user:${name}`, 'hello')).accepted;
  const handed = async (acknowledge: boolean): Promise<unknown[]> => {
    const bob = client(hub.url, name, { acknowledge: 'manual' });
    const got: Message[] = [];
    bob.inbox.on('message', (message) => {
      got.push(message);
      if (acknowledge) bob.acknowledge(message);
    });
    await bob.connect();
    await eventually(() => expect(got.length === 1 || bob.sync.get().caughtUp).toBe(true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await bob.close();
    return contents(got);
  };
  expect([await handed(false), await handed(true), await handed(true)]).toEqual([['hello'], ['hello'], []]);
});

test('by hand a message that the iterable gave out comes again as well, until it was given', async () => {
  const [alice] = await two();
  const name = user('bob');
  for (const content of ['one', 'two', 'three']) await (await alice.send(`user:${name}`, content)).accepted;
  const handed = async (acknowledged: string): Promise<unknown[]> => {
    const bob = client(hub.url, name, { acknowledge: 'manual' });
    const got: unknown[] = [];
    await bob.connect();
    for await (const { message } of bob.inbox.messages()) {
      got.push(message?.content);
      if (message?.content === acknowledged) bob.acknowledge(message);
      if (message?.content === 'three') break;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    await bob.close();
    return got;
  };
  expect(await handed('')).toEqual(['one', 'two', 'three']);
  expect(await handed('two')).toEqual(['one', 'two', 'three']);
  expect(await handed('three')).toEqual(['three']);
});

test('a slow reader of the iterable holds back the hub: what it has not taken comes again to the next client', { timeout: 60_000 }, async () => {
  const [alice] = await two();
  const name = user('bob');
  const count = 9_000;
  const first = client(hub.url, name);
  const reading = first.inbox.messages();
  const taken = reading.next();
  await first.connect();
  for (let at = 0; at < count; at += 1000) {
    const sent = await Promise.all(Array.from({ length: 1000 }, (_, index) => alice.send(`user:${name}`, `${at + index}`)));
    await Promise.all(sent.map((receipt) => receipt.accepted));
  }
  const got = [(await taken).value?.message?.content];
  for (let number = 1; number < 2000; number += 1) got.push((await reading.next()).value?.message?.content);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await first.close();
  // The last one taken was not finished: nobody had asked for the next.
  const second = client(hub.url, name);
  const rest = second.inbox.messages();
  const next = rest.next();
  await second.connect();
  got.push((await next).value?.message?.content);
  while (got.length < count + 1) got.push((await rest.next()).value?.message?.content);
  await rest.return();
  const all = Array.from({ length: count }, (_, index) => `${index}`);
  expect(got).toEqual([...all.slice(0, 2000), ...all.slice(1999)]);
});

test('a signal ends the loop, and the rest goes to the next reader or to history', async () => {
  const [alice, bob] = await two();
  const ending = new AbortController();
  const got: unknown[] = [];
  const reading = (async () => {
    for await (const { message } of bob.inbox.messages({ signal: ending.signal })) {
      got.push(message?.content);
      if (got.length === 2) ending.abort();
    }
  })();
  for (const content of ['one', 'two', 'three']) await (await alice.send(`user:${bob.user}`, content)).accepted;
  await reading;
  expect(got).toEqual(['one', 'two']);
  expect(contents((await bob.inbox.history()).messages)).toEqual(['one', 'two', 'three']);
});

test('a hub that is not there is tried again and again, each failure is told, and it can be waited for', async () => {
  const lonely = client(hub.url.replace(/:\d+/, ':9'), 'alice');
  const failures: string[] = [];
  lonely.on('connectError', ({ reason }) => failures.push(reason));
  const waited = lonely.connect().catch((error: ClosedError) => error.message);
  await eventually(() => expect(lonely.state.get()).toMatchObject({ name: 'waiting', attempts: expect.any(Number) }));
  expect(failures[0]).toMatch(/refused/i);
  await lonely.close();
  expect(await waited).toBe('the client was closed');
});

test('what a proxy answers in place of the hub is a failed attempt, and the refusal of the hub itself is final', async () => {
  const body = '{"code":80303,"reason":"this origin is not on the hub\'s list"}';
  const answers = ['404 Not Found\r\nContent-Length: 6\r\n\r\n<html>', '401 Unauthorized\r\nContent-Length: 0\r\n\r\n', `403 Forbidden\r\nContent-Length: ${body.length}\r\n\r\n${body}`];
  const proxy = createServer((socket) => void socket.once('data', () => socket.end(`HTTP/1.1 ${answers.shift()}`)));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const alice = client(`ws://127.0.0.1:${(proxy.address() as AddressInfo).port}`, 'alice');
  const failures: string[] = [];
  alice.on('connectError', ({ reason }) => failures.push(reason));
  await expect(alice.connect()).rejects.toBeInstanceOf(ClosedError);
  expect(failures.slice(0, 2)).toEqual([expect.stringContaining('404'), expect.stringContaining('401')]);
  expect(alice.state.get()).toMatchObject({ name: 'closed', why: 'hub', code: 4003, reason: expect.stringContaining('this origin') });
  proxy.close();
});

test("the end of a connection is told with the hub's code, and a newer connection of the device closes the older for good", async () => {
  const name = user('alice');
  const [first, second] = [client(hub.url, name), client(hub.url, name)];
  const told: number[] = [];
  first.on('disconnected', ({ code }) => told.push(code));
  await first.connect();
  await second.connect();
  await eventually(() => expect(first.state.get()).toMatchObject({ name: 'closed', why: 'hub', code: 4009 }));
  expect(told).toEqual([4009]);
  await expect(first.send('user:bob', 'x')).rejects.toMatchObject({ fault: 'closed' });
  expect(second.state.get().name).toBe('connected');
});

test('signals end the waiting; what was closed opens again and sends what waits in memory, once', async () => {
  const alice = one('alice');
  await expect(alice.connect({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  await alice.close();
  const [bob] = await two();
  const got = inbox(bob);
  await alice.connect().catch(() => undefined);
  await alice.connect();
  await alice.close();
  const between = alice.connect();
  const kept = await alice.send(`user:${bob.user}`, 'kept');
  await Promise.all([between, kept.accepted]);
  await alice.close();
  await alice.connect();
  await (await alice.send(`user:${bob.user}`, 'more')).accepted;
  await eventually(() => expect(contents(got)).toEqual(['kept', 'more']));
});

test('closing waits for the answers that are under way', async () => {
  const [alice, bob] = await two();
  const got = inbox(bob);
  const receipts = await Promise.all(Array.from({ length: 200 }, (_, number) => alice.send(`user:${bob.user}`, `${number}`)));
  await alice.close();
  expect(receipts.map((receipt) => receipt.stage.get())).toEqual(receipts.map(() => 'accepted'));
  await eventually(() => expect(contents(got)).toEqual(Array.from({ length: 200 }, (_, number) => `${number}`)));
});

test('closed in the middle of much, again and again, also by a listener, it hands over nothing twice', { timeout: 60_000 }, async () => {
  const [alice] = await two();
  const [name, count] = [user('bob'), 8_000];
  for (let at = 0; at < count; at += 1000) {
    const sent = await Promise.all(Array.from({ length: 1000 }, (_, index) => alice.send(`user:${name}`, `${at + index}`)));
    await Promise.all(sent.map((receipt) => receipt.accepted));
  }
  const got: unknown[] = [];
  for (let time = 0; got.length < count; time += 1) {
    const bob = client(hub.url, name);
    const enough = got.length + 97;
    let closing: Promise<void> | undefined;
    const seen = new Promise<void>((resolve) => {
      bob.inbox.on('message', ({ content }) => {
        got.push(content);
        if (got.length < enough && got.length < count) return;
        if (time % 2 === 0) closing ??= bob.close();
        resolve();
      });
    });
    await bob.connect();
    await seen;
    await (closing ?? bob.close());
    // What a closed client was given late would come here.
    const before = got.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got.length).toBe(before);
  }
  expect(got).toEqual(Array.from({ length: count }, (_, index) => `${index}`));
});

test('opened, closed and opened again at once is opened once', async () => {
  const alice = one('alice');
  const states: string[] = [];
  alice.on('state', ({ name }) => states.push(name));
  const first = alice.connect().catch((error: ClosedError) => error.message);
  void alice.close();
  await alice.connect();
  expect(await first).toMatch(/closed|application/);
  await (await alice.send('user:bob', 'x')).accepted;
  expect([alice.state.get().name, states.filter((name) => name === 'connected').length]).toEqual(['connected', 1]);
});

test('a token is asked for anew before it ends; one of another user is not used; none closes', { timeout: 30_000 }, async () => {
  const { words, token } = secret();
  const guarded = await new Hub(...MEMORY, ...words).start();
  let asked = 0;
  const alice = new Client(guarded.url, { device: 'd', token: () => ((asked += 1), token('alice', 3)) });
  await alice.connect();
  expect(alice.user).toBe('alice');
  const states: string[] = [];
  alice.on('state', ({ name }) => states.push(name));
  await new Promise((resolve) => setTimeout(resolve, 6_500));
  await (await alice.send('user:bob', 'still here')).accepted;
  expect(asked).toBeGreaterThanOrEqual(3);
  expect(states).not.toContain('waiting');
  await alice.close();

  const failed: string[] = [];
  let tries = 0;
  const late = new Client(guarded.url, { user: 'alice', device: 'd', token: () => ((tries += 1) < 2 ? Promise.reject(new Error('busy')) : Promise.resolve(token('alice', 60))) });
  late.on('fault', ({ what }) => failed.push(what));
  await late.connect();
  expect(failed).toEqual(['no token: busy']);
  await late.close();

  const other = new Client(guarded.url, { user: 'alice', token: () => token('eve', 60) });
  const refused: string[] = [];
  other.on('fault', ({ what }) => refused.push(what));
  other.connect().catch(() => undefined);
  await eventually(() => expect(refused[0]).toContain('the token is of "eve"'));
  expect(other.state.get().name).not.toBe('connected');
  await other.close();
  await expect(new Client(guarded.url, { user: 'alice', token: () => null }).connect()).rejects.toThrow('no token');
  await expect(new Client(guarded.url, { token: token('alice', -60) }).connect()).rejects.toBeInstanceOf(ClosedError);
});
