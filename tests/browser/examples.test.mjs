// The examples as users see them: built as they are, in Chromium, against a real hub. Needs what sdk.test.mjs needs.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
import { command, eventually, files, hub, MEMORY, ROOT, visit, withBrowser } from "./support.mjs";

const held = withBrowser();
const CHATS = ["react-chat", "vue-chat", "angular-chat"];
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

before(async () => {
  // Their lock files say exactly what is installed; the SDK's packages come from the tree.
  await Promise.all(CHATS.map((name) => command(join(ROOT, "examples", name), 180, "npm", "ci", "--loglevel=error")));
}, { timeout: 200000 });

/** What a user of a chat sees and does. */
function person({ page }, name) {
  const lines = page.locator(".log li");
  return {
    page,
    lines: () => page.locator(".log .content").allTextContents(),
    shows: (texts) => eventually(async () => assert.deepEqual(await page.locator(".log .content").allTextContents(), texts)),
    row: (title) => page.getByRole("navigation", { name: "Conversations" }).getByRole("listitem").filter({ hasText: title }),
    text: (title) => page.getByLabel(`Message to ${title}`, { exact: true }),
    reaches: (text, stage) => lines.filter({ hasText: text }).filter({ hasText: stage }).waitFor(),
    banner: page.locator(".banner"),
    async begin(title) {
      await page.getByLabel("User, or #group").fill(title);
      await page.keyboard.press("Enter");
      await page.getByRole("main", { name: `Conversation with ${title}` }).waitFor();
    },
    async say(title, text) {
      await this.text(title).fill(text);
      await page.keyboard.press("Enter");
    },
    toString: () => name,
  };
}

/** A client of Node's that writes a history. */
async function history(url, from, to, count) {
  const { WebSocket } = await import(join(ROOT, "sdk-ts/node_modules/ws/wrapper.mjs"));
  globalThis.WebSocket ??= WebSocket;
  const { Client } = await import(join(ROOT, "sdk-ts/packages/client/dist/index.js"));
  const client = new Client(url, { user: from, storage: "memory" });
  await client.connect();
  for (let number = 1; number <= count; number += 1) {
    const receipt = await client.send(`user:${to}`, `line ${number}`);
    if (number === count) await receipt.accepted;
  }
  await client.close();
}

for (const name of CHATS) {
  test(`${name}: two users chat, and what is written while the hub is down waits over a reload`, { timeout: 120000 }, async (context) => {
    await command(join(ROOT, "examples", name), 60, "npm", "run", "build");
    const folder = mkdtempSync(join(tmpdir(), "wsc-examples-"));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    const first = await hub(context, "--data", join(folder, "data"), "--listen", "127.0.0.1:0");
    const address = first.url.replace("http", "ws");
    const site = await files(context, { "/": `examples/${name}/dist` });
    const open = (user) => visit(context, held.browser, `${site}/?user=${user}&hub=${address}`, user);
    const pages = [await open("alice"), await open("bob")];
    const [alice, bob] = [person(pages[0], "alice"), person(pages[1], "bob")];

    // Nothing is open at bob's: it is counted, and delivered, and not read.
    await alice.begin("bob");
    await alice.say("bob", "hello");
    await alice.say("bob", "are you there?");
    await alice.reaches("are you there?", "delivered");
    await bob.row("alice").getByText("2 unread").waitFor();
    await bob.row("alice").locator("[data-status=online]").waitFor();
    // Once he sees it, it is read.
    await bob.row("alice").getByRole("link").click();
    await bob.shows(["hello", "are you there?"]);
    await alice.reaches("are you there?", "read");
    await bob.row("alice").getByText("unread").waitFor({ state: "hidden" });

    await bob.text("alice").pressSequentially("ye");
    await alice.page.getByText("bob is typing …").waitFor();
    await bob.say("alice", "yes");
    await alice.shows(["hello", "are you there?", "yes"]);
    await alice.page.getByText("bob is typing …").waitFor({ state: "hidden" });

    // An image is shown, by the sender too; another file can be fetched; what is too large is refused with a reason.
    const attach = (file) => bob.page.getByLabel("Send a file").setInputFiles(file);
    await attach({ name: "pixel.png", mimeType: "image/png", buffer: Buffer.from(PIXEL, "base64") });
    for (const { page } of [alice, bob]) {
      await eventually(async () => assert.equal(await page.getByAltText("pixel.png").evaluate((image) => image.naturalWidth), 1));
    }
    await attach({ name: "note.txt", mimeType: "text/plain", buffer: Buffer.from("a note") });
    const fetched = alice.page.waitForEvent("download");
    await alice.page.getByRole("link", { name: "note.txt" }).click();
    assert.equal(readFileSync(await (await fetched).path(), "utf8"), "a note");
    await attach({ name: "film.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(100000) });
    await bob.page.getByRole("alert").filter({ hasText: "too large" }).waitFor();

    // The hub dies. What is written now waits here, also over a reload, and goes out once.
    await first.kill();
    await alice.banner.filter({ hasText: "Offline" }).waitFor();
    await alice.say("bob", "written while away");
    await alice.reaches("written while away", "waits here");
    await alice.banner.filter({ hasText: "1 message waits here" }).waitFor();
    await alice.page.reload();
    await alice.reaches("written while away", "waits here");
    await hub(context, "--data", join(folder, "data"), "--listen", new URL(first.url).host);
    const all = ["hello", "are you there?", "yes", "written while away"];
    for (const one of [alice, bob]) await one.shows(all);
    await alice.reaches("written while away", "read");
    await alice.banner.filter({ hasText: /^$/ }).waitFor({ state: "attached" });
    for (const { page } of [alice, bob]) assert.equal(await page.locator(".log li").count(), 6);

    // A group.
    for (const one of [alice, bob]) await one.begin("#team");
    await bob.say("#team", "to all of us");
    await alice.shows(["to all of us"]);

    // What was long ago is loaded by scrolling, and the reader keeps the place.
    await history(address, "carol", "alice", 450);
    await alice.row("carol").getByRole("link").click();
    await alice.page.locator(".log").getByText("line 450", { exact: true }).waitFor();
    const log = alice.page.getByRole("log", { name: "Messages" });
    const end = () => log.evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);
    await eventually(async () => assert.ok((await end()) < 2, `${await end()} from the end`));
    assert.ok((await alice.lines()).length < 300);
    // The same line stands at the same height before and after.
    const top = (text) => log.getByText(text, { exact: true }).evaluate((line) => Math.round(line.getBoundingClientRect().top));
    await eventually(async () => {
      await log.evaluate((log) => (log.scrollTop = 0));
      const [[text], count] = [await alice.lines(), (await alice.lines()).length];
      const before = await top(text);
      await eventually(async () => assert.ok((await alice.lines()).length > count || count === 450), 3000);
      if (count < 450) assert.ok(Math.abs((await top(text)) - before) < 5, "the place was lost");
      assert.equal((await alice.lines()).length, 450);
    });
    assert.deepEqual(await alice.lines(), Array.from({ length: 450 }, (_, index) => `line ${index + 1}`));

    assert.deepEqual(pages.flatMap(({ complaints }) => complaints), []);
  });
}

/** Starts a server of an example, which says its address; it ends with the test. */
async function serve(context, folder, environment, ...words) {
  const env = { ...process.env, NO_COLOR: "1", ...environment };
  const server = spawn("node", words, { cwd: join(ROOT, "examples", folder), env, stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => server.kill());
  for await (const line of createInterface({ input: server.stdout })) {
    const [address] = /http:\/\/localhost:\d+/.exec(line) ?? [];
    if (address) return address;
  }
  throw new Error(`the server of ${folder} ended`);
}

test("react-chat: the development server's StrictMode, which does everything twice, shows nothing twice", { timeout: 60000 }, async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const site = await serve(context, "react-chat", {}, "node_modules/vite/bin/vite.js", "--port", "0");
  const open = (user) => visit(context, held.browser, `${site}/?user=${user}&hub=${url.replace("http", "ws")}`, user);
  const pages = [await open("alice"), await open("bob")];
  const [alice, bob] = [person(pages[0], "alice"), person(pages[1], "bob")];
  await alice.begin("bob");
  await bob.begin("alice");
  const texts = Array.from({ length: 10 }, (_, number) => `message ${number}`);
  for (const [number, text] of texts.entries()) {
    await [alice, bob][number % 2].say(["bob", "alice"][number % 2], text);
    for (const one of [alice, bob]) await one.shows(texts.slice(0, number + 1));
  }
  // Not even a while later, and not after a reload.
  await bob.page.reload();
  for (const one of [bob, alice]) await one.shows(texts);
  assert.equal(await bob.page.getByRole("navigation").getByRole("listitem").count(), 1);
  assert.deepEqual(pages.flatMap(({ complaints }) => complaints), []);
});

test("browser: one file without a build step sends, receives and shows how far it got", { timeout: 60000 }, async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const folder = join(ROOT, "examples/browser");
  await command(folder, 60, "node", join(ROOT, "sdk-ts/scripts/bundle.mjs"), "wsc.js");
  const site = await serve(context, "browser", { PORT: "0" }, "serve.mjs");
  const at = (user, to) => `${site}/?user=${user}&to=${to}&hub=${url.replace("http", "ws")}`;
  const [alice, bob] = [await visit(context, held.browser, at("alice", "bob")), await visit(context, held.browser, at("bob", "alice"))];
  await alice.page.getByLabel("Message", { exact: true }).fill("hello");
  await alice.page.keyboard.press("Enter");
  await bob.page.getByRole("listitem").filter({ hasText: "hello alice" }).waitFor();
  await alice.page.getByRole("listitem").filter({ hasText: "hello read" }).waitFor();
  assert.deepEqual([...alice.complaints, ...bob.complaints], []);
});
