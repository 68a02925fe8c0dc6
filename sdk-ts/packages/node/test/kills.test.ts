import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Client } from '../src/index.js';
// @ts-expect-error: plain JavaScript, which the programs run as it is
import { Facts, line } from './programs/facts.mjs';
import { eventually, folder, Hub, TARGET } from './support.js';

const JUDGE = process.env['WSC_JUDGE'] ?? join(TARGET, 'release/judge');
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class History {
  readonly lines: string[] = [];

  note(fact: object): void {
    this.lines.push(line(fact) as string);
  }

  /** The checker's word on all that happened. */
  async judge(): Promise<string> {
    const file = join(folder(), 'history.jsonl');
    const at = (text: string): number => (JSON.parse(text) as { at: number }).at;
    writeFileSync(file, `${this.lines.toSorted((a, b) => at(a) - at(b)).join('\n')}\n`);
    const { stdout } = await promisify(execFile)(JUDGE, [file]).catch((error: { stdout: string; stderr: string }) => {
      throw new Error(`${error.stdout}\n${error.stderr}`);
    });
    return stdout;
  }
}

/** A user in a process of its own, that is killed and begins again on its outbox. */
class Member {
  readonly #history: History;
  readonly #settings: { user: string; [name: string]: unknown };
  #child!: ChildProcess;
  #ended!: Promise<unknown>;
  #life = 0;
  #next = 1;

  constructor(history: History, settings: { user: string; [name: string]: unknown }) {
    this.#history = history;
    this.#settings = settings;
  }

  begin(count: number): void {
    const settings = { ...this.#settings, life: (this.#life += 1), first: this.#next, last: this.#next + count - 1 };
    const words = [join(import.meta.dirname, 'programs/member.mjs'), JSON.stringify(settings)];
    this.#child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin!.on('error', () => undefined);
    const lines = createInterface({ input: this.#child.stdout! });
    lines.on('line', (text) => {
      this.#history.lines.push(text);
      const { fact } = JSON.parse(text) as { fact: { what: string; number: number } };
      if (fact.what === 'sending') this.#next = Math.max(this.#next, fact.number + 1);
    });
    this.#ended = Promise.all([new Promise((resolve) => lines.once('close', resolve)), new Promise((resolve) => this.#child.once('exit', resolve))]);
  }

  async kill(): Promise<void> {
    const { user } = this.#settings;
    this.#history.note({ what: 'killed', device: { tenant: 't', user, device: `of-${user}` } });
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async finish(): Promise<void> {
    this.#child.stdin!.write('quiet\n');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 60_000);
    await this.#ended;
    clearTimeout(late);
  }
}

test('processes and hubs that are killed again and again lose nothing, double nothing and keep the order', { timeout: 120_000 }, async () => {
  const place = folder();
  const hub = await new Hub('--data', join(place, 'data'), '--set', 'limits.sends=0').start();
  const history = new History();
  history.note({ what: 'hub_started' });
  const member = (user: string, to: string): Member =>
    new Member(history, { url: hub.url, user, to: { receiver: to }, outbox: join(place, user), flight: 8, pause: 1 });
  const members = [member('alice', 'bob'), member('bob', 'alice')];
  for (const each of members) each.begin(100_000);
  for (let round = 0; round < 5; round += 1) {
    await pause(900);
    // Sometimes the hub, sometimes a process, sometimes both at once.
    const killed = round % 2 === 0 ? [members[(round / 2) % 2]!] : members;
    if (round > 0) {
      history.note({ what: 'hub_killed' });
      await hub.kill();
      await pause(150);
    }
    await Promise.all(killed.map((each) => each.kill()));
    // What is sent now waits in the outbox.
    for (const each of killed) each.begin(round === 4 ? 200 : 100_000);
    await pause(300);
    if (round > 0) {
      await hub.start();
      history.note({ what: 'hub_started' });
    }
  }
  await members[1]!.kill();
  members[1]!.begin(200);
  await pause(1_500);
  await Promise.all(members.map((each) => each.finish()));
  const said = await history.judge();
  console.log(said.trim());
  expect(Number(/^(\d+) sent/.exec(said)?.[1])).toBeGreaterThan(1000);
});

test('a storm of clients comes back after each death of the hub, and everything that was written meanwhile arrives once', { timeout: 120_000 }, async () => {
  const place = folder();
  const hub = await new Hub('--data', join(place, 'data'), '--set', 'limits.sends=0', '--set', 'limits.connects_per_address=0').start();
  const history = new History();
  history.note({ what: 'hub_started' });
  const count = 200;
  const members = Array.from({ length: count }, (_, index) => {
    const user = `user-${index}`;
    const client = new Client(hub.url, { user, device: 'd' });
    const facts = new Facts(client, user, 'd', (text: string) => history.lines.push(text)) as { handed: number; add(fact: object): void; send(...words: unknown[]): Promise<void>; quiet(): Promise<void> };
    facts.add({ what: 'started', life: 1 });
    return { client, facts, to: { receiver: `user-${(index + 1) % count}` } };
  });
  await Promise.all(members.map(({ client }) => client.connect()));
  for (let round = 0; round < 3; round += 1) {
    const sending = members.map(({ facts, to }) => facts.send(to, round * 20 + 1, round * 20 + 20, 2, 5));
    await pause(30);
    history.note({ what: 'hub_killed' });
    await hub.kill();
    await pause(200);
    await hub.start();
    history.note({ what: 'hub_started' });
    await Promise.all(sending);
    await Promise.all(members.map(({ client }) => client.connect()));
  }
  await Promise.all(members.map(({ facts }) => facts.quiet()));
  await eventually(() => expect(members.every(({ facts }) => facts.handed === 60)).toBe(true), 30_000);
  console.log((await history.judge()).trim());
  await Promise.all(members.map(({ client }) => client.close()));
});
