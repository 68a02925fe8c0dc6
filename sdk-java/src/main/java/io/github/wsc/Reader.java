// One reader of a stream: its place, and how it is woken. What it does with entries its kinds decide.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

abstract class Reader implements Subscription {
    final MessageStream stream;
    /** The last entry it took, and the last it was done with; under the stream's lock. */
    Entry taken = new Entry();
    Entry handled = taken;
    /** The thread that took the last entry; under the stream's lock. */
    @Nullable Thread taker;
    private volatile boolean closed;

    Reader(MessageStream stream) {
        this.stream = stream;
    }

    /** Something came, or there will be nothing more. Quick, and never runs code of the application. */
    abstract void available();

    /** The next entry, if there is one. */
    final @Nullable Entry next() {
        return closed ? null : stream.next(this);
    }

    /** This entry, and all before it, were handled. */
    final void handled(Entry entry) {
        if (!closed) {
            stream.handled(this, entry);
        }
    }

    /** Whether nothing more comes. */
    final boolean isEnded() {
        return closed || stream.isEnded();
    }

    final boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        if (!closed) {
            stream.detach(this);
            closed = true;
            available();
        }
    }
}
