// @wsc/client in a real browser against the real hub: what happens to pages must not happen to messages. The histories
// go to the checker of the Rust tests. Needs `cargo tool wasm`, a build of the hub and of `judge`, and `npm ci` in sdk-ts.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { count, got, MOUNTS, profile, rising, scene } from "./scene.mjs";
import { eventually, files, hub, MEMORY, PATIENCE, ROOT } from "./support.mjs";

test("the machine in the module does what the scripts say", { timeout: 120000 }, async (context) => {
  const site = await files(context, MOUNTS);
  const page = await (await profile(context)).newPage();
  await page.goto(`${site}/pages/`);
  const scripts = readdirSync(join(ROOT, "tests/vectors"))
    .filter((name) => name.startsWith("client_"))
    .flatMap((name) => JSON.parse(readFileSync(join(ROOT, "tests/vectors", name), "utf8")))
    .filter(({ steps }) => steps.every((step) => step.do !== "life"));
  const happened = await page.evaluate(async (scripts) => {
    const { load, Session } = await import("/client/dist/engine/module.js");
    const { Environment } = await import("/client/dist/engine/environment.js");
    const { runScript } = await import("/client/test/machine.mjs");
    await load(() => new URL("/client/wasm/wsc.wasm", location.href));
    return scripts.map((script) => runScript(Session, Environment, script));
  }, scripts);
  scripts.forEach((script, index) => {
    assert.deepEqual(happened[index], script.steps.map((step) => step.expect), script.name);
  });
  assert.ok(scripts.length > 20);
});

test("a thousand messages survive reloads in the middle of sending", { timeout: 120000 }, async (context) => {
  const all = await scene(context);
  const [alice, bob] = [await all.tab(await profile(context), "alice"), await all.tab(await profile(context), "bob")];
  let first = 1;
  for (const reload of [1, 2, 3, 4]) {
    const last = reload * 250;
    // The page is thrown away while it sends: some messages are taken, some under way, some not yet begun.
    const sending = alice.page.evaluate(([first, last]) => app.send({ receiver: "bob" }, first, last), [first, last]).catch(() => {});
    await alice.page.waitForFunction((last) => app.announced === last, last);
    await new Promise((resolve) => setTimeout(resolve, 5 + 40 * reload));
    all.note({ what: "killed", device: alice.device });
    await alice.begin();
    await sending;
    first = last + 1;
  }
  await alice.page.evaluate((first) => app.send({ receiver: "bob" }, first, first + 9), first);
  await all.quiet(alice, bob);
  // Settled at the hub is soon at bob.
  await eventually(async () => assert.ok((await got(bob)).length > 100));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { stdout } = await all.judge();
  context.diagnostic(stdout.split("\n")[0]);
});

test("a hub that is killed again and again loses nothing of either side", { timeout: 120000 }, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "wsc-sdk-hub-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const data = ["--data", join(folder, "data")];
  const all = await scene(context, "--listen", "127.0.0.1:0", ...data);
  const [alice, bob] = [await all.tab(await profile(context), "alice"), await all.tab(await profile(context), "bob")];
  const address = ["--listen", new URL(all.hub.url).host, ...data];
  const sending = [
    alice.page.evaluate(() => app.send({ receiver: "bob" }, 1, 600, 4)),
    bob.page.evaluate(() => app.send({ receiver: "alice" }, 1, 600, 4)),
  ];
  let running = all.hub;
  for (let kill = 0; kill < 3; kill += 1) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    all.note({ what: "hub_killed" });
    await running.kill();
    running = await hub(context, ...address);
    all.note({ what: "hub_started" });
  }
  await Promise.all(sending);
  await all.quiet(alice, bob);
  await eventually(async () => assert.deepEqual([await count(alice), await count(bob)], [600, 600]));
  await all.judge();
});

test("what is written offline is kept over a reload and sent when the network is back", { timeout: 120000 }, async (context) => {
  const all = await scene(context);
  const ofAlice = await profile(context);
  const alice = await all.tab(ofAlice, "alice", { cuttable: true });
  const bob = await all.tab(await profile(context), "bob");
  all.line.cut();
  await alice.page.waitForFunction(() => app.client.state.get().name !== "connected");
  await alice.page.evaluate(() => app.send({ receiver: "bob" }, 1, 20, 1));
  all.note({ what: "killed", device: alice.device });
  const again = alice.begin();
  await alice.page.waitForFunction(() => globalThis.app?.client?.sync.get().saved === 20);
  assert.equal(await count(bob), 0);
  // The browser says that it is online again, and the client does not wait for its next attempt.
  await ofAlice.setOffline(true);
  all.line.heal();
  await ofAlice.setOffline(false);
  await again;
  await all.quiet(alice, bob);
  await eventually(async () => assert.equal(await count(bob), 20));
  await all.judge();
});

test("what was read offline is kept over a reload, and the user's other devices know it when the network is back", { timeout: 120000 }, async (context) => {
  const all = await scene(context);
  const ofAlice = await profile(context);
  const alice = await all.tab(ofAlice, "alice", { cuttable: true });
  const phone = await all.tab(await profile(context), "alice");
  const bob = await all.tab(await profile(context), "bob");
  await bob.page.evaluate(() => app.send({ receiver: "alice" }, 1, 3, 1));
  await phone.page.evaluate(() => void app.client.conversations.subscribe(() => {}));
  const unread = () => phone.page.evaluate(() => app.client.conversations.get().unread);
  await eventually(async () => assert.deepEqual([await count(alice), await unread()], [3, 3]));
  all.line.cut();
  await alice.page.waitForFunction(() => app.client.state.get().name !== "connected");
  await alice.page.evaluate(() => app.client.markRead("user:bob", app.got.inbox.at(-1)));
  // As long as a browser takes to write, which nothing tells a page.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const again = alice.begin();
  await alice.page.waitForFunction(() => globalThis.app?.client?.state.get().name === "waiting");
  assert.equal(await unread(), 3);
  await ofAlice.setOffline(true);
  all.line.heal();
  await ofAlice.setOffline(false);
  await again;
  await eventually(async () => assert.equal(await unread(), 0));
});

test("another user of the same browser sees nothing of the first", { timeout: 120000 }, async (context) => {
  const all = await scene(context);
  const shared = await profile(context);
  const alice = await all.tab(shared, "alice", { cuttable: true });
  all.line.cut();
  await alice.page.waitForFunction(() => app.client.state.get().name !== "connected");
  await alice.page.evaluate(() => app.send({ receiver: "bob" }, 1, 3, 1));
  await alice.page.close();
  all.line.heal();
  const carol = await all.tab(shared, "carol", { cuttable: true });
  assert.notEqual(carol.device.device, alice.device.device);
  assert.equal(await carol.page.evaluate(() => app.client.sync.get().saved), 0);
  const bob = await all.tab(await profile(context), "bob");
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(await count(bob), 0, "nothing of alice is sent while she is away");
  // And when she is back it is all there.
  const back = await all.tab(shared, "alice", { cuttable: true });
  await eventually(async () => assert.equal(await count(bob), 3));
  assert.equal(back.device.device, alice.device.device);
});

for (const locks of [true, false]) {
  const where = locks ? "" : ", where there are no locks too";
  test(`a duplicate of a tab that shares nothing is a device of its own, and a reload stays the same one${where}`, { timeout: 120000 }, (context) => duplicated(context, locks));
}

async function duplicated(context, locks) {
  const all = await scene(context);
  const context1 = await profile(context);
  // As on a page of plain http.
  if (!locks) await context1.addInitScript(() => void delete Navigator.prototype.locks);
  const shareTabs = locks ? false : undefined;
  const first = await all.tab(context1, "alice", { shareTabs });
  // As a duplicate, what a page opens begins with a copy of the session's storage.
  const opened = context1.waitForEvent("page");
  await first.page.evaluate(() => void window.open(location.href));
  const second = await opened;
  second.setDefaultTimeout(PATIENCE);
  await second.exposeFunction("note", () => {});
  const begin = async (life) => {
    await second.waitForFunction(() => globalThis.ready);
    return second.evaluate((settings) => app.begin(settings), { url: all.url, user: "alice", life, shareTabs });
  };
  const other = await begin(1);
  assert.notEqual(other, first.device.device);
  const states = () => Promise.all([first.page, second].map((page) => page.evaluate(() => app.client.state.get().name)));
  assert.deepEqual(await states(), ["connected", "connected"]);
  assert.equal((await first.begin()).device, first.device.device);
  await second.reload();
  assert.equal(await begin(2), other);
  assert.deepEqual(await states(), ["connected", "connected"]);
}

test("two tabs are one device, and when the one with the connection dies the other goes on within a second", { timeout: 120000 }, async (context) => {
  const all = await scene(context);
  const ofAlice = await profile(context);
  const [first, second] = [await all.tab(ofAlice, "alice"), await all.tab(ofAlice, "alice")];
  assert.equal(first.device.device, second.device.device);
  const bob = await all.tab(await profile(context), "bob");
  // Both tabs hear everything, and both send.
  await bob.page.evaluate(() => app.send({ receiver: "alice" }, 1, 100));
  await second.page.evaluate(() => app.send({ receiver: "bob" }, 1, 50));
  await eventually(async () => {
    assert.deepEqual([await count(first), await count(second), await count(bob)], [100, 100, 50]);
  });
  assert.equal(await first.page.evaluate(() => performance.getEntriesByType("resource").length > 0), true);
  // The first tab has the connection: it crashes in the middle of both directions.
  const sending = [
    bob.page.evaluate(() => app.send({ receiver: "alice" }, 101, 600, 4)),
    second.page.evaluate(() => app.send({ receiver: "bob" }, 51, 250, 4)),
  ];
  await new Promise((resolve) => setTimeout(resolve, 60));
  const crashed = new Promise((resolve) => first.page.on("crash", resolve));
  const lost = second.page.evaluate(async () => {
    const gone = await new Promise((resolve) => app.client.on("state", ({ name }) => name !== "connected" && resolve(performance.now())));
    await new Promise((resolve) => app.client.on("state", ({ name }) => name === "connected" && resolve()));
    return performance.now() - gone;
  });
  const cdp = await ofAlice.newCDPSession(first.page);
  cdp.send("Page.crash").catch(() => {});
  await crashed;
  const took = await lost;
  context.diagnostic(`connected again after ${Math.round(took)} ms`);
  assert.ok(took < 1000, `${took} ms`);
  await Promise.all(sending);
  await eventually(async () => assert.deepEqual([await count(second), await count(bob)], [600, 250]));
  for (const tab of [second, bob]) assert.ok(rising(await got(tab)));
});

test("an expired token is replaced, and one of another user is refused", { timeout: 120000 }, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "wsc-sdk-key-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const secret = "a secret of at least thirty-two bytes!";
  writeFileSync(join(folder, "secret"), secret);
  const all = await scene(context, ...MEMORY, "--secret-file", join(folder, "secret"), "--set", "auth.origins=*");
  const { createHmac } = await import("node:crypto");
  const token = (uid, seconds) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ uid, exp: Math.floor(Date.now() / 1000) + seconds })}`;
    return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
  };
  const page = await (await profile(context)).newPage();
  await page.exposeFunction("token", (uid, seconds) => token(uid, seconds));
  await page.exposeFunction("note", () => {});
  await page.goto(`${await files(context, MOUNTS)}/pages/`);
  await page.waitForFunction(() => globalThis.ready);
  const asked = await page.evaluate(async (url) => {
    let asked = 0;
    const client = new Client(url, { token: () => ((asked += 1), globalThis.token("alice", 3)) });
    await client.connect();
    const states = [];
    client.on("state", ({ name }) => states.push(name));
    await new Promise((resolve) => setTimeout(resolve, 6500));
    const receipt = await client.send("user:bob", "still here");
    await receipt.accepted;
    await client.close();
    return { asked, states };
  }, all.url);
  assert.ok(asked.asked >= 3, `asked ${asked.asked} times`);
  assert.ok(!asked.states.slice(0, -1).includes("waiting"), asked.states.join());
  const refused = await page.evaluate(async (url) => {
    const client = new Client(url, { user: "alice", token: () => globalThis.token("bob", 60) });
    const fault = new Promise((resolve) => client.on("fault", ({ what }) => resolve(what)));
    const connected = client.connect().then(() => "connected", (error) => error.message);
    const told = [await fault, client.state.get().name];
    await client.close();
    return [...told, await connected];
  }, all.url);
  assert.deepEqual(refused, ['no token: the token is of "bob", not of "alice"', "waiting", "the client was closed"]);
});

test("ten thousand messages come without the page standing still, and a hundred thousand without it growing", { timeout: 120000 }, async (context) => {
  // One user sends all of it.
  const all = await scene(context, ...MEMORY, "--set", "limits.sends=0", "--set", "limits.send_bytes=0");
  const bob = await all.tab(await profile(context), "bob", { storage: "persistent" });
  const { WebSocket } = await import(join(ROOT, "sdk-ts/node_modules/ws/wrapper.mjs"));
  globalThis.WebSocket ??= WebSocket;
  const { Client } = await import(join(ROOT, "sdk-ts/packages/client/dist/index.js"));
  const alice = new Client(all.url, { user: "alice", storage: "memory", device: "sender" });
  context.after(() => alice.close());
  await alice.connect();
  const send = async (from, to) => {
    for (let at = from; at < to; at += 500) {
      const receipts = Array.from({ length: 500 }, (_, index) => alice.send("user:bob", `message ${at + index}`));
      await Promise.all((await Promise.all(receipts)).map((receipt) => receipt.accepted));
    }
  };
  await bob.page.evaluate(() => {
    // Only the SDK is measured: what the test writes down costs more.
    globalThis.note = () => {};
    globalThis.long = [];
    app.client.timeline("user:alice").subscribe(() => {});
    new PerformanceObserver((list) => globalThis.long.push(...list.getEntries().map((entry) => entry.duration)))
      .observe({ type: "longtask" });
  });
  // Whatever else the machine does can only make a task longer: one round of ten thousand must be clean.
  let sent = 0;
  const rounds = [];
  while (rounds.length < 4 && (rounds.at(-1)?.length ?? 1) > 0) {
    await bob.page.evaluate(() => (globalThis.long = []));
    await send(sent, (sent += 10000));
    await eventually(async () => assert.equal(await count(bob), sent));
    rounds.push((await bob.page.evaluate(() => globalThis.long)).map(Math.round));
  }
  context.diagnostic(`tasks above 50 ms, by round: ${JSON.stringify(rounds)}`);
  assert.deepEqual(rounds.at(-1), []);
  const cdp = await bob.page.context().newCDPSession(bob.page);
  const memory = async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    const { jsHeapSizeUsed } = await bob.page.evaluate(() => ({ jsHeapSizeUsed: performance.memory.usedJSHeapSize }));
    return jsHeapSizeUsed;
  };
  const before = await memory();
  await send(sent, 100000);
  await eventually(async () => assert.equal(await count(bob), 100000), 120000);
  const after = await memory();
  context.diagnostic(`heap ${(before / 1e6).toFixed(1)} MB after ${sent}, ${(after / 1e6).toFixed(1)} MB after 100,000`);
  // The test itself keeps every position.
  assert.ok(after - before < 4e6, `grew by ${((after - before) / 1e6).toFixed(1)} MB`);
});
