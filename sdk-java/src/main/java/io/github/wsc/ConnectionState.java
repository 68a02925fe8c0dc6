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
 * @param code why it is closed: the hub's close code, 0 by the application, 1 for want of a token
 * @param reason why it is closed, for people
 */
public record ConnectionState(Phase phase, @Nullable Instant retryAt, int attempts, int code, String reason) {
    /** The states. */
    public enum Phase {
        /** Not asked to connect yet. */
        IDLE,
        /** A connection is being made. */
        CONNECTING,
        /** Messages go and come. */
        CONNECTED,
        /** Cut off; the next attempt comes by itself. */
        WAITING,
        /** For good, until {@link Client#connect()}. */
        CLOSED
    }

    static final ConnectionState IDLE = new ConnectionState(Phase.IDLE, null, 0, 0, "");

    static ConnectionState of(Report report) {
        Phase phase = switch ((int) report.first) {
            case Tables.State.CONNECTING -> Phase.CONNECTING;
            case Tables.State.CONNECTED -> Phase.CONNECTED;
            case Tables.State.WAITING -> Phase.WAITING;
            case Tables.State.CLOSED -> Phase.CLOSED;
            default -> Phase.IDLE;
        };
        boolean waits = phase == Phase.WAITING;
        Instant retryAt = waits ? Instant.ofEpochMilli(report.second) : null;
        int code = phase == Phase.CLOSED ? (int) report.second : 0;
        return new ConnectionState(phase, retryAt, (int) report.third, code, report.text);
    }

    /** Whether messages go and come. */
    public boolean isConnected() {
        return phase == Phase.CONNECTED;
    }

    ClosedException closed() {
        String why = switch (code) {
            case Tables.Closed.APPLICATION -> "the client was closed";
            case Tables.Closed.NO_TOKEN -> "closed: the token provider has no token";
            default -> "closed by the hub: " + reason + " (" + code + ")";
        };
        return new ClosedException(why, code);
    }
}
