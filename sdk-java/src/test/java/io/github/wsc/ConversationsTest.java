// The list of conversations as it changes, against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

class ConversationsTest extends WithHub {
    private static ConversationList shown(BlockingQueue<ConversationList> shown, Predicate<ConversationList> wanted) throws Exception {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        ConversationList last = null;
        while (System.nanoTime() < until) {
            ConversationList next = shown.poll(100, TimeUnit.MILLISECONDS);
            last = next == null ? last : next;
            if (next != null && wanted.test(next)) {
                return next;
            }
        }
        throw new AssertionError("the last one shown is " + last);
    }

    private static Conversation first(ConversationList list) {
        return list.list().get(0);
    }

    @Test
    void the_list_is_loaded_and_changes_by_itself() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        Client carol = connected(name("carol"));
        get(get(alice.send("user:" + bob.user(), "before")).accepted());
        BlockingQueue<ConversationList> shown = new LinkedBlockingQueue<>();
        Subscription watch = bob.conversations().subscribe(shown::add);
        ConversationList loaded = shown(shown, ConversationList::loaded);
        assertEquals(List.of("user:" + alice.user()), loaded.list().stream().map(Conversation::name).toList());
        assertEquals(1, loaded.unread());

        get(get(alice.send("user:" + bob.user(), "hello")).accepted());
        ConversationList second = shown(shown, list -> list.unread() == 2);
        assertEquals("hello", first(second).message().content());
        assertEquals(2, first(second).unread());

        // The newest stands first.
        get(get(carol.send("user:" + bob.user(), "me too")).accepted());
        ConversationList third = shown(shown, list -> list.unread() == 3);
        assertEquals(List.of("user:" + carol.user(), "user:" + alice.user()), third.list().stream().map(Conversation::name).toList());

        // Read, here.
        bob.markRead("user:" + alice.user(), third.list().get(1).last());
        shown(shown, list -> list.unread() == 1);

        // What this user writes moves a conversation and is not unread.
        get(get(bob.send("user:" + alice.user(), "an answer")).accepted());
        ConversationList answered = shown(shown, list -> first(list).name().equals("user:" + alice.user()));
        Message answer = first(answered).message();
        assertEquals("an answer", answer.content());
        assertEquals(bob.user(), answer.sender());
        assertEquals(first(answered).last(), answer.position());
        assertEquals(1, answered.unread());
        assertEquals(answered, bob.conversations().get());
        assertEquals(1L, get(bob.unread()));

        watch.close();
        get(get(carol.send("user:" + bob.user(), "unseen")).accepted());
        Thread.sleep(500);
        assertTrue(shown.isEmpty());
    }

    @Test
    void what_is_read_on_another_device_and_what_came_while_away_is_shown() throws Exception {
        String user = name("bob");
        Client alice = connected(name("alice"));
        try (Wire wire = new Wire(hub.url)) {
            Client desk = connected(Client.builder(wire.url()).user(user).device("desk"));
            Client phone = connected(Client.builder(hub.url).user(user).device("phone"));
            BlockingQueue<ConversationList> shown = new LinkedBlockingQueue<>();
            desk.conversations().subscribe(shown::add);
            Accepted one = get(get(alice.send("user:" + user, "one")).accepted());
            assertNotNull(one);
            ConversationList unread = shown(shown, list -> list.unread() == 1);
            phone.markRead("user:" + alice.user(), first(unread).last());
            shown(shown, list -> list.unread() == 0);
            wire.cut();
            get(get(alice.send("user:" + user, "two")).accepted());
            get(get(alice.send("user:" + user, "three")).accepted());
            wire.heal();
            desk.network(true);
            ConversationList after = shown(shown, list -> list.unread() == 2);
            assertEquals("three", first(after).message().content());
        }
    }

    @Test
    void to_watch_is_not_to_read() throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        BlockingQueue<ConversationList> shown = new LinkedBlockingQueue<>();
        bob.conversations().subscribe(shown::add);
        Receipt receipt = get(alice.send(Message.to("user:" + bob.user()).content("for a reader").receipts().build()));
        shown(shown, list -> list.unread() == 1);
        Thread.sleep(300);
        assertTrue(!receipt.delivered().isDone(), "a list is not a reader");
        List<String> got = new CopyOnWriteArrayList<>();
        bob.inbox().subscribe(message -> got.add(message.content()));
        eventually(() -> got.equals(List.of("for a reader")));
        get(receipt.delivered());
        assertEquals(1, bob.conversations().get().unread());
    }
}
