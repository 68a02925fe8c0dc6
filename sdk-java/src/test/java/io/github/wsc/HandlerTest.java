// Code of the application that fails in every way the JVM knows: the client goes on, or is closed with the cause; it is never
// deaf while it says that it is connected. Against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class HandlerTest extends WithHub {
    /** Ways to fail. The first overflows the stack for real. */
    enum Way {
        STACK {
            @Override
            void fail() {
                assertTrue(deep(0) >= 0);
            }
        },
        MEMORY {
            @Override
            void fail() {
                throw new OutOfMemoryError("thrown on purpose by a test");
            }
        },
        LINKAGE {
            @Override
            void fail() {
                throw new NoClassDefFoundError("thrown on purpose by a test");
            }
        },
        INTERNAL {
            @Override
            void fail() {
                throw new InternalError("thrown on purpose by a test");
            }
        },
        ASSERTION {
            @Override
            void fail() {
                throw new AssertionError("thrown on purpose by a test");
            }
        },
        CHECKED {
            @Override
            void fail() {
                HandlerTest.sneak(new java.io.IOException("thrown on purpose by a test"));
            }
        },
        DEATH {
            @Override
            @SuppressWarnings("deprecation")
            void fail() {
                throw new ThreadDeath();
            }
        };

        abstract void fail();
    }

    private static int deep(int level) {
        return deep(level + 1) + 1;
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void sneak(Throwable thrown) throws T {
        throw (T) thrown;
    }

    /** Three messages of alice to bob, of which the first is the one that handlers fail at. */
    private static void three(Client alice, Client bob) throws Exception {
        for (String text : List.of("fail", "two", "three")) {
            get(get(alice.send("user:" + bob.user(), text)).accepted());
        }
    }

    @ParameterizedTest
    @EnumSource
    void a_subscriber_that_fails_gets_the_other_messages(Way way) throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        List<String> got = new CopyOnWriteArrayList<>();
        bob.inbox().subscribe(message -> {
            got.add(message.content());
            if (message.content().equals("fail")) {
                way.fail();
            }
        });
        three(alice, bob);
        eventually(() -> got.equals(List.of("fail", "two", "three")));
    }

    @ParameterizedTest
    @EnumSource
    void listeners_that_fail_at_everything_are_told_everything(Way way) throws Exception {
        Client alice = connected(name("alice"));
        List<String> heard = new CopyOnWriteArrayList<>();
        Client bob = keep(builder(name("bob")).listener(new MessageListener() {
            private void note(String what) {
                heard.add(what);
                way.fail();
            }

            @Override
            public void onState(ConnectionState state) {
                note("state " + state.phase());
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
            public void onVolatile(Message message) {
                note("volatile");
            }

            @Override
            public void onMessageSent(String messageId, Accepted accepted) {
                note("sent");
            }

            @Override
            public void onClose(int code, String reason) {
                note("closed");
            }
        }).build());
        get(bob.connect());
        three(alice, bob);
        get(get(bob.send("user:" + alice.user(), "hello")).accepted());
        get(alice.send(Message.to("user:" + bob.user()).isVolatile().build()));
        eventually(() -> heard.contains("volatile"));
        bob.close();
        eventually(() -> heard.containsAll(List.of(
                "state CONNECTING", "state CONNECTED", "connected", "fail", "two", "three", "sent", "volatile", "state CLOSED", "closed")));
    }

    @ParameterizedTest
    @EnumSource
    void a_flow_subscriber_that_fails_is_cancelled_and_told_and_what_it_failed_at_is_for_the_next(Way way) throws Exception {
        Client alice = connected(name("alice"));
        List<Throwable> faults = new CopyOnWriteArrayList<>();
        Client bob = connected(builder(name("bob")).listener(new ClientListener() {
            @Override
            public void onFault(WscException fault) {
                faults.add(fault.getCause());
            }
        }));
        List<String> other = new CopyOnWriteArrayList<>();
        for (boolean atOnce : new boolean[] {true, false}) {
            bob.inbox().publisher().subscribe(new Flow.Subscriber<>() {
                @Override
                public void onSubscribe(Flow.Subscription subscription) {
                    subscription.request(Long.MAX_VALUE);
                    if (atOnce) {
                        way.fail();
                    }
                }

                @Override
                public void onNext(Delivery delivery) {
                    way.fail();
                }

                @Override
                public void onError(Throwable error) {}

                @Override
                public void onComplete() {}
            });
        }
        three(alice, bob);
        eventually(() -> faults.size() == 2);
        bob.inbox().subscribe(message -> other.add(message.content()));
        eventually(() -> other.equals(List.of("fail", "two", "three")));
    }

    @Test
    void a_flow_subscriber_that_cancels_at_once_leaves_nothing_behind() throws Exception {
        Client alice = connected(name("alice"));
        // It is cancelled before subscribing has returned.
        Client bob = connected(builder(name("bob")).executor(Runnable::run));
        bob.inbox().publisher().subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.cancel();
            }

            @Override
            public void onNext(Delivery delivery) {}

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onComplete() {}
        });
        three(alice, bob);
        Receipt receipt = get(alice.send(Message.to("user:" + bob.user()).content("four").receipts().build()));
        get(receipt.accepted());
        Thread.sleep(200);
        List<String> got = new CopyOnWriteArrayList<>();
        bob.inbox().subscribe(message -> got.add(message.content()));
        eventually(() -> got.equals(List.of("fail", "two", "three", "four")));
        get(receipt.delivered());
    }

    @ParameterizedTest
    @EnumSource
    void what_an_application_does_when_a_receipt_comes_may_fail(Way way) throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(name("bob"));
        bob.inbox().subscribe(bob::markRead);
        for (int round = 0; round < 3; round++) {
            Receipt receipt = get(alice.send(Message.to("user:" + bob.user()).content("hello").receipts().build()));
            AtomicInteger called = new AtomicInteger();
            for (CompletableFuture<?> stage : List.of(receipt.accepted(), receipt.delivered(), receipt.read())) {
                CompletableFuture<Void> failed = stage.thenRun(() -> {
                    called.incrementAndGet();
                    way.fail();
                });
                assertThrows(CompletionException.class, () -> failed.orTimeout(10, TimeUnit.SECONDS).join());
            }
            assertEquals(3, called.get());
        }
    }

    @ParameterizedTest
    @EnumSource
    void who_watches_presence_may_fail(Way way) throws Exception {
        Client alice = connected(name("alice"));
        String other = name("bob");
        List<UserStatus> heard = new CopyOnWriteArrayList<>();
        try (Presence presence = alice.presence(List.of(other))) {
            presence.subscribe((user, status) -> {
                heard.add(status);
                way.fail();
            });
            eventually(() -> heard.contains(UserStatus.OFFLINE));
            Client bob = connected(other);
            eventually(() -> heard.contains(UserStatus.ONLINE));
            get(bob.setStatus(UserStatus.BUSY));
            eventually(() -> heard.contains(UserStatus.BUSY));
        }
    }

    @ParameterizedTest
    @EnumSource
    void an_executor_that_fails_is_done_without(Way way) throws Exception {
        Client alice = connected(name("alice"));
        Client bob = connected(builder(name("bob")).executor(task -> way.fail()));
        List<String> got = new CopyOnWriteArrayList<>();
        bob.inbox().subscribe(message -> got.add(message.content()));
        three(alice, bob);
        eventually(() -> got.equals(List.of("fail", "two", "three")));
    }

    @ParameterizedTest
    @EnumSource
    void an_executor_without_threads_runs_what_fails_and_goes_on(Way way) throws Exception {
        Client alice = connected(name("alice"));
        Executor direct = Runnable::run;
        Client bob = connected(builder(name("bob")).executor(direct));
        Client carol = connected(name("carol"));
        List<String> got = new CopyOnWriteArrayList<>();
        bob.inbox().subscribe(message -> {
            got.add(message.content());
            way.fail();
        });
        three(alice, bob);
        eventually(() -> got.equals(List.of("fail", "two", "three")));
        // The thread that it ran in serves the others, too.
        get(get(carol.send("user:" + bob.user(), "four")).accepted());
        eventually(() -> got.size() == 4);
    }

    @Test
    void an_executor_that_was_shut_down_under_a_client_is_done_without() throws Exception {
        Client alice = connected(name("alice"));
        for (boolean now : new boolean[] {false, true}) {
            ExecutorService executor = Executors.newSingleThreadExecutor();
            CompletableFuture<Void> entered = new CompletableFuture<>();
            List<String> got = new CopyOnWriteArrayList<>();
            Client bob = connected(builder(name("bob")).executor(executor));
            executor.execute(() -> {
                entered.complete(null);
                try {
                    Thread.sleep(60_000);
                } catch (InterruptedException stopped) {
                    Thread.currentThread().interrupt();
                }
            });
            get(entered);
            bob.inbox().subscribe(message -> got.add(message.content()));
            get(get(alice.send("user:" + bob.user(), "waits behind the other task")).accepted());
            Thread.sleep(100);
            if (now) {
                // What waited in its queue is gone.
                assertTrue(!executor.shutdownNow().isEmpty());
            } else {
                executor.shutdown();
            }
            three(alice, bob);
            eventually(() -> got.size() == 4);
            executor.shutdownNow();
        }
    }

    @Test
    void an_executor_that_rejects_now_and_then_loses_nothing() throws Exception {
        Client alice = connected(name("alice"));
        AtomicInteger tasks = new AtomicInteger();
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            Client bob = connected(builder(name("bob")).executor(task -> {
                if (tasks.incrementAndGet() % 2 == 0) {
                    throw new RejectedExecutionException("full, on purpose of a test");
                }
                threads.execute(task);
            }));
            List<String> got = new CopyOnWriteArrayList<>();
            bob.inbox().subscribe(message -> got.add(message.content()));
            List<String> wanted = new java.util.ArrayList<>();
            for (int number = 0; number < 100; number++) {
                wanted.add("number " + number);
                get(get(alice.send("user:" + bob.user(), "number " + number)).accepted());
            }
            eventually(() -> got.equals(wanted));
        } finally {
            threads.shutdown();
        }
    }

    @ParameterizedTest
    @EnumSource
    void a_token_provider_that_fails_is_told_and_asked_again(Way way) throws Exception {
        AtomicInteger asked = new AtomicInteger();
        List<Throwable> faults = new CopyOnWriteArrayList<>();
        try (Hub guarded = Hub.guarded(folder)) {
            Client alice = keep(Client.builder(guarded.url).tokenProvider(() -> {
                if (asked.incrementAndGet() == 1) {
                    way.fail();
                }
                return CompletableFuture.completedFuture(guarded.token("alice"));
            }).listener(new ClientListener() {
                @Override
                public void onFault(WscException fault) {
                    faults.add(fault.getCause());
                }
            }).build());
            get(alice.connect());
            assertEquals(2, asked.get());
            eventually(() -> faults.size() == 1);
            assertNotNull(faults.get(0));
        }
    }

    @Test
    void an_order_that_is_lost_closes_its_client_with_the_cause_and_no_other() throws Exception {
        Client alice = connected(name("alice"));
        List<String> closes = new CopyOnWriteArrayList<>();
        Client bob = connected(builder(name("bob")).listener(new ClientListener() {
            @Override
            public void onClose(int code, String reason) {
                closes.add(code + " " + reason);
            }
        }));
        Receipt waits = get(alice.send(Message.to("user:" + bob.user()).content("hello").receipts().build()));
        // Past the checks of the public class: what native code does not take.
        bob.session.cancel("\ud83d");
        eventually(() -> bob.state().phase() == ConnectionState.Phase.CLOSED);
        eventually(() -> closes.size() == 1);
        assertTrue(closes.get(0).startsWith("0 the client closed itself: "), closes.get(0));
        assertTrue(bob.state().reason().contains("MalformedInputException"), bob.state().reason());
        ClosedException closed = assertThrows(ClosedException.class, () -> get(bob.connect()));
        assertNotNull(closed.getCause());
        SendException unsent = assertThrows(SendException.class, () -> get(bob.send("user:" + alice.user(), "too late")));
        assertEquals(SendException.Fault.CLOSED, unsent.fault());
        assertEquals(closed.getCause(), unsent.getCause());
        get(waits.accepted());
        get(get(alice.send("user:" + alice.user(), "still here")).accepted());
    }
}
