// Messages, streams, groups, presence: what an application does, against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ClientTest extends WithHub {
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

        Page newest = get(bob.group(group.id()).history(HistoryOptions.newest().limit(10)));
        assertEquals("line 25", newest.messages().get(9).content());
        assertTrue(newest.more());
        Page older = get(bob.group(group.id()).history(HistoryOptions.before(newest.from()).limit(10)));
        assertEquals("line 15", older.messages().get(9).content());
        Page after = get(bob.group(group.id()).history(HistoryOptions.after(newest.to() - 2).limit(10)));
        assertEquals(List.of("line 24", "line 25"), after.messages().stream().map(Message::content).toList());

        get(bob.group(group.id()).leave());
        RequestException refused = assertThrows(RequestException.class, () -> get(bob.group(group.id()).history(HistoryOptions.newest().limit(10))));
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
        Conversation conversation = get(bob.conversations().fetch()).get(0);
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
        assertEquals(0, get(bob.inbox().history(HistoryOptions.newest().limit(10))).messages().size());
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
                Message.to("user:bob").type("connect").build(), SendException.Fault.INVALID,
                Message.to("user:" + "b".repeat(200)).build(), SendException.Fault.INVALID).entrySet()) {
            SendException refused = assertThrows(SendException.class, () -> get(alice.send(wrong.getKey())), wrong.getKey().toString());
            assertEquals(wrong.getValue(), refused.fault(), refused.getMessage());
            assertFalse(refused.isRetryable());
        }
        // Half of a surrogate pair is read as an unknown character, here as everywhere.
        get(get(alice.send(Message.to("user:bob").content("half of a pair \ud83d").build())).accepted());
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
        StorageException used =
                assertThrows(StorageException.class, () -> Client.builder(hub.url).user("dave").outbox(outbox).build());
        assertEquals(outbox + ": the outbox is in use by another client", used.getMessage());
        SendException unreadable =
                assertThrows(SendException.class, () -> get(owner.send(Message.to("user:bob").data("{").build())));
        assertEquals(SendException.Fault.INVALID, unreadable.fault());
        assertTrue(unreadable.getMessage().startsWith("invalid message: not JSON"), unreadable.getMessage());
        owner.close();
        assertThrows(StorageException.class, () -> Client.builder(hub.url).user("dave").outbox(folder).build());
        Path letter = Files.writeString(folder.resolve("letter"), "Dear Bob, this is no outbox.");
        assertThrows(StorageException.class, () -> Client.builder(hub.url).user("dave").outbox(letter).build());
        assertEquals("Dear Bob, this is no outbox.", Files.readString(letter));
        assertThrows(ClosedException.class, () -> get(owner.connect()));
        assertEquals(SendException.Fault.CLOSED, assertThrows(SendException.class, () -> get(owner.send("user:bob", "x"))).fault());
        assertThrows(RequestException.class, () -> get(owner.unread()));
        owner.markRead("user:bob", -1);
        owner.close();

        get(get(alice.send("user:" + alice.user(), "still here")).accepted());
    }
}
