// Gives a stream's entries to a function, on the client's executor.
package io.github.wsc.internal;

import io.github.wsc.Delivery;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

final class ListenerReader extends Reader implements Runnable {
    /** Entries given before others get their turn. */
    private static final int TURN = 256;

    private final Consumer<? super Delivery> consumer;
    private final SerialExecutor executor;
    private final AtomicBoolean busy = new AtomicBoolean();

    ListenerReader(Backlog backlog, SerialExecutor executor, Consumer<? super Delivery> consumer) {
        super(backlog);
        this.executor = executor;
        this.consumer = consumer;
    }

    boolean gives(Consumer<? super Delivery> to) {
        return consumer == to;
    }

    @Override
    boolean isHandledByClosing() {
        return true;
    }

    @Override
    public void available() {
        if (busy.compareAndSet(false, true)) {
            executor.execute(this);
        } else {
            executor.check();
        }
    }

    @Override
    public void run() {
        for (int turn = 0; turn < TURN; turn++) {
            @Nullable Entry entry = next();
            if (entry == null) {
                busy.set(false);
                entry = next();
                if (entry == null) {
                    return;
                }
                if (!busy.compareAndSet(false, true)) {
                    // It was woken again and will run; this one entry is given before that.
                    give(entry);
                    return;
                }
            }
            give(entry);
        }
        executor.execute(this);
    }

    private void give(Entry entry) {
        SerialExecutor.guarded(() -> consumer.accept(entry.delivery()));
        handled(entry);
    }
}
