// A part of a stream's history.
package io.github.wsc;

import java.util.List;

/**
 * A part of a stream's history.
 *
 * @param messages the messages, own ones included, the oldest first
 * @param from the first position looked at
 * @param to the last position looked at
 * @param floor the oldest position this user may see
 * @param head the newest position there is
 * @param more whether there is more in the direction asked for
 */
public record Page(List<Message> messages, long from, long to, long floor, long head, boolean more) {}
