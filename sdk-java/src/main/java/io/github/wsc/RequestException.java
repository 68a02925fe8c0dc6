// Why a request got no answer.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

/** A request got no answer. */
public final class RequestException extends WscException {
    private static final long serialVersionUID = 1;

    /** Why not. */
    public enum Fault {
        /** Refused by the hub, see {@link #code()}. */
        REFUSED,
        /** There is no connection, or it ended before the answer. */
        DISCONNECTED,
        /** No answer in time. */
        TIMEOUT,
        /** Too many requests are under way. */
        TOO_MANY,
        /** The client is closed. */
        CLOSED,
        /** The answer is not valid. */
        ANSWER
    }

    private final Fault fault;

    /** Made by the library; an application makes one only in its tests. */
    public RequestException(Fault fault, String message, int code, long retryAfterMs, @Nullable Throwable cause) {
        super(message, code, retryable(fault, code), retryAfterMs, cause);
        this.fault = fault;
    }

    /** Made by the library; an application makes one only in its tests. */
    public RequestException(Fault fault, String message) {
        this(fault, message, 0, 0, null);
    }

    private static boolean retryable(Fault fault, int code) {
        return switch (fault) {
            case REFUSED -> ErrorCode.isRetryable(code);
            case DISCONNECTED, TIMEOUT, TOO_MANY -> true;
            case CLOSED, ANSWER -> false;
        };
    }

    /** Why there is no answer. */
    public Fault fault() {
        return fault;
    }
}
