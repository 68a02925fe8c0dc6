// Runs tasks one at a time, in order, on an executor that may run many. Never loses a task, whatever the executor or a task does.
package io.github.wsc.internal;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

final class SerialExecutor implements Executor {
    private static final Logger LOG = LoggerFactory.getLogger("io.github.wsc.handlers");
    /** Tasks that run before others get a turn on the same thread. */
    private static final int BATCH = 64;

    /** What was given to the executor; runs once, wherever it runs first. */
    private final class Turn extends AtomicBoolean implements Runnable {
        private static final long serialVersionUID = 1;

        @Override
        public void run() {
            if (begins()) {
                work();
            }
        }

        boolean begins() {
            return compareAndSet(false, true);
        }
    }

    private final ClientRuntime runtime;
    /** The application's; null: the runtime's. */
    private final @Nullable Executor executor;
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final AtomicInteger waiting = new AtomicInteger();
    private volatile @Nullable Turn turn;

    SerialExecutor(ClientRuntime runtime, @Nullable Executor executor) {
        this.runtime = runtime;
        this.executor = executor;
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        if (waiting.getAndIncrement() == 0) {
            begin();
        } else {
            check();
        }
    }

    /** An executor that was shut down may have dropped what it had taken: that goes on without it. */
    void check() {
        Turn given = turn;
        if (given != null && executor instanceof ExecutorService service && service.isShutdown() && given.begins()) {
            runtime.execute(this::work);
        }
    }

    private void begin() {
        if (executor == null) {
            runtime.execute(this::work);
            return;
        }
        Turn next = new Turn();
        turn = next;
        try {
            executor.execute(next);
        } catch (Throwable refused) {
            // Full, shut down, or broken in any way: the tasks must run all the same.
            if (next.begins()) {
                log("the executor does not take a task: it runs in a thread of the client", refused);
                runtime.execute(this::work);
            }
        }
    }

    private void work() {
        for (int done = 0; done < BATCH; done++) {
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

    /** Runs what belongs to the application. Whatever that throws is logged: the next task must run. */
    static boolean guarded(Runnable task) {
        try {
            task.run();
            return true;
        } catch (Throwable thrown) {
            log("a handler of the application threw", thrown);
            return false;
        }
    }

    /** Logs, where the log itself may fail: it is the application's, too. */
    static void log(String text, Throwable thrown) {
        try {
            LOG.error(text, thrown);
        } catch (Throwable broken) {
            // There is nobody left to tell.
        }
    }
}
