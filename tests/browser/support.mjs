// What the browser tests share: a browser, hubs of their own, a server for pages.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, normalize, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { ROOT } from "../support.mjs";

export { COMMAND, command, hub, MEMORY, ROOT, TARGET } from "../support.mjs";

export const PATIENCE = 15000;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
  ".json": "application/json", ".wasm": "application/wasm", ".svg": "image/svg+xml" };

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--enable-precise-memory-info"];

/** A browser for the tests of one file. */
export function withBrowser() {
  const held = {};
  before(async () => {
    held.browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  });
  after(() => held.browser?.close());
  return held;
}

/** A browser of its own whose pages can be hidden and frozen: a driver usually keeps them all awake. Gives its profile. */
export async function sleepy(context) {
  const folder = await mkdtemp(join(tmpdir(), "wsc-browser-"));
  const words = ["--headless=new", "--remote-debugging-port=0", `--user-data-dir=${folder}`, "about:blank"];
  const child = spawn(CHROMIUM, [...ARGUMENTS, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const address = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line.startsWith("DevTools listening on ")) resolve(line.slice("DevTools listening on ".length));
    });
    ended.then((code) => reject(new Error(`the browser ended with ${code}`)));
  });
  const browser = await chromium.connectOverCDP(address, { noDefaults: true });
  context.after(async () => {
    await browser.close();
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  return browser.contexts()[0];
}

/** A wire to a hub that can be cut: then nothing gets through, and nothing new connects. */
export async function wire(context, url) {
  const { hostname, port } = new URL(url);
  const ends = new Set();
  let whole = true;
  const server = createTcpServer((near) => {
    if (!whole) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const [end, other] of [[near, far], [far, near]]) {
      ends.add(end);
      end.on("error", () => {});
      end.on("close", () => (ends.delete(end), other.destroy()));
      end.pipe(other);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => (server.close(), ends.forEach((end) => end.destroy())));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      whole = false;
      for (const end of ends) end.destroy();
    },
    heal: () => (whole = true),
  };
}

/** What a careful site would allow: the module needs no more than this. */
const POLICY = "default-src 'self'; img-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src 'self' ws: http:; style-src 'self' 'unsafe-inline'";

/** Serves folders, those of the project by their names, as they are: `mounts` says which path stands for which. Gives the address. */
export async function files(context, mounts, policy = POLICY) {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://x").pathname);
    const mount = Object.keys(mounts).find((prefix) => path.startsWith(prefix));
    const file = mount && join(resolve(ROOT, mounts[mount]), path.slice(mount.length) || "index.html");
    const body = file && (await readFile(file).catch(() => null));
    const headers = { "content-type": TYPES[extname(file ?? "")] ?? "text/plain", "cache-control": "no-store",
      // A frame without an origin of its own asks as anybody.
      "access-control-allow-origin": "*", "content-security-policy": policy };
    response.writeHead(body ? 200 : 404, headers).end(body ?? "nothing here");
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  context.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Checks until it holds, or for as long as one has patience. */
export async function eventually(check, patience = PATIENCE) {
  const until = Date.now() + patience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A page of its own browser profile at an address, and what it complained of beside the network. */
export async function visit(context, browser, address, name = "page") {
  const profile = await browser.newContext({ viewport: { width: 1100, height: 700 } });
  context.after(() => profile.close());
  const page = await profile.newPage();
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  page.on("console", (message) => {
    const network = /WebSocket|net::ERR/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !network) complaints.push(`${name}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`${name}: ${error}`));
  await page.goto(address);
  return { page, complaints };
}
