import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { accountOf, ownerOf, socketUrls } from '../src/account.js';
import { Backlog } from '../src/engine/backlog.js';
import type { Handed } from '../src/engine/protocol.js';
import { RecordWriter } from '../src/engine/record-writer.js';
import { type ConversationName, conversationOf, type Message, newMessageId, targetOf } from '../src/message.js';
import { IndexedDbStorage } from '../src/storage/indexeddb.js';
import type { Storage } from '../src/storage/storage.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const entry = (position: number): Handed => ({ stream: 'inbox', generation: 1, position, json: '{}' });

test('what nobody reads waits for its first reader, and then no more', () => {
  const released: [number[], boolean][] = [];
  const hold = new Backlog((entries, read) => released.push([entries.map(({ position }) => position), read]));
  expect(hold.keep(entry(1))).toBe(true);
  expect(hold.keep(entry(2))).toBe(true);
  hold.reads('tab', ['group:team']);
  expect(released).toEqual([]);
  hold.reads('tab', ['group:team', 'inbox']);
  expect(released).toEqual([[[1, 2], true]]);
  expect(hold.keep(entry(3))).toBe(false);
  hold.reads('tab', []);
  expect(hold.keep(entry(4))).toBe(true);
  vi.advanceTimersByTime(20_000);
  expect(released.at(-1)).toEqual([[4], false]);
});

test('a held stream above the room is let go', () => {
  const released: number[] = [];
  const hold = new Backlog((entries) => released.push(...entries.map(({ position }) => position)));
  hold.keep({ ...entry(1), json: 'x'.repeat(9_000_000) });
  hold.keep({ ...entry(2), json: 'x'.repeat(9_000_000) });
  expect(released).toEqual([1, 2]);
});

test('what is appended is read back in order, by another object of the same name', async () => {
  vi.useRealTimers();
  const storage = new IndexedDbStorage('a');
  await storage.load();
  await Promise.all([1, 2, 3].map((byte) => storage.append(Uint8Array.of(byte), byte === 2)));
  await storage.close();
  expect([...(await new IndexedDbStorage('a').load())]).toEqual([1, 2, 3]);
  expect((await new IndexedDbStorage('b').load()).length).toBe(0);
  const again = new IndexedDbStorage('a');
  await again.load();
  await Promise.all([again.append(Uint8Array.of(4), false), again.replace(Uint8Array.of(9)), again.append(Uint8Array.of(10), false)]);
  expect([...(await again.load())]).toEqual([9, 10]);
  await again.clear();
  expect((await again.load()).length).toBe(0);
});

test('who loaded last writes: one that was at it before changes nothing any more, and is told', async () => {
  vi.useRealTimers();
  const [old, fresh] = [new IndexedDbStorage('taken over'), new IndexedDbStorage('taken over')];
  await old.load();
  await old.append(Uint8Array.of(1), true);
  expect([...(await fresh.load())]).toEqual([1]);
  const taken = { message: 'another tab has taken over what is saved here' };
  await expect(old.append(Uint8Array.of(2), true)).rejects.toMatchObject(taken);
  await expect(old.replace(Uint8Array.of(3))).rejects.toMatchObject(taken);
  await expect(old.clear()).rejects.toMatchObject(taken);
  await fresh.append(Uint8Array.of(4), true);
  await fresh.replace(Uint8Array.of(5));
  await fresh.append(Uint8Array.of(6), false);
  await expect(old.append(Uint8Array.of(7), true)).rejects.toMatchObject(taken);
  expect([...(await old.load())]).toEqual([5, 6]);
  await expect(fresh.append(Uint8Array.of(8), true)).rejects.toMatchObject(taken);
  await old.replace(Uint8Array.of(9));
  await expect(fresh.append(Uint8Array.of(8), true)).rejects.toMatchObject(taken);
  // Many come and go, and leave little behind.
  for (let at = 0; at < 100; at += 1) await new IndexedDbStorage('taken over').load();
  const last = new IndexedDbStorage('taken over');
  await last.load();
  await last.replace(Uint8Array.of(10));
  await expect(old.replace(Uint8Array.of(11))).rejects.toMatchObject(taken).catch(() => undefined);
  expect([...(await last.load())]).toContain(10);
});

class Flaky implements Storage {
  log: string[] = [];
  fails = false;
  load = () => Promise.resolve(new Uint8Array());
  append(bytes: Uint8Array): Promise<void> {
    if (this.fails) return Promise.reject(new Error('full'));
    this.log.push(`append ${bytes.length}`);
    return Promise.resolve();
  }
  replace(bytes: Uint8Array): Promise<void> {
    if (this.fails) return Promise.reject(new Error('full'));
    this.log.push(`replace ${bytes.length}`);
    return Promise.resolve();
  }
  clear = () => Promise.resolve();
  close = () => Promise.resolve();
}

test('a write that fails says which sends are not kept, and the next one mends the record', async () => {
  const storage = new Flaky();
  const [stored, failed]: [number[], (readonly number[])[]] = [[], []];
  const writer = new RecordWriter(storage, 1, () => new Uint8Array(7), {
    stored: (upTo) => stored.push(upTo),
    failed: (sends) => failed.push(sends),
  });
  writer.write([new Uint8Array(3)], [1]);
  await writer.done();
  storage.fails = true;
  writer.write([new Uint8Array(4)], [2, 3]);
  await writer.done();
  storage.fails = false;
  writer.write([new Uint8Array(5)], [4]);
  writer.write([new Uint8Array(6)], []);
  await writer.done();
  expect([stored, failed]).toEqual([[1, 4], [[2, 3]]]);
  expect(storage.log).toEqual(['append 3', 'replace 7', 'append 6']);
});

test('nothing counts as kept before all that came before it is, or is known not to be', async () => {
  const told: string[] = [];
  const storage = new Flaky();
  storage.append = (bytes) => (bytes.length > 5 ? Promise.reject(new Error('no room')) : Promise.resolve());
  storage.replace = () => Promise.reject(new Error('no room'));
  const writer = new RecordWriter(storage, 1, () => new Uint8Array(9), {
    stored: (upTo) => told.push(`stored ${upTo}`),
    failed: (sends) => told.push(`failed ${String(sends)}`),
  });
  writer.write([new Uint8Array(9)], [1]);
  writer.write([new Uint8Array(1)], [2]);
  await writer.done();
  expect(told).toEqual(['failed 1', 'stored 2']);
});

test('a record that was deleted under a running engine is written once more, whole', async () => {
  vi.useRealTimers();
  const storage = new IndexedDbStorage('deleted');
  const [stored, failed]: [number[], (readonly number[])[]] = [[], []];
  await storage.load();
  const writer = new RecordWriter(storage, 1, () => Uint8Array.of(7, 7), {
    stored: (upTo) => stored.push(upTo),
    failed: (sends) => failed.push(sends),
  });
  writer.write([Uint8Array.of(1)], [1]);
  await writer.done();
  await new Promise((resolve) => (indexedDB.deleteDatabase('deleted').onsuccess = resolve));
  writer.write([Uint8Array.of(2)], [2]);
  await writer.done();
  expect([stored, failed]).toEqual([[1, 2], []]);
  expect([...(await new IndexedDbStorage('deleted').load())]).toEqual([7, 7]);
});

test('a storage that does not open is given up, and what opens too late is closed', async () => {
  const request = {} as IDBOpenDBRequest & { result: IDBDatabase };
  const open = vi.spyOn(indexedDB, 'open').mockReturnValue(request);
  const loading = new IndexedDbStorage('silent').load().catch((error: Error) => error.message);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await loading).toContain('did not open within 10 seconds');
  open.mockRestore();
  const close = vi.fn();
  Object.assign(request, { result: { close } });
  request.onsuccess?.(new Event('success'));
  await vi.advanceTimersByTimeAsync(0);
  expect(close).toHaveBeenCalledOnce();
});

test('a long record is written anew', async () => {
  const storage = new Flaky();
  const writer = new RecordWriter(storage, 1, () => new Uint8Array(10), { stored: () => {}, failed: () => {} });
  for (let at = 0; at < 3; at += 1) writer.write([new Uint8Array(200_000)], []);
  await writer.done();
  expect(storage.log).toEqual(['append 200000', 'replace 10', 'append 200000']);
});

test('accounts keep users, tenants and hubs apart', () => {
  const part = (value: object): string => btoa(JSON.stringify(value)).replaceAll('=', '');
  const token = (claims: object): string => `${part({})}.${part(claims)}.x`;
  const named = (url: string, options: object, given?: string): string => accountOf(url, options, given);
  const all = [
    named('ws://a/ws', { user: 'alice' }),
    named('ws://b/ws', { user: 'alice' }),
    named('ws://a/ws', { user: 'bob' }),
    named('ws://a/ws', {}, token({ uid: 'alice', aid: 'x' })),
    named('ws://a/ws', {}, token({ uid: 'alice', tid: 'x' })),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(accountOf('ws://a/ws', {}, token({ uid: 'alice' }))).toBe(all[0]);
  expect(() => accountOf('ws://a/ws', { user: 'bob' }, token({ uid: 'alice' }))).toThrow('not of "bob"');
  expect(() => accountOf('ws://a/ws', {}, undefined)).toThrow('`user` is required');
  expect(() => accountOf('ws://a/ws', {}, 'opaque')).toThrow('not a JWT');
  const owners = [{ aid: '__default_app__', tid: '__default_ns__' }, {}, { aid: 'x__default_app__', tid: 'eu' }, { aid: 5 }].map((tenant) => ownerOf(token({ uid: 'alice', ...tenant })));
  expect(owners).toEqual(['alice\t\t', 'alice\t\t', 'alice\tx__default_app__\teu', 'alice\t5\t']);
  expect(ownerOf(token({}))).toBe('');
});

test('addresses of hubs are understood, others refused', () => {
  expect(socketUrls('http://hub.example')).toEqual(['ws://hub.example/ws']);
  expect(socketUrls(['https://a.example/', 'wss://b.example/chat#x'])).toEqual(['wss://a.example/ws', 'wss://b.example/chat']);
  expect(() => socketUrls(['ws://a.example', 'ftp://hub.example'])).toThrow('"ftp://hub.example" is not a valid address of a hub');
  expect(() => socketUrls('hub')).toThrow('"hub" is not a valid address of a hub: give ws://host:port or wss://host');
  expect(() => socketUrls([])).toThrow('no address of a hub is given');
});

test('ids are UUIDv7, and rise with time, also where a page came over plain http', () => {
  const ids = [1, 2, 3].map((at) => newMessageId(1_795_528_800_000 + at));
  const real = crypto;
  vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => real.getRandomValues(bytes) });
  try {
    ids.push(newMessageId(1_795_528_800_004));
  } finally {
    vi.unstubAllGlobals();
  }
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...ids].sort()).toEqual(ids);
});

test('a message belongs to one conversation, from either side', () => {
  const message = (fields: Partial<Message>): Message => ({ message_type: 'text', message_id: 'm', sender: 'bob', ...fields });
  expect(conversationOf(message({ receiver: 'alice', stream: 'inbox' }), 'alice')).toBe('user:bob');
  expect(conversationOf(message({ sender: 'alice', receiver: 'bob', stream: 'inbox' }), 'alice')).toBe('user:bob');
  expect(conversationOf(message({ group_ids: ['team'], stream: 'group:team' }), 'alice')).toBe('group:team');
  expect(conversationOf(message({ stream: 'broadcast' }), 'alice')).toBe('broadcast');
  expect(targetOf('user:bob')).toEqual({ receiver: 'bob' });
  for (const name of ['inbox', 'bob', 'user:', 'group:'] as ConversationName[]) {
    expect(() => targetOf(name)).toThrow(`"${name}" is not a valid conversation: write user:<id>, group:<id> or broadcast`);
  }
});
