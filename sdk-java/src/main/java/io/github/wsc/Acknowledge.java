// When a message counts as handed over.
package io.github.wsc;

/** When a message counts as handed over. What does not count comes again after a crash. */
public enum Acknowledge {
    /** When the handler has returned. */
    AUTOMATIC,
    /** When the application says so with {@link Client#acknowledge(Delivery)}. */
    MANUAL
}
