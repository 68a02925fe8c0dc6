// The examples for Java, as they stand, over the real hub. Needs the artifact in the repository that MAVEN_REPOSITORY names:
// `cargo tool test java`.

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folder, hub, MEMORY, ROOT, start, TARGET } from "../support.mjs";

const MAVEN = ["-B", "-ntp", "-q", `-Dmaven.repo.local=${process.env.MAVEN_REPOSITORY ?? join(TARGET, "maven")}`,
  "-Dkotlin.compiler.daemon=false"];
const base = folder();

async function maven(context, project, ...words) {
  const run = start(context, project, "mvn", [...MAVEN, ...words]);
  run.end();
  assert.equal(await run.ended, 0, run.said.join("\n"));
}

/** The address of a hub's socket. */
const socket = async (context) => (await hub(context, ...MEMORY)).url.replace("http", "ws");

/** A copy of an example, so that nothing is built into the tree. */
function example(name) {
  const project = join(base, name);
  cpSync(join(ROOT, "examples", name), project, { recursive: true, filter: (path) => !path.endsWith("/target") });
  return project;
}

for (const name of ["java-chat", "kotlin-chat"]) {
  test(`${name}: users talk to one another and in a group, and see what was`, { timeout: 180000 }, async (context) => {
    const url = await socket(context);
    const project = example(name);
    await maven(context, project, "compile");
    const chat = (user) => start(context, project, "mvn", [...MAVEN, "exec:java", `-Dexec.args=${user} ${url}`]);
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
  const url = await socket(context);
  const project = example("spring-boot");
  await maven(context, project, "package");
  const robot = start(context, project, "java", ["-jar", "target/robot.jar", `--wsc.url=${url}`, "--server.port=0"]);
  const port = /port (\d+)/.exec(await robot.line("Tomcat started on port"))[1];
  const health = async () => (await fetch(`http://127.0.0.1:${port}/actuator/health`)).json();
  for (let tries = 0; (await health()).components.wsc.status !== "UP" && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal((await health()).components.wsc.details.state, "CONNECTED");
  // Somebody writes to it.
  const friend = example("java-chat");
  await maven(context, friend, "compile");
  const alice = start(context, friend, "mvn", [...MAVEN, "exec:java", `-Dexec.args=alice ${url}`]);
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
