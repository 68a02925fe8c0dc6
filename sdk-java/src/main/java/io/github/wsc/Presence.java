// Who is there: users that are watched, or a group's members.
package io.github.wsc;

import io.github.wsc.internal.Watch;
import java.util.Map;
import java.util.function.BiConsumer;

/** The status of users, now and as it changes, also over reconnects, until closed. */
public final class Presence implements Subscription {
    private final Watch watch;

    Presence(Watch watch) {
        this.watch = watch;
    }

    /** The status of each user that the hub has named so far. */
    public Map<String, UserStatus> statuses() {
        return watch.statuses();
    }

    /** Calls back with what is known, and for each change, on the client's executor. */
    public Subscription subscribe(BiConsumer<String, UserStatus> listener) {
        return watch.subscribe(listener);
    }

    @Override
    public void close() {
        watch.close();
    }
}
