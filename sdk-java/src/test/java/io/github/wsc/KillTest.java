// Hubs and processes that are killed, wires that are cut: the histories are judged by the checker of the whole project.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 120, unit = TimeUnit.SECONDS)
class KillTest {
    @TempDir Path folder;

    private Hub hub(String listen) throws IOException {
        return Hub.start("--listen", listen, "--data", folder.resolve("data").toString(), "--set", "limits.sends=0");
    }

    private Application application(History history, URI url, String user) {
        return new Application(history, Client.builder(url).outbox(folder.resolve(user + ".outbox")), user, 1);
    }

    private static CompletableFuture<Void> begin(Thrower task) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                task.run();
                done.complete(null);
            } catch (Exception failed) {
                done.completeExceptionally(failed);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return done;
    }

    private interface Thrower {
        void run() throws Exception;
    }

    @Test
    void a_hub_that_is_killed_again_and_again_loses_nothing_of_either_side() throws Exception {
        History history = new History(folder.resolve("all.jsonl"));
        Hub hub = hub("127.0.0.1:0");
        history.note("hub_started");
        Application alice = application(history, hub.url, "alice");
        Application bob = application(history, hub.url, "bob");
        CompletableFuture<Void> sending = CompletableFuture.allOf(
                begin(() -> alice.send("user:bob", 1, 3_000, 8)), begin(() -> bob.send("user:alice", 1, 3_000, 8)));
        for (int kill = 0; kill < 5; kill++) {
            Thread.sleep(300);
            history.note("hub_killed");
            hub.kill();
            hub = hub(hub.listen());
            history.note("hub_started");
        }
        sending.get(60, TimeUnit.SECONDS);
        alice.quiet();
        bob.quiet();
        assertEquals(3_000, alice.got.get());
        assertEquals(3_000, bob.got.get());
        alice.client.close();
        bob.client.close();
        hub.close();
        String word = History.judge(folder);
        assertTrue(word.contains("6000 sent, 6000 accepted, 6000 handed over, 0 again"), word);
    }

    @Test
    void processes_that_are_killed_while_they_send_and_read_lose_nothing() throws Exception {
        History history = new History(folder.resolve("all.jsonl"));
        try (Hub hub = hub("127.0.0.1:0")) {
            history.note("hub_started");
            Random random = new Random(7);
            String[] users = {"alice", "bob"};
            int[] first = {1, 1};
            Child[] children = new Child[2];
            for (int life = 1; life <= 4; life++) {
                for (int one = 0; one < 2; one++) {
                    int last = life * 400;
                    children[one] = new Child(hub.url, users[one], users[1 - one], life, first[one], last);
                    first[one] = last + 1;
                }
                if (life < 4) {
                    Thread.sleep(300 + random.nextInt(500));
                    for (Child child : children) {
                        child.kill(history);
                    }
                }
            }
            for (Child child : children) {
                child.await("sent");
                child.process.getOutputStream().write('\n');
                child.process.getOutputStream().flush();
            }
            for (Child child : children) {
                child.await("quiet");
                child.process.destroyForcibly();
            }
        }
        History.judge(folder);
    }

    /** An application as a process of its own. */
    private final class Child {
        final Process process;
        private final BufferedReader out;
        private final String user;
        private final String device;

        Child(URI url, String user, String peer, int life, int first, int last) throws IOException {
            this.user = user;
            List<String> words = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin/java").toString(), "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp",
                    System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                    Application.class.getName()));
            for (Object word : new Object[] {url, user, peer, folder, life, first, last}) {
                words.add(word.toString());
            }
            process = new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
            device = out.readLine();
        }

        void await(String line) throws IOException {
            assertEquals(line, out.readLine());
        }

        void kill(History history) throws InterruptedException {
            var fact = History.fact("killed");
            fact.putObject("device").put("tenant", "t").put("user", user).put("device", device);
            history.note(fact);
            process.destroyForcibly();
            assertTrue(process.waitFor(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void a_storm_of_reconnects_and_a_long_time_offline_lose_nothing() throws Exception {
        History history = new History(folder.resolve("all.jsonl"));
        Hub hub = hub("127.0.0.1:0");
        history.note("hub_started");
        try (Wire wire = new Wire(hub.url)) {
            List<Application> many = new ArrayList<>();
            for (int number = 0; number < 30; number++) {
                Application one = application(history, wire.url(), "user" + number);
                many.add(one);
            }
            for (Application one : many) {
                one.client.connect().get(10, TimeUnit.SECONDS);
                one.client.group("all").join().get(10, TimeUnit.SECONDS);
                history.note(one.of("joined").put("group", "all"));
            }
            CompletableFuture<Void> sending = begin(() -> {
                for (int part = 0; part < 30; part++) {
                    many.get(part).send("group:all", 1, 20, 4);
                }
            });
            for (int storm = 0; storm < 5; storm++) {
                Thread.sleep(150);
                wire.cut();
                Thread.sleep(50);
                wire.heal();
            }
            sending.get(30, TimeUnit.SECONDS);
            // Everybody is away, and so is the hub for a while; all of them write on.
            wire.cut();
            for (Application one : many) {
                one.send("group:all", 21, 40, 20);
            }
            history.note("hub_killed");
            hub.kill();
            Thread.sleep(3_000);
            hub = hub(hub.listen());
            history.note("hub_started");
            wire.heal();
            many.forEach(one -> one.client.network(true));
            for (Application one : many) {
                one.quiet();
            }
            for (Application one : many) {
                assertEquals(29 * 40, one.gotOf.get("group:all"), one.client.toString());
                one.client.close();
            }
        } finally {
            hub.close();
        }
        History.judge(folder);
    }
}
