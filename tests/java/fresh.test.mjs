// What a newcomer does: a fresh Maven project with the one dependency, the guide's code pasted, and two users who chat over the real
// hub. And the examples, as they stand. Needs the artifact in the repository that MAVEN_REPOSITORY names: `cargo tool test java`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
const MAVEN = ["-B", "-ntp", "-q", `-Dmaven.repo.local=${process.env.MAVEN_REPOSITORY ?? join(TARGET, "maven")}`,
  "-Dkotlin.compiler.daemon=false"];
const folder = mkdtempSync(join(tmpdir(), "wsc-java-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A program that ends with the test; its lines can be waited for. */
function start(context, cwd, program, ...words) {
  const child = spawn(program, words, { cwd, stdio: ["pipe", "pipe", "pipe"], detached: true });
  const said = [];
  const waiting = [];
  const take = (line) => {
    said.push(line);
    for (const look of [...waiting]) look();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", take);
  const ended = new Promise((resolve) => child.once("close", resolve));
  context.after(() => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
    return ended;
  });
  return {
    ended,
    say: (line) => child.stdin.write(`${line}\n`),
    end: () => child.stdin.end(),
    said,
    /** The first line that has this text. */
    line: (text, seconds = 60) =>
      new Promise((resolve, reject) => {
        const fail = (why) => reject(new Error(`${why} instead of "${text}":\n${said.join("\n")}`));
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

async function hub(context) {
  const started = start(context, ROOT, join(TARGET, "release/wsc"), "serve", "--store", "memory", "--listen", "127.0.0.1:0");
  const line = await started.line("listening on ", 10);
  return line.replace("listening on http", "ws");
}

/** Writes the blocks of a guide that name a file in their first line. */
function paste(guide, project) {
  const text = readFileSync(join(ROOT, "docs/guides", guide), "utf8");
  const blocks = [...text.matchAll(/^```(?:xml|java|kotlin)\n(?:\/\/|<!--) ((?:src\/)?\S+)(?: -->)?\n([^]*?)^```/gm)];
  assert.equal(blocks.length, 2, `${guide}: a pom.xml and one source`);
  for (const [, name, code] of blocks) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), code);
  }
}

async function maven(context, project, ...words) {
  const run = start(context, project, "mvn", ...MAVEN, ...words);
  run.end();
  assert.equal(await run.ended, 0, run.said.join("\n"));
}

for (const [guide, main] of [["java", "Chat"], ["kotlin", "ChatKt"]]) {
  test(`${guide}: the guide's code in a fresh project is a working chat`, { timeout: 180000 }, async (context) => {
    const url = await hub(context);
    const project = join(folder, guide);
    mkdirSync(project);
    paste(`${guide}.md`, project);
    await maven(context, project, "compile");
    const chat = (user, peer) =>
      start(context, project, "mvn", ...MAVEN, "exec:java", `-Dexec.mainClass=${main}`, `-Dexec.args=${user} ${peer} ${url}`);
    const [alice, bob] = [chat("alice", "bob"), chat("bob", "alice")];
    await Promise.all([alice.line("connected as alice"), bob.line("connected as bob")]);
    alice.say("hello from a fresh project");
    await bob.line("alice: hello from a fresh project");
    await alice.line("stored at ");
    await alice.line("bob has read it");
    alice.end();
    bob.end();
    assert.deepEqual([await alice.ended, await bob.ended], [0, 0]);
    assert.equal(bob.said.filter((line) => line.includes("hello")).length, 1);
  });
}

test("a module on the module path talks to the hub and does not see what is internal", { timeout: 180000 }, async (context) => {
  const url = await hub(context);
  const project = join(folder, "module");
  mkdirSync(join(project, "src/main/java/chat"), { recursive: true });
  const text = readFileSync(join(ROOT, "docs/guides/java.md"), "utf8");
  // The compiler plugin that Maven brings along may be older than modules.
  const compiler = "<plugin><artifactId>maven-compiler-plugin</artifactId><version>3.14.1</version></plugin>";
  const pom = /^```xml\n<!-- pom.xml -->\n([^]*?)^```/m.exec(text)[1].replace("<plugins>", `<plugins>${compiler}`);
  writeFileSync(join(project, "pom.xml"), pom);
  const source = (name, code) => writeFileSync(join(project, "src/main/java", name), code);
  source("module-info.java", "module chat { requires io.github.wsc; }");
  source("chat/Main.java", `package chat;
import io.github.wsc.*;
public class Main {
    public static void main(String[] args) throws Exception {
        try (Client client = Client.builder(java.net.URI.create(args[0])).user("alice").build()) {
            client.connect().get();
            Accepted accepted = client.send("user:alice", "hello").get().accepted().get();
            System.out.println(Main.class.getModule() + " stored at " + accepted.position() + " by " + Client.class.getModule());
        }
    }
}`);
  await maven(context, project, "compile");
  const words = `--module-path %classpath -m chat/chat.Main ${url}`;
  const main = start(context, project, "mvn", ...MAVEN, "exec:exec", "-Dexec.executable=java", `-Dexec.args=${words}`);
  await main.line("module chat stored at 1 by module io.github.wsc");
  assert.equal(await main.ended, 0);
  source("chat/Nosy.java", "package chat; class Nosy { io.github.wsc.internal.Session session; }");
  const nosy = start(context, project, "mvn", ...MAVEN, "compile");
  nosy.end();
  assert.notEqual(await nosy.ended, 0);
  assert.match(nosy.said.join("\n"), /io\.github\.wsc\.internal is not visible/);
});

/** A copy of an example, so that nothing is built into the tree. */
function example(name) {
  const project = join(folder, name);
  cpSync(join(ROOT, "examples", name), project, { recursive: true, filter: (path) => !path.endsWith("/target") });
  return project;
}

for (const name of ["java-chat", "kotlin-chat"]) {
  test(`${name}: users talk to one another and in a group, and see what was`, { timeout: 180000 }, async (context) => {
    const url = await hub(context);
    const project = example(name);
    await maven(context, project, "compile");
    const chat = (user) => start(context, project, "mvn", ...MAVEN, "exec:java", `-Dexec.args=${user} ${url}`);
    const [alice, bob] = [chat("alice"), chat("bob")];
    await Promise.all([alice.line("connected"), bob.line("connected")]);
    alice.say("/to bob");
    alice.say("hello bob");
    await bob.line("alice: hello bob");
    for (const one of [alice, bob]) one.say("/join team");
    await Promise.all([alice.line("joined team"), bob.line("joined team")]);
    bob.say("hello team");
    await alice.line("team bob: hello team");
    alice.say("/history");
    await alice.line("1 bob: hello team");
    alice.say("/nonsense");
    await alice.line("/to USER");
    alice.end();
    assert.equal(await alice.ended, 0);
  });
}

test("spring-boot: the robot answers, and its page tells", { timeout: 180000 }, async (context) => {
  const url = await hub(context);
  const project = example("spring-boot");
  await maven(context, project, "package");
  const robot = start(context, project, "java", "-jar", "target/robot.jar", `--wsc.url=${url}`, "--server.port=0");
  const port = /port (\d+)/.exec(await robot.line("Tomcat started on port"))[1];
  const health = async () => (await fetch(`http://127.0.0.1:${port}/actuator/health`)).json();
  for (let tries = 0; (await health()).components.wsc.status !== "UP" && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal((await health()).components.wsc.details.state, "CONNECTED");
  // Somebody writes to it.
  const friend = example("java-chat");
  await maven(context, friend, "compile");
  const alice = start(context, friend, "mvn", ...MAVEN, "exec:java", `-Dexec.args=alice ${url}`);
  await alice.line("connected");
  alice.say("/to robot");
  alice.say("are you there?");
  await alice.line("robot: you said: are you there?");
  const sent = await fetch(`http://127.0.0.1:${port}/send?to=alice&text=hello`, { method: "POST" });
  assert.equal(sent.status, 200);
  assert.ok((await sent.json()).position > 0);
  await alice.line("robot: hello");
  const told = await (await fetch(`http://127.0.0.1:${port}/status`)).json();
  assert.deepEqual(told, { connected: true, waiting: 0, answered: 1 });
});
