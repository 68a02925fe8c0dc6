// The status of a user.
package io.github.wsc;

import java.util.Locale;

/** The status of a user, as others see it. */
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

    /** The status that a text on the wire names; {@link #OFFLINE} for any other text. */
    public static UserStatus of(String text) {
        for (UserStatus status : values()) {
            if (status.text().equals(text)) {
                return status;
            }
        }
        return OFFLINE;
    }
}
