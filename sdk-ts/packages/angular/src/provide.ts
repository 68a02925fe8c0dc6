import {
  DestroyRef,
  type EnvironmentProviders,
  inject,
  makeEnvironmentProviders,
  PLATFORM_ID,
  provideEnvironmentInitializer,
} from '@angular/core';
import { type Addresses, Client, type ClientOptions } from '@wsc/client';

/** The service: holds the client of the application. */
export class Wsc<Data = unknown> {
  readonly client: Client<Data>;

  constructor(client: Client<Data>) {
    this.client = client;
  }
}

/** A client that the application made and closes, or what one is made of, which lives as long as the injector. */
export type WscOptions = Client | ({ readonly url: Addresses } & ClientOptions);

/** Gives a client to all below, and connects it in a browser.
 *
 * ```ts
 * bootstrapApplication(App, { providers: [provideWsc({ url: 'ws://127.0.0.1:8080/ws', user: 'alice' })] });
 * ```
 */
export function provideWsc(options: WscOptions): EnvironmentProviders {
  const make = (): Wsc => {
    const client = options instanceof Client ? options : new Client(options.url, options);
    if (inject(PLATFORM_ID) === 'browser') {
      // How it goes, `injectConnection` tells.
      client.connect().catch(() => undefined);
      if (client !== options) inject(DestroyRef).onDestroy(() => void client.close());
    }
    return new Wsc(client);
  };
  return makeEnvironmentProviders([
    { provide: Wsc, useFactory: make },
    provideEnvironmentInitializer(() => void inject(Wsc)),
  ]);
}
