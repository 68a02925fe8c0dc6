// What a newcomer does for React, Vue and Angular: the guide's lines in a fresh folder, its code pasted, a build, and two users
// who chat in a real browser. Needs the npm registry and `cargo tool pack npm`.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { files, visit, withBrowser } from "../browser/support.mjs";
import { command, folder, hub, installation, MEMORY, paste, shell } from "./support.mjs";

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
