// Makes one file of @wsc/client, for pages without a build step: `node sdk-ts/scripts/bundle.mjs wsc.js`.

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const [target] = process.argv.slice(2);
if (!target) {
  console.error('say where the bundle goes, such as wsc.js');
  process.exit(1);
}
const build = await rolldown({ input: fileURLToPath(new URL('../packages/client/dist/index.js', import.meta.url)) });
await build.write({ file: resolve(target), format: 'esm', minify: true, codeSplitting: false });
