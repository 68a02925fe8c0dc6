// What a client has counted.
package io.github.wsc;

/**
 * What a client has counted since it was made.
 *
 * @param received messages handed to the application's side
 * @param gaps gaps handed to it
 * @param sent messages taken into the outbox
 * @param accepted messages the hub stored
 * @param failed messages that were refused or ended otherwise without being stored
 * @param connects connections made
 * @param disconnects connections lost or not made
 */
public record Statistics(
        long received, long gaps, long sent, long accepted, long failed, long connects, long disconnects) {}
