// Messages that are gone.
package io.github.wsc;

/**
 * Positions of a stream that were for this device and are gone.
 *
 * @param stream the stream
 * @param from the first
 * @param to the last; {@code from - 1}: it is not known which positions, if any
 * @param reason {@code expired}, {@code trimmed}, {@code left}, {@code epoch} or {@code unexplained}
 * @param generation the numbering, for {@link Client#acknowledge(Delivery)}
 */
public record Gap(String stream, long from, long to, String reason, int generation) implements Delivery {
    @Override
    public long position() {
        return to;
    }
}
