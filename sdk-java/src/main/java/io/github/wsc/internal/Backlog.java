// What came of one stream and was not handled yet, and who reads it. Never waits, and never parses.
package io.github.wsc.internal;

import io.github.wsc.Delivery;
import io.github.wsc.internal.ffi.Command;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What came of one stream and was not handled yet. */
public final class Backlog {
    /** How long entries wait for a reader where the client acknowledges by itself. */
    private static final long UNREAD_NS = TimeUnit.SECONDS.toNanos(20);

    private final Session session;
    private final String stream;
    private final Object lock = new Object();
    private Entry last = new Entry();
    /** The last one that all readers were done with. */
    private Entry handled = last;
    private volatile Reader[] readers = {};
    private boolean acknowledging;
    /** Since when entries wait for a reader, and whether a timer runs for them. */
    private long unreadSince;
    private boolean unreadTimer;
    /** Completes when a closing client need not wait for this stream's readers. */
    private @Nullable CompletableFuture<Void> quiet;
    private volatile boolean ended;

    Backlog(Session session, String stream) {
        this.session = session;
        this.stream = stream;
    }

    String stream() {
        return stream;
    }

    boolean isRead() {
        return readers.length > 0;
    }

    boolean isEnded() {
        return ended;
    }

    /** Appends what came. */
    Entry put(Report report) {
        Entry entry;
        synchronized (lock) {
            entry = new Entry(last.number + 1, report, session.messages());
            last.next = entry;
            last = entry;
            if (readers.length == 0) {
                expectReader();
            }
        }
        for (Reader reader : readers) {
            reader.available();
        }
        return entry;
    }

    /** Calls back for each entry, on the client's executor, until closed. */
    public Reader subscribe(Consumer<? super Delivery> consumer) {
        return attach(new ListenerReader(this, session.executor(), consumer));
    }

    /** Gives entries to a subscriber, as many as it asks for. */
    public void subscribe(Flow.Subscriber<? super Delivery> subscriber) {
        attach(new PublisherReader(this, session.newExecutor(), subscriber, session::subscriberFailed));
    }

    /** Begins a reader: with what came before, if it is the only one. */
    public <R extends Reader> R attach(R reader) {
        synchronized (lock) {
            if (reader.isClosed()) {
                // By what its beginning called: it must not be waited for.
                return reader;
            }
            reader.taken = readers.length == 0 ? handled : last;
            reader.handled = reader.taken;
            Reader[] more = Arrays.copyOf(readers, readers.length + 1);
            more[readers.length] = reader;
            readers = more;
        }
        session.readersChanged();
        reader.available();
        return reader;
    }

    /** A reader of all streams, once. */
    void attach(Consumer<? super Delivery> consumer) {
        if (Arrays.stream(readers).noneMatch(reader -> gives(reader, consumer))) {
            subscribe(consumer);
        }
    }

    void detach(Consumer<? super Delivery> consumer) {
        Arrays.stream(readers).filter(reader -> gives(reader, consumer)).forEach(Reader::close);
    }

    private static boolean gives(Reader reader, Consumer<? super Delivery> consumer) {
        return reader instanceof ListenerReader known && known.gives(consumer);
    }

    void detach(Reader reader) {
        synchronized (lock) {
            reader.detached();
            readers = Arrays.stream(readers).filter(one -> one != reader).toArray(Reader[]::new);
            advance();
            settle();
            if (readers.length == 0 && handled != last) {
                expectReader();
            }
        }
        session.readersChanged();
    }

    /** A closing client gives out nothing more: it could not be acknowledged. */
    @Nullable Entry next(Reader reader) {
        synchronized (lock) {
            Entry next = session.isClosing() ? null : reader.taken.next;
            if (next != null) {
                reader.taken = next;
                reader.taker = Thread.currentThread();
            }
            return next;
        }
    }

    boolean hasNext(Reader reader) {
        synchronized (lock) {
            return !session.isClosing() && reader.taken.next != null;
        }
    }

    void handled(Reader reader, Entry entry) {
        synchronized (lock) {
            reader.handled = entry;
            advance();
            settle();
        }
    }

    /**
     * Completes when the readers are done with what they were given. The thread that closes the client is not waited for: a callback is
     * done with its entry then, a loop is not.
     */
    CompletableFuture<Void> quiet() {
        synchronized (lock) {
            for (Reader reader : readers) {
                if (reader.taker == Thread.currentThread()) {
                    reader.abandoned = true;
                    reader.handled = reader.isHandledByClosing() ? reader.taken : reader.handled;
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
            if (session.acknowledges() && !reader.abandoned && reader.handled != reader.taken) {
                return;
            }
        }
        quiet.complete(null);
    }

    /** Nothing more comes. */
    void end() {
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
            if (session.acknowledges() && !acknowledging) {
                acknowledging = true;
                session.submit(this::acknowledgement);
            }
        }
    }

    /** Made when its turn comes: one order for all that was handled meanwhile. */
    private Command acknowledgement() {
        synchronized (lock) {
            acknowledging = false;
            return new Command.Acknowledge(stream, handled.generation, handled.position);
        }
    }

    /** Entries wait for a reader from now on. What the application acknowledges itself waits for as long as it takes. */
    private void expectReader() {
        if (!session.acknowledges() || ended) {
            return;
        }
        if (!unreadTimer) {
            unreadTimer = true;
            unreadSince = System.nanoTime();
            session.schedule(this::giveUp, UNREAD_NS);
        }
    }

    /** Nobody came for what waited. */
    private void giveUp() {
        long from;
        long to;
        synchronized (lock) {
            unreadTimer = false;
            Entry first = handled.next;
            if (readers.length > 0 || ended || first == null) {
                return;
            }
            from = first.position;
            to = last.position;
            reach(last);
        }
        session.unread(stream, from, to);
    }
}
