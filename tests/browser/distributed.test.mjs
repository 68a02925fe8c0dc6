// The example with several hubs, as users see it: its processes, its page in Chromium. Needs what examples.test.mjs needs, and
// a redis-server. Leaves pictures in the folder `screenshots` of the build.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { start } from "../support.mjs";
import { COMMAND, command, eventually, ROOT, TARGET, visit, withBrowser } from "./support.mjs";

const held = withBrowser();
const USERS = ["alice", "bob", "carol", "dave"];
const PICTURES = join(TARGET, "screenshots");
/** How long a user may take to get to another hub, in milliseconds. */
const SECONDS = 5000;
/** The same after several hubs died one after the other: the waits of the clients grow. */
const LONG = 40000;

/** A user's part of the page. */
function person(page, name) {
  const view = page.getByRole("article", { name, exact: true });
  return {
    hub: () => view.locator(".on").textContent(),
    lines: () => view.getByRole("log").getByRole("listitem").evaluateAll((lines) => lines.map((line) => line.firstChild.textContent)),
    others: () => view.getByLabel("Presence").locator("span").allTextContents(),
    say: async (text) => {
      await view.getByLabel("To the team").fill(text);
      await page.keyboard.press("Enter");
    },
    press: (title) => view.getByRole("button", { name: title }).click(),
  };
}

test("distributed-server: users of a killed hub go on with another, and miss, double and mix up nothing", { timeout: 120000 }, async (context) => {
  await command(ROOT, 60, "node", "sdk-ts/scripts/bundle.mjs", "examples/distributed-server/page/wsc.js");
  const folder = mkdtempSync(join(tmpdir(), "wsc-distributed-"));
  const program = start(context, ROOT, join(dirname(COMMAND), "distributed-server"), ["--port", "0"], { TMPDIR: folder });
  context.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const [address] = /http:\/\/localhost:\d+/.exec(await program.line("open http"));
  const { page, complaints } = await visit(context, held.browser, address);
  const people = USERS.map((name) => person(page, name));
  const [alice, ...rest] = people;
  const on = (name) => page.locator(`#${name}`);
  const all = (check, patience) => eventually(() => Promise.all(people.map(check)), patience);
  const said = [];
  const say = async (one, text) => (said.push(text), await one.say(text));
  const everybodyShowsAll = async () => {
    // In the same order for everybody; and whoever said several said them in this order.
    await all(async (one) => assert.deepEqual((await one.lines()).toSorted(), said.toSorted()), LONG);
    const lists = await Promise.all(people.map((one) => one.lines()));
    for (const list of lists) assert.deepEqual(list, lists[0]);
    for (const name of USERS) {
      const own = (list) => list.filter((text) => text.startsWith(name));
      assert.deepEqual(own(lists[0]), own(said));
    }
    await page.getByText(`${said.length} messages, in the same order for everybody.`).waitFor();
  };

  await all(async (one) => assert.match(await one.hub(), /^hub-[123]$/));
  await all(async (one) => assert.ok((await one.others()).every((text) => text.endsWith(" online"))));
  for (const [number, one] of people.entries()) await say(one, `${USERS[number]} is here`);
  await everybodyShowsAll();

  // The hub of alice is killed while everybody talks.
  const before = await alice.hub();
  await say(alice, "alice, before");
  await on(before).getByRole("button", { name: "Kill (-9)" }).click();
  for (const [number, one] of people.entries()) await say(one, `${USERS[number]}, meanwhile`);
  await all(async (one) => {
    const now = await one.hub();
    assert.match(now, /^hub-[123]$/);
    assert.notEqual(now, before);
  }, SECONDS);
  await say(alice, "alice, after");
  await everybodyShowsAll();
  for (const one of people) assert.ok((await one.others()).every((text) => text.endsWith(" online")));
  assert.equal(await on(before).locator(".quiet").textContent(), "killed");
  await picture(page, "distributed-server-killed");
  await on(before).getByRole("button", { name: "Start again" }).click();
  await on(before).and(page.locator("[data-up=true]")).waitFor();

  // All hubs at once: what is written meanwhile waits.
  for (const name of ["hub-1", "hub-2", "hub-3"]) await on(name).getByRole("button", { name: "Kill (-9)" }).click();
  await all(async (one) => assert.match(await one.hub(), /^looks for a hub/));
  for (const [number, one] of people.entries()) await say(one, `${USERS[number]} without a hub`);
  await page.getByText("waits here").first().waitFor();
  for (const name of ["hub-2", "hub-3"]) await on(name).getByRole("button", { name: "Start again" }).click();
  await everybodyShowsAll();

  // Who leaves is seen to leave, and gets what was said without him.
  await rest[0].press("Leave");
  await eventually(async () => assert.ok((await alice.others()).includes("bob offline")));
  await say(alice, "alice to bob, who is away");
  await rest[0].press("Come back");
  await everybodyShowsAll();
  await all(async (one) => assert.ok((await one.others()).every((text) => text.endsWith(" online"))));

  await picture(page, "distributed-server");
  // Nothing is cut off on a narrow screen.
  await page.setViewportSize({ width: 400, height: 800 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400);
  await picture(page, "distributed-server-narrow");
  assert.deepEqual(complaints, []);
});

async function picture(page, name) {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}
