// Why a message that was saved did not reach the stage that is waited for.
package io.github.wsc;

/** A message that was saved did not reach the stage that is waited for. */
public final class ReceiptException extends WscException {
    private static final long serialVersionUID = 1;

    /** What became of it. */
    public enum Fault {
        /** Refused by the hub for good, see {@link #code()}. */
        REFUSED,
        /** Sent without an answer, and too old to be sent again: it may be stored or not. */
        UNKNOWN,
        /** It expired before it could be sent. */
        EXPIRED,
        /** Cancelled before it was sent. */
        CANCELLED,
        /** Volatile, and there was no connection. */
        DROPPED,
        /** Its receipts are not followed: it did not request them, or too many are waited for. */
        NOT_FOLLOWED,
        /** The client was closed; with an outbox file the message is kept and goes out next time. */
        CLOSED
    }

    private final Fault fault;

    /** Made by the library; an application makes one only in its tests. */
    public ReceiptException(Fault fault, String message, int code, long retryAfterMs) {
        super(message, code, ErrorCode.isRetryable(code), retryAfterMs, null);
        this.fault = fault;
    }

    /** Made by the library; an application makes one only in its tests. */
    public ReceiptException(Fault fault, String message) {
        this(fault, message, 0, 0);
    }

    /** What became of the message. */
    public Fault fault() {
        return fault;
    }
}
