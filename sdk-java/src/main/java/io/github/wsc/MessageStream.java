// One of the user's streams: what came and was not handled, and who reads it. Never waits, and never parses.
package io.github.wsc;

import io.github.wsc.internal.ffi.Order;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One of the user's streams: messages in order, each once, with gaps as values where some are gone.
 *
 * <p>What comes before the first reader waits for it, 20 s at most; then it counts as handed over and is named to
 * {@link ClientListener#onUnread}. With {@link Acknowledge#MANUAL} it waits for as long as the client is there. A further reader begins with what comes next. A message counts as handed over when all
 * readers are done with it, or, with {@link Acknowledge#MANUAL}, when the application says so.
 */
public class MessageStream {
    private static final long PATIENCE_S = 20;

    final Client client;
    private final String name;
    private final Object lock = new Object();
    private Entry last = new Entry();
    /** The last one that all readers were done with. */
    private Entry handled = last;
    private volatile Reader[] readers = {};
    private boolean acknowledging;
    /** Completes when a closing client need not wait for this stream's readers. */
    private @Nullable CompletableFuture<Void> quiet;
    private volatile boolean ended;

    MessageStream(Client client, String name) {
        this.client = client;
        this.name = name;
    }

    /** {@code inbox}, {@code broadcast} or {@code group:<id>}. */
    public final String name() {
        return name;
    }

    /** Calls back for each message, on the client's executor, until closed. Gaps only go into the log. */
    public final Subscription subscribe(Consumer<Message> messages) {
        return subscribe(messages, gap -> Client.LOG.warn("missed {} to {} of {}: {}", gap.from(), gap.to(), name, gap.reason()));
    }

    /** Calls back for each message and each gap, on the client's executor, until closed. */
    public final Subscription subscribe(Consumer<Message> messages, Consumer<Gap> gaps) {
        return attach(new ListenerReader(this, client.lane(), Client.sorted(messages, gaps)));
    }

    /**
     * The messages and gaps, as many as a subscriber asks for; the others wait at the hub. An entry is handed over when
     * {@code onNext} returned: for operators that buffer take {@link Acknowledge#MANUAL}.
     */
    public final Flow.Publisher<Delivery> publisher() {
        return subscriber -> attach(new PublisherReader(this, client.newLane(), subscriber));
    }

    /** The messages and gaps for a thread that waits for them. */
    public final Deliveries deliveries() {
        return new Deliveries(this);
    }

    /** The newest part of the history: {@code limit} positions at most, 1 to 500. */
    public final CompletableFuture<Page> history(int limit) {
        return client.history(name, 0, true, limit);
    }

    /** The part of the history before a position; with {@link Page#from()} of one page, the page before it. */
    public final CompletableFuture<Page> historyBefore(long position, int limit) {
        if (position <= 1) {
            return CompletableFuture.completedFuture(new Page(java.util.List.of(), 1, 0, 1, 0, false));
        }
        return client.history(name, position - 1, true, limit);
    }

    /** The part of the history after a position. */
    public final CompletableFuture<Page> historyAfter(long position, int limit) {
        return client.history(name, position + 1, false, limit);
    }

    @Override
    public String toString() {
        return "MessageStream[" + name + "]";
    }

    final boolean isRead() {
        return readers.length > 0;
    }

    final boolean isEnded() {
        return ended;
    }

    /** Puts down what came. */
    final void put(Report report) {
        synchronized (lock) {
            Entry entry = new Entry(last.number + 1, report);
            last.next = entry;
            last = entry;
        }
        for (Reader reader : readers) {
            reader.available();
        }
    }

    final <R extends Reader> R attach(R reader) {
        synchronized (lock) {
            reader.taken = readers.length == 0 ? handled : last;
            reader.handled = reader.taken;
            Reader[] more = java.util.Arrays.copyOf(readers, readers.length + 1);
            more[readers.length] = reader;
            readers = more;
        }
        client.readersChanged();
        reader.available();
        return reader;
    }

    /** A reader of all streams, once. */
    final void attach(Consumer<? super Delivery> consumer) {
        for (Reader reader : readers) {
            if (reader instanceof ListenerReader known && known.gives(consumer)) {
                return;
            }
        }
        attach(new ListenerReader(this, client.lane(), consumer));
    }

    final void detach(Consumer<? super Delivery> consumer) {
        for (Reader reader : readers) {
            if (reader instanceof ListenerReader known && known.gives(consumer)) {
                known.close();
            }
        }
    }

    final void detach(Reader reader) {
        boolean left;
        synchronized (lock) {
            readers = java.util.Arrays.stream(readers).filter(one -> one != reader).toArray(Reader[]::new);
            advance();
            settle();
            left = readers.length == 0 && handled != last && client.acknowledges();
        }
        client.readersChanged();
        if (left) {
            CompletableFuture.delayedExecutor(PATIENCE_S, TimeUnit.SECONDS, Lane.POOL).execute(this::giveUp);
        }
    }

    /** A closing client gives out nothing more: nobody could acknowledge it. */
    final @Nullable Entry next(Reader reader) {
        synchronized (lock) {
            Entry next = client.isClosing() ? null : reader.taken.next;
            if (next != null) {
                reader.taken = next;
                reader.taker = Thread.currentThread();
            }
            return next;
        }
    }

    final boolean hasNext(Reader reader) {
        synchronized (lock) {
            return !client.isClosing() && reader.taken.next != null;
        }
    }

    final void handled(Reader reader, Entry entry) {
        synchronized (lock) {
            reader.handled = entry;
            advance();
            settle();
        }
    }

    /** When the readers are done with what they were given; a thread that closes the client is done with what it has. */
    final CompletableFuture<Void> quiet() {
        synchronized (lock) {
            for (Reader reader : readers) {
                if (reader.taker == Thread.currentThread()) {
                    reader.handled = reader.taken;
                }
            }
            advance();
            quiet = new CompletableFuture<>();
            settle();
            return quiet;
        }
    }

    private void settle() {
        if (quiet == null) {
            return;
        }
        for (Reader reader : readers) {
            if (client.acknowledges() && reader.handled != reader.taken) {
                return;
            }
        }
        quiet.complete(null);
    }

    /** Nothing more comes. */
    final void end() {
        ended = true;
        for (Reader reader : readers) {
            reader.available();
        }
    }

    /** What all readers are done with is handed over. */
    private void advance() {
        if (readers.length == 0) {
            return;
        }
        Entry least = readers[0].handled;
        for (Reader reader : readers) {
            least = reader.handled.number < least.number ? reader.handled : least;
        }
        reach(least);
    }

    private void reach(Entry entry) {
        if (entry.number > handled.number) {
            handled = entry;
            if (client.acknowledges() && !acknowledging) {
                acknowledging = true;
                client.submit(this::acknowledgement);
            }
        }
    }

    /** Made when its turn comes: one order for all that was handled meanwhile. */
    private Order acknowledgement() {
        synchronized (lock) {
            acknowledging = false;
            return new Order.Acknowledge(name, handled.generation, handled.position);
        }
    }

    /** Nobody came for what the last reader left. */
    private void giveUp() {
        long from;
        long to;
        synchronized (lock) {
            Entry first = handled.next;
            if (readers.length > 0 || ended || first == null) {
                return;
            }
            from = first.position;
            to = last.position;
            reach(last);
        }
        client.unread(name, from, to);
    }
}
