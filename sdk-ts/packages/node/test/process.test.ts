import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client, WscError } from '../src/index.js';
import { load, native, type NativeCommand, platform, type Session } from '../src/native.js';
import { client, contents, eventually, folder, Hub, inbox, MEMORY, program } from './support.js';

const hub = await new Hub(...MEMORY, '--set', 'limits.connects_per_address=0').start();

const ENDS = [
  ['closed', 0],
  ['unref', 0],
  ['waiting without ref', 0],
  ['replaced', 0],
  ['exit', 7],
  ['exit while opening', 7],
  ['uncaught', 1],
  ['workers', 0],
] as const;

for (const [way, code] of ENDS) {
  test(`a process ends by itself, in order and soon: ${way}`, async () => {
    const { ended } = program('ends.mjs', way, hub.url);
    const { lines, ...end } = await ended;
    expect([end.code, end.signal], end.errors).toEqual([code, null]);
    expect(lines).toEqual(code === 0 ? ['connected', 'done'] : ['connected']);
  });
}

test('connecting in a process with many sockets makes no diagnostic report, which would resolve their addresses', async () => {
  const { code, lines, errors } = await program('report.mjs', hub.url).ended;
  expect([code, lines], errors).toEqual([0, ['connected']]);
});

test('a connected client keeps its process alive', async () => {
  const { child, lines, ended } = program('ends.mjs', 'open', hub.url);
  await eventually(() => expect(lines).toEqual(['connected', 'done']));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(child.exitCode).toBe(null);
  child.kill('SIGKILL');
  expect((await ended).signal).toBe('SIGKILL');
});

test('ten thousand clients opened and closed leave no file, no thread, no timer and no memory', { timeout: 120_000 }, async () => {
  const { ended } = program('leak.mjs', hub.url, '10000');
  const { code, lines, errors } = await ended;
  expect(code, errors).toBe(0);
  type Holds = Record<'files' | 'threads' | 'memory' | 'heap' | 'active', number>;
  const [before, after] = JSON.parse(lines.at(-1)!) as [Holds, Holds];
  expect([after.files, after.threads, after.active]).toEqual([before.files, before.threads, before.active]);
  // Five thousand clients lie between the two.
  expect(after.heap - before.heap).toBeLessThan(1_000_000);
  expect(after.memory - before.memory).toBeLessThan(16_000_000);
  console.log(`after 5,000 and after 10,000 clients: ${lines.at(-1)}`);
});

test('misuse of the native part is an error and never a crash', async () => {
  const { Session, Machine } = native() as unknown as { Session: { new (): Session; open(settings: unknown): Promise<Session> }; Machine: new (...words: unknown[]) => Record<string, (...words: unknown[]) => unknown> };
  const settings = { urls: [hub.url], client: 'misuse', user: 'misuse' };
  for (const wrong of [undefined, null, 7, 'text', {}, { urls: 7 }, { ...settings, outboxCount: 'many' }, { ...settings, groups: [7] }]) {
    expect(() => void Session.open(wrong)).toThrow();
  }
  expect(() => new Session()).toThrow();
  await expect(Session.open({ ...settings, urls: [hub.url, 'nonsense'] })).rejects.toThrow('not a valid address of a hub');
  await expect(Session.open({ ...settings, outbox: '/nowhere/at/all' })).rejects.toThrow(/outbox/);
  const session = await Session.open({ ...settings, groups: [], outboxCount: 4_294_967_295 });
  for (const wrong of [undefined, null, 7, [7], [null], [{}], [{ do: 'dance' }], [{ do: 'send' }], [{ do: 'send', id: 'a', object: 7 }],
    [{ do: 'acknowledge', stream: 'inbox', generation: 1, position: -1 }], [{ do: 'read', streams: 'all' }], [{ do: 'send', id: 'a', object: '{}', payload: 'bytes' }]]) {
    expect(() => session.submit(wrong as unknown as NativeCommand[]), JSON.stringify(wrong)).toThrow();
  }
  expect(() => session.listen(undefined as never, false)).toThrow();
  const told: string[] = [];
  let throws = true;
  session.listen((text) => {
    told.push(text);
    if (throws) throw new Error('a listener must not');
  }, false);
  expect(() => session.listen(() => undefined, false)).toThrow('somebody listens already');
  const method = Object.getPrototypeOf(session).submit as (this: unknown, commands: NativeCommand[]) => void;
  expect(() => method.call({}, [])).toThrow();
  // No JSON, no message, no number that could be one: answered, not swallowed.
  session.submit([{ do: 'send', id: 'a', object: 'no json' }, { do: 'send', id: 'b', object: '[]' }, { do: 'acknowledge', stream: 'no stream', generation: 9, position: 9 }, { do: 'cancel', id: 'none' }]);
  throws = false;
  expect(() => session.send('a\nb', '{}')).toThrow('an id for each object');
  session.submit([{ do: 'request', ticket: 1, object: '}' }, { do: 'connect' }]);
  await eventually(() => expect(told.join()).toContain('"misuse"'));
  expect(told.join()).toMatch(/"kind":21.*"a".*"kind":21.*"b"/);
  session.submit([{ do: 'close' }]);
  await eventually(() => expect(told.join()).toContain('"kind":25'));
  session.submit([{ do: 'send', id: 'late', object: '{"message_id":"late","receiver":"b"}' }, { do: 'connect' }, { do: 'close' }]);
  const machine = new Machine({}, 1, new Uint8Array([1, 2, 3]));
  expect(() => machine['open']!(-1, 0)).toThrow('now is -1');
  machine['text']!(0, 99, 'nonsense');
  expect(() => new Machine({}, 1)).toThrow();
});

test('where there is no native part it is said what to install, and which platforms there are', () => {
  const missing = (): never => {
    throw Object.assign(new Error('not found'), { code: 'MODULE_NOT_FOUND' });
  };
  expect(() => load('linux-x64-gnu', missing)).toThrow('npm install @wsc/node-linux-x64-gnu');
  expect(() => load('aix-ppc64', missing)).toThrow(/no native part for aix-ppc64; there is one for linux-x64-gnu, /);
  const broken = (): never => {
    throw new Error('GLIBC_2.99 not found');
  };
  expect(() => load('linux-x64-gnu', broken)).toThrow('does not load here: @wsc/node-linux-x64-gnu: GLIBC_2.99 not found');
  expect(platform()).toMatch(/^\w+-\w+(-\w+)?$/);
});

test('an outbox in use, one of another device and a file that is none are refused, and nothing is lost', async () => {
  const place = folder();
  const outbox = join(place, 'alice.outbox');
  const alice = client(hub.url, 'alice', { outbox });
  await alice.send('user:bob', 'kept');
  const other = client(hub.url, 'alice', { outbox });
  await expect(other.send('user:bob', 'x')).rejects.toMatchObject({ fault: 'closed', message: expect.stringContaining('in use by another client') });
  await expect(other.connect()).rejects.toThrow(`${outbox}: the outbox is in use`);
  await alice.close();
  await expect(client(hub.url, 'alice', { outbox, device: 'other' }).connect()).rejects.toThrow('the outbox belongs to device d');
  // It is free again once the first is closed, and has what it had.
  await other.connect();
  await eventually(() => expect(other.sync.get()).toMatchObject({ saved: 0, caughtUp: true }));
  await expect(client(hub.url, 'alice', { outbox: join(place, 'missing/alice.outbox') }).connect()).rejects.toThrow('the folder does not exist: make it first');
  const text = 'these are the notes of somebody else, and not an outbox at all';
  writeFileSync(join(place, 'notes'), text);
  await expect(client(hub.url, 'alice', { outbox: join(place, 'notes') }).connect()).rejects.toThrow('the file is not an outbox');
  expect(readFileSync(join(place, 'notes'), 'utf8')).toBe(text);
  mkdirSync(join(place, 'folder'));
  await expect(client(hub.url, 'alice', { outbox: join(place, 'folder') }).connect()).rejects.toThrow(/directory/);
});

test('a damaged outbox is told and kept, and what is whole in it goes out', async () => {
  const place = folder();
  const outbox = join(place, 'alice.outbox');
  const [first, bob] = [client(hub.url, 'breaker', { outbox }), client(hub.url, 'mender')];
  const got = inbox(bob);
  await bob.connect();
  for (const content of ['whole-1', 'broken-2', 'whole-3']) await first.send('user:mender', { message_id: content, content });
  await first.close();
  const bytes = readFileSync(outbox);
  const at = bytes.indexOf('broken-2');
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(outbox, bytes);
  const second = client(hub.url, 'breaker', { outbox });
  const faults: string[] = [];
  second.on('fault', ({ what }) => faults.push(what));
  await second.connect();
  await eventually(() => expect(contents(got)).toEqual(['whole-1', 'whole-3']));
  expect(faults).toEqual([expect.stringContaining(`the file is kept: ${outbox}.damaged`)]);
  expect(readFileSync(`${outbox}.damaged`).equals(bytes)).toBe(true);
});

test('what an earlier client left is shown, sent in order, and its end is told', async () => {
  const outbox = join(folder(), 'alice.outbox');
  const [first, bob] = [client(hub.url, 'leaver', { outbox }), client(hub.url, 'finder')];
  const got = inbox(bob);
  await bob.connect();
  for (const message_id of ['left-1', 'left-2', 'left-3']) await first.send('user:finder', { message_id, content: message_id });
  await first.close();
  const second = client(hub.url, 'leaver', { outbox });
  const [shown, ends]: [Set<string>, string[]] = [new Set(), []];
  second.on('saved', ({ message_id: id }) => void shown.add(id));
  second.on('settled', ({ id, outcome }) => ends.push(`${id} ${outcome}`));
  // Asked for again it is the same message.
  const again = await second.send('user:finder', { message_id: 'left-2', content: 'left-2' });
  expect([...shown]).toEqual(['left-1', 'left-2', 'left-3']);
  await second.connect();
  await again.accepted;
  await eventually(() => expect(ends).toEqual(['left-1 accepted', 'left-2 accepted', 'left-3 accepted']));
  await eventually(() => expect(contents(got)).toEqual(['left-1', 'left-2', 'left-3']));
});

test('what was read offline is known to the other devices once a later client is connected', async () => {
  const outbox = join(folder(), 'reader.outbox');
  const [writer, phone] = [client(hub.url, 'writer'), client(hub.url, 'reader', { device: 'phone' })];
  phone.conversations.subscribe(() => undefined);
  await Promise.all([writer.connect(), phone.connect()]);
  await (await writer.send('user:reader', 'hello')).accepted;
  await eventually(() => expect(phone.conversations.get().unread).toBe(1));
  const offline = client('ws://127.0.0.1:1', 'reader', { outbox });
  void offline.connect().catch(() => undefined);
  await eventually(() => expect(offline.state.get().name).toBe('waiting'));
  offline.markRead('user:writer', 1);
  await offline.close();
  await client(hub.url, 'reader', { outbox }).connect();
  await eventually(() => expect(phone.conversations.get().unread).toBe(0));
});

test('a message that cannot be kept any more is refused and never sent', { timeout: 60_000 }, async () => {
  const place = folder();
  const alice = client(hub.url, 'homeless', { outbox: join(place, 'outbox') });
  const bob = client(hub.url, 'witness');
  const got = inbox(bob);
  await Promise.all([alice.connect(), bob.connect()]);
  // The file can be written on, and not be written anew once it has become long.
  rmSync(place, { recursive: true });
  const taken: string[] = [];
  const refused = (async () => {
    for (let number = 0; number < 5_000; number += 1) {
      const { accepted } = await alice.send('user:witness', { content: `${number}`, data: { filler: 'x'.repeat(5_000) } });
      taken.push(`${number}`);
      await accepted;
    }
  })();
  await expect(refused).rejects.toMatchObject({ fault: 'storage', retryable: true });
  await eventually(() => expect(contents(got)).toEqual(taken));
});

test('what is forgotten is gone from the disk', async () => {
  const outbox = join(folder(), 'alice.outbox');
  const first = client(hub.url, 'forgetful', { outbox, device: undefined as never });
  await first.send('user:nobody', 'never');
  const { device } = first;
  await first.forget();
  expect(() => readFileSync(outbox)).toThrow('ENOENT');
  const second = new Client(hub.url, { user: 'forgetful', outbox });
  await second.connect();
  expect([second.sync.get().saved, second.device === device]).toEqual([0, false]);
  await second.close();
  expect(device).toMatch(/^[0-9a-f]{32}$/);
});

test('copies of a damaged outbox are forgotten, too, and what cannot be is told', async () => {
  const place = folder();
  const outbox = join(place, 'alice.outbox');
  const first = client(hub.url, 'forgetful', { outbox });
  await first.send('user:nobody', 'never');
  await first.close();
  const bytes = readFileSync(outbox);
  bytes[bytes.length - 20]! ^= 1;
  writeFileSync(outbox, bytes);
  writeFileSync(`${outbox}.other`, 'of the application');
  const second = client(hub.url, 'forgetful', { outbox });
  await second.connect();
  expect(readdirSync(place)).toContain('alice.outbox.damaged');
  await second.forget();
  expect(readdirSync(place)).toEqual(['alice.outbox.other']);
  const third = client(hub.url, 'forgetful', { outbox });
  await third.connect();
  rmSync(outbox);
  mkdirSync(outbox);
  await expect(third.forget()).rejects.toMatchObject({ name: 'StorageError' });
  expect(third.state.get().name).toBe('closed');
});

test('a closed client that cannot be opened says so to everybody who waits', async () => {
  const alice = client(hub.url, 'alice', { outbox: '/nowhere/at/all' });
  const faults: string[] = [];
  alice.on('fault', ({ what }) => faults.push(what));
  const waiting = [alice.connect(), alice.send('user:bob', 'x'), alice.inbox.history()].map((each) => each.catch((error: Error) => error));
  for (const error of await Promise.all(waiting)) {
    expect(error).toBeInstanceOf(WscError);
    expect((error as Error).message).toMatch(/the folder does not exist/);
  }
  expect(faults.length).toBeGreaterThan(0);
});
