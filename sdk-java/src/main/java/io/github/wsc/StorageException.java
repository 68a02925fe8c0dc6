// The outbox file cannot be used.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

/** The outbox file cannot be used: another process uses it, it belongs to another user or device, it is not an outbox, or the disk failed. */
public final class StorageException extends WscException {
    private static final long serialVersionUID = 1;

    /** Made by the library; an application makes one only in its tests. */
    public StorageException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
