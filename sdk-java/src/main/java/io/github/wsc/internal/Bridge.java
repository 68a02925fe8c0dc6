// The way to the native sessions and back, for all clients of a class loader: one thread takes their reports, one brings their commands.
// Both gather while a crossing is under way. Never decides anything.
package io.github.wsc.internal;

import io.github.wsc.StorageException;
import io.github.wsc.WscException;
import io.github.wsc.internal.ffi.Addressed;
import io.github.wsc.internal.ffi.OpenException;
import io.github.wsc.internal.ffi.Opened;
import io.github.wsc.internal.ffi.Command;
import io.github.wsc.internal.ffi.Settings;
import io.github.wsc.internal.ffi.Sessions;
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
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

final class Bridge {
    private static final Logger LOG = LoggerFactory.getLogger("io.github.wsc.Client");
    private static final int BATCH = 1024;
    private static final long WAIT_MS = 60_000;
    /** After a crossing no longer ago than this, another is not worth a few commands: it waits a moment for more. */
    private static final long BUSY_NS = 1_000_000;
    private static final long MOMENT_NS = 200_000;

    /** What a session reports to. */
    interface ReportListener {
        /** Takes a report; quickly, and without waiting for anybody. */
        void onReport(Report report);

        /** A report or a command was lost: what the session says of itself from now on is not the whole truth. */
        void onBroken(Throwable error);
    }

    private record Waiting(int session, Supplier<Command> command) {}

    private static final Waiting STOP = new Waiting(0, () -> Command.Close.INSTANCE);

    private final Sessions sessions;
    private final AtomicInteger numbers = new AtomicInteger();
    private final Map<Integer, ReportListener> listeners = new ConcurrentHashMap<>();
    private final BlockingQueue<Waiting> commands = new LinkedBlockingQueue<>();
    private final Thread commandsThread = ClientRuntime.daemon("wsc-commands", this::bringCommands);
    private final Thread reportsThread = ClientRuntime.daemon("wsc-reports", this::takeReports);
    private volatile boolean stopped;

    Bridge() {
        try {
            sessions = Natives.call(() -> {
                Natives.acquire();
                try {
                    return new Sessions();
                } catch (Throwable failed) {
                    Natives.release();
                    throw failed;
                }
            });
        } catch (LinkageError missing) {
            String machine = System.getProperty("os.name") + " on " + System.getProperty("os.arch");
            throw new WscException(
                    "no native library for " + machine + ": use an artifact that was built for it, or build one"
                            + " (mvn install in sdk-java, with Rust installed)",
                    missing);
        } catch (Exception failed) {
            throw new WscException("the native library did not start: " + failed.getMessage(), failed);
        }
        commandsThread.start();
        reportsThread.start();
    }

    /** Ends both threads and the native ones, once no session is left. */
    void stop(long waitMs) {
        try {
            commands.add(STOP);
            commandsThread.join(waitMs);
            stopped = true;
            boolean ended = sessions.stop(waitMs);
            reportsThread.join(waitMs);
            if (commandsThread.isAlive() || reportsThread.isAlive()) {
                LOG.warn("a thread of the client does not end: an executor of the application holds it");
            } else if (ended) {
                sessions.close();
                Natives.release();
            } else {
                // Code that runs must not be unloaded.
                LOG.warn("a native thread does not end, as in a name lookup that takes long: the native library stays");
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException | LinkageError failed) {
            LOG.warn("the native sessions could not be ended", failed);
        }
    }

    /** Whether a thread is one of the two. */
    boolean isOwn(Thread thread) {
        return thread == commandsThread || thread == reportsThread;
    }

    /** A number for a session, whose reports go to this listener. */
    int register(ReportListener listener) {
        int session = numbers.incrementAndGet();
        listeners.put(session, listener);
        return session;
    }

    Opened open(int session, Settings settings) {
        try {
            return Natives.call(() -> sessions.open(session, settings));
        } catch (OpenException.Settings wrong) {
            throw new IllegalArgumentException(wrong.getMessage(), wrong);
        } catch (OpenException.Outbox failed) {
            throw new StorageException(settings.getOutbox() + ": " + failed.getMessage(), failed);
        } catch (Exception failed) {
            throw new WscException(String.valueOf(failed.getMessage()), failed);
        }
    }

    /** Nothing more comes of this session. */
    void forget(int session) {
        listeners.remove(session);
    }

    /** Brings a command; never waits. Orders of a session stay in order. */
    void submit(int session, Command command) {
        submit(session, () -> command);
    }

    /** Brings a command that is made when its turn comes, so that it says the newest. */
    void submit(int session, Supplier<Command> command) {
        commands.add(new Waiting(session, command));
    }

    private void bringCommands() {
        List<Waiting> waiting = new ArrayList<>(BATCH);
        List<Addressed> batch = new ArrayList<>(BATCH);
        long last = System.nanoTime();
        boolean goesOn = true;
        while (goesOn) {
            try {
                waiting.add(commands.take());
                if (System.nanoTime() - last < BUSY_NS) {
                    LockSupport.parkNanos(MOMENT_NS);
                }
                last = System.nanoTime();
                commands.drainTo(waiting, BATCH - 1);
                for (Waiting one : waiting) {
                    if (one == STOP) {
                        goesOn = false;
                    } else {
                        make(one, batch);
                    }
                }
                bring(batch);
            } catch (InterruptedException ignored) {
                // An interrupt of all threads there are: this one serves all clients to their end.
            } catch (Throwable broken) {
                // Also of memory that runs out: without this thread all clients would stand still.
                waiting.forEach(one -> broken(one.session, broken));
            }
            waiting.clear();
            batch.clear();
        }
    }

    private void make(Waiting one, List<Addressed> batch) {
        try {
            batch.add(new Addressed(one.session, one.command.get()));
        } catch (Throwable broken) {
            broken(one.session, broken);
        }
    }

    /** Where one command cannot be brought, that costs no other session anything. */
    private void bring(List<Addressed> batch) {
        try {
            sessions.submit(batch);
        } catch (Throwable whole) {
            for (Addressed one : batch) {
                try {
                    sessions.submit(List.of(one));
                } catch (Throwable broken) {
                    broken(one.getSession(), broken);
                }
            }
        }
    }

    private void takeReports() {
        while (true) {
            try {
                ByteBuffer batch = ByteBuffer.wrap(sessions.next(WAIT_MS));
                if (stopped && !batch.hasRemaining()) {
                    return;
                }
                while (batch.hasRemaining()) {
                    give(new Report(batch));
                }
            } catch (Throwable broken) {
                // Whose reports these were is not known.
                listeners.keySet().forEach(session -> broken(session, broken));
            }
        }
    }

    private void give(Report report) {
        ReportListener listener = listeners.get(report.session);
        if (listener == null) {
            return;
        }
        try {
            listener.onReport(report);
        } catch (Throwable broken) {
            broken(report.session, broken);
        }
    }

    private void broken(int session, Throwable error) {
        @Nullable ReportListener listener = listeners.get(session);
        if (listener != null) {
            SerialExecutor.log("a client is closed: commands or reports of it were lost", error);
            SerialExecutor.guarded(() -> listener.onBroken(error));
        }
    }
}
