// The outbox file cannot be used.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

/** The outbox file cannot be used: another process has it, it belongs to another device, it is no outbox, or the disk says no. */
public final class StorageException extends WscException {
    private static final long serialVersionUID = 1;

    /** Made by the library; an application makes one only in its tests. */
    public StorageException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
