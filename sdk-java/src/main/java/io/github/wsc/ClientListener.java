// What a client tells beside messages.
package io.github.wsc;

/**
 * What a client tells beside the messages of its streams. Override what is of interest. Calls come one at a time, on the
 * client's executor; one that throws is logged and harms nothing.
 */
public interface ClientListener {
    /** The connection's state changed. */
    default void onState(ConnectionState state) {}

    /** Connected, for the first time or again. */
    default void onConnected() {}

    /** An attempt to connect failed; the next comes by itself. */
    default void onConnectError(WscException error) {}

    /** A connection is gone; the next attempt comes by itself unless {@link #onClose} follows. {@code code} 0: without a Close frame. */
    default void onDisconnected(int code, String reason) {}

    /** Closed for good: by the application (0), for want of a token (1), or by the hub. */
    default void onClose(int code, String reason) {}

    /** The hub has a message of this client. */
    default void onMessageSent(String messageId, Accepted accepted) {}

    /** A message was not taken, refused, or ended otherwise; also those of an earlier process. */
    default void onSendError(String messageId, WscException error) {}

    /** A message that is not stored: typing, volatile ones of others, copies for an observer. */
    default void onVolatile(Message message) {}

    /** A stream can be read from now on. */
    default void onStreamOpened(String stream, long from, long head) {}

    /** A stream can no longer be read. */
    default void onStreamClosed(String stream, String reason) {}

    /** Somebody joined or left a group: {@code action} is {@code joined}, {@code left}, {@code removed} or {@code disbanded}. */
    default void onGroupChanged(String group, String action, String user) {}

    /** Nobody read these positions for 20 s: they count as handed over. {@link MessageStream#history} still has them. */
    default void onUnread(String stream, long from, long to) {}

    /** Word from the hub: {@code type} is its {@code message_type}, {@code frame} the whole frame as JSON. */
    default void onNotice(String type, String frame) {}

    /** Something was wrong that nobody waits for. */
    default void onFault(WscException fault) {}
}
