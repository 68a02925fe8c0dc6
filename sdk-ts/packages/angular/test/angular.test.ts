// @vitest-environment happy-dom
import '@angular/compiler';
import { createEnvironmentInjector, EnvironmentInjector, PLATFORM_ID, provideZonelessChangeDetection, runInInjectionContext, signal } from '@angular/core';
import { getTestBed, TestBed } from '@angular/core/testing';
import { BrowserTestingModule, platformBrowserTesting } from '@angular/platform-browser/testing';
import { firstValueFrom, take, toArray } from 'rxjs';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { client, url, user } from '../../../test/hub.js';
import {
  injectClient,
  injectConnection,
  injectConversations,
  injectMessages,
  injectPresence,
  injectSend,
  injectSync,
  injectTyping,
  injectUnread,
  provideWsc,
  Wsc,
  type WscOptions,
} from '../src/index.js';
import { fromReadable, fromStream } from '../src/rxjs.js';

beforeAll(() => getTestBed().initTestEnvironment(BrowserTestingModule, platformBrowserTesting()));
beforeEach(() => void TestBed.resetTestingModule());

const waitFor = (check: () => void): Promise<void> =>
  vi.waitFor(() => {
    TestBed.tick();
    check();
  }, { timeout: 5000 });

/** What an injection context gives in an application with this client. */
function within<T>(options: WscOptions, act: () => T): T {
  TestBed.configureTestingModule({ providers: [provideZonelessChangeDetection(), provideWsc(options)] });
  return TestBed.runInInjectionContext(act);
}

test('everything is there once: what was, what came while it was set up, what comes', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const sender = client(alice);
  await sender.connect();
  await (await sender.send(`user:${bob}`, 'before')).accepted;
  const { view } = within(client(bob), () => injectMessages(() => `user:${alice}`));
  for (let number = 0; number < 20; number += 1) await sender.send(`user:${bob}`, `now ${number}`);
  const contents = (): unknown[] => view().items.map(({ message }) => message?.content);
  await waitFor(() => expect(contents()).toEqual(['before', ...Array.from({ length: 20 }, (_, number) => `now ${number}`)]));
});

test('another conversation takes the place of the one before', async () => {
  const [alice, bob, carol] = [user('alice'), user('bob'), user('carol')];
  const [ofBob, ofCarol] = [client(bob), client(carol)];
  await Promise.all([ofBob.connect(), ofCarol.connect()]);
  await (await ofBob.send(`user:${alice}`, 'of bob')).accepted;
  await (await ofCarol.send(`user:${alice}`, 'of carol')).accepted;
  const peer = signal(bob);
  const { view } = within(client(alice), () => injectMessages(() => `user:${peer()}`));
  await waitFor(() => expect(view().items.map(({ message }) => message?.content)).toEqual(['of bob']));
  peer.set(carol);
  await waitFor(() => expect(view().items.map(({ message }) => message?.content)).toEqual(['of carol']));
});

test('what a component gets as a required input is asked for when it is there', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const sender = client(alice);
  await sender.connect();
  await (await sender.send(`user:${bob}`, 'hello')).accepted;
  const given = signal<string | undefined>(undefined);
  // As `input.required` does until the component is set up.
  const name = (): `user:${string}` => {
    if (given() === undefined) throw new Error('not there yet');
    return `user:${given()}`;
  };
  const { view } = within(client(bob), () => injectMessages(name));
  given.set(alice);
  await waitFor(() => expect(view().items.map(({ message }) => message?.content)).toEqual(['hello']));
});

test('the provider connects, and closes with its injector', async () => {
  TestBed.configureTestingModule({ providers: [provideZonelessChangeDetection()] });
  const parent = TestBed.inject(EnvironmentInjector);
  const injector = createEnvironmentInjector([provideWsc({ url: [url()], user: user('alice'), storage: 'memory' })], parent);
  const made = injector.get(Wsc).client;
  await vi.waitFor(() => expect(made.state.get().name).toBe('connected'));
  injector.destroy();
  await vi.waitFor(() => expect(made.state.get().name).toBe('closed'));
});

test('on a server nothing is opened', () => {
  TestBed.configureTestingModule({ providers: [provideZonelessChangeDetection()] });
  const parent = TestBed.inject(EnvironmentInjector);
  const server = { provide: PLATFORM_ID, useValue: 'server' };
  const injector = createEnvironmentInjector([server, provideWsc({ url: 'ws://hub.example', user: 'alice' })], parent);
  expect(runInInjectionContext(injector, () => injectClient()).state.get().name).toBe('idle');
});

test('own messages, conversations, unread counts, presence, typing and sync are there and change', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const [mine, theirs] = [client(alice), client(bob)];
  await mine.connect();
  const all = within(mine, () => ({
    send: injectSend(() => `user:${bob}`),
    messages: injectMessages(() => `user:${bob}`),
    conversations: injectConversations(),
    unread: injectUnread(() => `user:${bob}`),
    status: injectPresence(() => ({ users: [bob] })),
    typing: injectTyping(() => `user:${bob}`),
    sync: injectSync(),
    connection: injectConnection(),
  }));
  const shows = (text: string): Promise<void> =>
    waitFor(() => {
      const { conversations, unread, status, typing, sync, connection } = all;
      const now = [conversations().list.length, unread(), status().get(bob), typing().join(), sync().caughtUp, connection().name];
      expect(now.join(' ')).toBe(text);
    });
  await shows('0 0 offline  true connected');
  await theirs.connect();
  await shows('0 0 online  true connected');
  theirs.typing(`user:${alice}`);
  await shows(`0 0 online ${bob} true connected`);
  await theirs.send(`user:${alice}`, 'one');
  await shows('1 1 online  true connected');
  mine.markRead(`user:${bob}`, 1);
  await shows('1 0 online  true connected');
  await all.send('mine');
  await waitFor(() => expect(all.messages.view().items.map(({ stage }) => stage)).toEqual([undefined, 'accepted']));
});

test('the same comes as observables', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const [mine, theirs] = [client(alice), client(bob)];
  const states = firstValueFrom(fromReadable(mine.state).pipe(take(3), toArray()));
  const delivered = firstValueFrom(fromStream(mine.inbox));
  await Promise.all([mine.connect(), theirs.connect()]);
  await theirs.send(`user:${alice}`, 'hello');
  expect((await states).map(({ name }) => name)).toEqual(['idle', 'connecting', 'connected']);
  expect((await delivered).message?.content).toBe('hello');
});
