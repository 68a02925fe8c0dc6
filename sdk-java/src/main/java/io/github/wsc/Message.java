// A message, as the application writes it and as the hub hands it out. How it stands on the wire MessageCodec knows.
package io.github.wsc;

import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A message. It has one target: a user, a group, or everybody. Texts that are not there are empty.
 *
 * <pre>{@code
 * Message.toUser("bob", "hello");
 * Message.to("group:team").type(MessageType.ORDER).data("{\"item\":7}").priority(Priority.HIGH).build();
 * }</pre>
 */
public final class Message implements Delivery {
    String type = "";
    String id = "";
    String sender = "";
    String senderType = "";
    String senderDevice = "";
    String senderName = "";
    String receiver = "";
    String receiverType = "";
    String receiverDevice = "";
    String receiverName = "";
    String group = "";
    boolean toAll;
    String sessionId = "";
    String content = "";
    String data = "";
    String createdAt = "";
    String replyTo = "";
    String stream = "";
    long position;
    String priority = "";
    String source = "";
    boolean receipts;
    boolean isVolatile;
    boolean storeOnly;
    boolean observed;
    long expiresInMs;
    String traceId = "";
    byte @Nullable [] payload;
    /** The numbering of its position; known of what a stream handed over. */
    int generation;

    Message() {}

    /** A text for a user. */
    public static Message toUser(String user, String content) {
        return to("user:" + user).content(content).build();
    }

    /** A text for a group, of which the sender is a member. */
    public static Message toGroup(String group, String content) {
        return to("group:" + group).content(content).build();
    }

    /** A text for everybody; needs the right {@code broadcast}. */
    public static Message toAll(String content) {
        return to("broadcast").content(content).build();
    }

    /**
     * Begins a message for a conversation.
     *
     * @param conversation {@code user:<id>}, {@code group:<id>} or {@code broadcast}
     * @throws IllegalArgumentException if it is none of these
     */
    public static MessageBuilder to(String conversation) {
        return new MessageBuilder(new Message()).to(conversation);
    }

    /** What kind of message: one of {@link MessageType}, or the application's own. */
    public String type() {
        return type;
    }

    /** Names the message for ever. */
    public String id() {
        return id;
    }

    /** Who sent it, as the hub authenticated. */
    public String sender() {
        return sender;
    }

    /** The sender's type, such as {@code customer}. */
    public String senderType() {
        return senderType;
    }

    /** The device it was sent from. */
    public String senderDevice() {
        return senderDevice;
    }

    /** The sender's name, as the sender wrote it. */
    public String senderName() {
        return senderName;
    }

    /** The user it is for. */
    public String receiver() {
        return receiver;
    }

    /** The receiver's type. */
    public String receiverType() {
        return receiverType;
    }

    /** The one device of the receiver that it is for. */
    public String receiverDevice() {
        return receiverDevice;
    }

    /** The receiver's name, as the sender wrote it. */
    public String receiverName() {
        return receiverName;
    }

    /** The group it is for. */
    public String group() {
        return group;
    }

    /** Whether it is for everybody. */
    public boolean isToAll() {
        return toAll;
    }

    /** The application's session. */
    public String sessionId() {
        return sessionId;
    }

    /** Its text. */
    public String content() {
        return content;
    }

    /** The application's object beside the text, as the JSON it was sent as, byte for byte. */
    public String data() {
        return data;
    }

    /** When the hub took it; null for what the hub has not seen. */
    public @Nullable Instant createdAt() {
        try {
            return createdAt.isEmpty() ? null : Instant.parse(createdAt);
        } catch (DateTimeParseException wrong) {
            return null;
        }
    }

    /** The message this answers, or that {@code edit} and {@code recall} are about. */
    public String replyTo() {
        return replyTo;
    }

    @Override
    public String stream() {
        return stream;
    }

    @Override
    public long position() {
        return position;
    }

    /** How important it says it is; a text of {@link Priority}, or empty. */
    public String priority() {
        return priority;
    }

    /** {@code offline}: it waited for this device; {@code history}: fetched; empty: live. */
    public String source() {
        return source;
    }

    /** Whether the sender wants receipts. */
    public boolean wantsReceipts() {
        return receipts;
    }

    /** Whether it is not stored. */
    public boolean isVolatile() {
        return isVolatile;
    }

    /** Whether only the history has it. */
    public boolean isStoreOnly() {
        return storeOnly;
    }

    /** Whether it is a copy for an observer. */
    public boolean isObserved() {
        return observed;
    }

    /** How long it lives; zero: for ever. */
    public Duration expiresIn() {
        return Duration.ofMillis(expiresInMs);
    }

    /** For tracing. */
    public String traceId() {
        return traceId;
    }

    /** The bytes beside it, not copied; null: none. */
    public byte @Nullable [] payload() {
        return payload;
    }

    /**
     * The conversation it belongs to as a user sees it: {@code user:<id>}, {@code group:<id>} or {@code broadcast}.
     *
     * @param user who looks, see {@link Client#user()}
     */
    public String conversation(String user) {
        if (!group.isEmpty()) {
            return "group:" + group;
        }
        if (toAll || stream.equals("broadcast")) {
            return "broadcast";
        }
        boolean own = Objects.equals(sender, user);
        return "user:" + (own ? (receiver.isEmpty() ? user : receiver) : sender);
    }

    /** A new message with the same content and target, to be changed. Without an id, so that it counts as another. */
    public MessageBuilder copy() {
        Message copy = new Message();
        copy.type = type;
        copy.receiver = receiver;
        copy.receiverDevice = receiverDevice;
        copy.receiverName = receiverName;
        copy.group = group;
        copy.toAll = toAll;
        copy.sessionId = sessionId;
        copy.senderName = senderName;
        copy.content = content;
        copy.data = data;
        copy.replyTo = replyTo;
        copy.priority = priority;
        copy.receipts = receipts;
        copy.isVolatile = isVolatile;
        copy.storeOnly = storeOnly;
        copy.expiresInMs = expiresInMs;
        copy.traceId = traceId;
        copy.payload = payload;
        return new MessageBuilder(copy);
    }

    /** Type, sender, stream and position; no content, so that logs keep no secrets. */
    @Override
    public String toString() {
        return "Message[" + type + " " + id + " from " + sender + " at " + stream + " " + position + "]";
    }
}
