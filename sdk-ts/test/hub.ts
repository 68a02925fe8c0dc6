/** A real hub for tests, and real clients of it. */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { Client, type ClientOptions } from '@wsc/client';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { WebSocket } from 'ws';

// Not happy-dom's, which no hub would take for a browser's.
globalThis.WebSocket = WebSocket as unknown as typeof globalThis.WebSocket;

const target = process.env['CARGO_TARGET_DIR'] ?? join(import.meta.dirname, '../../target');
const command = process.env['WSC_BIN'] ?? `${target}/release/wsc`;
let hub: Hub;
let users = 0;
const clients: Client[] = [];

/** A hub of its own. */
export interface Hub {
  readonly url: string;
  stop(): void;
}

/** Starts a hub. */
export async function startHub(...more: string[]): Promise<Hub> {
  const words = ['serve', '--store', 'memory', '--listen', '127.0.0.1:0', '--set', 'limits.sends=0', ...more];
  const hub = spawn(command, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  const url = await new Promise<string>((resolve, reject) => {
    hub.once('error', reject);
    hub.once('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
    createInterface({ input: hub.stdout! }).once('line', (line) => resolve(line.replace('listening on http', 'ws')));
  });
  return { url, stop: () => void hub.kill('SIGKILL') };
}

beforeAll(async () => void (hub = await startHub()));
afterEach(async () => void (await Promise.all(clients.splice(0).map((client) => client.close()))));
afterAll(() => hub.stop());

/** The hub's address. */
export const url = (): string => hub.url;

/** A name that no other test has. */
export const user = (name: string): string => `${name}-${++users}`;

/** A client of a user; closed after the test. */
export function client(name: string, options: ClientOptions = {}): Client {
  const made = new Client(hub.url, { user: name, storage: 'memory', device: 'd', ...options });
  clients.push(made);
  return made;
}
