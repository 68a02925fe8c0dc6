import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { client, eventually, Hub, inbox, MEMORY } from './support.js';

const hub = await new Hub(...MEMORY).start();

/** What stands before a hub: takes TLS with a certificate of its own authority. Gives its address and that authority. */
async function proxy(): Promise<{ url: string; ca: string }> {
  const read = (name: string): string => readFileSync(join(import.meta.dirname, '../../../../tests/tls', name), 'utf8');
  const server = createServer({ key: read('hub.key'), cert: read('hub.pem') }, (near) => {
    const { hostname, port } = new URL(hub.url);
    const far = connect(Number(port), hostname);
    near.on('error', () => far.destroy()).pipe(far.on('error', () => near.destroy())).pipe(near);
  }).on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  onTestFinished(() => void server.close());
  return { url: `wss://localhost:${(server.address() as { port: number }).port}`, ca: read('authority.pem') };
}

test("an authority of one's own is trusted where it was given, and not otherwise", async () => {
  const { url, ca } = await proxy();
  const [alice, stranger] = [client(url, 'alice', { ca }), client(url, 'stranger')];
  const failures: string[] = [];
  stranger.on('connectError', ({ reason }) => failures.push(reason));
  void stranger.connect().catch(() => undefined);
  const got = inbox(alice);
  await alice.connect();
  await (await alice.send('user:alice', 'over TLS')).accepted;
  await eventually(() => expect(failures[0]).toMatch(/certificate|UnknownIssuer/i));
  const bob = client(url, 'bob', { ca });
  await bob.connect();
  await bob.send('user:alice', 'over TLS');
  await eventually(() => expect(got.map(({ sender }) => sender)).toEqual(['bob']));
  for (const wrong of ['no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    await expect(client(url, 'wrong', { ca: wrong }).connect()).rejects.toThrow(/authorities: .*PEM/);
  }
});
