// Much of everything: many messages, many clients. Holds numbers and leaks, not speed.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class LoadTest {
    private static final int MESSAGES = 100_000;
    private static final int CLIENTS = 10_000;

    @Test
    @Timeout(value = 90, unit = TimeUnit.SECONDS)
    void a_hundred_thousand_messages_each_way_arrive_once_and_in_order() throws Exception {
        try (Hub hub = Hub.start("--store", "memory", "--listen", "127.0.0.1:0", "--set", "limits.sends=0", "--set",
                        "limits.send_bytes=0", "--set", "retention.inbox=1000000");
                Client alice = Client.builder(hub.url).user("alice").device("d").build();
                Client bob = Client.builder(hub.url).user("bob").device("d").build()) {
            AtomicReference<String> wrong = new AtomicReference<>();
            CompletableFuture<Void> all = CompletableFuture.allOf(counted(alice, wrong), counted(bob, wrong));
            alice.connect().get(10, TimeUnit.SECONDS);
            bob.connect().get(10, TimeUnit.SECONDS);
            Thread sending = new Thread(() -> send(alice, "user:bob"));
            sending.start();
            send(bob, "user:alice");
            sending.join();
            all.get(60, TimeUnit.SECONDS);
            // A while later there is not one more.
            Thread.sleep(200);
            assertEquals(null, wrong.get());
            assertEquals(MESSAGES, alice.statistics().received());
            assertEquals(MESSAGES, bob.statistics().received());
            assertEquals(0, alice.statistics().gaps() + bob.statistics().gaps());
        }
    }

    private static CompletableFuture<Void> counted(Client client, AtomicReference<String> wrong) {
        CompletableFuture<Void> all = new CompletableFuture<>();
        int[] next = {1};
        client.inbox().subscribe(message -> {
            int expected = next[0]++;
            if (!message.content().equals("number " + expected)) {
                wrong.compareAndSet(null, message.content() + " in the place of " + expected);
            }
            if (expected == MESSAGES) {
                all.complete(null);
            }
        });
        return all;
    }

    private static void send(Client client, String conversation) {
        Semaphore places = new Semaphore(4_096);
        for (int number = 1; number <= MESSAGES; number++) {
            places.acquireUninterruptibly();
            client.send(conversation, "number " + number)
                    .thenCompose(Receipt::accepted)
                    .whenComplete((accepted, error) -> places.release());
        }
        places.acquireUninterruptibly(4_096);
    }

    @Test
    @Timeout(value = 90, unit = TimeUnit.SECONDS)
    void a_slow_reader_holds_back_the_hub_and_not_the_memory() throws Exception {
        int count = 20_000;
        try (Hub hub = Hub.start("--store", "memory", "--listen", "127.0.0.1:0", "--set", "limits.sends=0", "--set",
                        "limits.send_bytes=0", "--set", "retention.inbox=1000000");
                Client alice = Client.builder(hub.url).user("alice").device("d").build();
                Client bob = Client.builder(hub.url).user("bob").device("d").build()) {
            alice.connect().get(10, TimeUnit.SECONDS);
            bob.connect().get(10, TimeUnit.SECONDS);
            try (Deliveries inbox = bob.inbox().deliveries()) {
                Semaphore places = new Semaphore(1_000);
                for (int number = 1; number <= count; number++) {
                    places.acquire();
                    alice.send("user:bob", "number " + number).thenCompose(Receipt::accepted)
                            .whenComplete((accepted, error) -> places.release());
                }
                places.acquire(1_000);
                Thread.sleep(200);
                // Of what waits, the client has a part.
                assertTrue(bob.statistics().received() < count / 2, bob.statistics().toString());
                for (int number = 1; number <= count; number++) {
                    Delivery delivery = inbox.poll(Duration.ofSeconds(10));
                    assertEquals("number " + number, ((Message) delivery).content());
                }
            }
        }
    }

    private record Held(long threads, long files, long memoryMb) {}

    private static Held held() throws IOException {
        System.gc();
        String status = Files.readString(Path.of("/proc/self/status"));
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return new Held(number(status, "Threads:"), files.count(), number(status, "RssAnon:") / 1024);
        }
    }

    private static long number(String status, String name) {
        String rest = status.substring(status.indexOf(name) + name.length()).strip();
        return Long.parseLong(rest.split("\\s")[0]);
    }

    @Test
    @Timeout(value = 120, unit = TimeUnit.SECONDS)
    void ten_thousand_clients_opened_and_closed_leave_nothing_behind() throws Exception {
        try (Hub hub = Hub.start()) {
            Held warm = null;
            Held open = null;
            for (int round = 0; round < CLIENTS / 500; round++) {
                List<Client> clients = new ArrayList<>();
                AtomicInteger heard = new AtomicInteger();
                for (int number = 0; number < 500; number++) {
                    Client client = Client.builder(hub.url).user("user" + number).build();
                    client.subscribe(delivery -> heard.incrementAndGet());
                    clients.add(client);
                }
                CompletableFuture.allOf(clients.stream().map(Client::connect).toArray(CompletableFuture[]::new)).get(30, TimeUnit.SECONDS);
                CompletableFuture.allOf(clients.stream()
                        .map(client -> client.send(client.user().equals("user0") ? "user:user1" : "user:user0", "hello"))
                        .toArray(CompletableFuture[]::new)).get(30, TimeUnit.SECONDS);
                open = held();
                CompletableFuture.allOf(clients.stream().map(Client::closeAsync).toArray(CompletableFuture[]::new)).get(30, TimeUnit.SECONDS);
                if (round == 3) {
                    Thread.sleep(500);
                    warm = held();
                }
            }
            Thread.sleep(500);
            Held after = held();
            System.out.println("500 clients open: " + open + "; after 2,000: " + warm + "; after 10,000: " + after);
            assertTrue(after.threads <= warm.threads + 4, "threads: " + warm + " " + after);
            assertTrue(after.files <= warm.files + 4, "files: " + warm + " " + after);
            assertTrue(after.memoryMb <= warm.memoryMb * 1.25 + 20, "memory: " + warm + " " + after);
            // No thread for a client.
            assertTrue(open.threads < warm.threads + 16, "threads: " + open);
        }
    }
}
