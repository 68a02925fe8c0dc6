// What a newcomer does: a fresh project, the packages as they would come from a registry, the guide's code pasted, run.

import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { folder, Hub, MEMORY } from './support.js';

const ROOT = join(import.meta.dirname, '../../../..');
const run = promisify(execFile);
const packed = folder();
const { stdout } = await run(process.execPath, [join(ROOT, 'sdk-ts/scripts/native.mjs'), 'pack', packed], { timeout: 60_000 });
const hub = await new Hub(...MEMORY).start();
const env = { ...process.env, HUB: hub.url };

/** A new project of this kind with the packed packages in it. */
async function project(type: 'module' | 'commonjs'): Promise<string> {
  const place = folder();
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name: 'fresh', version: '1.0.0', type }));
  const tarballs = readdirSync(packed).map((file) => join(packed, file));
  await run('npm', ['install', '--no-fund', '--no-audit', '--loglevel=error', ...tarballs], { cwd: place, timeout: 60_000 });
  return place;
}

/** The code of the guide, by the name of the file it says it is. */
function block(name: string): string {
  const guide = readFileSync(join(ROOT, 'docs/guides/node.md'), 'utf8');
  const found = guide.split('```').find((text) => text.startsWith(`js\n// ${name}\n`));
  if (!found) throw new Error(`the guide has no ${name}`);
  return found.slice(3);
}

/** Starts a program that says that it is ready; it ends with the test. */
async function start(place: string, file: string, ready: string, more = {}): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [file], { cwd: place, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.startsWith(ready) && resolve());
    void ended.then(() => reject(new Error(`${file} ended`)));
  });
  return () => (child.kill('SIGKILL'), ended);
}

test('the packages hold what they say and nothing else', () => {
  const names = stdout.trim().split('\n').map((line) => line.split('/').at(-1)!);
  expect(names).toEqual([expect.stringMatching(/^wsc-node-\w+-\w+.*\.tgz$/), 'wsc-client-0.1.0.tgz', 'wsc-node-0.1.0.tgz']);
});

for (const type of ['module', 'commonjs'] as const) {
  test(`the guide's code in a fresh project works: ${type}`, { timeout: 120_000 }, async () => {
    const place = await project(type);
    for (const name of ['bot.mjs', 'ask.cjs']) writeFileSync(join(place, name), block(name));
    const stop = await start(place, 'bot.mjs', 'the bot is there');
    expect((await run(process.execPath, ['ask.cjs'], { cwd: place, env, timeout: 20_000 })).stdout).toBe('You said: hello\n');
    // What is written while the bot is down it answers once it is back.
    await stop();
    const asking = run(process.execPath, ['ask.cjs'], { cwd: place, env, timeout: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const again = await start(place, 'bot.mjs', 'the bot is there');
    expect((await asking).stdout).toBe('You said: hello\n');
    await again();

    // In the project's own kind, and typed in both.
    const file = join(place, 'own.js');
    const words = type === 'module' ? "import { Client, SendError } from '@wsc/node';" : "const { Client, SendError } = require('@wsc/node');";
    writeFileSync(file, `${words}\nconsole.log(new Client('ws://hub').state.get().name, new SendError('closed', 'x').fault);`);
    expect((await run(process.execPath, [file])).stdout).toBe('idle closed\n');
    mkdirSync(join(place, 'typed'));
    const typed = `import { Client, type Message, type ClientOptions } from '@wsc/node';
      const options: ClientOptions = { user: 'a', outbox: 'file' };
      const client: Client<{ item: number }> = new Client(process.argv[2]!, options);
      client.inbox.on('message', (message: Message<{ item: number }>) => void message.data?.item.toFixed());
      client.on('connectError', ({ code }) => code.toFixed());
      export const sent: Promise<number> = client.send('user:b', { data: { item: 1 } }).then((receipt) => receipt.accepted).then(({ seq }) => seq);\n`;
    writeFileSync(join(place, 'typed/own.ts'), typed);
    const wrong = typed.replace('item: 1', "item: 'one'");
    writeFileSync(join(place, 'typed/wrong.ts'), wrong);
    const compiler = join(ROOT, 'sdk-ts/node_modules/typescript/bin/tsc');
    const check = (name: string): Promise<{ stdout: string }> =>
      run(process.execPath, [compiler, '--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--typeRoots', join(ROOT, 'sdk-ts/node_modules/@types'), '--types', 'node', join('typed', name)], { cwd: place, timeout: 60_000 });
    await check('own.ts').catch((error: { stdout: string }) => expect.fail(error.stdout));
    await expect(check('wrong.ts')).rejects.toMatchObject({ stdout: expect.stringContaining('own.ts'.replace('own', 'wrong')) });
  });
}

test('the example answers users and a group', { timeout: 60_000 }, async () => {
  const { Client } = await import('../src/index.js');
  const place = join(ROOT, 'examples/node-bot');
  await start(place, 'bot.mjs', 'the bot listens', { OUTBOX: join(folder(), 'outbox') });
  const carol = new Client(hub.url, { user: 'carol', device: 'd' });
  const got: (string | undefined)[] = [];
  carol.on('message', ({ sender, content, group_ids: groups }) => sender === 'bot' && got.push(`${groups?.[0] ?? 'me'}: ${content}`));
  await carol.connect();
  await carol.group('help').join();
  await carol.send('user:bot', 'hello');
  await carol.send('group:help', 'When are you open?');
  await carol.send('user:bot', 'something else');
  await expect.poll(() => got.toSorted(), { timeout: 10_000 }).toEqual([
    'help: I am here day and night, and back after every restart.',
    'me: Hello! Ask me about prices, opening hours or refunds.',
    'me: You said: something else',
  ]);
  await carol.close();
});
