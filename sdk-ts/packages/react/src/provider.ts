import { type Addresses, Client, type ClientOptions } from '@wsc/client';
import { createContext, createElement, type ReactElement, type ReactNode, useContext, useEffect, useState } from 'react';

const Context: React.Context<Client | undefined> = createContext<Client | undefined>(undefined);

export type WscProviderProps = { readonly children?: ReactNode } & (
  | { /** A client that the application made and closes. */ readonly client: Client; readonly url?: never }
  | ({ /** The hub's address, or several: a client is made, connected while this is on the screen, and closed after. */ readonly url: Addresses; readonly client?: never } & ClientOptions)
);

/** Gives a client to all below, and connects it.
 *
 * ```tsx
 * <WscProvider url="ws://127.0.0.1:8080/ws" user="alice"><Chat /></WscProvider>
 * ```
 */
export function WscProvider({ children, client: given, url, ...options }: WscProviderProps): ReactElement {
  // The options of the first rendering count: another user is another provider (give it a `key`).
  const [made] = useState(() => given ?? new Client(url, options));
  const client = given ?? made;
  useEffect(() => {
    // How it goes, `useConnection` tells.
    client.connect().catch(() => undefined);
    return () => {
      if (!given) void client.close();
    };
  }, [client, given]);
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the nearest provider. */
export function useClient<Data = unknown>(): Client<Data> {
  const client = useContext(Context);
  if (!client) throw new Error('useClient: there is no <WscProvider> above this component');
  return client as Client<Data>;
}
