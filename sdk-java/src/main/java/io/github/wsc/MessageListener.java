// A listener that also takes the messages.
package io.github.wsc;

/**
 * A {@link ClientListener} that also takes the messages of all streams, in the order they come. As the client's listener it is
 * their reader; a message counts as handed over when it returned.
 */
public interface MessageListener extends ClientListener {
    /** A message without bytes beside it. */
    void onTextMessageReceived(Message message);

    /** A message with bytes beside it, see {@link Message#payload()}. */
    default void onBinaryMessageReceived(Message message) {
        onTextMessageReceived(message);
    }

    /** Messages are missing here. */
    default void onGap(Gap gap) {}
}
