// What a newcomer does for React, Vue and Angular: the guide's lines in a fresh folder, its code pasted, a build, and two users
// who chat in a real browser. Needs the npm registry and `cargo tool pack npm`.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { files, visit, withBrowser } from "../browser/support.mjs";
import { command, folder, hub, installation, MEMORY, npm, paste, shell, tarball, write } from "./support.mjs";

const held = withBrowser();
const base = folder();

for (const [name, built] of [["react", "dist"], ["vue", "dist"], ["angular", "dist/chat/browser"]]) {
  test(`${name}: the guide's code in a fresh project is a working chat`, { timeout: 300000 }, async (context) => {
    const place = join(base, name);
    mkdirSync(place);
    await shell(place, 180, installation(`docs/guides/${name}.md`));
    const project = join(place, "chat");
    paste(`docs/guides/${name}.md`, project);
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

test("TypeScript checks the declarations with the DOM and nothing else", { timeout: 120000 }, async () => {
  const place = join(base, "typed");
  write(join(place, "package.json"), JSON.stringify({ name: "fresh", private: true, type: "module" }));
  await shell(place, 60, installation("docs/guides/browser.md"));
  await npm(place, 90, "typescript@7", "typescript5@npm:typescript@5.9", "react@19", "@types/react@19", "vue@3", tarball("react"), tarball("vue"));
  write(join(place, "own.ts"), `import { Client } from '@wsc/client';
import { Client as Slim } from '@wsc/client/slim';
import { useMessages } from '@wsc/react';
import { createWsc } from '@wsc/vue';
export const all = [Client, Slim, useMessages, createWsc];\n`);
  for (const compiler of ["typescript", "typescript5"]) {
    for (const module of [["esnext", "--moduleResolution", "bundler"], ["nodenext"]]) {
      await command(place, 60, process.execPath, `node_modules/${compiler}/bin/tsc`, "--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2022",
        "--lib", "es2022,dom,dom.iterable", "--types", "react", "--module", ...module, "own.ts");
    }
  }
});
