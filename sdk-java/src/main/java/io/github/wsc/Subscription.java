// Something that goes on until it is closed.
package io.github.wsc;

/** Something that goes on until it is closed. */
@FunctionalInterface
public interface Subscription extends AutoCloseable {
    @Override
    void close();
}
