// The tables of the packages' READMEs name all that there is.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const PACKAGES = join(import.meta.dirname, '../..');
const text = (file: string): string => readFileSync(join(PACKAGES, file), 'utf8');

/** The names of the members of an interface. */
function members(file: string, name: string): string[] {
  const body = new RegExp(`export interface ${name}(?:<\\w+>)?(?: extends \\w+)? \\{\\n([^]*?)\\n\\}`).exec(text(file))?.[1];
  if (!body) throw new Error(`${file} has no ${name}`);
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, member]) => member!);
}

const COMMON = [
  ...members('client/src/options.ts', 'IdentityOptions'),
  ...members('client/src/options.ts', 'CommonOptions'),
  ...members('client/src/client-events.ts', 'ClientEvents'),
];
const faults = [...text('client/src/errors.ts').matchAll(/export type \w+Fault = ([^;]+);/g)].flatMap(([, union]) => [...union!.matchAll(/'([^']+)'/g)].map(([, word]) => word!));
const classes = [...text('client/src/errors.ts').matchAll(/export class (\w+)/g)].map(([, name]) => name!);

for (const [name, options] of [
  ['client', members('client/src/browser-options.ts', 'ClientOptions')],
  ['node', [...members('node/src/options.ts', 'ClientOptions'), ...members('node/src/pool.ts', 'PoolOptions')]],
] as const) {
  test(`the README of @wsc/${name} names every option, event and error`, () => {
    const readme = text(`${name}/README.md`);
    const names = [...COMMON, ...options, ...faults, ...classes];
    expect(names.length).toBeGreaterThan(40);
    expect(names.filter((word) => !readme.includes(`\`${word}\``))).toEqual([]);
  });
}
