// Gives a stream's entries to a Flow.Subscriber, as many as it asks for.
package io.github.wsc.internal;

import io.github.wsc.Delivery;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

final class PublisherReader extends Reader implements Flow.Subscription {
    private final Flow.Subscriber<? super Delivery> subscriber;
    private final SerialExecutor executor;
    private final Consumer<Throwable> failed;
    private final AtomicLong demand = new AtomicLong();
    private final AtomicBoolean done = new AtomicBoolean();
    private final AtomicBoolean woken = new AtomicBoolean();
    private volatile boolean refused;

    /** {@code failed}: what a subscriber threw, against its contract, which costs it its subscription. */
    PublisherReader(
            Backlog backlog, SerialExecutor executor, Flow.Subscriber<? super Delivery> subscriber, Consumer<Throwable> failed) {
        super(backlog);
        this.executor = executor;
        this.subscriber = subscriber;
        this.failed = failed;
        executor.execute(() -> call(() -> subscriber.onSubscribe(this)));
    }

    @Override
    public void request(long count) {
        if (count <= 0) {
            refused = true;
        } else {
            demand.accumulateAndGet(count, (before, more) -> before + more < 0 ? Long.MAX_VALUE : before + more);
        }
        available();
    }

    @Override
    public void cancel() {
        done.set(true);
        close();
    }

    @Override
    public void available() {
        if (woken.compareAndSet(false, true)) {
            executor.execute(this::give);
        } else {
            executor.check();
        }
    }

    private void give() {
        woken.set(false);
        if (refused) {
            end(() -> subscriber.onError(new IllegalArgumentException("a subscriber must request at least 1")));
        }
        while (!done.get() && demand.get() > 0) {
            @Nullable Entry entry = next();
            if (entry == null) {
                break;
            }
            demand.decrementAndGet();
            if (!call(() -> subscriber.onNext(entry.delivery()))) {
                return;
            }
            handled(entry);
        }
        if (isEnded() && (isClosed() || !backlog.hasNext(this))) {
            end(subscriber::onComplete);
        }
    }

    private boolean call(Runnable signal) {
        try {
            signal.run();
            return true;
        } catch (Throwable thrown) {
            SerialExecutor.log("a subscriber threw, against its contract: it is cancelled", thrown);
            cancel();
            failed.accept(thrown);
            return false;
        }
    }

    private void end(Runnable last) {
        if (done.compareAndSet(false, true)) {
            close();
            SerialExecutor.guarded(last);
        }
    }
}
