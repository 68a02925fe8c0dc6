// What applications stumble over: bad tokens, wrong settings, promises that nobody waits for.
import { createHmac } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Addresses, Client, MemoryStorage, type ClientOptions, type Message, type ReceiptError, type State } from '@wsc/client';
import { client, startHub, url, user } from '../../../test/hub.js';

const SECRET = 'a secret for tests that is long enough';
let guarded: Awaited<ReturnType<typeof startHub>>;
beforeAll(async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'wsc-secret-')), 'secret');
  writeFileSync(file, SECRET);
  guarded = await startHub('--secret-file', file, '--set', 'auth.apps=__default_app__,shop,bank');
});
afterAll(() => guarded.stop());

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
function token(uid: string, seconds = 3600, more: object = {}): string {
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ uid, exp: Math.floor(Date.now() / 1000) + seconds, ...more })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

function watched(address: Addresses, options: ClientOptions): { client: Client; states: State[]; faults: string[]; said: string[] } {
  const made = new Client(address, { storage: 'memory', device: 'd', ...options });
  const [states, faults, said]: [State[], string[], string[]] = [[], [], []];
  vi.spyOn(console, 'error').mockImplementation((text: string) => void said.push(text));
  made.on('state', (state) => states.push(state));
  made.on('fault', ({ what }) => faults.push(what));
  return { client: made, states, faults, said };
}

for (const named of [false, true]) {
  test(`a token provider that fails is asked until it gives a token, ${named ? 'the user given' : 'the user only in the token'}`, async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const answers = [() => Promise.reject(new Error('offline')), () => '<html>502', () => '', () => undefined, () => token('mallory'), () => token('alice')];
    if (!named) answers.splice(4, 1);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true, advanceTimeDelta: 20 });
    try {
      const provider = (): string => (answers.length > 1 ? answers.shift()! : answers[0]!)() as string;
      const { client: mine, states, faults } = watched(guarded.url, { token: provider, ...(named && { user: 'alice' }) });
      const connecting = mine.connect();
      for (let seconds = 0; seconds < 120 && mine.state.get().name !== 'connected'; seconds += 1) {
        await vi.advanceTimersByTimeAsync(1_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await connecting;
      expect(faults.slice(0, 4)).toEqual([
        'no token: offline',
        'no token: the token is not a JWT',
        'no token: the token is not a JWT',
        'no token: the answer is undefined; give a JWT, or null to close the client',
      ]);
      if (named) expect(faults[4]).toBe('no token: the token is of "mallory", not of "alice"');
      expect(states.filter(({ name }) => name === 'waiting').length).toBe(named ? 5 : 4);
      expect(states.map(({ name }) => name)).not.toContain('closed');
      expect(mine.user).toBe('alice');
      await mine.close();
    } finally {
      vi.useRealTimers();
      vi.restoreAllMocks();
    }
  });
}

test('what alice of one application saved does not go out as alice of another', async () => {
  const storage = new MemoryStorage();
  const of = (app: string) => ({ user: 'alice', token: () => token('alice', 3600, { aid: app }), storage, device: 'd' });
  const first = watched(guarded.url, of('shop'));
  await first.client.connect();
  await first.client.close();
  const away = watched('ws://127.0.0.1:1/ws', of('shop'));
  await away.client.send('user:bob', 'from the shop');
  await away.client.close();
  const other = watched(guarded.url, of('bank'));
  other.client.connect();
  await vi.waitFor(() => expect(other.faults).toContain('no token: the token is of another application or namespace'));
  expect([other.client.state.get().name, other.client.sync.get().saved]).toEqual(['waiting', 1]);
  await other.client.close();
  const back = watched(guarded.url, of('shop'));
  await back.client.connect();
  await vi.waitFor(() => expect(back.client.sync.get().saved).toBe(0));
  await back.client.close();
});

test('only null closes, and it says so', async () => {
  for (const options of [{}, { user: 'alice' }]) {
    const { client: mine, states } = watched(guarded.url, { token: () => null, ...options });
    await expect(mine.connect()).rejects.toThrow();
    expect(states.at(-1)).toMatchObject({ name: 'closed', why: 'no token' });
  }
});

test('a bad token at renewal disturbs nothing while the one in use lasts', async () => {
  const answers = [token('alice', 4), '<html>502', token('alice', 3600)];
  const { client: mine, states, faults } = watched(guarded.url, { user: 'alice', token: () => answers.shift() ?? token('alice') });
  await mine.connect();
  await vi.waitFor(() => expect(faults).toEqual(['no token: the token is not a JWT']), { timeout: 6_000 });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(states.map(({ name }) => name)).toEqual(['connecting', 'connected']);
  await mine.close();
});

test('wrong settings close the client with what is wrong', async () => {
  const wrong: [Addresses, ClientOptions, string][] = [
    [url(), {}, '`user` is required'],
    [url(), { token: 'opaque' }, 'the token is not a JWT'],
    [url(), { token: token('alice'), user: 'bob' }, 'the token is of "alice", not of "bob"'],
    [[url(), 'ftp://hub.example'], { user: 'alice' }, '"ftp://hub.example" is not a valid address of a hub'],
    [[], { user: 'alice' }, 'no address of a hub is given'],
  ];
  for (const [address, options, what] of wrong) {
    const { client: mine, states, faults, said } = watched(address, options);
    await expect(mine.connect()).rejects.toThrow(what);
    expect(states).toMatchObject([{ name: 'closed', why: 'error', reason: expect.stringContaining(what) as string }]);
    expect(faults).toMatchObject([expect.stringContaining(what)]);
    expect(said).toMatchObject([expect.stringContaining(what)]);
    await expect(mine.send('user:bob', 'hello')).rejects.toThrow(what);
  }
});

test('no promise that nobody waits for is an uncaught error', async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  const before = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
  try {
    const alice = client(user('alice'));
    await alice.connect();
    const receipt = await alice.send('group:nowhere', { content: 'hello', require_ack: true });
    const { accepted, delivered, read } = receipt;
    try {
      await Promise.all([accepted, delivered, read]);
      expect.unreachable();
    } catch (error) {
      expect((error as ReceiptError).fault).toBe('refused');
    }
    // All that an application may leave alone.
    void alice.send('inbox', 'to nobody');
    void alice.request({ message_type: 'nothing' });
    void alice.group('nowhere').members();
    void alice.group('nowhere').send('hello');
    void alice.stream('group:nowhere').history();
    void alice.setStatus('nothing' as 'away');
    void alice.timeline('group:nowhere').loadOlder();
    const wrong = new Client(url(), {});
    vi.spyOn(console, 'error').mockReturnValue(undefined);
    void wrong.connect();
    void wrong.send('user:bob', 'hello');
    void wrong.forget();
    const { signal } = new AbortController();
    void alice.connect({ signal: AbortSignal.abort() });
    void alice.connect({ signal });
    void alice.close();
    void alice.send('user:bob', 'late');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(uncaught).toEqual([]);
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const listener of before) process.on('unhandledRejection', listener);
  }
});

test('half of a surrogate pair arrives as an unknown character, and errors say something', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  const got: Message[] = [];
  bob.inbox.on('message', (message) => got.push(message));
  const cut = 'smile 😀'.slice(0, -1);
  await (await alice.send(`user:${bob.user}`, { content: cut, data: { [cut]: [cut] } })).accepted;
  await vi.waitFor(() => expect(got).toMatchObject([{ content: 'smile \ufffd', data: { 'smile \ufffd': ['smile \ufffd'] } }]));
  await expect(alice.send({ receiver: 'bob', message_id: cut })).rejects.toThrow(/^invalid message: message_id: \w/);
});

test('whole numbers beyond 2^53 are had from the text', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'), { raw: true, parse: (text) => JSON.parse(text.replace(/:(\d{16,})/g, ':"$1"')) })];
  await Promise.all([alice.connect(), bob.connect()]);
  const got: Message<{ id: string }>[] = [];
  bob.inbox.on('message', (message) => got.push(message as Message<{ id: string }>));
  const spy = vi.spyOn(JSON, 'stringify').mockImplementationOnce((value: object) => {
    spy.mockRestore();
    return JSON.stringify(value).replace('"ID"', '9007199254740993');
  });
  await (await alice.send(`user:${bob.user}`, { data: { id: 'ID' } })).accepted;
  await vi.waitFor(() => expect(got[0]?.data?.id).toBe('9007199254740993'));
  expect(got[0]?.raw).toContain('"id":9007199254740993');
  const { messages } = await bob.inbox.history();
  expect(messages[0]?.raw).toContain('"id":9007199254740993');
});

test('a user who types on after sending is shown as typing', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  const shown: string[] = [];
  bob.typists(`user:${alice.user}`).subscribe((users) => shown.push(users.join()));
  alice.typing(`user:${bob.user}`);
  await vi.waitFor(() => expect(shown).toEqual([alice.user]));
  bob.inbox.on('message', () => undefined);
  await (await alice.send(`user:${bob.user}`, 'sent')).accepted;
  await vi.waitFor(() => expect(shown).toEqual([alice.user, '']));
  alice.typing(`user:${bob.user}`);
  await vi.waitFor(() => expect(shown).toEqual([alice.user, '', alice.user]));
});

test('what a list of conversations shows has come: it is delivered at once, and not read', async () => {
  const [alice, bob] = [client(user('alice')), client(user('bob'))];
  await Promise.all([alice.connect(), bob.connect()]);
  const stop = bob.conversations.subscribe(() => undefined);
  const receipt = await alice.send(`user:${bob.user}`, { content: 'one', require_ack: true });
  await receipt.delivered;
  await vi.waitFor(() => expect(bob.conversations.get()).toMatchObject({ unread: 1, list: [{ message: { content: 'one' } }] }));
  expect(receipt.stage.get()).toBe('delivered');
  stop();
});
