// Packs the packages as they are published: `node scripts/pack.mjs FOLDER`. Of the native parts those that were built
// (`native.mjs`), which @wsc/node names as its optional dependencies.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const PACKAGES = join(import.meta.dirname, '../packages');
const NATIVE = join(PACKAGES, 'node/native');

/** Packs a folder with its licence, from a copy: nothing is written into the tree. */
function pack(folder, into, more = {}) {
  const described = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const staged = mkdtempSync(join(tmpdir(), 'wsc-pack-'));
  try {
    for (const part of [...described.files.filter((name) => !name.startsWith('!')), 'README.md']) {
      if (part === 'README.md' && !existsSync(join(folder, part))) continue;
      cpSync(join(folder, part), join(staged, part), { recursive: true });
    }
    cpSync(join(ROOT, 'LICENSE'), join(staged, 'LICENSE'));
    writeFileSync(join(staged, 'package.json'), `${JSON.stringify({ ...described, ...more }, null, 2)}\n`);
    const words = ['pack', '--silent', '--pack-destination', resolve(into)];
    console.log(join(into, execFileSync('npm', words, { cwd: staged, encoding: 'utf8', shell: process.platform === 'win32' }).trim()));
  } finally {
    rmSync(staged, { recursive: true });
  }
}

const [into] = process.argv.slice(2);
if (!into) {
  console.error(`usage: ${basename(process.argv[1])} FOLDER`);
  process.exit(1);
}
mkdirSync(into, { recursive: true });
const platforms = existsSync(NATIVE) ? readdirSync(NATIVE) : [];
const { version } = JSON.parse(readFileSync(join(PACKAGES, 'node/package.json'), 'utf8'));
for (const name of ['client', 'react', 'vue', 'angular']) pack(join(PACKAGES, name), into);
pack(join(PACKAGES, 'node'), into, {
  optionalDependencies: Object.fromEntries(platforms.map((name) => [`@wsc/node-${name}`, version])),
});
for (const name of platforms) pack(join(NATIVE, name), into);
