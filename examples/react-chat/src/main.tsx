import { WscProvider } from '@wsc/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../../chat/chat.css';
import { settings } from '../../chat/screen';
import { Chat } from './Chat';

const { url, user } = settings();
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <WscProvider url={url} user={user}>
      <Chat user={user} />
    </WscProvider>
  </StrictMode>,
);
