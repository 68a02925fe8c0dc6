// Readers that are in the middle of a message when the client is closed. Against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ClosingTest extends WithHub {
    private Client three(String bob) throws Exception {
        Client alice = connected(name("alice"));
        for (String text : List.of("one", "two", "three")) {
            get(get(alice.send("user:" + bob, text)).accepted());
        }
        return alice;
    }

    private ClientBuilder kept(String user) {
        Path outbox = folder.resolve(user);
        return Client.builder(hub.url).user(user).outbox(outbox);
    }

    /** What the user's device gets once it is there again. */
    private List<String> rest(String user) throws Exception {
        List<String> rest = new ArrayList<>();
        try (Client again = kept(user).build(); Deliveries inbox = again.inbox().deliveries()) {
            get(again.connect());
            for (Delivery next = inbox.poll(Duration.ofSeconds(2)); next != null; next = inbox.poll(Duration.ofMillis(300))) {
                rest.add(((Message) next).content());
            }
        }
        return rest;
    }

    @Test
    void a_receipt_of_an_accepted_message_says_that_it_is_not_followed_any_more() throws Exception {
        Client alice = connected(name("alice"));
        Receipt receipt = get(alice.send(Message.to("user:" + name("bob")).content("hello").receipts().build()));
        get(receipt.accepted());
        alice.close();
        ReceiptException ended = assertThrows(ReceiptException.class, () -> get(receipt.read()));
        assertEquals(ReceiptException.Fault.CLOSED, ended.fault());
        assertEquals("the client was closed: receipts of this message are not followed any more", ended.getMessage());
    }

    @Test
    void a_loop_that_takes_longer_than_closing_waits_ends_and_its_message_comes_again() throws Exception {
        String bob = name("bob");
        three(bob);
        Client client = kept(bob).build();
        get(client.connect());
        CountDownLatch inTheMiddle = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        List<String> got = new ArrayList<>();
        CompletableFuture<Void> loop = CompletableFuture.runAsync(() -> {
            try (Deliveries inbox = client.inbox().deliveries()) {
                for (Delivery delivery : inbox) {
                    got.add(((Message) delivery).content());
                    if (got.size() == 2) {
                        inTheMiddle.countDown();
                        goOn.await();
                    }
                }
                assertThrows(NoSuchElementException.class, inbox::next);
                assertNull(inbox.poll(Duration.ofSeconds(1)));
            } catch (InterruptedException stopped) {
                throw new AssertionError(stopped);
            }
        });
        assertTrue(inTheMiddle.await(10, TimeUnit.SECONDS));
        client.close();
        assertFalse(loop.isDone());
        goOn.countDown();
        loop.get(5, TimeUnit.SECONDS);
        assertEquals(List.of("one", "two"), got);
        assertEquals(List.of("two", "three"), rest(bob));
    }

    @Test
    void a_loop_that_is_done_with_its_message_in_time_does_not_get_it_again() throws Exception {
        String bob = name("bob");
        three(bob);
        Client client = kept(bob).build();
        get(client.connect());
        CountDownLatch inTheMiddle = new CountDownLatch(1);
        CompletableFuture<List<String>> loop = CompletableFuture.supplyAsync(() -> {
            List<String> got = new ArrayList<>();
            try (Deliveries inbox = client.inbox().deliveries()) {
                for (Delivery delivery : inbox) {
                    got.add(((Message) delivery).content());
                    inTheMiddle.countDown();
                    Thread.sleep(300);
                }
            } catch (InterruptedException stopped) {
                throw new AssertionError(stopped);
            }
            return got;
        });
        assertTrue(inTheMiddle.await(10, TimeUnit.SECONDS));
        client.close();
        assertEquals(List.of("one"), loop.get(5, TimeUnit.SECONDS));
        assertEquals(List.of("two", "three"), rest(bob));
    }

    @Test
    void a_loop_that_closes_the_client_itself_and_fails_then_gets_its_message_again() throws Exception {
        String bob = name("bob");
        three(bob);
        Client client = kept(bob).build();
        get(client.connect());
        long began = System.nanoTime();
        assertThrows(IllegalStateException.class, () -> {
            try (Deliveries inbox = client.inbox().deliveries()) {
                for (Delivery delivery : inbox) {
                    if (((Message) delivery).content().equals("two")) {
                        client.close();
                        throw new IllegalStateException("thrown on purpose by a test");
                    }
                }
            }
        });
        assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(2), "closing waited for the thread that closes");
        assertEquals(List.of("two", "three"), rest(bob));
    }

    @Test
    void a_thread_that_is_interrupted_in_its_wait_stops_and_loses_nothing() throws Exception {
        String bob = name("bob");
        Client client = kept(bob).build();
        get(client.connect());
        CompletableFuture<Boolean> ended = new CompletableFuture<>();
        Thread loop = new Thread(() -> {
            try (Deliveries inbox = client.inbox().deliveries()) {
                inbox.forEach(delivery -> {});
                ended.complete(Thread.currentThread().isInterrupted());
            }
        });
        loop.start();
        Thread.sleep(100);
        loop.interrupt();
        assertTrue(get(ended));
        loop.join();
        three(bob);
        client.close();
        assertEquals(List.of("one", "two", "three"), rest(bob));
    }
}
