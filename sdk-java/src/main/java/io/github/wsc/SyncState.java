// How many messages wait, and whether streams are caught up.
package io.github.wsc;

/**
 * How many messages wait here, and whether streams are caught up.
 *
 * @param unsaved messages that are being written to the outbox file
 * @param saved messages saved here until the hub settles them
 * @param underWay of those, the number that was sent and not answered yet
 * @param caughtUp whether everything that the hub had at connect has come
 */
public record SyncState(long unsaved, long saved, long underWay, boolean caughtUp) {}
