// The way to the native sessions and back, for all clients of the process: one thread takes their reports, one brings their orders.
// Both gather while a crossing is under way. Never runs code of the application.
package io.github.wsc;

import io.github.wsc.internal.ffi.Addressed;
import io.github.wsc.internal.ffi.OpenException;
import io.github.wsc.internal.ffi.Opened;
import io.github.wsc.internal.ffi.Order;
import io.github.wsc.internal.ffi.Settings;
import io.github.wsc.internal.ffi.Switchboard;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

final class Bridge {
    private static final Logger LOG = LoggerFactory.getLogger(Client.class);
    private static final int BATCH = 1024;
    private static final long WAIT_MS = 60_000;
    /** After a crossing no longer ago than this, another is not worth a few orders: a moment is waited for more. */
    private static final long BUSY_NS = 1_000_000;
    private static final long MOMENT_NS = 200_000;

    /** Somebody who hears a session's reports. */
    interface Ear {
        /** Takes a report; quickly, and without waiting for anybody. */
        void hear(Report report);
    }

    private record Waiting(int session, Supplier<Order> order) {}

    private final Switchboard switchboard;
    private final AtomicInteger numbers = new AtomicInteger();
    private final Map<Integer, Ear> ears = new ConcurrentHashMap<>();
    private final BlockingQueue<Waiting> orders = new LinkedBlockingQueue<>();

    private static final class Holder {
        static final Bridge BRIDGE = new Bridge();
    }

    /** The one of this process. */
    static Bridge get() {
        try {
            return Holder.BRIDGE;
        } catch (LinkageError missing) {
            String machine = System.getProperty("os.name") + " on " + System.getProperty("os.arch");
            throw new WscException(
                    "no native library for " + machine + ": use an artifact that was built for it, or build one"
                            + " (mvn install in sdk-java, with Rust installed)",
                    missing);
        }
    }

    private Bridge() {
        try {
            switchboard = new Switchboard();
        } catch (Exception failed) {
            // Kotlin does not say what its constructors throw.
            throw new WscException("the native library did not start: " + failed.getMessage(), failed);
        }
        daemon("wsc-reports", this::takeReports);
        daemon("wsc-orders", this::bringOrders);
    }

    private static void daemon(String name, Runnable loop) {
        Thread thread = new Thread(loop, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** A number for a session, whose reports go to this ear. */
    int register(Ear ear) {
        int session = numbers.incrementAndGet();
        ears.put(session, ear);
        return session;
    }

    Opened open(int session, Settings settings) {
        try {
            return switchboard.open(session, settings);
        } catch (OpenException.Settings wrong) {
            throw new IllegalArgumentException(wrong.getMessage(), wrong);
        } catch (OpenException.Outbox failed) {
            throw new StorageException(String.valueOf(failed.getMessage()), failed);
        } catch (OpenException failed) {
            throw new WscException(String.valueOf(failed.getMessage()), failed);
        }
    }

    /** Nothing more comes of this session. */
    void forget(int session) {
        ears.remove(session);
    }

    /** Brings an order; never waits. Orders of a session stay in order. */
    void submit(int session, Order order) {
        submit(session, () -> order);
    }

    /** Brings an order that is made when its turn comes, so that the newest word stands in it. */
    void submit(int session, Supplier<Order> order) {
        orders.add(new Waiting(session, order));
    }

    private void bringOrders() {
        List<Waiting> waiting = new ArrayList<>(BATCH);
        long last = System.nanoTime();
        while (true) {
            try {
                waiting.add(orders.take());
                if (System.nanoTime() - last < BUSY_NS) {
                    LockSupport.parkNanos(MOMENT_NS);
                }
                last = System.nanoTime();
                orders.drainTo(waiting, BATCH - 1);
                List<Addressed> batch = new ArrayList<>(waiting.size());
                waiting.forEach(one -> batch.add(new Addressed(one.session, one.order.get())));
                switchboard.submit(batch);
            } catch (InterruptedException ignored) {
                // Whoever interrupts all threads there are: this one serves all clients to the end of the process.
            } catch (Throwable broken) {
                // Also of memory that runs out: without this thread all clients would stand still.
                LOG.error("orders were lost: a defect of the client", broken);
            }
            waiting.clear();
        }
    }

    private void takeReports() {
        while (true) {
            try {
                ByteBuffer batch = ByteBuffer.wrap(switchboard.next(WAIT_MS));
                while (batch.hasRemaining()) {
                    Report report = new Report(batch);
                    Ear ear = ears.get(report.session);
                    if (ear != null) {
                        hear(ear, report);
                    }
                }
            } catch (Throwable broken) {
                LOG.error("reports were lost: a defect of the client", broken);
            }
        }
    }

    private static void hear(Ear ear, Report report) {
        try {
            ear.hear(report);
        } catch (RuntimeException broken) {
            LOG.error("a report was lost ({}): a defect of the client", report.kind, broken);
        }
    }
}
