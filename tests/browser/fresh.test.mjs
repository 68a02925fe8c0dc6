// What a newcomer does: a fresh project, the packages as they would come from a registry, the guide's code pasted, a build,
// and two users who chat. Needs what sdk.test.mjs needs, and the npm registry.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { command, files, hub, MEMORY, ROOT, visit, withBrowser } from "./support.mjs";

const held = withBrowser();
const folder = mkdtempSync(join(tmpdir(), "wsc-fresh-"));
const vite = (template) => ["npm", "create", "--yes", "vite@9.3.0", "chat", "--", "--template", template, "--no-interactive"];
const FRESH = {
  react: { begin: vite("react-ts"), built: "dist" },
  vue: { begin: vite("vue-ts"), built: "dist" },
  angular: {
    begin: ["npm", "exec", "--yes", "--package=@angular/cli@21.2.27", "--", "ng", "new", "chat", "--minimal", "--defaults",
      "--skip-git", "--skip-install"],
    built: "dist/chat/browser",
  },
};

before(async () => {
  for (const name of ["client", ...Object.keys(FRESH)]) {
    await command(join(ROOT, "sdk-ts/packages", name), 30, "npm", "pack", "--pack-destination", folder);
  }
}, { timeout: 120000 });
after(() => rmSync(folder, { recursive: true, force: true }));

/** The blocks of a guide that name a file in their first line, by that name; the first of all blocks of code is one. */
function blocks(guide) {
  const text = readFileSync(join(ROOT, "docs/guides", guide), "utf8");
  const found = [...text.matchAll(/^```(?:ts|tsx|vue)\n(?:\/\/|<!--) (src\/\S+)(?: -->)?\n([^]*?)^```/gm)];
  assert.ok(found.length > 0, `${guide}: no block names a file`);
  return found.map(([, name, code]) => ({ name, code }));
}

for (const [name, { begin, built }] of Object.entries(FRESH)) {
  test(`${name}: the guide's code in a fresh project is a working chat`, { timeout: 180000 }, async (context) => {
    const place = join(folder, name);
    mkdirSync(place);
    await command(place, 90, ...begin);
    const project = join(place, "chat");
    const tarballs = readdirSync(folder).filter((file) => new RegExp(`^wsc-(client|${name})-.*\\.tgz$`).test(file));
    assert.equal(tarballs.length, 2);
    await command(project, 120, "npm", "install", "--no-fund", "--no-audit", "--loglevel=error", ...tarballs.map((file) => join(folder, file)));
    for (const { name: file, code } of blocks(`${name}.md`)) {
      mkdirSync(dirname(join(project, file)), { recursive: true });
      writeFileSync(join(project, file), code);
    }
    await command(project, 90, "npm", "run", "build");

    const { url } = await hub(context, ...MEMORY);
    const site = await files(context, { "/": join(project, built) });
    const open = (user, to) => visit(context, held.browser, `${site}/?user=${user}&to=${to}&hub=${url.replace("http", "ws")}`, user);
    const [alice, bob] = [await open("alice", "bob"), await open("bob", "alice")];
    await alice.page.getByText("connected").waitFor();
    await alice.page.getByLabel("Message").fill("hello from a fresh project");
    await alice.page.getByRole("button", { name: "Send" }).click();
    await bob.page.getByRole("listitem").filter({ hasText: "alice: hello from a fresh project" }).waitFor();
    await alice.page.getByRole("listitem").filter({ hasText: "me: hello from a fresh project read" }).waitFor();
    assert.equal(await bob.page.getByRole("listitem").count(), 1);
    assert.deepEqual([...alice.complaints, ...bob.complaints], []);
  });
}
