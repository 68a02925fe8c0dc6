// Gives a stream's entries to a function, on the client's lane.
package io.github.wsc;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

final class ListenerReader extends Reader implements Runnable {
    /** Entries given before others get their turn. */
    private static final int TURN = 256;

    private final Consumer<? super Delivery> consumer;
    private final Lane lane;
    private final AtomicBoolean busy = new AtomicBoolean();

    ListenerReader(MessageStream stream, Lane lane, Consumer<? super Delivery> consumer) {
        super(stream);
        this.lane = lane;
        this.consumer = consumer;
    }

    boolean gives(Consumer<? super Delivery> to) {
        return consumer == to;
    }

    @Override
    void available() {
        if (busy.compareAndSet(false, true)) {
            lane.execute(this);
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
                    // Somebody woke it again, and it will run; this one entry is still to be given, before that.
                    give(entry);
                    return;
                }
            }
            give(entry);
        }
        lane.execute(this);
    }

    private void give(Entry entry) {
        Lane.guarded(() -> consumer.accept(entry.delivery()));
        handled(entry);
    }
}
