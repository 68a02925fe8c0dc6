// Runs tasks one at a time, in order, on an executor that may run many. Never loses a task, whatever the executor or a task does.
package io.github.wsc;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

final class Lane implements Executor {
    private static final Logger LOG = LoggerFactory.getLogger("io.github.wsc.handlers");
    /** Tasks run before others get a turn on the same thread. */
    private static final int TURN = 64;

    /**
     * Threads of the process for callbacks and futures: as many as there are processors, daemons, more only where one waits in
     * {@code join()}.
     */
    static final ForkJoinPool POOL = new ForkJoinPool(
            Math.max(2, Runtime.getRuntime().availableProcessors()),
            pool -> {
                ForkJoinWorkerThread thread = ForkJoinPool.defaultForkJoinWorkerThreadFactory.newThread(pool);
                thread.setName("wsc-callbacks-" + thread.getPoolIndex());
                // The application's, where it is started out of a jar of jars.
                thread.setContextClassLoader(Client.class.getClassLoader());
                return thread;
            },
            null,
            true);

    private final Executor executor;
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final AtomicInteger waiting = new AtomicInteger();

    Lane(Executor executor) {
        this.executor = executor;
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        if (waiting.getAndIncrement() == 0) {
            begin();
        }
    }

    private void begin() {
        try {
            executor.execute(this::run);
        } catch (RejectedExecutionException full) {
            LOG.warn("the executor takes no tasks: this goes on in threads of the client", full);
            POOL.execute(this::run);
        }
    }

    private void run() {
        for (int turn = 0; turn < TURN; turn++) {
            Runnable task = tasks.poll();
            if (task != null) {
                guarded(task);
            }
            if (waiting.decrementAndGet() == 0) {
                return;
            }
        }
        begin();
    }

    /** Runs what belongs to the application: it may throw. */
    static void guarded(Runnable task) {
        try {
            task.run();
        } catch (Throwable thrown) {
            LOG.error("a handler of the application threw", thrown);
            if (thrown instanceof VirtualMachineError error) {
                throw error;
            }
        }
    }
}
