// What a newcomer does in Rust: a fresh project, the lines of the README and its code in `main`, or those of the guide. Needs
// crates.io and `cargo tool pack crate`.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { command, COMMAND, folder, guide, hub, installation, MEMORY, shell, start, TARGET, write } from "./support.mjs";

test("rust: the README's code in a fresh project is stored and delivered", { timeout: 400000 }, async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const place = join(folder(), "chat");
  mkdirSync(place);
  await command(place, 30, "cargo", "init", "--quiet", "--vcs", "none");
  await shell(place, 60, installation("README.md"));
  const code = /^```rust\n([^]*?)^```/m.exec(guide("README.md"))[1].replace("ws://127.0.0.1:8080/ws", url.replace("http", "ws"));
  const [uses, rest] = code.split("\n\n");
  write(join(place, "src/main.rs"), `${uses}\n#[tokio::main]\nasync fn main() -> Result<(), Box<dyn std::error::Error>> {\n${rest}\nprintln!("delivered");\nOk(())\n}\n`);
  const bob = start(context, place, COMMAND, ["listen", "--url", url.replace("http", "ws"), "--user", "bob"]);
  const run = start(context, place, "cargo", ["run", "--quiet", "--jobs", "2"], { CARGO_TARGET_DIR: join(TARGET, "fresh-rust") });
  run.end();
  assert.equal(await run.ended, 0, run.said.join("\n"));
  await bob.line("hello");
  assert.deepEqual(run.said, ["delivered"]);
});

test("rust: the guide's code in a fresh project sends and receives", { timeout: 400000 }, async (context) => {
  const { url } = await hub(context, ...MEMORY);
  const place = join(folder(), "guide");
  mkdirSync(place);
  await command(place, 30, "cargo", "init", "--quiet", "--vcs", "none");
  await shell(place, 60, installation("docs/guides/rust.md"));
  const [, code] = /^```rust[^\n]*\n([^]*?)^```/m.exec(guide("docs/guides/rust.md"));
  write(join(place, "src/main.rs"), code.replace("ws://127.0.0.1:8080/ws", url.replace("http", "ws")));
  const run = start(context, place, "cargo", ["run", "--quiet", "--jobs", "2"], { CARGO_TARGET_DIR: join(TARGET, "fresh-rust") });
  await run.line("stored at 1", 300);
  await command(place, 30, COMMAND, "send", "--url", url.replace("http", "ws"), "--user", "bob", "--to", "alice", "hello alice");
  await run.line("bob: hello alice");
});
