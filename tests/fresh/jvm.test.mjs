// What a newcomer does on the JVM: a fresh project with the guide's `pom.xml` and code, and users who chat over the real hub. Needs
// Maven Central and `cargo tool pack maven`.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { folder, guide, hub, installation, MEMORY, paste, start, TARGET, write } from "./support.mjs";

const REPOSITORY = process.env.MAVEN_REPOSITORY ?? join(TARGET, "maven");
const MAVEN = ["-B", "-ntp", "-q", `-Dmaven.repo.local=${REPOSITORY}`, "-Dkotlin.compiler.daemon=false"];
const base = folder();
// What was built or fetched before is forgotten: the guides' repository has the artifact that was packed.
before(() => rmSync(join(REPOSITORY, "io/github/wsc"), { recursive: true, force: true }));

/** The address of a hub's socket. */
const socket = async (context) => (await hub(context, ...MEMORY)).url.replace("http", "ws");

/** A new project with what the guide has. */
function project(name, from = name) {
  const place = join(base, name);
  mkdirSync(place);
  installation(`docs/guides/${from}.md`);
  paste(`docs/guides/${from}.md`, place);
  return place;
}

async function maven(context, place, ...words) {
  const run = start(context, place, "mvn", [...MAVEN, ...words]);
  run.end();
  assert.equal(await run.ended, 0, run.said.join("\n"));
}

for (const [name, main] of [["java", "Chat"], ["kotlin", "ChatKt"]]) {
  test(`${name}: the guide's code in a fresh project is a working chat`, { timeout: 240000 }, async (context) => {
    const url = await socket(context);
    const place = project(name);
    await maven(context, place, "compile");
    const chat = (user, peer) =>
      start(context, place, "mvn", [...MAVEN, "exec:java", `-Dexec.mainClass=${main}`, `-Dexec.args=${user} ${peer} ${url}`]);
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

test("gradle: the guide's build takes the artifact and runs the chat", { timeout: 240000 }, async (context) => {
  const url = await socket(context);
  const place = project("gradle", "java");
  // The Gradle that Debian has, 4.4, knows an older name, and passes no arguments.
  const build = readFileSync(join(place, "build.gradle"), "utf8").replace("application { mainClass = 'Chat' }", "mainClassName = 'Chat'");
  write(join(place, "build.gradle"), `${build}\nrun { args = ['alice', 'alice', '${url}'] }\n`);
  const chat = start(context, place, "gradle", ["--no-daemon", "--quiet", "--gradle-user-home", join(TARGET, "gradle"), "run"]);
  await chat.line("connected as alice");
  chat.say("hello");
  await chat.line("stored at ");
  chat.end();
  assert.equal(await chat.ended, 0, chat.said.join("\n"));
});

test("spring: the guide's robot in a fresh project answers", { timeout: 240000 }, async (context) => {
  const url = await socket(context);
  const place = project("spring");
  await maven(context, place, "package");
  const robot = start(context, place, "java", ["-jar", "target/robot-1.jar", `--wsc.url=${url}`]);
  await robot.line("Started Robot");
  const friend = join(base, "friend");
  paste("docs/guides/java.md", friend);
  await maven(context, friend, "compile");
  const alice = start(context, friend, "mvn", [...MAVEN, "exec:java", "-Dexec.mainClass=Chat", `-Dexec.args=alice robot ${url}`]);
  await alice.line("connected as alice");
  alice.say("are you there?");
  await alice.line("robot: you said: are you there?");
  alice.end();
  assert.equal(await alice.ended, 0);
});

test("a module on the module path talks to the hub and does not see what is internal", { timeout: 240000 }, async (context) => {
  const url = await socket(context);
  const place = join(base, "module");
  // The compiler plugin that Maven brings along may be older than modules.
  const compiler = "<plugin><artifactId>maven-compiler-plugin</artifactId><version>3.14.1</version></plugin>";
  const pom = /^```xml\n<!-- pom.xml -->\n([^]*?)^```/m.exec(guide("docs/guides/java.md"))[1].replace("<plugins>", `<plugins>${compiler}`);
  write(join(place, "pom.xml"), pom);
  const source = (name, code) => write(join(place, "src/main/java", name), code);
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
  await maven(context, place, "compile");
  const words = `--module-path %classpath -m chat/chat.Main ${url}`;
  const main = start(context, place, "mvn", [...MAVEN, "exec:exec", "-Dexec.executable=java", `-Dexec.args=${words}`]);
  await main.line("module chat stored at 1 by module io.github.wsc");
  assert.equal(await main.ended, 0);
  source("chat/Nosy.java", "package chat; class Nosy { io.github.wsc.internal.Session session; }");
  const nosy = start(context, place, "mvn", [...MAVEN, "compile"]);
  nosy.end();
  assert.notEqual(await nosy.ended, 0);
  assert.match(nosy.said.join("\n"), /io\.github\.wsc\.internal is not visible/);
});
