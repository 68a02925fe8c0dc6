// The packages with the native part of @wsc/node, one for each platform.
//
//   node scripts/native.mjs LIBRARY            puts what `cargo build -p wsc-node` built into a package for this platform
//   node scripts/native.mjs pack FOLDER        packs @wsc/client, @wsc/node and the packages built so far into FOLDER

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { PLATFORMS, platform } from '../packages/node/dist/native.js';

const ROOT = join(import.meta.dirname, '../..');
const NODE = join(import.meta.dirname, '../packages/node');
const BUILT = join(NODE, 'native');
const main = JSON.parse(readFileSync(join(NODE, 'package.json'), 'utf8'));

/** The package of a platform, from a library that was built for it. */
function make(library, name) {
  if (!PLATFORMS.includes(name)) throw new Error(`${name} is no platform of ${PLATFORMS.join(', ')}`);
  const [os, cpu, libc] = name.split('-');
  const folder = join(BUILT, name);
  mkdirSync(folder, { recursive: true });
  // Beside it and then in its place: a process that has the old one loaded keeps it.
  copyFileSync(library, join(folder, 'wsc.node.new'));
  rmSync(join(folder, 'wsc.node'), { force: true });
  cpSync(join(folder, 'wsc.node.new'), join(folder, 'wsc.node'));
  rmSync(join(folder, 'wsc.node.new'));
  copyFileSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  const { version, license, engines } = main;
  const described = {
    name: `@wsc/node-${name}`, version, license, engines,
    description: `The native part of @wsc/node for ${name}.`,
    main: 'wsc.node', files: ['wsc.node'], os: [os], cpu: [cpu],
    ...(os === 'linux' && { libc: [libc === 'gnu' ? 'glibc' : libc] }),
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(described, null, 2)}\n`);
  console.log(folder);
}

function pack(folder, into) {
  const words = ['pack', '--silent', '--pack-destination', resolve(into)];
  console.log(join(into, execFileSync('npm', words, { cwd: folder, encoding: 'utf8' }).trim()));
}

/** All packages as they are published: only now is it known of which platforms there are some. */
function packAll(into) {
  mkdirSync(into, { recursive: true });
  const names = existsSync(BUILT) ? readdirSync(BUILT) : [];
  for (const name of names) pack(join(BUILT, name), into);
  pack(join(NODE, '../client'), into);
  const staged = mkdtempSync(join(tmpdir(), 'wsc-node-'));
  try {
    for (const part of ['dist', 'README.md']) cpSync(join(NODE, part), join(staged, part), { recursive: true });
    const optionalDependencies = Object.fromEntries(names.map((name) => [`@wsc/node-${name}`, main.version]));
    writeFileSync(join(staged, 'package.json'), JSON.stringify({ ...main, optionalDependencies }, null, 2));
    pack(staged, into);
  } finally {
    rmSync(staged, { recursive: true });
  }
}

const [first, second] = process.argv.slice(2);
if (first === 'pack' && second) packAll(second);
else if (first) make(first, second ?? platform());
else {
  console.error(`usage: ${basename(process.argv[1])} LIBRARY [PLATFORM] | pack FOLDER`);
  process.exit(1);
}
