// What tests with one hub and many clients share.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

abstract class WithHub {
    static Hub hub;
    static final AtomicInteger USERS = new AtomicInteger();
    final List<Client> clients = new ArrayList<>();
    @TempDir Path folder;

    @BeforeAll
    static void start() throws IOException {
        hub = Hub.start();
    }

    @AfterAll
    static void stop() {
        hub.close();
    }

    @AfterEach
    void close() {
        CompletableFuture.allOf(clients.stream().map(Client::closeAsync).toArray(CompletableFuture[]::new)).join();
    }

    /** A name that no other test has. */
    static String name(String name) {
        return name + "-" + USERS.incrementAndGet();
    }

    static ClientBuilder builder(String user) {
        return Client.builder(hub.url).user(user).device("d");
    }

    Client keep(Client client) {
        clients.add(client);
        return client;
    }

    Client connected(String user) throws Exception {
        return connected(builder(user));
    }

    Client connected(ClientBuilder builder) throws Exception {
        Client client = keep(builder.build());
        get(client.connect());
        return client;
    }

    static <T> T get(CompletableFuture<T> future) throws Exception {
        try {
            return future.get(10, TimeUnit.SECONDS);
        } catch (ExecutionException failed) {
            throw failed.getCause() instanceof Exception cause ? cause : failed;
        }
    }

    static Message message(Deliveries deliveries) {
        return assertInstanceOf(Message.class, present(deliveries.poll(Duration.ofSeconds(10))));
    }

    private static <T> T present(T value) {
        assertNotNull(value, "nothing came");
        return value;
    }

    static void eventually(java.util.function.BooleanSupplier check) throws InterruptedException {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
        while (!check.getAsBoolean()) {
            assertTrue(System.nanoTime() < until, "it did not come to hold");
            Thread.sleep(10);
        }
    }
}
