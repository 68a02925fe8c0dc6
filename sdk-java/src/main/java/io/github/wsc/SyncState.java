// How far sends and streams are.
package io.github.wsc;

/**
 * How far sends and streams are.
 *
 * @param unsaved messages on their way into the outbox file
 * @param saved messages kept here until the hub settles them
 * @param underWay of those, the ones that were sent and not answered yet
 * @param caughtUp whether everything that was there at connect has come
 */
public record SyncState(long unsaved, long saved, long underWay, boolean caughtUp) {}
