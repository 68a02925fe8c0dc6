// What a stream hands over.
package io.github.wsc;

/** What a stream hands over, in order, once: a {@link Message}, or a {@link Gap} where messages are gone. */
public sealed interface Delivery permits Message, Gap {
    /** Its stream: {@code inbox}, {@code broadcast} or {@code group:<id>}; empty for a volatile message. */
    String stream();

    /** Its position in the stream; of a gap, the last. */
    long position();
}
