// One conversation of the user, with its counters.
package io.github.wsc;

/**
 * One conversation of the user, equal on all devices.
 *
 * @param name {@code user:<id>} or {@code group:<id>}
 * @param last the newest position
 * @param read read up to here
 * @param unread messages of others after it
 */
public record Conversation(String name, long last, long read, long unread) {}
