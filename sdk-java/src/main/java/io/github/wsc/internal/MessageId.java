// Ids that sort by time.
package io.github.wsc.internal;

import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/** Ids that sort by time. */
public final class MessageId {
    private MessageId() {}

    /** A UUIDv7. It names, it does not guard: the randomness need not be secret. */
    public static String make() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        long high = System.currentTimeMillis() << 16 | 0x7000 | random.nextInt(0x1000);
        long low = random.nextLong() >>> 2 | 1L << 63;
        return new UUID(high, low).toString();
    }
}
