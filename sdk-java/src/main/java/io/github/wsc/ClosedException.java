// The client is closed.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

/**
 * The client is closed for good: {@link #code()} is the hub's close code, or 0 when the application closed it, or when it closed itself
 * because of an error, which is the {@link #getCause() cause}.
 */
public final class ClosedException extends WscException {
    private static final long serialVersionUID = 1;

    /** Made by the library; an application makes one only in its tests. */
    public ClosedException(String message, int code) {
        this(message, code, null);
    }

    /** The same, with the error that made the client close itself. */
    public ClosedException(String message, int code, @Nullable Throwable cause) {
        super(message, code, false, 0, cause);
    }
}
