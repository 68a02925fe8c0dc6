// How important a message says it is.
package io.github.wsc;

import java.util.Locale;

/** How important a message says it is. It never reorders. */
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
