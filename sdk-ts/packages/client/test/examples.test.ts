// Each public member of the classes that applications use has an example, and all examples compile.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const PACKAGES = join(import.meta.dirname, '../..');
const CLASSES = ['client/src/base-client.ts', 'client/src/client.ts', 'client/src/browser-client.ts', 'client/src/base.ts', 'node/src/pool.ts'];
const FUNCTIONS = ['client/src/conversations.ts', 'client/src/timeline.ts', 'client/src/typists.ts', 'client/src/presence.ts'];
const text = (file: string): string => readFileSync(join(PACKAGES, file), 'utf8');

/** What says nothing that an example could add to. */
const PLAIN = ['user', 'device'];

test('each public method has an example', () => {
  const without: string[] = [];
  for (const file of CLASSES) {
    const members = text(file).matchAll(/( {2}\/\*\*(?:(?!\*\/)[^])*\*\/\n)? {2}(?:async )?(get )?([a-z]\w*)(?:<[^\n]*?>)?\(.*\).*\{$/gm);
    for (const [, doc = '', getter, name] of members) {
      const isPlain = name === 'constructor' || (getter !== undefined && PLAIN.includes(name!));
      // The overload that stands first has the documentation.
      const isOverload = name === 'send' && doc === '';
      if (!isPlain && !isOverload && !doc.includes('```ts')) without.push(`${file}: ${name!}`);
    }
  }
  expect(without).toEqual([]);
  expect(text(CLASSES[0]!)).toMatch(/```ts[^]*```[^]*\n {2}send\(/);
});

test('the examples compile', { timeout: 60_000 }, () => {
  const examples = [...CLASSES, ...FUNCTIONS].flatMap((file) =>
    [...text(file).matchAll(/^ *(?:\/\*\*)? ?\* ```ts\n([^]*?) *\* ```$/gm)].map(([, code]) => ({ file, code: code!.replace(/^ *\* ?/gm, '') })),
  );
  expect(examples.length).toBeGreaterThan(30);
  const folder = mkdtempSync(join(PACKAGES, 'client/test/examples-'));
  try {
    examples.forEach(({ file, code }, index) => {
      const from = file.startsWith('node') ? '@wsc/node' : file.endsWith('base.ts') ? '@wsc/client/base' : '@wsc/client';
      const makes = code.includes('new Client(');
      const lines = [
        `import * as wsc from '${from}';`,
        `import type { Conversation, Message, Receipt, TimelineItem } from '@wsc/client';`,
        `import { conversations, persistent, presence, stored, timeline, typists } from '@wsc/client/base';`,
        from === '@wsc/node' ? `import { ClientPool } from '@wsc/node';` : `import { ${makes ? 'Client, ' : ''}MemoryStorage } from '${from}';`,
        `export const all: unknown[] = [wsc, conversations, persistent, presence, stored, timeline, typists];`,
        `declare const [url, wasm, file, input]: [string, string, File, HTMLInputElement];`,
        `declare const [message, render, store, answer]: [Message, (...what: unknown[]) => void, (message: Message) => Promise<void>, (message: Message) => void];`,
        `export type Used = [Conversation, Receipt, TimelineItem];`,
        ...(makes || from === '@wsc/node' ? [] : [`declare const client: import('@wsc/client').Client;`]),
        ...(code.includes('cancel(receipt)') ? [`declare const receipt: Receipt;`] : []),
        ...(from === '@wsc/node' && !code.includes('new ClientPool') ? [`declare const bots: ClientPool;`] : []),
        `export async function example(): Promise<void> {`,
        code,
        `}`,
      ];
      writeFileSync(join(folder, `example${index}.ts`), lines.join('\n'));
    });
    const config = {
      extends: '../../../../tsconfig.base.json',
      compilerOptions: { noEmit: true, composite: false, noUnusedLocals: false, isolatedDeclarations: false, lib: ['ES2023', 'DOM', 'DOM.Iterable', 'ESNext.Disposable'] },
      include: ['*.ts'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(PACKAGES, '../node_modules/typescript/bin/tsc');
    let said = '';
    try {
      execFileSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      said = (error as { stdout: string }).stdout;
    }
    expect(said).toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
