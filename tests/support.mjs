// What all tests of this folder that are run by Node share: the hub, other programs, folders.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

export const ROOT = join(import.meta.dirname, "..");
export const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
export const COMMAND = process.env.WSC_BIN ?? join(TARGET, "release/wsc");
export const MEMORY = ["--store", "memory", "--listen", "127.0.0.1:0"];

/** A hub of its own; ends with the test. */
export async function hub(context, ...more) {
  // The hub takes what begins so for its settings.
  const { WSC_BIN, WSC_JUDGE, ...env } = process.env;
  const child = spawn(COMMAND, ["serve", ...more], { stdio: ["ignore", "pipe", "pipe"], env });
  const log = [];
  child.stderr.on("data", (text) => log.push(text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  context.after(() => child.kill("SIGKILL"));
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => resolve(line.replace("listening on ", "")));
    ended.then((code) => reject(new Error(`the hub ended with ${code}: ${log.join("")}`)));
  });
  return { url, kill: () => (child.kill("SIGKILL"), ended) };
}

/** A folder that goes when the process ends, beside what comes next: a project has ten thousands of files. */
export function folder() {
  const made = mkdtempSync(join(tmpdir(), "wsc-test-"));
  process.on("exit", () => spawn("rm", ["-rf", made], { detached: true, stdio: "ignore" }).unref());
  return made;
}

/** Runs a command to its end, in a folder; fails with what it said when it fails or takes too long. */
export async function command(folder, seconds, program, ...words) {
  const env = { ...process.env, CI: "true", NG_CLI_ANALYTICS: "false", npm_config_yes: "true" };
  const options = { cwd: folder, env, timeout: seconds * 1000, killSignal: "SIGKILL", maxBuffer: 1 << 26 };
  await promisify(execFile)(program, words, options).catch((error) => {
    const late = error.killed ? ` took longer than ${seconds} s` : "";
    throw new Error(`${program} ${words.join(" ")}${late}\n${error.stdout}\n${error.stderr}`);
  });
}

/** A program that ends with the test; its lines can be waited for. */
export function start(context, cwd, program, words = [], env = {}) {
  const child = spawn(program, words, { cwd, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"], detached: true });
  const said = [];
  const waiting = [];
  const take = (line) => {
    said.push(line);
    for (const look of [...waiting]) look();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", take);
  const ended = new Promise((resolve) => child.once("close", resolve));
  const stop = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
    return ended;
  };
  context.after(stop);
  return {
    ended,
    stop,
    say: (line) => child.stdin.write(`${line}\n`),
    end: () => child.stdin.end(),
    said,
    /** The first line that has this text. */
    line: (text, seconds = 60) =>
      new Promise((resolve, reject) => {
        const fail = (why) => {
          clearTimeout(timer);
          reject(new Error(`${why} instead of "${text}":\n${said.join("\n")}`));
        };
        const timer = setTimeout(() => fail("nothing"), seconds * 1000);
        const look = () => {
          const found = said.find((line) => line.includes(text));
          if (found === undefined) return;
          clearTimeout(timer);
          waiting.splice(waiting.indexOf(look), 1);
          resolve(found);
        };
        waiting.push(look);
        ended.then((code) => setTimeout(() => fail(`ended with ${code}`), 200));
        look();
      }),
  };
}
