// @wsc/node in fresh projects of every kind that Node has: modules and CommonJS, TypeScript of old and new, Jest, bundles.
// Needs the npm registry and `cargo tool pack npm`.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { command, folder, hub, installation, MEMORY, npm, PACKAGES, paste, shell, start, tarball, write } from "./support.mjs";

const GUIDE = "docs/guides/node.md";
const base = folder();

/** A new project with what the guide's lines install. */
async function project(name, type, ...more) {
  const place = join(base, name);
  write(join(place, "package.json"), JSON.stringify({ name: "fresh", version: "1.0.0", type }));
  await shell(place, 60, installation(GUIDE));
  if (more.length > 0) await npm(place, 120, ...more);
  return place;
}

/** The lines that a program writes to its end. */
async function lines(context, place, words, env, program = process.execPath) {
  const run = start(context, place, program, words, env);
  run.end();
  assert.equal(await run.ended, 0, run.said.join("\n"));
  return run.said;
}

async function hubOf(context) {
  const { url } = await hub(context, ...MEMORY);
  return { HUB: url.replace("http", "ws") };
}

/** Sends to itself in a process of its own: the native part was found and works. */
const sends = (requires) => `${requires}
const { Client } = wsc;
void (async () => {
  const client = new Client(process.env.HUB, { user: 'alice', device: 'd' });
  await client.connect();
  const { accepted } = await client.send('user:bob', 'hello');
  console.log('stored', (await accepted).stream);
  await client.close();
})();\n`;

test("the packages hold what they say and nothing else", async (context) => {
  const names = readdirSync(PACKAGES).filter((name) => name.endsWith(".tgz"));
  const platform = names.filter((name) => /^wsc-node-[a-z]/.test(name));
  assert.equal(platform.length, 1);
  const expected = ["angular", "client", "node", "react", "vue"].map((name) => basename(tarball(name)));
  assert.deepEqual(names.filter((name) => !platform.includes(name)).sort(), expected);
  for (const name of names) {
    const held = (await lines(context, PACKAGES, ["-tzf", name], {}, "tar")).map((path) => path.replace("package/", ""));
    for (const needed of ["LICENSE", "package.json"]) assert.ok(held.includes(needed), `${name}: ${needed}`);
    const strange = held.filter((path) => !/^(LICENSE|README\.md|package\.json|wsc\.node|(dist|commonjs|library|wasm)\/.*\.(js|d\.ts|wasm|json))$/.test(path));
    assert.deepEqual(strange, [], name);
  }
});

for (const type of ["module", "commonjs"]) {
  test(`the guide's code works: ${type}`, { timeout: 120000 }, async (context) => {
    const env = await hubOf(context);
    const place = await project(type, type);
    paste(GUIDE, place);
    const bot = start(context, place, process.execPath, ["bot.mjs"], env);
    await bot.line("the bot is there");
    assert.deepEqual(await lines(context, place, ["ask.cjs"], env), ["You said: hello"]);
    // What is written while the bot is down it answers once it is back.
    await bot.stop();
    const asking = lines(context, place, ["ask.cjs"], env);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await start(context, place, process.execPath, ["bot.mjs"], env).line("the bot is there");
    assert.deepEqual(await asking, ["You said: hello"]);
    // In the project's own kind.
    write(join(place, "own.js"), sends(type === "module" ? "import * as wsc from '@wsc/node';" : "const wsc = require('@wsc/node');"));
    assert.deepEqual(await lines(context, place, ["own.js"], env), ["stored inbox"]);
  });
}

const TYPED = `import { Client, SendError, type ClientOptions, type Message } from '@wsc/node';
const options: ClientOptions = { user: 'alice', device: 'd' };
const client: Client<{ item: number }> = new Client<{ item: number }>(process.env['HUB']!, options);
client.inbox.on('message', (message: Message<{ item: number }>) => void message.data?.item.toFixed());
client.on('connectError', ({ code }) => code.toFixed());
async function main(): Promise<void> {
  await client.connect();
  const receipt = await client.send('user:bob', { data: { item: 1 } });
  console.log('stored', (await receipt.accepted).stream, new SendError('closed', 'x').fault);
  await client.close();
}
void main();\n`;

test("TypeScript of every kind compiles it without a DOM, checks its declarations, and runs", { timeout: 240000 }, async (context) => {
  const env = await hubOf(context);
  const place = await project("typescript", "commonjs", "typescript@7", "typescript5@npm:typescript@5.9", "@types/node@20");
  write(join(place, "own.ts"), TYPED);
  write(join(place, "wrong.ts"), TYPED.replace("item: 1", "item: 'one'"));
  const kinds = [["typescript", ["commonjs", "node16", "node18", "nodenext"]], ["typescript5", ["commonjs", "node16", "node18", "nodenext"]]];
  const compile = (compiler, module, file, out) =>
    command(place, 60, process.execPath, `node_modules/${compiler}/bin/tsc`, "--strict", "--skipLibCheck", "false", "--target", "es2022",
      "--lib", "es2022", "--types", "node", "--module", module, "--outDir", out, file);
  for (const type of ["commonjs", "module"]) {
    write(join(place, "package.json"), readFileSync(join(place, "package.json"), "utf8").replace(/"type": ?"\w+"/, `"type": "${type}"`));
    for (const [compiler, modules] of kinds) {
      for (const module of modules) {
        const out = `out-${type}-${compiler}-${module}`;
        await compile(compiler, module, "own.ts", out);
        // With that setting CommonJS is written whatever the project says.
        if (type === "module" && module === "commonjs") continue;
        assert.deepEqual(await lines(context, place, [`${out}/own.js`], env), ["stored inbox closed"], out);
      }
    }
  }
  await assert.rejects(compile("typescript5", "node16", "wrong.ts", "out-wrong"), /wrong\.ts.*Type 'string' is not assignable/s);
});

test("Jest runs it as it comes, and with ts-jest", { timeout: 180000 }, async (context) => {
  const env = await hubOf(context);
  const place = await project("jest", "commonjs", "jest@30", "ts-jest@29", "typescript@5.9", "@types/jest@30", "@types/node@20");
  const body = `
test('a message is stored', async () => {
  const client = new Client(process.env['HUB']!, { user: 'alice', device: 'd' });
  await client.connect();
  const { accepted } = await client.send('user:bob', 'hello');
  expect((await accepted).stream).toBe('inbox');
  await client.close();
});\n`;
  write(join(place, "plain.test.js"), `const { Client } = require('@wsc/node');${body.replace("]!", "]")}`);
  write(join(place, "typed.test.ts"), `import { Client } from '@wsc/node';${body}`);
  write(join(place, "tsconfig.json"), JSON.stringify({ compilerOptions: { module: "commonjs", target: "es2022", strict: true, esModuleInterop: true } }));
  await command(place, 90, "env", `HUB=${env.HUB}`, "npx", "jest", "plain.test.js");
  write(join(place, "jest.config.js"), "module.exports = { preset: 'ts-jest' };\n");
  await command(place, 90, "env", `HUB=${env.HUB}`, "npx", "jest", "typed.test.ts");
});

test("esbuild and ncc make bundles of it that run", { timeout: 180000 }, async (context) => {
  const env = await hubOf(context);
  const place = await project("bundles", "commonjs", "esbuild@0.28", "@vercel/ncc@0.45");
  write(join(place, "imports.ts"), sends("import * as wsc from '@wsc/node';"));
  write(join(place, "requires.js"), sends("const wsc = require('@wsc/node');"));
  for (const file of ["imports.ts", "requires.js"]) {
    for (const format of ["cjs", "esm"]) {
      const out = `out/${file}.${format === "cjs" ? "cjs" : "mjs"}`;
      // A module has no \`require\`: esbuild's own advice.
      const banner = format === "esm" ? ["--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"] : [];
      await command(place, 60, "npx", "esbuild", file, "--bundle", "--minify", "--platform=node", `--format=${format}`, `--outfile=${out}`, ...banner);
      assert.deepEqual(await lines(context, place, [out], env), ["stored inbox"], out);
    }
  }
  await command(place, 90, "npx", "ncc", "build", "requires.js", "-o", "alone");
  // The folder is all that it needs.
  const elsewhere = folder();
  cpSync(join(place, "alone"), elsewhere, { recursive: true });
  assert.deepEqual(await lines(context, elsewhere, ["index.js"], env), ["stored inbox"]);
});

test("Vitest with jsdom runs @wsc/client, which has no Blob.stream there", { timeout: 180000 }, async (context) => {
  const env = await hubOf(context);
  const place = join(base, "jsdom");
  write(join(place, "package.json"), JSON.stringify({ name: "fresh", version: "1.0.0", type: "module" }));
  await shell(place, 60, installation("docs/guides/browser.md"));
  // A later jsdom brings a WebSocket that takes only events of Node, and Vitest gives it those of jsdom.
  await npm(place, 120, "vitest@4", "jsdom@27");
  mkdirSync(join(place, "test"));
  write(join(place, "test/chat.test.ts"), `// @vitest-environment jsdom
import { Client } from '@wsc/client';
import { expect, test } from 'vitest';

test('a message is stored', async () => {
  const client = new Client(process.env['HUB']!, { user: 'alice', storage: 'memory' });
  await client.connect();
  const { accepted } = await client.send('user:bob', 'hello');
  expect((await accepted).stream).toBe('inbox');
  await client.close();
});\n`);
  await command(place, 60, "env", `HUB=${env.HUB}`, "npx", "vitest", "run");
});
