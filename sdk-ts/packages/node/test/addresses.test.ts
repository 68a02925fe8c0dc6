// Several addresses, with real hubs behind them that are killed.
import { expect, test } from 'vitest';
import { client, Hub, MEMORY, user } from './support.js';

test('a client goes on at another hub when its own is killed', async () => {
  const [first, second, nobody] = [await new Hub(...MEMORY).start(), await new Hub(...MEMORY).start(), await new Hub(...MEMORY).start()];
  await nobody.kill();
  const alice = client([nobody.url, first.url, second.url], user('alice'));
  await alice.connect({ signal: AbortSignal.timeout(5_000) });
  // Wherever it is: it has to move once.
  for (const [gone, there] of [[first, second], [second, first]] as const) {
    await there.start();
    await gone.kill();
    await (await alice.send('user:bob', 'hello')).accepted;
  }
  expect(alice.state.get().name).toBe('connected');
});
