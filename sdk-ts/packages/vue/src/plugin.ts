import { type Addresses, Client, type ClientOptions } from '@wsc/client';
import { type App, inject, type InjectionKey, type Plugin } from 'vue';

const KEY: InjectionKey<Client> = Symbol('wsc');

/** A client that the application made and closes, or what one is made of, which lives as long as the app. */
export type WscPluginOptions = Client | ({ readonly url: Addresses } & ClientOptions);

/** The plugin: gives a client to all components, and connects it in a browser.
 *
 * ```ts
 * createApp(App).use(createWsc({ url: 'ws://127.0.0.1:8080/ws', user: 'alice' })).mount('#app');
 * ```
 */
export function createWsc(options: WscPluginOptions): Plugin {
  return {
    install(app: App): void {
      const client = options instanceof Client ? options : new Client(options.url, options);
      app.provide(KEY, client);
      if (typeof window === 'undefined') return;
      // How it goes, `useConnection` tells.
      client.connect().catch(() => undefined);
      if (client !== options) app.onUnmount(() => void client.close());
    },
  };
}

/** The client of the plugin. */
export function useClient<Data = unknown>(): Client<Data> {
  const client = inject(KEY);
  if (!client) throw new Error('useClient: the app does not use createWsc()');
  return client as Client<Data>;
}
