import type { ConversationName, TimelineItem } from '@wsc/client';
import { useClient, useConnection, useMessages, usePresence, useSend, useSync, useTyping } from '@wsc/react';
import { type FormEvent, memo, useEffect, useRef, useState } from 'react';
import { sendFile } from '../../chat/files';
import { attend, linkTo } from '../../chat/screen';
import { bannerOf, lineOf, presenceOf, presenceText, titleOf, typingText } from '../../chat/words';

/** A conversation. For another one a new pane is made: its text and its place belong to one conversation. */
export function Pane({ name }: { name: ConversationName }) {
  const client = useClient();
  const { items, loading, error } = useMessages(name);
  const banner = bannerOf(useConnection(), useSync());
  const there = presenceText(name, usePresence(presenceOf(name)));
  const typing = typingText(useTyping(name));
  const log = useRef<HTMLDivElement>(null);
  useEffect(() => attend(log.current!, client.timeline(name)), [client, name]);
  return (
    <main className="pane" aria-label={`Conversation with ${titleOf(name)}`}>
      <header>
        <a className="back" href={linkTo()}>‹ All</a>
        <h2>{titleOf(name)}</h2>
        <p className="quiet">{there}{loading && ' Loading …'}</p>
      </header>
      <p className="banner" role="status">{banner}</p>
      {error && <p className="error" role="alert">The history could not be loaded: {error.message}</p>}
      <div className="log" role="log" aria-label="Messages" tabIndex={0} ref={log}>
        <ol>{items.map((item) => <Entry key={item.key} item={item} />)}</ol>
      </div>
      <p className="typing" role="status">{typing}</p>
      <Composer name={name} />
    </main>
  );
}

const Entry = memo(function Entry({ item }: { item: TimelineItem }) {
  const { kind, text, sender, time, file, stage, symbol, tick } = lineOf(item);
  return (
    <li className={`line ${kind}`} data-stage={stage}>
      {file?.url && file.image && <img src={file.url} alt={file.name} />}
      {file && !file.image && file.url && <a href={file.url} download={file.name}>{file.name}</a>}
      {file && !file.url && <span>{file.name}</span>}
      {text && <span className="content">{text}</span>}
      <p className="about">
        {kind === 'other' && `${sender} `}<time>{time}</time>
        {stage && <> <span className="tick" aria-hidden="true" title={tick}>{symbol}</span><span className="hidden">{tick}</span></>}
      </p>
    </li>
  );
});

function Composer({ name }: { name: ConversationName }) {
  const client = useClient();
  const send = useSend(name);
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) return;
    setText('');
    setError('');
    send({ content: text, require_ack: true }).catch((reason: Error) => {
      setError(reason.message);
      // What could not be kept is not lost.
      setText((typed) => typed || text);
    });
  };
  const attach = (input: HTMLInputElement) => {
    const file = input.files?.[0];
    input.value = '';
    if (file) sendFile(client, name, file).then(() => setError(''), (reason: Error) => setError(reason.message));
  };
  return (
    <>
      {error && <p className="error" role="alert">{error}</p>}
      <form className="compose" onSubmit={submit}>
        <span className="attach">
          <input type="file" aria-label="Send a file" onChange={(event) => attach(event.target)} />
          <span aria-hidden="true">File</span>
        </span>
        <label className="hidden" htmlFor="text">Message to {titleOf(name)}</label>
        <input id="text" className="text" placeholder="Write a message" autoComplete="off" autoFocus value={text}
          onChange={(event) => (setText(event.target.value), client.typing(name))} />
        <button className="primary">Send</button>
      </form>
    </>
  );
}
