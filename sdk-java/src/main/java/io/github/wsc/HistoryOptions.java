// Which part of a stream's history is wanted.
package io.github.wsc;

/**
 * Which part of a stream's history: the newest, or what lies before or after a position.
 *
 * @param before only messages before this position; -1: no bound
 * @param after only messages after this position; -1: no bound
 * @param limit maximum of positions to look at, 1 to 500
 */
public record HistoryOptions(long before, long after, int limit) {
    private static final int LIMIT = 50;

    /**
     * Checks them.
     *
     * @throws IllegalArgumentException if both positions are given
     */
    public HistoryOptions {
        if (before >= 0 && after >= 0) {
            throw new IllegalArgumentException("give before or after, not both");
        }
    }

    /** The newest part: 50 positions. */
    public static HistoryOptions newest() {
        return new HistoryOptions(-1, -1, LIMIT);
    }

    /** The part before a position; with {@link Page#from()} of a page, the page before it. */
    public static HistoryOptions before(long position) {
        return new HistoryOptions(position, -1, LIMIT);
    }

    /** The part after a position; with {@link Page#to()} of a page, the page after it. {@code after(0)} begins with the oldest. */
    public static HistoryOptions after(long position) {
        return new HistoryOptions(-1, position, LIMIT);
    }

    /** The same part with another limit. */
    public HistoryOptions limit(int limit) {
        return new HistoryOptions(before, after, limit);
    }
}
