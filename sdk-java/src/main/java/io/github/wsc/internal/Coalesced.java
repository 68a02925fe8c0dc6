// A task that many ask for and that runs once for all of them.
package io.github.wsc.internal;

import java.util.concurrent.TimeUnit;

final class Coalesced {
    private final Session session;
    private final Runnable task;
    private final long everyNs;
    private boolean waits;

    /** The task runs on the client's executor, at most once in this time. */
    Coalesced(Session session, long everyMs, Runnable task) {
        this.session = session;
        this.task = task;
        everyNs = TimeUnit.MILLISECONDS.toNanos(everyMs);
    }

    synchronized void run() {
        if (!waits) {
            waits = true;
            session.schedule(() -> session.executor().execute(this::now), everyNs);
        }
    }

    private void now() {
        synchronized (this) {
            waits = false;
        }
        task.run();
    }
}
