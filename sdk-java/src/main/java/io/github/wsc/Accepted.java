// Where the hub stored a message.
package io.github.wsc;

/**
 * Where the hub stored a message.
 *
 * @param stream the stream, as the sender names it; empty for a volatile message
 * @param position its position there, 0 for a volatile message
 * @param duplicate whether it had been stored before
 * @param createdAt when, RFC 3339 in UTC; may be empty
 */
public record Accepted(String stream, long position, boolean duplicate, String createdAt) {}
