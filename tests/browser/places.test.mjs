// Places where a browser refuses things: storage, locks, WebAssembly. The client works all the same, or says why not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MOUNTS, profile, scene } from "./scene.mjs";
import { eventually, files, MEMORY } from "./support.mjs";

/** Sends and receives in a frame or page. */
const works = (frame, url, user) =>
  frame.evaluate(async ([url, user]) => {
    const faults = [];
    const client = new Client(url, { user });
    client.on("fault", ({ what }) => faults.push(what));
    const got = new Promise((resolve) => client.inbox.on("message", ({ content }) => resolve(content)));
    await client.connect();
    await (await client.send(`user:${user}`, "to my other devices")).accepted;
    const other = new Client(url, { user: `${user}-other`, storage: "memory" });
    await other.connect();
    await (await other.send(`user:${user}`, "hello")).accepted;
    const content = await got;
    await Promise.all([client.close(), other.close()]);
    return [content, faults];
  }, [url, user]);

test("a frame of another site, to which the browser gives neither storage nor locks, works and says what is missing", { timeout: 60000 }, async (context) => {
  const all = await scene(context, ...MEMORY, "--set", "auth.origins=*");
  const site = await files(context, MOUNTS);
  const page = await (await profile(context)).newPage();
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(`${site}/pages/`);
  await page.evaluate(() => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.src = "/pages/?frame";
    document.body.append(frame);
  });
  const frame = await eventually(() => {
    const found = page.frames().find((frame) => frame.url().endsWith("?frame"));
    assert.ok(found);
    return found;
  });
  await frame.waitForFunction(() => globalThis.ready);
  const [content, faults] = await works(frame, all.url, "alice");
  assert.equal(content, "hello");
  assert.match(faults.join("\n"), /tabs cannot share a connection here: .+\nnothing is saved here: .+/);
});

for (const [what, block, fault] of [
  ["locks", () => void (LockManager.prototype.request = () => Promise.reject(new DOMException("denied", "SecurityError"))), /^tabs cannot share a connection here: denied$/],
  ["channels", () => void delete globalThis.BroadcastChannel, /^tabs cannot share a connection here: .*BroadcastChannel/],
  ["databases", () => void Object.defineProperty(globalThis, "indexedDB", { get: () => { throw new DOMException("denied", "SecurityError"); } }), /^nothing is saved here: denied$/],
  ["databases that never answer", () => void (IDBFactory.prototype.open = () => ({})), /^nothing is saved here: .*did not open within/],
]) {
  test(`without ${what} the client works and says so`, { timeout: 60000 }, async (context) => {
    const all = await scene(context);
    const blocked = await profile(context);
    await blocked.addInitScript(block);
    const page = await blocked.newPage();
    page.on("pageerror", (error) => assert.fail(error));
    await page.goto(`${await files(context, MOUNTS)}/pages/`);
    await page.waitForFunction(() => globalThis.ready);
    const [content, faults] = await works(page, all.url, "alice");
    assert.equal(content, "hello");
    assert.equal(faults.length, 1, faults.join("\n"));
    assert.match(faults[0], fault);
  });
}

/** What a client says that cannot load its module. */
async function unloadable(context, policy, entry, options = {}) {
  const site = await files(context, MOUNTS, policy);
  const page = await (await profile(context)).newPage();
  const said = [];
  page.on("console", (message) => message.type() === "error" && /wsc/.test(message.text()) && said.push(message.text()));
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(`${site}/pages/nothing`);
  const [states, faults] = await page.evaluate(async ([entry, options]) => {
    const { Client } = await import(entry);
    const [states, faults] = [[], []];
    const client = new Client("ws://127.0.0.1:9/ws", { user: "alice", ...options });
    client.on("state", (state) => states.push(state));
    client.on("fault", ({ what }) => faults.push(what));
    client.connect();
    while (states.at(-1)?.name !== "closed") await new Promise((resolve) => setTimeout(resolve, 20));
    return [states, faults];
  }, [entry, options]);
  assert.equal(states.at(-1).why, "error");
  assert.deepEqual(faults, [states.at(-1).reason]);
  await eventually(() => assert.equal(said.length, 1, said.join("\n")));
  assert.ok(said[0].includes(faults[0]));
  return faults[0];
}

test("a module that does not load closes the client with what failed", { timeout: 60000 }, async (context) => {
  const strict = "default-src 'self'; script-src 'self' 'unsafe-inline'; connect-src 'self' ws:";
  assert.match(await unloadable(context, strict, "/client/dist/index.js"), /the page's Content-Security-Policy must allow 'wasm-unsafe-eval'/);
  const missing = await unloadable(context, undefined, "/client/dist/slim.js", { wasm: "/client/wasm/nowhere.wasm" });
  assert.match(missing, /nowhere\.wasm answered 404/);
  assert.doesNotMatch(missing, /Policy/);
  const other = await unloadable(context, undefined, "/client/dist/slim.js", { wasm: "/pages/index.html" });
  assert.match(other, /could not be loaded: .*(magic|WebAssembly)/);
  assert.doesNotMatch(other, /Policy/);
  assert.match(await unloadable(context, undefined, "/client/dist/slim.js"), /give the option `wasm`/);
});
