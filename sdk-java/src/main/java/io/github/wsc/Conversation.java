// One conversation of the user, with its counters.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

/**
 * One conversation of the user, equal on all devices.
 *
 * @param name {@code user:<id>} or {@code group:<id>}
 * @param last the newest position
 * @param read the position up to which it was read
 * @param unread the number of messages of others after that
 * @param message the newest message, if it came or was sent while this client watched its conversations
 */
public record Conversation(String name, long last, long read, long unread, @Nullable Message message) {}
