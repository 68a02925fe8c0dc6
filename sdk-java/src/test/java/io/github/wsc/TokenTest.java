// What a token provider may answer, against a hub that asks for tokens.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.api.Test;

class TokenTest extends WithHub {
    private static Hub guarded;

    @BeforeAll
    static void guard(@TempDir java.nio.file.Path secrets) throws IOException {
        guarded = Hub.guarded(secrets);
    }

    @AfterAll
    static void end() {
        guarded.close();
    }

    /** Answers that are none, and that may be another next time. */
    enum Bad {
        THROWS("IllegalStateException", () -> {
            throw new IllegalStateException("thrown on purpose by a test");
        }),
        FAILS("IOException", () -> CompletableFuture.failedFuture(new IOException("failed on purpose by a test"))),
        CANCELLED("Cancellation", () -> {
            CompletableFuture<String> cancelled = new CompletableFuture<>();
            cancelled.cancel(true);
            return cancelled;
        }),
        NO_STAGE("no CompletionStage", () -> null),
        EMPTY("JWT", () -> CompletableFuture.completedFuture("")),
        BLANK("JWT", () -> CompletableFuture.completedFuture(" \n")),
        PAGE("JWT", () -> CompletableFuture.completedFuture("<html><body>502 Bad Gateway</body></html>")),
        JSON("JWT", () -> CompletableFuture.completedFuture("{\"error\":\"try.again.later\"}")),
        HALF_A_PAIR("JWT", () -> CompletableFuture.completedFuture("\ud83d.\ud83d.\ud83d"));

        final String text;
        final Supplier<CompletionStage<String>> answer;

        Bad(String text, Supplier<CompletionStage<String>> answer) {
            this.text = text;
            this.answer = answer;
        }
    }

    private static final class Faults implements ClientListener {
        final BlockingQueue<WscException> all = new LinkedBlockingQueue<>();

        @Override
        public void onFault(WscException fault) {
            all.add(fault);
        }
    }

    @ParameterizedTest
    @EnumSource
    void a_bad_answer_is_told_and_the_provider_is_asked_again(Bad bad) throws Exception {
        AtomicInteger asked = new AtomicInteger();
        Faults faults = new Faults();
        Client alice = keep(Client.builder(guarded.url).listener(faults).tokenProvider(() -> asked.incrementAndGet() <= 2
                ? bad.answer.get()
                : CompletableFuture.completedFuture(guarded.token("alice"))).build());
        get(alice.connect());
        assertEquals("alice", alice.user());
        assertEquals(3, asked.get());
        for (int time = 0; time < 2; time++) {
            WscException fault = faults.all.poll(10, TimeUnit.SECONDS);
            assertNotNull(fault);
            String told = fault.getMessage() + " " + fault.getCause();
            assertTrue(told.contains("no token") && told.contains(bad.text), told);
            assertTrue(fault.isRetryable());
            assertFalse(told.contains("502"), "a token is a secret");
        }
    }

    @Test
    void an_explicit_none_closes() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        Client nobody = keep(Client.builder(guarded.url).tokenProvider(() -> {
            asked.incrementAndGet();
            return CompletableFuture.completedFuture(null);
        }).build());
        assertEquals(1, assertThrows(ClosedException.class, () -> get(nobody.connect())).code());
        assertEquals(ConnectionState.Phase.CLOSED, nobody.state().phase());
        assertEquals(1, asked.get());
    }

    @Test
    void a_token_that_the_hub_refuses_is_final_where_it_does_not_change() throws Exception {
        Client wrong = keep(Client.builder(guarded.url).token("not.a.token").build());
        assertEquals(CloseCode.CREDENTIALS_REFUSED, assertThrows(ClosedException.class, () -> get(wrong.connect())).code());
        assertEquals(List.of(), wrong.pending());
    }
}
