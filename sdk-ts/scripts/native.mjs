// Puts what `cargo build -p wsc-node` built into the package of a platform, by default this one:
// `node scripts/native.mjs LIBRARY [PLATFORM]`.

import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PLATFORMS, platform } from '../packages/node/dist/native.js';

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

const [library, name = platform()] = process.argv.slice(2);
if (library) make(library, name);
else {
  console.error(`usage: ${basename(process.argv[1])} LIBRARY [PLATFORM]`);
  process.exit(1);
}
