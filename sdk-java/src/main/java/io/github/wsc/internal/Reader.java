// One reader of a backlog: its position, and how it is woken. What it does with entries its kinds decide.
package io.github.wsc.internal;

import io.github.wsc.Subscription;
import org.jspecify.annotations.Nullable;

/** One reader of a stream. */
public abstract class Reader implements Subscription {
    final Backlog backlog;
    /** The last entry it took, and the last it was done with; under the backlog's lock. */
    Entry taken = new Entry();
    Entry handled = taken;
    /** The thread that took the last entry; under the backlog's lock. */
    @Nullable Thread taker;
    /** A closing client does not wait for it; under the backlog's lock. */
    boolean abandoned;
    /** Set under the backlog's lock. */
    private volatile boolean closed;

    /** A reader, which reads once it is attached. */
    protected Reader(Backlog backlog) {
        this.backlog = backlog;
    }

    /** Something came, or nothing more will. Quick, and never runs code of the application. */
    public abstract void available();

    /** Whether an entry counts as handled when the thread that has it closes the client: that of a callback, not of a loop. */
    boolean isHandledByClosing() {
        return false;
    }

    /** The next entry, if there is one. */
    public final @Nullable Entry next() {
        return closed ? null : backlog.next(this);
    }

    /** This entry, and all before it, were handled. */
    public final void handled(Entry entry) {
        if (!closed) {
            backlog.handled(this, entry);
        }
    }

    /** Whether nothing more comes. */
    public final boolean isEnded() {
        return closed || backlog.isEnded();
    }

    final boolean isClosed() {
        return closed;
    }

    /** Reads nothing more; under the backlog's lock. */
    final void detached() {
        closed = true;
    }

    @Override
    public void close() {
        if (!closed) {
            backlog.detach(this);
            available();
        }
    }
}
