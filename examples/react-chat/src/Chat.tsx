import type { Conversation, Status } from '@wsc/client';
import { useClient, useConversations, usePresence, useReadable } from '@wsc/react';
import { type FormEvent, useState } from 'react';
import { linkTo, opened, start } from '../../chat/screen';
import { presenceOf, rowsOf, titleOf } from '../../chat/words';
import { Pane } from './Pane';

export function Chat({ user }: { user: string }) {
  const { list, unread, loaded } = useConversations();
  const open = useReadable(opened);
  const rows = rowsOf(list, open);
  const statuses = usePresence(presenceOf('broadcast', ...rows.map(({ name }) => name)));
  return (
    <div className={open ? 'chat open' : 'chat'}>
      <aside className="side">
        <header>
          <h1>Support desk</h1>
          <p className="quiet">{user}{unread > 0 && `, ${unread} unread`}</p>
        </header>
        <Start />
        <nav aria-label="Conversations">
          <ul className="conversations">
            {rows.map((row) => (
              <li key={row.name}><Row row={row} open={row.name === open} status={statuses.get(titleOf(row.name))} /></li>
            ))}
          </ul>
        </nav>
        {loaded && rows.length === 0 && <p className="empty">No conversations yet. Begin one above.</p>}
      </aside>
      {open ? <Pane key={open} name={open} /> : <main className="pane"><p className="empty">Choose a conversation.</p></main>}
    </div>
  );
}

function Row({ row, open, status }: { row: Conversation; open: boolean; status: Status | undefined }) {
  const person = row.name.startsWith('user:');
  return (
    <a href={linkTo(row.name)} aria-current={open || undefined}>
      <span className={person ? 'dot' : 'dot none'} data-status={status} />
      <span className="title">{titleOf(row.name)}<span className="hidden">{person && status}</span></span>
      {row.unread > 0 && <span className="badge">{row.unread}<span className="hidden"> unread</span></span>}
      <span className="preview">{row.message?.content ?? row.message?.message_type}</span>
    </a>
  );
}

function Start() {
  const client = useClient();
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) return;
    start(client, text).then(() => (setText(''), setError('')), (reason: Error) => setError(reason.message));
  };
  return (
    <>
      <form className="start" onSubmit={submit}>
        <label className="hidden" htmlFor="start">User, or #group</label>
        <input id="start" placeholder="User, or #group" autoComplete="off" value={text} onChange={(event) => setText(event.target.value)} />
        <button>Open</button>
      </form>
      {error && <p className="error" role="alert">{error}</p>}
    </>
  );
}
