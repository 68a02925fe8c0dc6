// Texts and numbers as they are at the edges: halves of characters, integers beyond 64 bits, very long names. Against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class TextTest extends WithHub {
    /** Half of a surrogate pair, as a text that is cut in the middle of an emoji ends. */
    private static final String HALF = "\ud83d";

    @Test
    void half_of_a_pair_in_a_text_arrives_as_an_unknown_character() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        String cut = "cut in the middle 🐈".substring(0, 19);
        assertTrue(cut.endsWith(HALF));
        try (Deliveries inbox = bob.inbox().deliveries()) {
            get(get(alice.send(Message.to("user:" + bob.user()).content(cut).senderName(HALF + "Alice").sessionId("s" + HALF)
                    .data("{\"raw\":\"" + HALF + "\",\"escaped\":\"\\ud83d\",\"whole\":\"🐈\\ud83d\\udc08\"}").build())).accepted());
            Message got = message(inbox);
            assertEquals("cut in the middle \ufffd", got.content());
            assertEquals("\ufffdAlice", got.senderName());
            assertEquals("s\ufffd", got.sessionId());
            assertEquals("{\"raw\":\"\ufffd\",\"escaped\":\"\\ufffd\",\"whole\":\"🐈\\ud83d\\udc08\"}", got.data());
        }
    }

    @Test
    void half_of_a_pair_in_a_name_is_refused_with_what_is_wrong_and_costs_nobody_else_anything() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        bob.inbox().subscribe(message -> got.add(message.content()));
        SendException id = assertThrows(
                SendException.class, () -> get(alice.send(Message.to("user:" + bob.user()).id("m" + HALF).content("hello").build())));
        assertEquals(SendException.Fault.INVALID, id.fault());
        assertTrue(id.getMessage().contains("message_id") && id.getMessage().contains("surrogate"), id.getMessage());
        for (Executable wrong : List.<Executable>of(
                () -> Message.to("user:bob" + HALF),
                () -> Message.to("group:" + HALF),
                () -> alice.send("user:" + HALF, "hello"),
                () -> alice.typing("user:" + HALF),
                () -> alice.group("g" + HALF),
                () -> alice.markRead("user:" + HALF, 1),
                () -> alice.markRead("group:" + HALF, 1),
                () -> alice.presence(List.of("bob", "carol" + HALF)),
                () -> Message.to("user:bob").device(HALF),
                () -> builder("u" + HALF).build(),
                () -> builder("u").device(HALF).build(),
                () -> builder("u").groups(List.of(HALF)).build(),
                () -> builder("u").token(HALF).build())) {
            IllegalArgumentException error = assertThrows(IllegalArgumentException.class, wrong);
            assertTrue(error.getMessage().contains("surrogate"), error.getMessage());
        }
        // Whatever was refused: all clients of the process go on.
        get(get(alice.send("user:" + bob.user(), "still here")).accepted());
        assertEquals("still here", got.poll(10, TimeUnit.SECONDS));
    }

    @Test
    void numbers_in_data_are_kept_whatever_their_size() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        String data = "{\"id\":9007199254740993,\"max\":9223372036854775807,\"min\":-9223372036854775808,\"unsigned\":18446744073709551615,"
                + "\"fraction\":0.1000000000000000055511151231257827,\"digits\":" + "7".repeat(5_000) + ",\"" + "name".repeat(12_000) + "\":1}";
        try (Deliveries inbox = bob.inbox().deliveries()) {
            get(get(alice.send(Message.to("user:" + bob.user()).data(data).build())).accepted());
            Message got = message(inbox);
            assertEquals(data, got.data());
            assertEquals(data, got.copy().build().data());
        }
        assertEquals(data, get(bob.inbox().history(HistoryOptions.newest().limit(10))).messages().get(0).data());
        assertEquals(data, get(alice.inbox().history(HistoryOptions.newest().limit(10))).messages().get(0).data());
    }

    @Test
    void who_types_on_after_a_message_is_told_at_once() throws Exception {
        BlockingQueue<Message> got = new LinkedBlockingQueue<>();
        Client alice = connected(name("alice"));
        Client bob = connected(builder(name("bob")).listener(new ClientListener() {
            @Override
            public void onVolatile(Message message) {
                got.add(message);
            }
        }));
        String conversation = "user:" + bob.user();
        for (int round = 0; round < 3; round++) {
            // What was written is forgotten there with the message: the next key says it again.
            for (int key = 0; key < 10; key++) {
                alice.typing(conversation);
            }
            assertEquals(MessageType.TYPING, got.poll(1, TimeUnit.SECONDS).type());
            get(get(alice.send(conversation, "hello")).accepted());
        }
        // A message to somebody else changes nothing.
        alice.typing(conversation);
        assertEquals(MessageType.TYPING, got.poll(1, TimeUnit.SECONDS).type());
        get(alice.send("user:carol", "hello"));
        alice.typing(conversation);
        get(get(alice.send(Message.to(conversation).type(MessageType.TEXT).content("marker").isVolatile().build())).accepted());
        assertEquals("marker", got.poll(10, TimeUnit.SECONDS).content());
    }

    @Test
    void own_messages_stand_there_with_their_bytes_until_the_hub_has_them() throws Exception {
        String user = name("alice");
        Client alice = keep(Client.builder(hub.url).user(user).outbox(folder.resolve("alice")).build());
        byte[] bytes = {1, 2, 3};
        get(alice.send("user:bob", "first"));
        Receipt file = get(alice.send(Message.to("user:bob").type(MessageType.FILE).content("cat.png").payload(bytes).build()));
        assertEquals(List.of("first", "cat.png"), alice.pending().stream().map(Message::content).toList());
        assertEquals(bytes, alice.pending().get(1).payload());
        get(alice.connect());
        get(file.accepted());
        assertEquals(List.of(), alice.pending());
    }
}
