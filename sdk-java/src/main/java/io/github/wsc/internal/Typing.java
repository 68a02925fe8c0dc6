// How often a user who types says so. Knows nothing of who else types.
package io.github.wsc.internal;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

final class Typing {
    /** Well before the others forget it. */
    private static final long EVERY_NS = TimeUnit.SECONDS.toNanos(2);

    private final Map<String, Long> said = new ConcurrentHashMap<>();

    /** Whether it must be said again; the caller says it then. */
    boolean isDue(String conversation) {
        boolean[] due = {false};
        said.compute(conversation, (name, before) -> {
            long now = System.nanoTime();
            due[0] = before == null || now - before >= EVERY_NS;
            return due[0] ? Long.valueOf(now) : before;
        });
        return due[0];
    }

    /** A message was sent: the others forget with it that its sender typed. */
    void reset(String conversation) {
        said.remove(conversation);
    }
}
