// A stream's entries for a thread that waits for them.
package io.github.wsc;

import io.github.wsc.internal.Backlog;
import io.github.wsc.internal.Entry;
import io.github.wsc.internal.Reader;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A stream's messages and gaps, one after the other, for a thread that waits. One that is slow holds back the hub and misses
 * nothing. What was given counts as handed over when the next one is asked for, or at {@link #close()}.
 *
 * <pre>{@code
 * try (Deliveries deliveries = client.inbox().deliveries()) {
 *     for (Delivery delivery : deliveries) {
 *         if (delivery instanceof Message message) { ... }
 *     }
 * }
 * }</pre>
 *
 * <p>For one thread. It ends when the client is closed: {@link #hasNext()} is false then, {@link #next()} throws. A loop in the middle of
 * a message has 2 s to ask for the next one; if it takes longer, or closes the client itself, this message comes again to the next client
 * of the device.
 */
public final class Deliveries implements Iterable<Delivery>, Iterator<Delivery>, Subscription {
    private final Semaphore signal = new Semaphore(0);
    private final Reader reader;
    private @Nullable Entry given;
    private @Nullable Entry ahead;

    Deliveries(Backlog backlog) {
        reader = backlog.attach(new Reader(backlog) {
            @Override
            public void available() {
                if (signal.availablePermits() == 0) {
                    signal.release();
                }
            }
        });
    }

    /** Itself: it can be gone through once. */
    @Override
    public Iterator<Delivery> iterator() {
        return this;
    }

    /** Waits until there is another; false when the client was closed or the thread interrupted. */
    @Override
    public boolean hasNext() {
        return await(Long.MAX_VALUE);
    }

    @Override
    public Delivery next() {
        Delivery next = poll(Duration.ofNanos(Long.MAX_VALUE));
        if (next == null) {
            throw new NoSuchElementException("the client is closed");
        }
        return next;
    }

    /** The next one, if it comes in this time; else null. */
    public @Nullable Delivery poll(Duration wait) {
        if (!await(wait.toNanos())) {
            return null;
        }
        given = ahead;
        ahead = null;
        return given == null ? null : given.delivery();
    }

    private boolean await(long nanos) {
        if (ahead != null) {
            return true;
        }
        settle();
        long until = System.nanoTime() + nanos;
        while (true) {
            ahead = reader.next();
            if (ahead != null) {
                return true;
            }
            long left = nanos == Long.MAX_VALUE ? nanos : until - System.nanoTime();
            if (reader.isEnded() || left <= 0 || !await(signal, left)) {
                return false;
            }
        }
    }

    /** False when the thread was interrupted. */
    private static boolean await(Semaphore signal, long nanos) {
        try {
            ForkJoinPool.managedBlock(new ForkJoinPool.ManagedBlocker() {
                private boolean over;

                @Override
                public boolean block() throws InterruptedException {
                    signal.tryAcquire(nanos, TimeUnit.NANOSECONDS);
                    over = true;
                    return true;
                }

                @Override
                public boolean isReleasable() {
                    return over || signal.tryAcquire();
                }
            });
            return true;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private void settle() {
        if (given != null) {
            reader.handled(given);
            given = null;
        }
    }

    /** Ends the reading. What waits is for the next reader. */
    @Override
    public void close() {
        settle();
        reader.close();
    }
}
