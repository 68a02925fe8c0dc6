// What an application may write into a message.
package io.github.wsc;

import io.github.wsc.internal.MessageFields;
import io.github.wsc.internal.MessageId;
import io.github.wsc.internal.Texts;
import java.time.Duration;
import java.util.Objects;

/** Writes a message, see {@link Message#to}. */
public final class MessageBuilder {
    private MessageFields message;

    MessageBuilder(MessageFields message) {
        this.message = message;
    }

    MessageBuilder to(String conversation) {
        if (conversation.startsWith("user:") && conversation.length() > 5) {
            message.receiver = Texts.name("the conversation", conversation.substring(5));
        } else if (conversation.startsWith("group:") && conversation.length() > 6) {
            message.group = Texts.name("the conversation", conversation.substring(6));
        } else if (conversation.equals("broadcast")) {
            message.toAll = true;
        } else {
            throw new IllegalArgumentException(
                    "\"" + conversation + "\" is not a valid conversation: write user:<id>, group:<id> or broadcast");
        }
        return this;
    }

    /** What kind of message: one of {@link MessageType}, or the application's own. Default: {@code text}, or {@code binary} with a payload. */
    public MessageBuilder type(String type) {
        message.type = type;
        return this;
    }

    /** Its id, 1 to 64 printable ASCII characters: the same id takes effect once, however often it is sent. Default: a new one (UUIDv7). */
    public MessageBuilder id(String id) {
        message.id = id;
        return this;
    }

    /** Only to this device of the user. */
    public MessageBuilder device(String device) {
        message.receiverDevice = Texts.name("the device", device);
        return this;
    }

    /** Its text. */
    public MessageBuilder content(String content) {
        message.content = content;
        return this;
    }

    /** Any JSON object of the application, as JSON text, such as {@code mapper.writeValueAsString(order)}. */
    public MessageBuilder data(String json) {
        message.data = json;
        return this;
    }

    /** Bytes beside the message; not copied: leave them as they are. */
    public MessageBuilder payload(byte[] bytes) {
        message.payload = Objects.requireNonNull(bytes);
        return this;
    }

    /** The application's session. */
    public MessageBuilder sessionId(String session) {
        message.sessionId = session;
        return this;
    }

    /** The sender's name, human-readable. */
    public MessageBuilder senderName(String name) {
        message.senderName = name;
        return this;
    }

    /** The receiver's name, human-readable. */
    public MessageBuilder receiverName(String name) {
        message.receiverName = name;
        return this;
    }

    /** The message this answers, or that {@code edit} and {@code recall} are about. */
    public MessageBuilder replyTo(String messageId) {
        message.replyTo = messageId;
        return this;
    }

    /** Its priority; messages are never reordered by it. */
    public MessageBuilder priority(Priority priority) {
        message.priority = priority.text();
        return this;
    }

    /** Receipts are wanted: {@link Receipt#delivered()} and {@link Receipt#read()}; for messages to a user. */
    public MessageBuilder receipts() {
        message.receipts = true;
        return this;
    }

    /**
     * How long it is valid: after that it is neither handed over nor sent.
     *
     * @throws IllegalArgumentException unless it is at least a millisecond
     */
    public MessageBuilder expiresIn(Duration life) {
        if (life.toMillis() < 1) {
            throw new IllegalArgumentException("expiresIn is at least one millisecond, not " + life);
        }
        message.expiresInMs = life.toMillis();
        return this;
    }

    /** Not stored: handed to who is connected now. */
    public MessageBuilder isVolatile() {
        message.isVolatile = true;
        return this;
    }

    /** Stored and not handed over; only the history has it. */
    public MessageBuilder storeOnly() {
        message.storeOnly = true;
        return this;
    }

    /** For tracing. */
    public MessageBuilder traceId(String trace) {
        message.traceId = trace;
        return this;
    }

    /** The message. The builder begins another one, with the same content and without an id. */
    public Message build() {
        MessageFields built = message;
        message = built.copy();
        if (built.type.isEmpty()) {
            built.type = built.payload == null ? MessageType.TEXT : MessageType.BINARY;
        }
        if (built.id.isEmpty()) {
            built.id = MessageId.make();
        }
        return new Message(built);
    }
}
