// Tabs of one user in a real browser: the one that has the connection stands still, and what is closed at any moment.

import assert from "node:assert/strict";
import { test } from "node:test";
import { count, got, profile, rising, scene } from "./scene.mjs";
import { eventually, hub, MEMORY, sleepy } from "./support.mjs";

/** Ways to stand still; each gives what ends it. */
const BLOCKS = {
  "an alert": async (tab) => {
    const dialog = new Promise((resolve) => tab.page.once("dialog", resolve));
    await tab.page.evaluate(() => void setTimeout(() => alert("stand still"), 0));
    const shown = await dialog;
    return () => shown.accept();
  },
  "a page that the system froze": async (tab) => {
    const cdp = await tab.page.context().newCDPSession(tab.page);
    await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    return async () => {
      await cdp.send("Page.setWebLifecycleState", { state: "active" });
      assert.ok(await tab.page.evaluate(() => globalThis.froze));
    };
  },
  "a script that runs for 20 s": async (tab) => {
    const running = tab.page.evaluate(() => {
      for (const until = performance.now() + 20_000; performance.now() < until; );
    });
    return () => running;
  },
};

for (const [how, block] of Object.entries(BLOCKS)) {
  test(`the tab with the connection stands still, by ${how}: the others go on, and nothing is lost or doubled`, { timeout: 180000 }, async (context) => {
    const all = await scene(context);
    const ofAlice = how.includes("froze") ? await sleepy(context) : await profile(context);
    const first = await all.tab(ofAlice, "alice", { quiet: true });
    await first.page.evaluate(() => document.addEventListener("freeze", () => (globalThis.froze = true)));
    const second = await all.tab(ofAlice, "alice");
    const bob = await all.tab(await profile(context), "bob");
    await bob.page.evaluate(() => app.send({ receiver: "alice" }, 1, 100));
    await first.page.evaluate(() => app.send({ receiver: "bob" }, 1, 50));
    await eventually(async () => assert.deepEqual([await count(first), await count(second), await count(bob)], [100, 100, 50]));
    await second.page.evaluate(() => {
      globalThis.states = [];
      app.client.on("state", ({ name }) => states.push([name, performance.now()]));
      globalThis.began = performance.now();
    });
    const end = await block(first);
    // In both directions, from the moment it stands still; and a tab that is new meanwhile.
    const sending = Promise.all([
      bob.page.evaluate(() => app.send({ receiver: "alice" }, 101, 300, 4)),
      second.page.evaluate(() => app.send({ receiver: "bob" }, 51, 150, 4)),
    ]);
    const third = await all.tab(ofAlice, "alice", { quiet: true });
    await sending;
    await eventually(async () => assert.deepEqual([await count(second), await count(bob)], [300, 150]));
    const [states, began] = await second.page.evaluate(() => [states, globalThis.began]);
    const told = states.find(([name]) => name !== "connected");
    context.diagnostic(`told after ${Math.round(told[1] - began)} ms, connected again after ${Math.round(states.at(-1)[1] - began)} ms`);
    assert.ok(told[1] - began < 8000 && states.at(-1)[1] - began < 12000, JSON.stringify([began, states]));
    assert.equal(states.at(-1)[0], "connected");
    await end();
    // It has everything, and works.
    await eventually(async () => assert.deepEqual(await got(first), await got(second)), 30000);
    await first.page.evaluate(() => app.send({ receiver: "bob" }, 151, 200));
    await third.page.evaluate(() => app.send({ receiver: "bob" }, 201, 250));
    await bob.page.evaluate(() => app.send({ receiver: "alice" }, 301, 400));
    await eventually(async () => {
      assert.deepEqual([await count(first), await count(second), await count(bob)], [400, 400, 250]);
    }, 30000);
    for (const tab of [first, second, third, bob]) assert.ok(rising(await got(tab)));
    // A little longer than an old leader would take to show itself.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    for (const tab of [first, second, third]) {
      assert.equal(await tab.page.evaluate(() => app.client.state.get().name), "connected");
    }
    await all.quiet(second, bob);
    await all.judge();
  });
}

test("tabs go on at another hub when theirs is killed, and so does the next tab that leads", { timeout: 60000 }, async (context) => {
  const all = await scene(context);
  const hubs = [all.hub, await hub(context, ...MEMORY)];
  const at = ({ url }) => `${url.replace("http", "ws")}/ws`;
  const [ofAlice, opened] = [await profile(context), []];
  ofAlice.on("page", (page) => page.on("websocket", (socket) => opened.push(socket.url())));
  const url = hubs.map(({ url }) => url);
  const first = await all.tab(ofAlice, "alice", { url });
  const second = await all.tab(ofAlice, "alice", { url, quiet: true });
  const gone = hubs.findIndex((hub) => at(hub) === opened.at(-1));
  const accepted = (tab) => tab.page.evaluate(async () => (await (await app.client.send("user:bob", "hello")).accepted).position > 0);
  assert.ok(await accepted(second));
  await hubs[gone].kill();
  assert.ok(await accepted(second));
  assert.equal(opened.at(-1), at(hubs[1 - gone]));
  await first.page.close();
  assert.ok(await accepted(second));
  assert.equal(opened.at(-1), at(hubs[1 - gone]));
});

test("a client that is closed at any moment of its life complains of nothing", { timeout: 120000 }, async (context) => {
  const all = await scene(context);
  // Fails for whatever the page does not catch.
  const tab = await all.tab(await profile(context), "alice");
  const left = await tab.page.evaluate(async (url) => {
    for (const shareTabs of [true, false]) {
      for (const ms of [0, 0, 1, 1, 2, 3, 5, 8, 12, 20, 30, 50, 100, 200, 400]) {
        const client = new Client(url, { user: `brief-${shareTabs}`, shareTabs });
        client.connect();
        client.send("user:bob", "hello");
        if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
        const closing = client.close();
        client.connect();
        client.close();
        await closing;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    return (await navigator.locks.query()).held.map(({ name }) => name).filter((name) => name.includes("brief"));
  }, all.url);
  assert.deepEqual(left.filter((name) => !name.startsWith("wsc tab")), []);
});
