// Asks the application for tokens, and gives its answers to the machine, which says what is not a token and asks again. Only an explicit
// null is final.
package io.github.wsc.internal;

import io.github.wsc.internal.ffi.Command;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

final class Tokens {
    private final Session session;
    private final @Nullable Supplier<? extends @Nullable CompletionStage<@Nullable String>> provider;
    /** What the provider threw, for the fault that the machine reports. */
    private final AtomicReference<@Nullable Throwable> thrown = new AtomicReference<>();

    Tokens(Session session, @Nullable Supplier<? extends CompletionStage<@Nullable String>> provider) {
        this.session = session;
        this.provider = provider;
    }

    /** Asks for a token; in a thread for callbacks. */
    void fetch() {
        if (provider == null) {
            session.submit(Command.NoToken.INSTANCE);
            return;
        }
        try {
            CompletionStage<@Nullable String> stage = provider.get();
            if (stage == null) {
                failed("it returned no CompletionStage", null);
            } else {
                stage.whenComplete(this::take);
            }
        } catch (Throwable error) {
            // Also an error: the machine waits for an answer.
            failed(error.toString(), error);
        }
    }

    /** What the provider threw last, once. */
    @Nullable Throwable thrown() {
        return thrown.getAndSet(null);
    }

    private void take(@Nullable String token, @Nullable Throwable error) {
        if (error != null) {
            Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
            failed(cause.toString(), cause);
        } else if (token == null) {
            session.submit(Command.NoToken.INSTANCE);
        } else {
            session.submit(new Command.Token(Texts.repaired(token)));
        }
    }

    private void failed(String why, @Nullable Throwable cause) {
        thrown.set(cause);
        session.submit(new Command.TokenFailed(Texts.repaired(why)));
    }
}
