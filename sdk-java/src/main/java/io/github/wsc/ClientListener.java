// The events of a client beside messages.
package io.github.wsc;

/**
 * The events of a client beside the messages of its streams. Override what is of interest. Calls come one at a time, on the
 * client's executor; what one throws is logged, and the next call comes.
 */
public interface ClientListener {
    /** The connection's state changed. */
    default void onState(ConnectionState state) {}

    /** Connected, for the first time or again. */
    default void onConnected() {}

    /** An attempt to connect failed; the client tries again by itself. */
    default void onConnectError(WscException error) {}

    /**
     * A connection ended; the client reconnects by itself unless {@link #onClose} follows.
     *
     * @param code the close code, see {@link CloseCode}; 0: there was no Close frame
     */
    default void onDisconnected(int code, String reason) {}

    /**
     * The client is closed for good.
     *
     * @param code 0: by the application, or by itself because of an error, which the reason names; 1: the token provider has no token; else the
     *     hub's close code
     */
    default void onClose(int code, String reason) {}

    /** The hub stored a message of this client. */
    default void onMessageSent(String messageId, Accepted accepted) {}

    /** A message was not saved, was refused, or ended otherwise; also one of an earlier process. */
    default void onSendError(String messageId, WscException error) {}

    /** A message that is not stored: typing, volatile ones of others, copies for an observer. */
    default void onVolatile(Message message) {}

    /** A stream can be read from now on. */
    default void onStreamOpened(String stream, long from, long head) {}

    /** A stream can no longer be read. */
    default void onStreamClosed(String stream, String reason) {}

    /** Somebody joined or left a group: {@code action} is {@code joined}, {@code left}, {@code removed} or {@code disbanded}. */
    default void onGroupChanged(String group, String action, String user) {}

    /** No reader took these positions for 20 s: they count as handed over. {@link Stream#history} still has them. */
    default void onUnread(String stream, long from, long to) {}

    /**
     * A notice of the hub.
     *
     * @param type its {@code message_type}
     * @param frame the whole frame as JSON
     */
    default void onNotice(String type, String frame) {}

    /**
     * Something is wrong that no call waits for: a bad answer of the token provider, a subscriber that threw, a frame that is not valid. The
     * {@link Throwable#getCause() cause} is what was thrown, if anything was.
     */
    default void onFault(WscException fault) {}
}
