// The client is closed.
package io.github.wsc;

/** The client is closed for good: {@link #code()} is the hub's close code, or 0 when the application closed it. */
public final class ClosedException extends WscException {
    private static final long serialVersionUID = 1;

    ClosedException(String message, int code) {
        super(message, code, false, 0, null);
    }
}
