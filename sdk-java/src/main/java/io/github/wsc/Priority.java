// The priority of a message.
package io.github.wsc;

import java.util.Locale;

/** The priority of a message, for its receiver; messages are never reordered by it. */
public enum Priority {
    LOW,
    NORMAL,
    HIGH,
    URGENT,
    CRITICAL;

    /** The text on the wire. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
