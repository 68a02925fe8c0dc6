// What the tests of the browser's SDK share: scenes of a hub and tabs, whose history goes to the checker of the Rust tests.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { files, hub, MEMORY, PATIENCE, TARGET, wire, withBrowser } from "./support.mjs";

const held = withBrowser();
const JUDGE = process.env.WSC_JUDGE ?? join(TARGET, "release/judge");
export const MOUNTS = { "/client/": "sdk-ts/packages/client", "/pages/": "tests/browser/pages", "/vectors/": "tests/vectors" };

/** A hub, a site, and the history of what happens there. */
export async function scene(context, ...options) {
  const folder = mkdtempSync(join(tmpdir(), "wsc-sdk-"));
  context.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const site = await files(context, MOUNTS);
  const started = await hub(context, ...(options.length > 0 ? options : MEMORY));
  const line = await wire(context, started.url);
  const events = [];
  let last = 0;
  const note = (fact) => {
    last = Math.max(last + 1, Date.now() * 1000);
    const { device, what, ...rest } = fact;
    const flat = what === "sending" || what === "handed" ? { device, ...rest } : { ...(device && { device }), ...rest };
    events.push({ at: last, fact: { what, ...flat } });
  };
  note({ what: "hub_started" });
  return {
    folder,
    note,
    url: started.url.replace("http", "ws"),
    hub: started,
    line,
    /** A tab of a user's browser. */
    async tab(profile, user, options = {}) {
      const page = await profile.newPage();
      const { cuttable, ...more } = options;
      page.setDefaultTimeout(PATIENCE);
      await page.exposeFunction("note", (fact) => note(JSON.parse(fact)));
      page.on("pageerror", (error) => assert.fail(error));
      let life = 0;
      const begin = async () => {
        await page.goto(`${site}/pages/`);
        await page.waitForFunction(() => globalThis.ready);
        life += 1;
        const url = cuttable ? line.url : this.url;
        const settings = { url, user, life, ...more };
        const device = await page.evaluate((settings) => app.begin(settings), settings);
        return { tenant: "t", user, device };
      };
      const device = await begin();
      return { page, device, begin };
    },
    async quiet(...tabs) {
      for (const { page, device } of tabs) {
        await page.waitForFunction(() => app.settledAll, undefined, { timeout: 60000 });
        note({ what: "quiet", device });
      }
    },
    /** The checker's word on all that happened. */
    async judge() {
      const file = join(folder, "history.jsonl");
      writeFileSync(file, events.map((event) => JSON.stringify(event)).join("\n") + "\n");
      const { stdout } = await promisify(execFile)(JUDGE, [file]).catch((error) => {
        assert.fail(`${error.stdout}\n${error.stderr}`);
      });
      return { stdout, events };
    },
  };
}

export async function profile(context) {
  const made = await held.browser.newContext();
  context.after(() => made.close());
  return made;
}

export const count = (tab, stream = "inbox") => tab.page.evaluate((stream) => app.got[stream]?.length ?? 0, stream);
export const got = (tab, stream = "inbox") => tab.page.evaluate((stream) => app.got[stream] ?? [], stream);
export const rising = (list) => list.every((seq, index) => index === 0 || seq > list[index - 1]);
