// A tab beside the one that leads: here the platform is the test itself, which plays the engines of other tabs.
import { expect, test } from 'vitest';
import { Client } from '../src/client.js';
import type { Command, Pending, Report } from '../src/engine/protocol.js';
import type { Host, Platform } from '../src/platform.js';
import type { Receipt } from '../src/receipt.js';

/** A platform whose engines are in other tabs. */
class Elsewhere implements Platform {
  readonly user = 'alice';
  readonly isManual = false;
  readonly reading = {};
  readonly tellsHeld = true;
  readonly said: Command[] = [];
  #host: Host | undefined;

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  open(host: Host): ReturnType<Platform['open']> {
    this.#host = host;
    return { isShared: true, post: (command) => this.said.push(command), leave: () => Promise.resolve() };
  }

  /** An engine takes the lead; what it is told. */
  lead(engine: string, pending: readonly Pending[] = []): Command[] {
    this.said.length = 0;
    const sync = { unsaved: 0, saved: 0, underWay: 0, caughtUp: true };
    const snapshot: Report = { is: 'snapshot', state: { name: 'connected' }, user: 'alice', device: 'a1', sync, positions: [], pending };
    this.#host?.hear([snapshot], engine);
    return this.said;
  }
}

async function beside(): Promise<[Client, Elsewhere]> {
  const platform = new Elsewhere();
  const client = new Client(platform);
  const connecting = client.connect();
  await new Promise((resolve) => setTimeout(resolve, 0));
  platform.lead('one');
  await connecting;
  return [client, platform];
}

test('what was read is said again to the next engine, once for each conversation', async () => {
  const [client, platform] = await beside();
  client.markRead('user:bob', 3);
  client.markRead('group:team', 8);
  client.markRead('user:bob', 5);
  client.markRead('user:bob', 4);
  const marks = platform.lead('two').filter((command) => command.do === 'mark read');
  expect(marks).toEqual([
    { do: 'mark read', stream: 'group:team', peer: '', position: 8 },
    { do: 'mark read', stream: 'inbox', peer: 'bob', position: 5 },
  ]);
  // The same engine again, as a tab that greets hears it, is told nothing.
  expect(platform.lead('two')).toEqual([]);
});

test('what was taken back is taken back again from the next engine, after it was said', async () => {
  const [client, platform] = await beside();
  void client.send('user:bob', { message_id: 'm1', content: 'no' });
  void client.send('user:bob', { message_id: 'm2', content: 'yes' });
  await new Promise((resolve) => setTimeout(resolve, 0));
  const { object } = platform.said.find((command) => command.do === 'send')!;
  platform.lead('two', [{ id: 'm1', json: object }]);
  const told = platform.said.map((command) => `${command.do} ${'id' in command ? command.id : ''}`);
  expect(told.filter((one) => /^(send|cancel)/.test(one))).toEqual(['send m1', 'send m2']);
  // The engine says that it has it, and is gone.
  client.cancel({ id: 'm1' } as Receipt);
  platform.lead('three');
  const again = platform.said.map((command) => `${command.do} ${'id' in command ? command.id : ''}`);
  expect(again.filter((one) => /^(send|cancel)/.test(one))).toEqual(['send m1', 'cancel m1', 'send m2']);
});

test('who forgets and closes before the engine answers is told', async () => {
  const [client] = await beside();
  const forgetting = client.forget();
  await new Promise((resolve) => setTimeout(resolve, 0));
  await client.close();
  await expect(forgetting).rejects.toThrow('the client was closed');
});
