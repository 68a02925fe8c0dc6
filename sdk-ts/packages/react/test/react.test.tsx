// @vitest-environment happy-dom
import { act, cleanup, render, screen, waitFor } from '@testing-library/react';
import { StrictMode, type ReactElement, useState } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, expect, test } from 'vitest';
import { client, url, user } from '../../../test/hub.js';
import { useClient, useConnection, useConversations, useMessages, usePresence, useSend, useSync, useTyping, useUnread, WscProvider } from '../src/index.js';

afterEach(cleanup);

function Chat({ peer }: { peer: string }): ReactElement {
  const { items, loading, more } = useMessages(`user:${peer}`);
  const connection = useConnection();
  return (
    <div>
      <p role="status">{connection.name}</p>
      <p data-testid="loading">{String(loading)}{String(more)}</p>
      <ul>{items.map(({ key, message, stage }) => <li key={key}>{`${message?.content} ${stage ?? ''}`.trim()}</li>)}</ul>
    </div>
  );
}

const lines = (): (string | null)[] => screen.queryAllByRole('listitem').map((item) => item.textContent);

test('in StrictMode everything is shown once: what was, what came while it was drawn, what comes', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const sender = client(alice);
  await sender.connect();
  await (await sender.send(`user:${bob}`, 'before')).accepted;
  const receiver = client(bob);
  render(<StrictMode><WscProvider client={receiver}><Chat peer={alice} /></WscProvider></StrictMode>);
  // While effects have not run yet, or the history is under way.
  for (let number = 0; number < 20; number += 1) await sender.send(`user:${bob}`, `now ${number}`);
  await waitFor(() => expect(lines()).toEqual(['before', ...Array.from({ length: 20 }, (_, number) => `now ${number}`)]));
  await act(() => sender.send(`user:${bob}`, 'after'));
  await waitFor(() => expect(lines().at(-1)).toBe('after'));
  expect(new Set(lines()).size).toBe(22);
});

test('a provider of an address connects, survives the double effects of StrictMode, and closes when it goes', async () => {
  const alice = user('alice');
  let seen: ReturnType<typeof useClient> | undefined;
  const Look = (): ReactElement => {
    seen = useClient();
    return <p role="status">{useConnection().name}</p>;
  };
  const { unmount } = render(<StrictMode><WscProvider url={[url()]} user={alice} storage="memory"><Look /></WscProvider></StrictMode>);
  await waitFor(() => expect(screen.getByRole('status').textContent).toBe('connected'));
  unmount();
  await waitFor(() => expect(seen?.state.get().name).toBe('closed'));
});

test('on a server nothing is opened and nothing fails', () => {
  const html = renderToString(<WscProvider url="ws://hub.example" user="alice"><Chat peer="bob" /></WscProvider>);
  expect(html).toContain('idle');
});

test('own messages stand there at once, with how far they got', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const [mine, theirs] = [client(alice), client(bob)];
  theirs.inbox.on('message', () => {});
  await Promise.all([mine.connect(), theirs.connect()]);
  let send: ReturnType<typeof useSend> | undefined;
  const Send = (): null => {
    send = useSend(`user:${bob}`);
    return null;
  };
  render(<WscProvider client={mine}><Chat peer={bob} /><Send /></WscProvider>);
  await act(() => send!({ content: 'hello', require_ack: true }));
  await waitFor(() => expect(lines()).toEqual(['hello delivered']));
  theirs.timeline(`user:${alice}`).subscribe(() => theirs.timeline(`user:${alice}`).markRead());
  await waitFor(() => expect(lines()).toEqual(['hello read']), { timeout: 5000 });
});

test('another conversation takes the place of the one before, without leftovers', async () => {
  const [alice, bob, carol] = [user('alice'), user('bob'), user('carol')];
  const [ofBob, ofCarol, receiver] = [client(bob), client(carol), client(alice)];
  await Promise.all([ofBob.connect(), ofCarol.connect(), receiver.connect()]);
  await (await ofBob.send(`user:${alice}`, 'of bob')).accepted;
  await (await ofCarol.send(`user:${alice}`, 'of carol')).accepted;
  let change: (peer: string) => void = () => {};
  const Switch = (): ReactElement => {
    const [peer, setPeer] = useState(bob);
    change = setPeer;
    return <Chat peer={peer} />;
  };
  render(<WscProvider client={receiver}><Switch /></WscProvider>);
  await waitFor(() => expect(lines()).toEqual(['of bob']));
  act(() => change(carol));
  await waitFor(() => expect(lines()).toEqual(['of carol']));
});

test('conversations, unread counts, presence, typing and sync are shown and change', async () => {
  const [alice, bob] = [user('alice'), user('bob')];
  const [mine, theirs] = [client(alice), client(bob)];
  await mine.connect();
  const All = (): ReactElement => {
    const [conversations, unread, status] = [useConversations(), useUnread(`user:${bob}`), usePresence({ users: [bob] })];
    const [typing, sync] = [useTyping(`user:${bob}`), useSync()];
    return <p role="note">{[conversations.list.length, unread, status.get(bob), typing.join(), sync.caughtUp].join(' ')}</p>;
  };
  render(<WscProvider client={mine}><All /></WscProvider>);
  const note = (): string | null => screen.getByRole('note').textContent;
  await waitFor(() => expect(note()).toBe('0 0 offline  true'));
  await theirs.connect();
  await waitFor(() => expect(note()).toBe('0 0 online  true'));
  theirs.typing(`user:${alice}`);
  await waitFor(() => expect(note()).toBe(`0 0 online ${bob} true`));
  await theirs.send(`user:${alice}`, 'one');
  await theirs.send(`user:${alice}`, 'two');
  await waitFor(() => expect(note()).toBe('1 2 online  true'));
  mine.markRead(`user:${bob}`, 2);
  await waitFor(() => expect(note()).toBe('1 0 online  true'));
});
