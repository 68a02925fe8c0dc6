// The hub's error codes that a client meets, as core/src/error.rs numbers them.
package io.github.wsc;

/** The hub's error codes that a client meets. Others may come: compare numbers, and treat what you do not know as final. */
public final class ErrorCode {
    public static final int PERMISSION_DENIED = 80303;
    public static final int AUTHENTICATION_FAILED = 80304;
    public static final int INVALID_FORMAT = 80401;
    public static final int MESSAGE_TOO_LARGE = 80402;
    public static final int TARGET_MISSING = 80403;
    public static final int FILTERED = 80404;
    public static final int MESSAGE_ID_REUSED = 80406;
    public static final int RATE_LIMITED = 80801;
    public static final int TEMPORARY = 80902;
    public static final int BUSY = 80903;
    public static final int GROUP_NOT_FOUND = 81401;
    public static final int GROUP_FULL = 81403;

    private ErrorCode() {}

    /** Whether the same may succeed later. */
    public static boolean isRetryable(int code) {
        return code == RATE_LIMITED || code == TEMPORARY || code == BUSY;
    }
}
