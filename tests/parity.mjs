// Makes docs/parity.md: which feature each SDK has, shown by a test, and the names that all of them share. `--check` only
// compares. A feature without a test is not there; a test that is named here and gone, or skipped, is an error, and so is a name
// that an SDK does not have. That the tests pass is `cargo tool test`'s part.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const TABLE = join(ROOT, "docs/parity.md");
const { sdks, features, names } = JSON.parse(readFileSync(join(ROOT, "tests/parity.json"), "utf8"));

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Fails when there is no such test, or it does not run. */
function ensure(file, title) {
  const text = readFileSync(join(ROOT, file), "utf8");
  // The attribute, perhaps others, none of which keeps it from running, then the function.
  const patterns = {
    rs: `#\\[(?:tokio::)?test[^\\]]*\\]\\s+(?:#\\[(?!ignore)[^\\]]*\\]\\s+)*(?:async )?fn ${escaped(title)}\\(`,
    java: `@(?:Parameterized)?Test\\s+(?:@(?!Disabled)[^\\n]*\\s+)*void ${escaped(title)}\\(`,
    kt: `@Test\\s+(?:@(?!Disabled)[^\\n]*\\s+)*fun \`${escaped(title)}\`\\(`,
  };
  const pattern = patterns[file.split(".").at(-1)] ?? `^\\s*test\\((["'\`])${escaped(title)}\\1`;
  if (!new RegExp(pattern, "m").test(text)) throw new Error(`${file} has no test that runs named "${title}": mend tests/parity.json`);
}

function cell(test) {
  if (!test) return "–";
  const [file, title] = test;
  ensure(file, title);
  return `[✓](../${file} "${title.replaceAll('"', "'").replaceAll("_", " ")}")`;
}

/** Fails when an SDK does not have a name: its file, and what must stand in it; or a folder, and the files that must lie in it. */
function has(name, sdk, words) {
  if (!words) return "–";
  const [file, ...found] = words;
  const there = file.endsWith("/") ? (word) => existsSync(join(ROOT, file, word)) : (word) => readFileSync(join(ROOT, file), "utf8").includes(word);
  const missing = found.find((word) => !there(word));
  if (missing !== undefined) throw new Error(`${file} has no "${missing}", which is ${name} in ${sdk}: mend it or tests/parity.json`);
  return `[✓](../${file})`;
}

try {
  const spoken = names.map(({ name, rust, typescript, java }) => `| ${name} | ${has(name, "Rust", rust)} | ${has(name, "TypeScript", typescript)} | ${has(name, "Java", java)} |`);
  const rows = features.map(({ feature, ...tests }) => `| ${feature} | ${sdks.map(({ key }) => cell(tests[key])).join(" | ")} |`);
  const written = `# Features of the SDKs

Made by \`cargo tool parity\` from \`tests/parity.json\`; do not edit. Each ✓ leads to the file of the test that shows the feature, and
names the test. \`cargo tool test\` runs all of them and fails when one is gone or this table is stale. "–": no test shows it. Tabs, pages
and frameworks are the browser's alone, and its certificates the browser's own affair; many users, thousands of clients and how a
process ends are for servers: in Rust each client is a task and its handlers the program's own loops. A browser
tells a page nothing of why a socket failed. Rust's slow reader is shown with 20,000 messages. Kotlin uses the
classes of Java: its column has what it does in a manner of its own.

| feature | ${sdks.map(({ name }) => name).join(" | ")} |
| --- |${" :-: |".repeat(sdks.length)}
${rows.join("\n")}

## Names

One word for one thing, in each language as it is written there; Kotlin has those of Java. "–": there is none, as a pool in Rust, where a client
is a task.

| name | Rust | TypeScript | Java |
| --- | :-: | :-: | :-: |
${spoken.join("\n")}
`;
  if (!process.argv.includes("--check")) writeFileSync(TABLE, written);
  else if (readFileSync(TABLE, "utf8") !== written) throw new Error("docs/parity.md is stale: run `cargo tool parity`");
  console.log(`docs/parity.md: ${names.length} names, ${features.length} features, ${features.flatMap((row) => sdks.filter(({ key }) => row[key])).length} tests`);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
