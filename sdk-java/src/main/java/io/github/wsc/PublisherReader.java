// Gives a stream's entries to a Flow.Subscriber, as many as it asks for.
package io.github.wsc;

import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

final class PublisherReader extends Reader implements Flow.Subscription {
    private static final Logger LOG = LoggerFactory.getLogger("io.github.wsc.handlers");

    private final Flow.Subscriber<? super Delivery> subscriber;
    private final Lane lane;
    private final AtomicLong demand = new AtomicLong();
    private final AtomicBoolean done = new AtomicBoolean();
    private final AtomicBoolean woken = new AtomicBoolean();
    private volatile boolean refused;

    PublisherReader(MessageStream stream, Lane lane, Flow.Subscriber<? super Delivery> subscriber) {
        super(stream);
        this.lane = lane;
        this.subscriber = subscriber;
        lane.execute(() -> Lane.guarded(() -> subscriber.onSubscribe(this)));
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
    void available() {
        if (woken.compareAndSet(false, true)) {
            lane.execute(this::give);
        }
    }

    private void give() {
        woken.set(false);
        if (refused) {
            end(() -> subscriber.onError(new IllegalArgumentException("a subscriber asks for 1 at least")));
        }
        while (!done.get() && demand.get() > 0) {
            @Nullable Entry entry = next();
            if (entry == null) {
                break;
            }
            demand.decrementAndGet();
            try {
                subscriber.onNext(entry.delivery());
            } catch (RuntimeException thrown) {
                LOG.error("a subscriber threw in onNext, against its contract: it is cancelled", thrown);
                cancel();
                return;
            }
            handled(entry);
        }
        if (isEnded() && (isClosed() || !stream.hasNext(this))) {
            end(subscriber::onComplete);
        }
    }

    private void end(Runnable last) {
        if (done.compareAndSet(false, true)) {
            close();
            Lane.guarded(last);
        }
    }
}
