// The hub's page in a real browser, against the real command. Run it with `node --test tests/browser` after
// `npm ci --prefix tests` and a build; CHROMIUM and WSC_BIN say where browser and command are.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { COMMAND, eventually, hub, MEMORY, PATIENCE, withBrowser } from "./support.mjs";

const held = withBrowser();

/** The page at a hub, and what its console complained of. */
async function open(context, url, options = {}) {
  const page = await held.browser.newPage({ viewport: { width: 1200, height: 900 }, ...options });
  context.after(() => page.close());
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  page.on("console", (message) => {
    const network = /WebSocket|net::ERR/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !network) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  const [alice, bob] = ["alice", "bob"].map((name) => panel(page.getByRole("region", { name, exact: true }), name));
  return { page, alice, bob, complaints };
}

function panel(region, name) {
  const peer = name === "alice" ? "bob" : "alice";
  return {
    region,
    text: region.getByLabel(`Message of ${name} to ${peer}`),
    cut: region.getByRole("button", { name: /Cut the connection|Connect/ }),
    is: (state) => region.getByRole("status").filter({ hasText: state }).first().waitFor(),
    async send(text) {
      await region.getByLabel(`Message of ${name} to ${peer}`).fill(text);
      await region.getByRole("button", { name: "Send" }).click();
    },
    shown: (kind) => region.locator(`.conversation .${kind} .content`).allTextContents(),
    async shows(kind, texts) {
      await eventually(async () => assert.deepEqual(await this.shown(kind), texts));
    },
    reaches: (text, stage) =>
      region.getByRole("listitem").filter({ hasText: text }).filter({ hasText: stage }).waitFor(),
  };
}

test("a message appears once at the other user and its ticks go on to read", async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const { alice, bob, complaints } = await open(context, url);
  await Promise.all([alice.is("connected"), bob.is("connected")]);
  // From the first drawing on, every tick that is shown is kept.
  await alice.region.locator(".conversation").evaluate((list) => {
    globalThis.ticks = [];
    const look = () => {
      const stage = list.querySelector(".stage")?.textContent;
      if (stage && stage !== globalThis.ticks.at(-1)) globalThis.ticks.push(stage);
    };
    new MutationObserver(look).observe(list, { subtree: true, childList: true, characterData: true });
  });
  await alice.send("hello bob");
  await bob.shows("other", ["hello bob"]);
  await alice.reaches("hello bob", "delivered");
  await bob.region.getByText("1 unread").waitFor();
  await bob.text.click();
  await alice.reaches("hello bob", "read");
  await bob.region.getByText("1 unread").waitFor({ state: "hidden" });
  const ticks = await alice.region.evaluate(() => globalThis.ticks);
  const order = ["sent", "accepted", "delivered", "read"];
  assert.deepEqual(ticks, order.filter((stage) => ticks.includes(stage)));
  assert.deepEqual(await bob.shown("other"), ["hello bob"]);
  assert.deepEqual(complaints, []);
});

test("who types is shown to the other one", async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const { alice, bob } = await open(context, url);
  await Promise.all([alice.is("connected"), bob.is("connected")]);
  await alice.text.pressSequentially("hm");
  await bob.region.getByText("alice is typing").waitFor();
});

test("what is sent while the connection is cut arrives once and in order, and so does what was missed", async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const { page, alice, bob, complaints } = await open(context, url);
  await Promise.all([alice.is("connected"), bob.is("connected")]);
  await alice.send("one");
  await bob.shows("other", ["one"]);
  await alice.cut.click();
  await alice.is("cut off");
  for (const text of ["two", "three", "four"]) await alice.send(text);
  await bob.send("to nobody yet");
  await alice.cut.click();
  await bob.shows("other", ["one", "two", "three", "four"]);
  await alice.shows("other", ["to nobody yet"]);
  await alice.reaches("four", "delivered");
  // Cursors and outbox outlive a reload.
  await page.reload();
  await Promise.all([alice.is("connected"), bob.is("connected")]);
  await alice.send("five");
  await bob.shows("other", ["one", "two", "three", "four", "five"]);
  await alice.shows("other", ["to nobody yet"]);
  assert.deepEqual(complaints, []);
});

test("a message that the hub would not take is refused here, and the connection stays", async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const { alice, bob, complaints } = await open(context, url);
  await Promise.all([alice.is("connected"), bob.is("connected")]);
  await alice.send("x".repeat(70000));
  await alice.reaches("xxx", "refused: too large");
  await alice.send("<b>short</b>");
  await bob.shows("other", ["<b>short</b>"]);
  await alice.is("connected");
  assert.deepEqual(complaints, []);
});

test("a hub that is killed and started again loses nothing", async (context) => {
  const data = mkdtempSync(join(tmpdir(), "wsc-page-"));
  context.after(() => rmSync(data, { recursive: true, force: true }));
  const first = await hub(context, "--data", data, "--listen", "127.0.0.1:0");
  const { alice, bob, complaints } = await open(context, first.url);
  await Promise.all([alice.is("connected"), bob.is("connected")]);
  await alice.send("before");
  await bob.shows("other", ["before"]);
  await first.kill();
  await alice.is("waiting");
  await alice.send("meanwhile");
  await alice.send("and more");
  await hub(context, "--data", data, "--listen", new URL(first.url).host);
  await bob.shows("other", ["before", "meanwhile", "and more"]);
  await alice.reaches("and more", "delivered");
  await bob.send("all there");
  await alice.shows("other", ["all there"]);
  assert.deepEqual(complaints, []);
});

test("the keyboard alone is enough to write, to send and to read", async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const { page, alice, bob, complaints } = await open(context, url);
  await Promise.all([alice.is("connected"), bob.is("connected")]);
  const focused = () => page.evaluate(() => document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent);
  const go = async (label) => {
    for (let step = 0; step < 20 && (await focused()) !== label; step += 1) await page.keyboard.press("Tab");
    assert.equal(await focused(), label);
  };
  await go("Message of alice to bob");
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  await bob.shows("other", ["by keyboard"]);
  await go("Message of bob to alice");
  await alice.reaches("by keyboard", "read");
  assert.deepEqual(complaints, []);
});

test("a hub with authentication asks for a token and takes it", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "wsc-page-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { execFileSync } = await import("node:child_process");
  const { writeFileSync } = await import("node:fs");
  const secret = join(folder, "secret.txt");
  writeFileSync(secret, "a secret of enough bytes\n");
  const { url } = await hub(context, ...MEMORY, "--secret-file", secret);
  const { page, alice, bob } = await open(context, url);
  await alice.is("closed");
  for (const [panel, user] of [[alice, "alice"], [bob, "bob"]]) {
    const token = execFileSync(COMMAND, ["token", "--user", user, "--secret-file", secret], { encoding: "utf8" });
    await panel.region.getByLabel("Token, if").fill(token.trim());
    await page.keyboard.press("Enter");
    await panel.is("connected");
  }
  await alice.send("with a token");
  await bob.shows("other", ["with a token"]);
});
