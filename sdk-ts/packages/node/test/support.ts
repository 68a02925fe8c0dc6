/** Real hubs for tests, and real clients of them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, vi } from 'vitest';
import { type Addresses, Client, type ClientOptions, type Message } from '../src/index.js';

export const TARGET: string = process.env['CARGO_TARGET_DIR'] ?? join(import.meta.dirname, '../../../../target');
const COMMAND = process.env['WSC_BIN'] ?? join(TARGET, 'release/wsc');
export const MEMORY: readonly string[] = ['--store', 'memory', '--set', 'limits.sends=0', '--set', 'limits.send_bytes=0', '--set', 'limits.first_contacts=0'];

/** A hub that can be killed, and started again where it was. */
export class Hub {
  url = '';
  readonly #words: readonly string[];
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(...words: readonly string[]) {
    this.#words = words;
    hubs.push(this);
  }

  async start(): Promise<this> {
    if (this.#child?.exitCode === null && !this.#child.killed) return this;
    const listen = this.url === '' ? '127.0.0.1:0' : new URL(this.url).host;
    // The hub takes what begins so for its settings.
    const { WSC_BIN: _, WSC_JUDGE: __, ...env } = process.env;
    const child = spawn(COMMAND, ['serve', '--listen', listen, ...this.#words], { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child = child;
    const log: string[] = [];
    child.stderr.on('data', (text) => log.push(String(text)));
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    this.url = await new Promise((resolve, reject) => {
      child.once('error', reject);
      createInterface({ input: child.stdout }).once('line', (line) => resolve(line.replace('listening on http', 'ws')));
      void this.#ended.then((code) => reject(new Error(`the hub ended with ${String(code)}: ${log.join('')}`)));
    });
    return this;
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }
}

let users = 0;
const hubs: Hub[] = [];
const clients: Client[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await Promise.all(hubs.map((hub) => hub.kill()));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A name that no other test has. */
export const user = (name: string): string => `${name}-${++users}`;

/** A folder that is gone after the tests. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'wsc-node-'));
  folders.push(made);
  return made;
}

/** A client of a user; closed after the test. */
export function client(url: Addresses, name: string, options: ClientOptions = {}): Client {
  const made = new Client(url, { user: name, device: 'd', ...options });
  clients.push(made);
  return made;
}

/** The messages of a user's inbox from now on. */
export function inbox(of: Client): Message[] {
  const got: Message[] = [];
  of.inbox.on('message', (message) => got.push(message));
  return got;
}

export const contents = (messages: readonly Message[]): unknown[] => messages.map(({ content }) => content);

export const eventually = (check: () => void, timeout = 10_000): Promise<void> => vi.waitFor(check, { timeout, interval: 20 });

/** A secret file for a hub, and tokens that it takes. */
export function secret(): { words: string[]; token: (uid: string, seconds: number) => string } {
  const key = 'a secret of at least thirty-two bytes!';
  const file = join(folder(), 'secret');
  writeFileSync(file, key);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = (uid: string, seconds: number): string => {
    const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ uid, exp: Math.floor(Date.now() / 1000) + seconds })}`;
    return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
  };
  return { words: ['--secret-file', file], token };
}

/** Runs a program of test/programs to its end; its last line, as JSON, and how it ended. Ends it when it takes too long. */
export function program(name: string, ...words: string[]): { child: ChildProcess; lines: string[]; ended: Promise<{ code: number | null; signal: string | null; lines: string[]; errors: string }> } {
  const child = spawn(process.execPath, ['--expose-gc', join(import.meta.dirname, 'programs', name), ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.on('data', (text) => (errors += String(text)));
  const late = setTimeout(() => child.kill('SIGKILL'), 120_000);
  const ended = new Promise<{ code: number | null; signal: string | null; lines: string[]; errors: string }>((resolve) => {
    child.once('close', (code, signal) => {
      clearTimeout(late);
      resolve({ code, signal, lines, errors });
    });
  });
  return { child, lines, ended };
}
