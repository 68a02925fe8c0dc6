// Why a message was not saved.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

/** A message was not saved: nothing of it is kept, nothing was sent. */
public final class SendException extends WscException {
    private static final long serialVersionUID = 1;

    /** What was wrong. */
    public enum Fault {
        /** The maximum of messages that wait for the hub is reached. */
        OUTBOX_FULL,
        /** It is larger than a frame. */
        TOO_LARGE,
        /** A field is wrong; the text says which. */
        INVALID,
        /** A message with this id is not settled yet. */
        REPEATED,
        /** The client is closed. */
        CLOSED,
        /** The outbox file could not be written. */
        STORAGE
    }

    private final Fault fault;

    /** Made by the library; an application makes one only in its tests. */
    public SendException(Fault fault, String message, @Nullable Throwable cause) {
        super(message, 0, fault == Fault.OUTBOX_FULL || fault == Fault.STORAGE, 0, cause);
        this.fault = fault;
    }

    /** Made by the library; an application makes one only in its tests. */
    public SendException(Fault fault, String message) {
        this(fault, message, null);
    }

    /** What was wrong. */
    public Fault fault() {
        return fault;
    }
}
