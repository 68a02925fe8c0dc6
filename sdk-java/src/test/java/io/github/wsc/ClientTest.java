// Everything an application does, against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClientTest {
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
        return assertInstanceOf(Message.class, assertNotNull_(deliveries.poll(Duration.ofSeconds(10))));
    }

    private static <T> T assertNotNull_(T value) {
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

    @Test
    void a_message_is_taken_accepted_delivered_and_read() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        try (Deliveries inbox = bob.inbox().deliveries()) {
            Receipt receipt = get(alice.send(Message.to("user:" + bob.user()).content("hello").receipts().build()));
            Accepted accepted = get(receipt.accepted());
            assertEquals("inbox", accepted.stream());
            assertTrue(accepted.position() > 0);
            assertFalse(accepted.duplicate());
            Message got = message(inbox);
            assertEquals("hello", got.content());
            assertEquals(alice.user(), got.sender());
            assertEquals(MessageType.TEXT, got.type());
            assertEquals("user:" + alice.user(), got.conversation(bob.user()));
            assertNotNull(got.createdAt());
            // Handed over when the next is asked for.
            assertNull(inbox.poll(Duration.ofMillis(1)));
            get(receipt.delivered());
            assertFalse(receipt.read().isDone());
            bob.markRead(got);
            get(receipt.read());
        }
    }

    @Test
    void groups_are_joined_spoken_to_listed_and_left_and_history_comes_in_pages() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        Group group = alice.group(name("team"));
        BlockingQueue<Message> got = new LinkedBlockingQueue<>();
        get(group.join());
        get(bob.group(group.id()).join());
        bob.group(group.id()).subscribe(got::add);
        for (int number = 1; number <= 25; number++) {
            get(get(group.send("line " + number)).accepted());
        }
        for (int number = 1; number <= 25; number++) {
            Message message = got.poll(10, TimeUnit.SECONDS);
            assertNotNull(message);
            assertEquals("line " + number, message.content());
            assertEquals(group.id(), message.group());
        }
        MemberPage members = get(group.members("", 10));
        assertEquals(List.of(alice.user(), bob.user()), members.users().stream().sorted().toList());
        assertEquals(2, members.total());

        Page newest = get(bob.group(group.id()).history(10));
        assertEquals("line 25", newest.messages().get(9).content());
        assertTrue(newest.more());
        Page older = get(bob.group(group.id()).historyBefore(newest.from(), 10));
        assertEquals("line 15", older.messages().get(9).content());
        Page after = get(bob.group(group.id()).historyAfter(newest.to() - 2, 10));
        assertEquals(List.of("line 24", "line 25"), after.messages().stream().map(Message::content).toList());

        get(bob.group(group.id()).leave());
        RequestException refused = assertThrows(RequestException.class, () -> get(bob.group(group.id()).history(10)));
        assertEquals(RequestException.Fault.REFUSED, refused.fault());
        assertEquals(ErrorCode.GROUP_NOT_FOUND, refused.code());
        assertFalse(refused.isRetryable());
    }

    @Test
    void conversations_count_what_is_unread_on_all_devices() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        List<Receipt> receipts = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            Receipt receipt = get(alice.send("user:" + bob.user(), "number " + number));
            get(receipt.accepted());
            receipts.add(receipt);
        }
        Conversation conversation = get(bob.conversations()).get(0);
        assertEquals("user:" + alice.user(), conversation.name());
        assertEquals(3, conversation.unread());
        assertEquals(3L, get(bob.unread()));
        bob.markRead(conversation.name(), conversation.last());
        assertEquals(0L, get(bob.unread()));
        List<ReceiptState> states = get(alice.receipts(receipts.stream().map(Receipt::messageId).toList()));
        assertEquals(List.of("read", "read", "read"), states.stream().map(ReceiptState::stage).toList());
    }

    @Test
    void presence_is_told_as_it_is_and_as_it_changes() throws Exception {
        Client alice = connected(name("alice"));
        String other = name("bob");
        try (Presence presence = alice.presence(List.of(other))) {
            List<UserStatus> heard = new java.util.concurrent.CopyOnWriteArrayList<>();
            presence.subscribe((user, status) -> heard.add(status));
            eventually(() -> presence.statuses().equals(Map.of(other, UserStatus.OFFLINE)));
            Client bob = connected(other);
            eventually(() -> presence.statuses().equals(Map.of(other, UserStatus.ONLINE)));
            get(bob.setStatus(UserStatus.BUSY));
            eventually(() -> presence.statuses().equals(Map.of(other, UserStatus.BUSY)));
            assertEquals(List.of(UserStatus.OFFLINE, UserStatus.ONLINE, UserStatus.BUSY), heard);
        }
    }

    @Test
    void typing_and_other_volatile_messages_come_and_are_not_stored() throws Exception {
        BlockingQueue<Message> got = new LinkedBlockingQueue<>();
        Client alice = connected(name("alice"));
        Client bob = connected(builder(name("bob")).listener(new ClientListener() {
            @Override
            public void onVolatile(Message message) {
                got.add(message);
            }
        }));
        // At every key; said once in a while.
        for (int key = 0; key < 50; key++) {
            alice.typing("user:" + bob.user());
        }
        Message typing = got.poll(10, TimeUnit.SECONDS);
        assertNotNull(typing);
        assertEquals(MessageType.TYPING, typing.type());
        assertEquals(alice.user(), typing.sender());
        Receipt receipt = get(alice.send(Message.to("user:" + bob.user()).content("now or never").isVolatile().build()));
        get(receipt.accepted());
        Message passing = got.poll(10, TimeUnit.SECONDS);
        assertNotNull(passing);
        assertEquals("now or never", passing.content());
        assertEquals(0, get(bob.inbox().history(10)).messages().size());
        assertTrue(got.isEmpty());
    }

    @Test
    void bytes_arrive_as_they_were_sent_and_data_byte_for_byte() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        byte[] bytes = new byte[10_000];
        new java.util.Random(1).nextBytes(bytes);
        String data = "{\"name\" : \"cät 🐈\",\"list\":[1, 2.50,{\"deep\":null}],\"n\":12345678901234567890}";
        try (Deliveries inbox = bob.inbox().deliveries()) {
            alice.send(Message.to("user:" + bob.user()).type(MessageType.IMAGE).payload(bytes).data(data).build());
            Message got = message(inbox);
            assertEquals(MessageType.IMAGE, got.type());
            assertArrayEquals(bytes, got.payload());
            assertEquals(data, got.data());
            alice.send(Message.to("user:" + bob.user()).content("\"\\ \u0001 ü 🐈 \u2028").data("{}").build());
            assertEquals("\"\\ \u0001 ü 🐈 \u2028", message(inbox).content());
            alice.send(Message.to("user:" + bob.user()).payload(new byte[0]).build());
            Message empty = message(inbox);
            assertEquals(MessageType.BINARY, empty.type());
            assertArrayEquals(new byte[0], empty.payload());
        }
    }

    @Test
    void all_types_that_a_client_may_send_arrive_with_their_names() throws Exception {
        String table = Files.readString(Path.of("../core/src/kind.rs"));
        String names = table.substring(table.indexOf("MessageType {"), table.indexOf("/// What a message type is about"));
        List<String> known = java.util.regex.Pattern.compile("\"([a-z_]+)\"").matcher(names).results().map(one -> one.group(1)).toList();
        assertEquals(107, known.size());
        assertEquals(known, MessageType.ALL);
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        int sent = 0;
        try (Deliveries inbox = bob.inbox().deliveries()) {
            for (String type : MessageType.ALL) {
                try {
                    get(alice.send(Message.to("user:" + bob.user()).type(type).content("of this type").build()));
                } catch (SendException reserved) {
                    assertEquals(SendException.Fault.INVALID, reserved.fault());
                    continue;
                }
                if (!type.equals(MessageType.TYPING)) {
                    assertEquals(type, message(inbox).type());
                    sent++;
                }
            }
        }
        // The others are frames of the connection and requests; typing has no position.
        assertEquals(83, sent);
    }

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
    void a_message_that_never_went_out_can_be_taken_back() throws Exception {
        Client alice = keep(builder(name("alice")).build());
        Receipt receipt = get(alice.send("user:bob", "hello"));
        alice.cancel(receipt);
        ReceiptException cancelled = assertThrows(ReceiptException.class, () -> get(receipt.accepted()));
        assertEquals(ReceiptException.Fault.CANCELLED, cancelled.fault());
    }

    @Test
    void every_reader_of_a_stream_gets_all_of_it_and_the_first_what_came_before() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        for (int number = 1; number <= 10; number++) {
            get(get(alice.send("user:" + bob.user(), "number " + number)).accepted());
        }
        List<String> first = new java.util.concurrent.CopyOnWriteArrayList<>();
        List<String> all = new java.util.concurrent.CopyOnWriteArrayList<>();
        bob.inbox().subscribe(message -> first.add(message.content()));
        eventually(() -> first.size() == 10);
        bob.subscribe(delivery -> all.add(((Message) delivery).content()));
        Subscription brief = bob.inbox().subscribe(message -> {});
        brief.close();
        for (int number = 11; number <= 20; number++) {
            alice.send("user:" + bob.user(), "number " + number);
        }
        eventually(() -> all.size() == 10 && first.size() == 20);
        assertEquals(IntStream.rangeClosed(1, 20).mapToObj(number -> "number " + number).toList(), first);
        assertEquals(IntStream.rangeClosed(11, 20).mapToObj(number -> "number " + number).toList(), all);
    }

    @Test
    void what_a_reader_leaves_is_for_the_next_one() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        for (int number = 1; number <= 10; number++) {
            get(get(alice.send("user:" + bob.user(), "number " + number)).accepted());
        }
        try (Deliveries inbox = bob.inbox().deliveries()) {
            for (int number = 1; number <= 4; number++) {
                assertEquals("number " + number, message(inbox).content());
            }
        }
        try (Deliveries inbox = bob.inbox().deliveries()) {
            for (int number = 5; number <= 10; number++) {
                assertEquals("number " + number, message(inbox).content());
            }
            assertNull(inbox.poll(Duration.ofMillis(100)));
        }
    }

    @Test
    void a_subscriber_gets_as_many_as_it_asks_for_and_misses_nothing() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        CompletableFuture<Flow.Subscription> asked = new CompletableFuture<>();
        CompletableFuture<Void> completed = new CompletableFuture<>();
        bob.inbox().publisher().subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                asked.complete(subscription);
            }

            @Override
            public void onNext(Delivery delivery) {
                got.add(((Message) delivery).content());
            }

            @Override
            public void onError(Throwable error) {
                completed.completeExceptionally(error);
            }

            @Override
            public void onComplete() {
                completed.complete(null);
            }
        });
        for (int number = 1; number <= 500; number++) {
            alice.send("user:" + bob.user(), "number " + number);
        }
        Thread.sleep(200);
        assertTrue(got.isEmpty());
        int next = 1;
        for (int count : new int[] {1, 2, 97, 400}) {
            get(asked).request(count);
            for (int given = 0; given < count; given++) {
                assertEquals("number " + next++, got.poll(10, TimeUnit.SECONDS));
            }
            assertNull(got.poll(20, TimeUnit.MILLISECONDS));
        }
        bob.close();
        get(completed);
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
    void a_handler_that_throws_or_waits_for_a_receipt_harms_nothing() throws Exception {
        ExecutorService one = Executors.newSingleThreadExecutor();
        try {
            Client alice = connected(name("alice"));
            Client bob = connected(builder(name("bob")).executor(one).listener(new ClientListener() {
                @Override
                public void onConnected() {
                    throw new IllegalStateException("thrown on purpose by a test");
                }
            }));
            List<String> got = new java.util.concurrent.CopyOnWriteArrayList<>();
            bob.inbox().subscribe(message -> {
                // The executor's only thread waits for what another thread brings.
                bob.send("user:" + alice.user(), "got it").join().accepted().join();
                got.add(message.content());
                throw new IllegalStateException("thrown on purpose by a test");
            });
            for (int number = 0; number < 3; number++) {
                alice.send("user:" + bob.user(), "number " + number);
            }
            eventually(() -> got.size() == 3);
            assertEquals(3L, get(alice.unread()));
        } finally {
            one.shutdown();
        }
    }

    @Test
    void callbacks_of_a_client_come_one_at_a_time_in_order() throws Exception {
        ExecutorService many = Executors.newFixedThreadPool(4);
        try {
            List<String> heard = new java.util.concurrent.CopyOnWriteArrayList<>();
            AtomicInteger inside = new AtomicInteger();
            AtomicInteger overlaps = new AtomicInteger();
            Client alice = connected(name("alice"));
            Client bob = keep(builder(name("bob")).executor(many).listener(new MessageListener() {
                private void note(String what) {
                    if (inside.incrementAndGet() > 1) {
                        overlaps.incrementAndGet();
                    }
                    heard.add(what);
                    inside.decrementAndGet();
                }

                @Override
                public void onConnected() {
                    note("connected");
                }

                @Override
                public void onTextMessageReceived(Message message) {
                    note(message.content());
                }

                @Override
                public void onBinaryMessageReceived(Message message) {
                    note("bytes");
                }

                @Override
                public void onMessageSent(String messageId, Accepted accepted) {
                    note("sent");
                }

                @Override
                public void onClose(int code, String reason) {
                    note("closed " + code);
                }
            }).build());
            get(bob.connect());
            for (int number = 0; number < 200; number++) {
                get(alice.send("user:" + bob.user(), "number " + number));
            }
            alice.send(Message.to("user:" + bob.user()).payload(new byte[3]).build());
            eventually(() -> heard.contains("bytes"));
            get(get(bob.send("user:" + alice.user(), "thanks")).accepted());
            bob.close();
            eventually(() -> heard.contains("closed 0"));
            List<String> wanted = new ArrayList<>(List.of("connected"));
            IntStream.range(0, 200).forEach(number -> wanted.add("number " + number));
            wanted.addAll(List.of("bytes", "sent", "closed 0"));
            assertEquals(wanted, heard);
            assertEquals(0, overlaps.get());
        } finally {
            many.shutdown();
        }
    }

    @Test
    void wrong_use_is_answered_with_what_is_wrong_and_loses_nothing() throws Exception {
        assertTrue(assertThrows(IllegalArgumentException.class, () -> Client.builder(URI.create("mailto:bob")).build())
                .getMessage().contains("mailto:bob"));
        assertTrue(assertThrows(IllegalArgumentException.class, () -> Message.to("bob")).getMessage().contains("user:<id>"));
        assertThrows(IllegalArgumentException.class, () -> Message.to("user:bob").expiresIn(Duration.ZERO));
        Client alice = connected(builder(name("alice")).outboxLimits(2, 1 << 20));
        for (Map.Entry<Message, SendException.Fault> wrong : Map.of(
                Message.to("user:bob").content("x".repeat(100_000)).build(), SendException.Fault.TOO_LARGE,
                Message.to("user:bob").data("{not json").build(), SendException.Fault.INVALID,
                Message.to("user:bob").id("ünprintable").build(), SendException.Fault.INVALID,
                Message.to("user:bob").content("half of a pair \ud83d").build(), SendException.Fault.INVALID,
                Message.to("user:bob").type("connect").build(), SendException.Fault.INVALID,
                Message.to("user:" + "b".repeat(200)).build(), SendException.Fault.INVALID).entrySet()) {
            SendException refused = assertThrows(SendException.class, () -> get(alice.send(wrong.getKey())), wrong.getKey().toString());
            assertEquals(wrong.getValue(), refused.fault(), refused.getMessage());
            assertFalse(refused.isRetryable());
        }
        assertThrows(IllegalArgumentException.class, () -> alice.request("{not json"));
        assertThrows(IllegalArgumentException.class, () -> alice.request("[1]"));
        assertThrows(RequestException.class, () -> get(alice.group("not-mine").members("", 10)));
        ReceiptException refused = assertThrows(
                ReceiptException.class, () -> get(get(alice.send("group:not-mine", "hello")).accepted()));
        assertEquals(ErrorCode.GROUP_NOT_FOUND, refused.code());

        Client waiting = keep(builder(name("carol")).outboxLimits(2, 1 << 20).build());
        Message twice = Message.toUser("bob", "hello");
        get(waiting.send(twice));
        assertEquals(SendException.Fault.REPEATED, assertThrows(SendException.class, () -> get(waiting.send(twice))).fault());
        get(waiting.send("user:bob", "hello"));
        SendException full = assertThrows(SendException.class, () -> get(waiting.send("user:bob", "hello")));
        assertEquals(SendException.Fault.OUTBOX_FULL, full.fault());
        assertTrue(full.isRetryable());

        Path outbox = folder.resolve("outbox");
        Client owner = keep(Client.builder(hub.url).user("dave").outbox(outbox).build());
        assertThrows(StorageException.class, () -> Client.builder(hub.url).user("dave").outbox(outbox).build());
        owner.close();
        assertThrows(StorageException.class, () -> Client.builder(hub.url).user("dave").outbox(folder).build());
        assertThrows(ClosedException.class, () -> get(owner.connect()));
        assertEquals(SendException.Fault.CLOSED, assertThrows(SendException.class, () -> get(owner.send("user:bob", "x"))).fault());
        assertThrows(RequestException.class, () -> get(owner.unread()));
        owner.markRead("user:bob", -1);
        owner.close();

        get(get(alice.send("user:" + alice.user(), "still here")).accepted());
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

            Client nobody = keep(Client.builder(guarded.url).tokenProvider(() -> CompletableFuture.completedFuture("")).build());
            assertEquals(1, assertThrows(ClosedException.class, () -> get(nobody.connect())).code());
            Client wrong = keep(Client.builder(guarded.url).token("not.a.token").build());
            assertEquals(CloseCode.CREDENTIALS_REFUSED, assertThrows(ClosedException.class, () -> get(wrong.connect())).code());
            Client right = connected(Client.builder(guarded.url).token(token).device("other"));
            assertEquals("alice", right.user());
        }
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
                open.add(alice.inbox().history(10));
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
        try (ClientPool pool = new ClientPool(2, ClientTest::builder)) {
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
