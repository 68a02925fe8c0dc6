// Connecting, closing, tokens, the outbox: what happens around messages, against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ConnectionTest extends WithHub {
    @Test
    void what_is_sent_before_there_is_a_connection_goes_out_once_and_in_order() throws Exception {
        Client alice = keep(builder(name("alice")).build());
        Client bob = connected(name("bob"));
        List<Receipt> receipts = new ArrayList<>();
        for (int number = 0; number < 100; number++) {
            receipts.add(get(alice.send("user:" + bob.user(), "number " + number)));
        }
        eventually(() -> alice.sync().saved() == 100);
        assertEquals(ConnectionState.Phase.IDLE, alice.state().phase());
        assertFalse(receipts.get(0).accepted().isDone());
        get(alice.connect());
        try (Deliveries inbox = bob.inbox().deliveries()) {
            for (int number = 0; number < 100; number++) {
                assertEquals("number " + number, message(inbox).content());
            }
        }
        for (Receipt receipt : receipts) {
            get(receipt.accepted());
        }
        eventually(() -> alice.sync().equals(new SyncState(0, 0, 0, true)));
    }

    @Test
    void what_the_application_did_not_acknowledge_comes_again_after_its_end() throws Exception {
        Client alice = connected(name("alice"));
        String user = name("bob");
        ClientBuilder manual = Client.builder(hub.url).user(user).outbox(folder.resolve("bob")).acknowledge(Acknowledge.MANUAL);
        Client first = manual.build();
        BlockingQueue<Message> got = new LinkedBlockingQueue<>();
        first.inbox().subscribe(got::add);
        get(first.connect());
        for (int number = 1; number <= 5; number++) {
            alice.send("user:" + user, "number " + number);
        }
        List<Message> taken = new ArrayList<>();
        for (int number = 1; number <= 5; number++) {
            taken.add(got.poll(10, TimeUnit.SECONDS));
        }
        first.acknowledge(taken.get(2));
        first.close();
        Client second = connected(manual);
        assertEquals(first.device(), second.device());
        try (Deliveries inbox = second.inbox().deliveries()) {
            assertEquals("number 4", message(inbox).content());
            assertEquals("number 5", message(inbox).content());
            assertNull(inbox.poll(Duration.ofMillis(200)));
        }
    }

    @Test
    void how_a_send_of_an_earlier_process_ended_is_told() throws Exception {
        ClientBuilder settings = Client.builder(hub.url).user(name("alice")).outbox(folder.resolve("alice"));
        Receipt receipt;
        try (Client offline = settings.build()) {
            receipt = get(offline.send("user:bob", "written while away"));
        }
        assertEquals(
                ReceiptException.Fault.CLOSED, assertThrows(ReceiptException.class, () -> get(receipt.accepted())).fault());
        BlockingQueue<String> sent = new LinkedBlockingQueue<>();
        Client later = keep(settings.listener(new ClientListener() {
            @Override
            public void onMessageSent(String messageId, Accepted accepted) {
                sent.add(messageId);
            }
        }).build());
        assertEquals(List.of("written while away"), later.pending().stream().map(Message::content).toList());
        eventually(() -> later.sync().saved() == 1);
        get(later.connect());
        assertEquals(receipt.messageId(), sent.poll(10, TimeUnit.SECONDS));
    }

    @Test
    void what_was_read_offline_is_known_to_the_other_devices_once_a_later_client_is_connected() throws Exception {
        String user = name("bob");
        Client alice = connected(Client.builder(hub.url).user(name("alice")));
        Client phone = connected(Client.builder(hub.url).user(user));
        Accepted accepted = get(get(alice.send("user:" + user, "hello")).accepted());
        assertEquals(1L, get(phone.unread()));
        try (Client offline = Client.builder(URI.create("ws://127.0.0.1:1")).user(user).outbox(folder.resolve("bob")).build()) {
            offline.markRead("user:" + alice.user(), accepted.position());
        }
        connected(Client.builder(hub.url).user(user).outbox(folder.resolve("bob")));
        eventually(() -> phone.unread().join() == 0);
    }

    @Test
    void a_write_that_fails_is_told_and_what_is_not_kept_is_refused() throws Exception {
        Path disk = Files.createDirectory(folder.resolve("disk"));
        Client alice = connected(Client.builder(hub.url).user(name("alice")).outbox(disk.resolve("alice")));
        for (String name : List.of("alice", "alice.lock")) {
            Files.delete(disk.resolve(name));
        }
        Files.delete(disk);
        // Once it has grown, the file is written anew, for which there is no place any more.
        SendException failed = assertThrows(SendException.class, () -> {
            for (int number = 0; number < 2_000; number++) {
                get(get(alice.send("user:bob", "x".repeat(2_000))).accepted());
            }
        });
        assertEquals(SendException.Fault.STORAGE, failed.fault(), failed.getMessage());
        assertTrue(failed.isRetryable());
    }

    @Test
    void a_hub_that_is_not_there_is_told_and_tried_again() throws Exception {
        BlockingQueue<WscException> errors = new LinkedBlockingQueue<>();
        Client client = keep(Client.builder(URI.create("ws://127.0.0.1:1")).user("alice").listener(new ClientListener() {
            @Override
            public void onConnectError(WscException error) {
                errors.add(error);
            }
        }).build());
        CompletableFuture<Void> connecting = client.connect();
        assertNotNull(errors.poll(10, TimeUnit.SECONDS));
        eventually(() -> client.state().phase() == ConnectionState.Phase.WAITING && client.state().retryAt() != null);
        assertNotNull(errors.poll(10, TimeUnit.SECONDS));
        assertFalse(connecting.isDone());
        long began = System.nanoTime();
        client.close();
        assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(2));
        assertThrows(ClosedException.class, () -> get(connecting));
    }

    @Test
    void what_a_proxy_answers_in_place_of_the_hub_is_a_failed_attempt() throws Exception {
        BlockingQueue<String> errors = new LinkedBlockingQueue<>();
        try (ServerSocket proxy = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            Client client = keep(Client.builder(URI.create("ws://127.0.0.1:" + proxy.getLocalPort())).user("alice").listener(new ClientListener() {
                @Override
                public void onConnectError(WscException error) {
                    errors.add(String.valueOf(error.getMessage()));
                }
            }).build());
            CompletableFuture<Void> connecting = client.connect();
            for (String status : List.of("404 Not Found", "403 Forbidden", "401 Unauthorized")) {
                try (Socket socket = proxy.accept()) {
                    assertTrue(socket.getInputStream().read(new byte[4096]) > 0);
                    String page = "HTTP/1.1 " + status + "\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
                    socket.getOutputStream().write(page.getBytes(StandardCharsets.US_ASCII));
                    String told = errors.poll(10, TimeUnit.SECONDS);
                    assertTrue(told != null && told.contains(status.substring(0, 3)), told);
                }
            }
            // The fourth attempt comes as well.
            proxy.accept().close();
            assertFalse(connecting.isDone());
        }
    }

    @Test
    void a_damaged_outbox_is_told_and_kept_and_what_is_whole_in_it_goes_out() throws Exception {
        Path outbox = folder.resolve("damaged");
        String user = name("carol");
        Client bob = connected(name("bob"));
        Client before = keep(builder(user).outbox(outbox).build());
        for (String id : List.of("whole-1", "broken-2", "whole-3")) {
            get(before.send(Message.to("user:" + bob.user()).id(id).content(id).build()));
        }
        before.close();
        byte[] bytes = Files.readAllBytes(outbox);
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("broken-2");
        bytes[at] ^= 1;
        Files.write(outbox, bytes);
        BlockingQueue<String> faults = new LinkedBlockingQueue<>();
        try (Deliveries inbox = bob.inbox().deliveries()) {
            connected(builder(user).outbox(outbox).listener(new ClientListener() {
                @Override
                public void onFault(WscException fault) {
                    faults.add(String.valueOf(fault.getMessage()));
                }
            }));
            for (String content : List.of("whole-1", "whole-3")) {
                assertEquals(content, ((Message) inbox.poll(Duration.ofSeconds(10))).content());
            }
        }
        String told = faults.poll(10, TimeUnit.SECONDS);
        assertTrue(told != null && told.contains("damaged"), told);
        assertTrue(Arrays.equals(bytes, Files.readAllBytes(folder.resolve("damaged.damaged"))));
    }

    @Test
    void another_connection_of_the_device_closes_the_first_for_good() throws Exception {
        BlockingQueue<Integer> closes = new LinkedBlockingQueue<>();
        String user = name("alice");
        Client first = connected(builder(user).listener(new ClientListener() {
            @Override
            public void onClose(int code, String reason) {
                closes.add(code);
            }
        }));
        Client second = connected(user);
        assertEquals(CloseCode.REPLACED, closes.poll(10, TimeUnit.SECONDS));
        assertEquals(ConnectionState.Phase.CLOSED, first.state().phase());
        assertEquals(CloseCode.REPLACED, first.state().code());
        assertTrue(second.state().isConnected());
        // The application may want it back all the same.
        get(first.connect());
        assertTrue(first.state().isConnected());
    }

    @Test
    void a_token_is_asked_for_and_none_closes() throws Exception {
        Path secret = folder.resolve("secret");
        Files.writeString(secret, "0123456789abcdef0123456789abcdef0123456789abcdef");
        try (Hub guarded = Hub.start("--store", "memory", "--listen", "127.0.0.1:0", "--secret-file", secret.toString())) {
            Process made = new ProcessBuilder(
                    Hub.TARGET.resolve("release/wsc").toString(), "token", "--user", "alice", "--secret-file", secret.toString()).start();
            String token = new String(made.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).strip();
            AtomicInteger asked = new AtomicInteger();
            Client alice = keep(Client.builder(guarded.url).tokenProvider(() -> switch (asked.incrementAndGet()) {
                case 1 -> throw new IllegalStateException("thrown on purpose by a test");
                case 2 -> CompletableFuture.failedFuture(new IOException("failed on purpose by a test"));
                default -> CompletableFuture.supplyAsync(() -> token);
            }).build());
            get(alice.connect());
            assertEquals("alice", alice.user());
            assertEquals(3, asked.get());

            Client nobody = keep(Client.builder(guarded.url).tokenProvider(() -> CompletableFuture.completedFuture(null)).build());
            assertEquals(1, assertThrows(ClosedException.class, () -> get(nobody.connect())).code());
            Client wrong = keep(Client.builder(guarded.url).token("not.a.token").build());
            assertEquals(CloseCode.CREDENTIALS_REFUSED, assertThrows(ClosedException.class, () -> get(wrong.connect())).code());
            Client right = connected(Client.builder(guarded.url).token(token).device("other"));
            assertEquals("alice", right.user());
        }
    }

    @Test
    void an_authority_of_ones_own_is_trusted_where_it_was_given_and_not_otherwise() throws Exception {
        Path files = Path.of("..", "tests", "tls");
        Path ours = files.resolve("authority.pem");
        BlockingQueue<String> failures = new LinkedBlockingQueue<>();
        try (TlsFront front = new TlsFront(files, hub.url)) {
            Client alice = keep(Client.builder(front.url()).user(name("alice")).device("d").authorities(ours).build());
            get(alice.connect());
            get(get(alice.send("user:" + alice.user(), "over TLS")).accepted());
            Client text = keep(Client.builder(front.url()).user(name("text")).device("d").authorities(Files.readString(ours)).build());
            get(text.connect());
            Client stranger = keep(Client.builder(front.url()).user(name("stranger")).device("d").listener(new ClientListener() {
                @Override
                public void onConnectError(WscException error) {
                    failures.add(error.getMessage());
                }
            }).build());
            stranger.connect();
            String failure = failures.poll(10, TimeUnit.SECONDS);
            assertTrue(failure != null && failure.contains("certificate"), failure);
        }
        for (String wrong : List.of("no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")) {
            IllegalArgumentException error = assertThrows(
                    IllegalArgumentException.class, () -> builder("wrong").authorities(wrong).build());
            assertTrue(error.getMessage().contains("PEM"), error.getMessage());
        }
    }

    @Test
    void closed_in_the_middle_of_much_again_and_again_it_hands_over_nothing_twice() throws Exception {
        int count = 6_000;
        Client alice = connected(name("alice"));
        String bob = name("bob");
        for (int from = 0; from < count; from += 1_000) {
            List<CompletableFuture<Accepted>> accepted = new ArrayList<>();
            for (int number = from; number < from + 1_000; number++) {
                accepted.add(alice.send("user:" + bob, "" + number).thenCompose(Receipt::accepted));
            }
            for (CompletableFuture<Accepted> one : accepted) {
                get(one);
            }
        }
        List<String> got = Collections.synchronizedList(new ArrayList<>());
        for (int time = 0; got.size() < count; time++) {
            Client client = builder(bob).build();
            int enough = Math.min(count, got.size() + 97);
            boolean byItself = time % 2 == 0;
            CompletableFuture<Void> seen = new CompletableFuture<>();
            client.inbox().subscribe(message -> {
                got.add(message.content());
                if (got.size() >= enough) {
                    if (byItself) {
                        client.close();
                    }
                    seen.complete(null);
                }
            });
            get(client.connect());
            get(seen);
            long began = System.nanoTime();
            client.close();
            assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(2), "closing waited for nothing");
            int before = got.size();
            Thread.sleep(5);
            assertEquals(before, got.size());
        }
        assertEquals(IntStream.range(0, count).mapToObj(Integer::toString).toList(), got);
    }

    @Test
    void closing_is_prompt_whatever_is_under_way() throws Exception {
        Client bob = connected(name("bob"));
        for (int round = 0; round < 20; round++) {
            Client alice = builder(name("alice")).build();
            CompletableFuture<Void> connecting = alice.connect();
            if (round % 2 == 0) {
                get(connecting);
            }
            List<CompletableFuture<?>> open = new ArrayList<>();
            for (int number = 0; number < 50; number++) {
                open.add(alice.send("user:" + bob.user(), "number " + number));
                open.add(alice.inbox().history(HistoryOptions.newest().limit(10)));
            }
            Thread reader = new Thread(() -> alice.inbox().deliveries().forEach(delivery -> {}));
            reader.start();
            Thread.sleep(round);
            long began = System.nanoTime();
            alice.close();
            assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(3), "took " + (System.nanoTime() - began) / 1_000_000 + " ms");
            reader.join(5_000);
            assertFalse(reader.isAlive());
            for (CompletableFuture<?> one : open) {
                one.handle((done, error) -> null).get(5, TimeUnit.SECONDS);
                assertTrue(one.isDone());
            }
        }
    }

    @Test
    void a_pool_has_a_client_for_each_user_and_makes_room_for_others() throws Exception {
        try (ClientPool pool = new ClientPool(2, WithHub::builder)) {
            String alice = name("alice");
            ClientPool.Lease first = get(pool.acquire(alice));
            ClientPool.Lease again = get(pool.acquire(alice));
            assertTrue(first.client() == again.client() && first.client().state().isConnected());
            ClientPool.Lease other = get(pool.acquire(name("bob")));
            CompletableFuture<ClientPool.Lease> third = pool.acquire(name("carol"));
            assertEquals(new ClientPool.Stats(2, 2, 1), pool.stats());
            first.close();
            first.close();
            assertFalse(third.isDone());
            again.close();
            Client carol = get(third).client();
            get(get(carol.send("user:" + other.client().user(), "hello")).accepted());
            eventually(() -> first.client().state().phase() == ConnectionState.Phase.CLOSED);
            assertEquals(new ClientPool.Stats(2, 2, 0), pool.stats());
        }
    }

    @Test
    void a_pool_opens_an_outbox_again_once_it_is_closed() throws Exception {
        try (ClientPool pool = new ClientPool(1, user -> builder(user).outbox(folder.resolve(user)))) {
            String alice = name("alice");
            CountDownLatch begun = new CountDownLatch(1);
            try (ClientPool.Lease lease = get(pool.acquire(alice))) {
                // Closing waits for a handler that runs.
                lease.client().inbox().subscribe(message -> {
                    begun.countDown();
                    LockSupport.parkNanos(Duration.ofSeconds(1).toNanos());
                });
                get(get(connected(name("carol")).send("user:" + alice, "hello")).accepted());
                assertTrue(begun.await(10, TimeUnit.SECONDS));
            }
            get(pool.acquire(name("bob"))).close();
            CompletableFuture<ClientPool.Lease> again = pool.acquire(alice);
            // Who comes later does not wait for the end of another one's client.
            get(pool.acquire(name("dave"))).close();
            assertFalse(again.isDone());
            assertTrue(get(again).client().state().isConnected());
            get(again).close();
            assertEquals(new ClientPool.Stats(1, 0, 0), pool.stats());
        }
    }

    @Test
    void a_pool_tells_whatever_the_application_throws_to_the_one_who_asked() throws Exception {
        String wrong = name("wrong");
        try (ClientPool pool = new ClientPool(1, user -> {
            if (user.equals(wrong)) {
                throw new AssertionError("no such user");
            }
            return builder(user);
        })) {
            ClientPool.Lease first = get(pool.acquire(name("alice")));
            CompletableFuture<ClientPool.Lease> second = pool.acquire(wrong);
            CompletableFuture<ClientPool.Lease> third = pool.acquire(name("bob"));
            first.close();
            assertTrue(get(third).client().state().isConnected());
            ExecutionException failed = assertThrows(ExecutionException.class, () -> get(second));
            assertEquals("no such user", failed.getCause().getMessage());
        }
    }

    @Test
    void what_happened_is_counted() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        AtomicLong got = new AtomicLong();
        bob.inbox().subscribe(message -> got.incrementAndGet());
        for (int number = 0; number < 10; number++) {
            get(get(alice.send("user:" + bob.user(), "hello")).accepted());
        }
        eventually(() -> got.get() == 10);
        assertEquals(new Statistics(0, 0, 10, 10, 0, 1, 0), alice.statistics());
        assertEquals(new Statistics(10, 0, 0, 0, 0, 1, 0), bob.statistics());
    }
}
