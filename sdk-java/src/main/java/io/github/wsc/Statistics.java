// The counters of a client.
package io.github.wsc;

/**
 * The counters of a client since it was made.
 *
 * @param received messages that came from the hub
 * @param gaps gaps that came
 * @param sent messages saved in the outbox
 * @param accepted messages the hub stored
 * @param failed messages that were refused or ended otherwise without being stored
 * @param connects connections made
 * @param disconnects connections lost or not made
 */
public record Statistics(
        long received, long gaps, long sent, long accepted, long failed, long connects, long disconnects) {}
