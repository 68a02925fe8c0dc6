// What all clients of a class loader share: the native sessions and the threads around them. Begins with the first client and ends
// with the last, so that a web application that is stopped leaves no thread behind. Never holds anything of a client.
package io.github.wsc.internal;

import java.util.Collections;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The threads and native sessions that the clients of a class loader share. */
public final class ClientRuntime {
    private static final Logger LOG = LoggerFactory.getLogger("io.github.wsc.Client");
    /** How long an ending runtime waits for its threads, each time. */
    private static final long ENDING_MS = 2_000;

    private static final Object LOCK = new Object();
    private static @Nullable ClientRuntime current;

    private final Bridge bridge;
    private final ForkJoinPool pool;
    private final ScheduledThreadPoolExecutor timer;
    /** The threads of both, for as long as they live. */
    private final Set<Thread> threads = Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));
    /** Clients that use it; under LOCK. */
    private int clients;
    /** Ends the other threads, once the last client is gone. */
    private volatile @Nullable Thread ending;

    private ClientRuntime() {
        bridge = new Bridge();
        pool = new ForkJoinPool(Math.max(2, Runtime.getRuntime().availableProcessors()), this::worker, null, true);
        timer = new ScheduledThreadPoolExecutor(1, task -> known(daemon("wsc-timer", task)));
        timer.setRemoveOnCancelPolicy(true);
    }

    /** The runtime, for one more client; each call needs a {@link #release}. */
    static ClientRuntime acquire() {
        synchronized (LOCK) {
            if (current == null) {
                current = new ClientRuntime();
            }
            current.clients++;
            return current;
        }
    }

    /** A client is closed. Runs the task when the runtime's threads have ended, if this was the last client; else soon. */
    void release(Runnable done) {
        synchronized (LOCK) {
            clients--;
            if (clients > 0) {
                execute(done);
                return;
            }
            // A client that is made from now on gets another runtime and does not wait for this one.
            if (current == this) {
                current = null;
            }
        }
        Thread thread = daemon("wsc-end", () -> end(done));
        ending = thread;
        thread.start();
    }

    private void end(Runnable done) {
        bridge.stop(ENDING_MS);
        timer.shutdownNow();
        // What is in it still runs.
        pool.shutdown();
        try {
            timer.awaitTermination(ENDING_MS, TimeUnit.MILLISECONDS);
            SerialExecutor.guarded(done);
            if (!pool.awaitTermination(ENDING_MS, TimeUnit.MILLISECONDS)) {
                LOG.warn("all clients are closed, and a handler of the application still runs in a thread of theirs");
                return;
            }
            // An executor is terminated a moment before its threads are.
            for (Thread thread : threads.toArray(Thread[]::new)) {
                thread.join(ENDING_MS);
            }
        } catch (InterruptedException interrupted) {
            SerialExecutor.guarded(done);
        }
    }

    /** Waits until the threads have ended, if the last client is closed; not in one of those threads. */
    void awaitEnd() throws InterruptedException {
        Thread thread = ending;
        Thread here = Thread.currentThread();
        if (thread != null && thread != here && !isOwn(here)) {
            thread.join(2 * ENDING_MS);
        }
    }

    /** Whether a thread is one of the runtime's, which must not wait for its end. */
    boolean isOwn(Thread thread) {
        return bridge.isOwn(thread) || thread instanceof ForkJoinWorkerThread worker && worker.getPool() == pool;
    }

    Bridge bridge() {
        return bridge;
    }

    /** Runs a task in a thread for callbacks. Never refuses one, also after the end. */
    void execute(Runnable task) {
        try {
            pool.execute(task);
        } catch (RejectedExecutionException over) {
            daemon("wsc-late", () -> SerialExecutor.guarded(task)).start();
        }
    }

    /**
     * Runs a short task later; never, if the runtime has ended by then. Not in a thread for callbacks, which handlers that wait for
     * something may hold.
     */
    Future<?> schedule(Runnable task, long delay, TimeUnit unit) {
        try {
            return timer.schedule(() -> SerialExecutor.guarded(task), delay, unit);
        } catch (RejectedExecutionException over) {
            return CompletableFuture.completedFuture(null);
        }
    }

    /** The thread that calls is not a parent in anything: it may belong to another application of the same server. */
    static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(null, task, name, 0, false);
        thread.setDaemon(true);
        thread.setContextClassLoader(ClientRuntime.class.getClassLoader());
        return thread;
    }

    private Thread known(Thread thread) {
        threads.add(thread);
        return thread;
    }

    private ForkJoinWorkerThread worker(ForkJoinPool pool) {
        ForkJoinWorkerThread thread = ForkJoinPool.defaultForkJoinWorkerThreadFactory.newThread(pool);
        thread.setName("wsc-callbacks-" + thread.getPoolIndex());
        // The application's, where it is started out of a jar of jars.
        thread.setContextClassLoader(ClientRuntime.class.getClassLoader());
        threads.add(thread);
        return thread;
    }
}
