// What the packages weigh in a page: bundled, minified, gzipped. Fails when one is above its budget.
// With --parts: what each file of @wsc/client takes of it, as a table.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const at = (path) => fileURLToPath(new URL(`../packages/${path}`, import.meta.url));
const gzip = (text) => gzipSync(text, { level: 9 }).length;

/** A package, what of it counts as already there, and its budget in bytes. */
const ADAPTERS = [
  ['@wsc/react', 'react', ['@wsc/client', 'react', 'react/jsx-runtime']],
  ['@wsc/vue', 'vue', ['@wsc/client', 'vue']],
  ['@wsc/angular', 'angular', ['@wsc/client', '@angular/core']],
];

/** Names of `@wsc/client/base`, and what a page may take that imports no others. */
const BASE = [
  ['inline, Client', 39_500],
  ['Client', 13_700],
  ['Client, persistent', 15_800],
  ['Client, timeline', 15_200],
];

async function bundle(input, external = [], plugins = []) {
  const build = await rolldown({
    input,
    external,
    plugins,
    treeshake: true,
    // `'use client'` weighs nothing here.
    onLog: (level, log, handle) => log.code === 'MODULE_LEVEL_DIRECTIVE' || handle(level, log),
  });
  const { output } = await build.generate({ format: 'esm', minify: true, codeSplitting: false, comments: false });
  return output.map((part) => part.code ?? '').join('');
}

if (process.argv.includes('--parts')) {
  const { output } = await (await rolldown({ input: at('client/dist/index.js') })).generate({ codeSplitting: false });
  const files = await Promise.all(
    Object.keys(output[0].modules)
      .filter((file) => file.includes('packages/client/'))
      .map(async (file) => {
        const code = await bundle(file, (id) => id !== file);
        return [file.split('packages/client/')[1], code.length, gzip(code)];
      }),
  );
  console.log('| file | minified | gzip, alone |\n| --- | ---: | ---: |');
  for (const row of files.sort(([, a], [, b]) => b - a)) console.log(`| ${row.join(' | ')} |`);
  process.exit();
}

/** What an application takes that imports these names of `@wsc/client/base` and no others. */
const some = (names) => {
  const inline = `import ${JSON.stringify(at('client/dist/inline.js'))};`;
  const load = () => `${names.startsWith('inline') ? inline : ''} export { ${names.replace('inline, ', '')} } from ${JSON.stringify(at('client/dist/base.js'))};`;
  return bundle('some', [], [{ name: 'some', resolveId: (id) => (id === 'some' ? id : null), load: (id) => (id === 'some' ? load() : null) }]);
};

const rows = [];
const script = gzip(await bundle(at('client/dist/slim.js')));
const module = gzip(readFileSync(at('client/wasm/wsc.wasm')));
const inline = gzip(await bundle(at('client/dist/index.js')));
rows.push(['@wsc/client', inline, 45_000], ['@wsc/client/slim, script', script, 19_500], ['@wsc/client/slim, wsc.wasm', module, 32_000]);
for (const [names, budget] of BASE) rows.push([`/base, ${names}`, gzip(await some(names)), budget]);
for (const [name, folder, external] of ADAPTERS) rows.push([name, gzip(await bundle(at(`${folder}/dist/index.js`), external)), 2048]);

let heavy = false;
for (const [name, bytes, budget] of rows) {
  const over = bytes > budget;
  heavy ||= over;
  console.log(`${name.padEnd(28)} ${String(bytes).padStart(6)} bytes gzip, budget ${budget}${over ? '  <- too heavy' : ''}`);
}
process.exit(heavy ? 1 : 0);
