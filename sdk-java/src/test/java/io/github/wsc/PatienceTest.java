// What takes its time, and only waits: it runs beside the other tests.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

@Execution(ExecutionMode.CONCURRENT)
class PatienceTest {
    @Test
    void what_nobody_reads_for_long_is_named_and_stays_in_the_history() throws Exception {
        BlockingQueue<String> unread = new LinkedBlockingQueue<>();
        try (Hub hub = Hub.start();
                Client alice = Client.builder(hub.url).user("alice").device("d").build();
                Client bob = Client.builder(hub.url).user("bob").device("d").listener(new ClientListener() {
                    @Override
                    public void onUnread(String stream, long from, long to) {
                        unread.add(stream + " " + from + " " + to);
                    }
                }).build()) {
            alice.connect().get(10, TimeUnit.SECONDS);
            bob.connect().get(10, TimeUnit.SECONDS);
            alice.group("g").join().get(10, TimeUnit.SECONDS);
            bob.group("g").join().get(10, TimeUnit.SECONDS);
            for (int number = 1; number <= 5; number++) {
                for (String conversation : new String[] {"group:g", "user:bob"}) {
                    alice.send(conversation, "number " + number).get(10, TimeUnit.SECONDS).accepted().get(10, TimeUnit.SECONDS);
                }
            }
            // Of the inbox nobody reads anything; of the group a reader leaves three.
            try (Deliveries deliveries = bob.group("g").deliveries()) {
                deliveries.poll(Duration.ofSeconds(10));
                deliveries.poll(Duration.ofSeconds(10));
            }
            String first = unread.poll(40, TimeUnit.SECONDS);
            String second = unread.poll(40, TimeUnit.SECONDS);
            assertEquals("group:g 3 5, inbox 1 5", first.startsWith("group") ? first + ", " + second : second + ", " + first);
            alice.send("group:g", "number 6");
            try (Deliveries deliveries = bob.group("g").deliveries()) {
                Delivery next = deliveries.poll(Duration.ofSeconds(10));
                assertEquals("number 6", ((Message) next).content());
            }
            assertTrue(bob.group("g").history(HistoryOptions.newest().limit(10)).get(10, TimeUnit.SECONDS).messages().size() == 6);
        }
    }

    @Test
    void what_the_application_acknowledges_itself_waits_for_its_reader_however_long() throws Exception {
        try (Hub hub = Hub.start();
                Client alice = Client.builder(hub.url).user("alice").device("d").build();
                Client bob = Client.builder(hub.url).user("bob").device("d").acknowledge(Acknowledge.MANUAL).build()) {
            alice.connect().get(10, TimeUnit.SECONDS);
            bob.connect().get(10, TimeUnit.SECONDS);
            alice.send("user:bob", "for whoever comes").get(10, TimeUnit.SECONDS).accepted().get(10, TimeUnit.SECONDS);
            Thread.sleep(23_000);
            try (Deliveries deliveries = bob.inbox().deliveries()) {
                Delivery late = deliveries.poll(Duration.ofSeconds(10));
                assertEquals("for whoever comes", ((Message) late).content());
                bob.acknowledge(late);
            }
        }
    }

    @Test
    void what_only_a_list_of_conversations_sees_waits_as_long_as_what_nobody_sees() throws Exception {
        BlockingQueue<String> unread = new LinkedBlockingQueue<>();
        try (Hub hub = Hub.start();
                Client alice = Client.builder(hub.url).user("alice").device("d").build();
                Client bob = Client.builder(hub.url).user("bob").device("d").listener(new ClientListener() {
                    @Override
                    public void onUnread(String stream, long from, long to) {
                        unread.add(stream + " " + from + " " + to);
                    }
                }).build()) {
            alice.connect().get(10, TimeUnit.SECONDS);
            bob.connect().get(10, TimeUnit.SECONDS);
            bob.conversations().subscribe(list -> {});
            alice.send("user:bob", "one").get(10, TimeUnit.SECONDS).accepted().get(10, TimeUnit.SECONDS);
            Thread.sleep(2_000);
            Receipt second = alice.send(Message.to("user:bob").content("two").receipts().build()).get(10, TimeUnit.SECONDS);
            Thread.sleep(10_000);
            assertTrue(unread.isEmpty() && !second.delivered().isDone());
            assertEquals("inbox 1 2", unread.poll(40, TimeUnit.SECONDS));
            second.delivered().get(10, TimeUnit.SECONDS);
            assertEquals(2, bob.conversations().get().unread());
        }
    }
}
