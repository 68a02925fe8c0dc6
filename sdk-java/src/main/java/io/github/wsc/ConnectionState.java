// Where a connection stands.
package io.github.wsc;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Where the connection stands.
 *
 * @param phase which state
 * @param retryAt when the next attempt is made; only in {@link Phase#WAITING}
 * @param attempts attempts that failed in a row
 * @param code why it is closed: the hub's close code, 0: by the application, 1: the token provider has no token
 * @param reason why it is closed, human-readable
 */
public record ConnectionState(Phase phase, @Nullable Instant retryAt, int attempts, int code, String reason) {
    /** The states. */
    public enum Phase {
        /** {@link Client#connect()} was not called yet. */
        IDLE,
        /** A connection is being made. */
        CONNECTING,
        /** Messages go and come. */
        CONNECTED,
        /** Disconnected; the next attempt is made at {@link #retryAt()}. */
        WAITING,
        /** For good, until {@link Client#connect()}. */
        CLOSED
    }

    /** Whether messages go and come. */
    public boolean isConnected() {
        return phase == Phase.CONNECTED;
    }
}
