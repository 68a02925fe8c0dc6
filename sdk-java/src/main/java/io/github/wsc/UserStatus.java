// How a user is to be seen.
package io.github.wsc;

import java.util.Locale;

/** How a user is to be seen. */
public enum UserStatus {
    ONLINE,
    OFFLINE,
    BUSY,
    AWAY,
    /** Shown to others as offline. */
    INVISIBLE;

    /** The text on the wire. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    static UserStatus of(String text) {
        for (UserStatus status : values()) {
            if (status.text().equals(text)) {
                return status;
            }
        }
        return OFFLINE;
    }
}
