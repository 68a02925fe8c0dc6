// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from 'vitest';
import { type App, createApp, createSSRApp, defineComponent, h, KeepAlive, nextTick, ref, shallowRef } from 'vue';
import { renderToString } from 'vue/server-renderer';
import { client, url, user } from '../../../test/hub.js';
import {
  createWsc,
  useClient,
  useConnection,
  useConversations,
  useMessages,
  usePresence,
  useSend,
  useSync,
  useTyping,
  useUnread,
} from '../src/index.js';

const apps: App[] = [];
afterEach(() => {
  for (const app of apps.splice(0)) app.unmount();
  document.body.innerHTML = '';
});

const mount = (root: Parameters<typeof createApp>[0], options: Parameters<typeof createWsc>[0]): App => {
  const app = createApp(root).use(createWsc(options));
  app.mount(document.body.appendChild(document.createElement('div')));
  apps.push(app);
  return app;
};
const lines = (): (string | null)[] => [...document.querySelectorAll('li')].map((item) => item.textContent);
const waitFor = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5000 });

const Chat = defineComponent({
  props: { peer: { type: String, required: true } },
  setup(props) {
    const { view } = useMessages(() => `user:${props.peer}`);
    return () => h('ul', view.value.items.map(({ key, message, stage }) => h('li', { key }, `${message?.content} ${stage ?? ''}`.trim())));
  },
});

test('everything is shown once: what was, what came while it was set up, what comes', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const sender = client(alice);
  await sender.connect();
  await (await sender.send(`user:${bob}`, 'before')).accepted;
  mount(() => h(Chat, { peer: alice }), client(bob));
  for (let number = 0; number < 20; number += 1) await sender.send(`user:${bob}`, `now ${number}`);
  await waitFor(() => expect(lines()).toEqual(['before', ...Array.from({ length: 20 }, (_, number) => `now ${number}`)]));
  await sender.send(`user:${bob}`, 'after');
  await waitFor(() => expect(lines().at(-1)).toBe('after'));
});

test('another conversation takes the place of the one before; KeepAlive brings it back whole', async () => {
  const [alice, bob, carol] = [user('alice'), user('bob'), user('carol')];
  const [ofBob, ofCarol] = [client(bob), client(carol)];
  await Promise.all([ofBob.connect(), ofCarol.connect()]);
  await (await ofBob.send(`user:${alice}`, 'of bob')).accepted;
  await (await ofCarol.send(`user:${alice}`, 'of carol')).accepted;
  const [peer, shown] = [ref(bob), ref(true)];
  mount(() => h(KeepAlive, () => (shown.value ? h(Chat, { peer: peer.value }) : null)), client(alice));
  await waitFor(() => expect(lines()).toEqual(['of bob']));
  peer.value = carol;
  await waitFor(() => expect(lines()).toEqual(['of carol']));
  shown.value = false;
  await nextTick();
  expect(lines()).toEqual([]);
  await (await ofCarol.send(`user:${alice}`, 'meanwhile')).accepted;
  shown.value = true;
  await waitFor(() => expect(lines()).toEqual(['of carol', 'meanwhile']));
});

test('the plugin connects, and closes with the app', async () => {
  const held = shallowRef<ReturnType<typeof useClient>>();
  const Look = defineComponent(() => {
    held.value = useClient();
    const connection = useConnection();
    return () => h('p', connection.value.name);
  });
  const app = mount(Look, { url: [url()], user: user('alice'), storage: 'memory' });
  await waitFor(() => expect(document.querySelector('p')?.textContent).toBe('connected'));
  app.unmount();
  apps.length = 0;
  await waitFor(() => expect(held.value?.state.get().name).toBe('closed'));
});

test('on a server nothing is opened and nothing fails', async () => {
  vi.stubGlobal('window', undefined);
  try {
    const made = client('alice');
    const html = await renderToString(createSSRApp(() => h(Chat, { peer: 'bob' })).use(createWsc(made)));
    expect([html, made.state.get().name]).toEqual(['<ul></ul>', 'idle']);
  } finally {
    vi.unstubAllGlobals();
  }
});

test('own messages, conversations, unread counts, presence, typing and sync are shown and change', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const [mine, theirs] = [client(alice), client(bob)];
  await mine.connect();
  let send: ReturnType<typeof useSend> | undefined;
  const All = defineComponent(() => {
    send = useSend(`user:${bob}`);
    const [conversations, unread, status] = [useConversations(), useUnread(`user:${bob}`), usePresence({ users: [bob] })];
    const [typing, sync] = [useTyping(`user:${bob}`), useSync()];
    return () => h('p', [conversations.value.list.length, unread.value, status.value.get(bob), typing.value.join(), sync.value.caughtUp].join(' '));
  });
  mount(() => [h(All), h(Chat, { peer: bob })], mine);
  const shows = (text: string): Promise<void> => waitFor(() => expect(document.querySelector('p')?.textContent).toBe(text));
  await shows('0 0 offline  true');
  await theirs.connect();
  await shows('0 0 online  true');
  theirs.typing(`user:${alice}`);
  await shows(`0 0 online ${bob} true`);
  await theirs.send(`user:${alice}`, 'one');
  await shows('1 1 online  true');
  mine.markRead(`user:${bob}`, 1);
  await shows('1 0 online  true');
  await send!('mine');
  await waitFor(() => expect(lines()).toEqual(['one', 'mine accepted']));
});
