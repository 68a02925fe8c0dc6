// The root of what can go wrong.
package io.github.wsc;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Any failure of this library. Futures fail with it; it is unchecked. */
public class WscException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int code;
    private final boolean retryable;
    private final long retryAfterMs;

    /** Made by the library; an application makes one only in its tests. */
    public WscException(String message, int code, boolean retryable, long retryAfterMs, @Nullable Throwable cause) {
        super(message, cause);
        this.code = code;
        this.retryable = retryable;
        this.retryAfterMs = retryAfterMs;
    }

    /** Made by the library; an application makes one only in its tests. */
    public WscException(String message, @Nullable Throwable cause) {
        this(message, 0, false, 0, cause);
    }

    /** The hub's error or close code, see {@link ErrorCode} and {@link CloseCode}; 0: none. */
    public final int code() {
        return code;
    }

    /** Whether the same may succeed later. */
    public final boolean isRetryable() {
        return retryable;
    }

    /** When to try again, if the hub said so; else zero. */
    public final Duration retryAfter() {
        return Duration.ofMillis(retryAfterMs);
    }
}
