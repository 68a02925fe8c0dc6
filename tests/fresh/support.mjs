// What the tests of fresh projects share: folders outside the tree, and the lines of the guides. The packages are those of
// `cargo tool pack`, which runs before.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { command, ROOT } from "../support.mjs";

export { COMMAND, command, folder, hub, MEMORY, ROOT, start, TARGET } from "../support.mjs";
export const PACKAGES = join(ROOT, "target/packages");
export const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, "sdk-ts/packages/client/package.json"), "utf8"));

/** The packed package of npm that has this name. */
export const tarball = (name) => join(PACKAGES, `wsc-${name}-${VERSION}.tgz`);

/** Where the guides say that the checkout is. */
const CHECKOUT = /\/path\/to\/wsc/g;

/** A page of the documentation, with the checkout where it is. */
export const guide = (name) => readFileSync(join(ROOT, name), "utf8").replaceAll(CHECKOUT, ROOT);

/** The lines of a guide that install the packages: the first block for a shell that packs. Packing was done. */
export function installation(name) {
  const block = [...guide(name).matchAll(/^```sh\n([^]*?)^```/gm)].map(([, text]) => text).find((text) => /cargo tool pack/.test(text));
  assert.ok(block, `${name}: no line packs`);
  const lines = block.split("\n").filter((line) => line !== "" && !/cargo tool pack/.test(line));
  assert.ok(existsSync(PACKAGES), "`cargo tool pack` comes first");
  return lines.join("\n");
}

/** The blocks of a guide that name a file in their first line, written into a project. */
export function paste(name, project) {
  const found = [...guide(name).matchAll(/^```\w+\n(?:\/\/|#|<!--) ([\w./-]+\.\w+)(?: -->)?\n([^]*?)^```/gm)];
  assert.ok(found.length > 0, `${name}: no block names a file`);
  for (const [, file, code] of found) write(join(project, file), code);
}

/** Writes a file, and the folders it lies in. */
export function write(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Runs lines of a shell as somebody would who types them. */
export const shell = (place, seconds, lines) => command(place, seconds, "sh", "-ec", lines);

/** Runs npm's `install` with more packages. */
export const npm = (place, seconds, ...packages) =>
  command(place, seconds, "npm", "install", "--no-fund", "--no-audit", "--loglevel=error", ...packages);
