// How far an own message got, asked of the hub.
package io.github.wsc;

/**
 * How far an own message got.
 *
 * @param messageId its id
 * @param stage {@code accepted}, {@code delivered}, {@code read} or {@code unknown}
 * @param delivered in a group, how many have it
 * @param read in a group, how many read it
 */
public record ReceiptState(String messageId, String stage, long delivered, long read) {}
