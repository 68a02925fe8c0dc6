// A message, as the application writes it and as the hub hands it out. Never changes, and does not know its form on the wire.
package io.github.wsc;

import io.github.wsc.internal.MessageFields;
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
    final MessageFields fields;

    Message(MessageFields fields) {
        this.fields = fields;
    }

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
        return new MessageBuilder(new MessageFields()).to(conversation);
    }

    /** What kind of message: one of {@link MessageType}, or the application's own. */
    public String type() {
        return fields.type;
    }

    /** The id, which names the message for ever. */
    public String id() {
        return fields.id;
    }

    /** Who sent it, as the hub authenticated. */
    public String sender() {
        return fields.sender;
    }

    /** The sender's type, such as {@code customer}. */
    public String senderType() {
        return fields.senderType;
    }

    /** The device it was sent from. */
    public String senderDevice() {
        return fields.senderDevice;
    }

    /** The sender's name, as the sender wrote it. */
    public String senderName() {
        return fields.senderName;
    }

    /** The user it is for. */
    public String receiver() {
        return fields.receiver;
    }

    /** The receiver's type. */
    public String receiverType() {
        return fields.receiverType;
    }

    /** The one device of the receiver that it is for. */
    public String receiverDevice() {
        return fields.receiverDevice;
    }

    /** The receiver's name, as the sender wrote it. */
    public String receiverName() {
        return fields.receiverName;
    }

    /** The group it is for. */
    public String group() {
        return fields.group;
    }

    /** Whether it is for everybody. */
    public boolean isToAll() {
        return fields.toAll;
    }

    /** The application's session. */
    public String sessionId() {
        return fields.sessionId;
    }

    /** Its text. */
    public String content() {
        return fields.content;
    }

    /**
     * The application's object beside the text, as the JSON text that was sent, byte for byte. Numbers are not read, so that integers of
     * 64 bits, and longer ones, stay as they are.
     */
    public String data() {
        return fields.data;
    }

    /** When the hub stored it; null for a message that the hub has not stored. */
    public @Nullable Instant createdAt() {
        try {
            return fields.createdAt.isEmpty() ? null : Instant.parse(fields.createdAt);
        } catch (DateTimeParseException wrong) {
            return null;
        }
    }

    /** The message this answers, or that {@code edit} and {@code recall} are about. */
    public String replyTo() {
        return fields.replyTo;
    }

    @Override
    public String stream() {
        return fields.stream;
    }

    @Override
    public long position() {
        return fields.position;
    }

    /** Its priority: a text of {@link Priority}, or empty. */
    public String priority() {
        return fields.priority;
    }

    /** {@code offline}: it waited for this device; {@code history}: fetched; empty: live. */
    public String source() {
        return fields.source;
    }

    /** Whether the sender wants receipts. */
    public boolean wantsReceipts() {
        return fields.receipts;
    }

    /** Whether it is not stored. */
    public boolean isVolatile() {
        return fields.isVolatile;
    }

    /** Whether only the history has it. */
    public boolean isStoreOnly() {
        return fields.storeOnly;
    }

    /** Whether it is a copy for an observer. */
    public boolean isObserved() {
        return fields.observed;
    }

    /** How long it is valid; zero: without limit. */
    public Duration expiresIn() {
        return Duration.ofMillis(fields.expiresInMs);
    }

    /** For tracing. */
    public String traceId() {
        return fields.traceId;
    }

    /** The bytes beside it, not copied; null: none. */
    public byte @Nullable [] payload() {
        return fields.payload;
    }

    /**
     * The conversation it belongs to as a user sees it: {@code user:<id>}, {@code group:<id>} or {@code broadcast}.
     *
     * @param user who looks, see {@link Client#user()}
     */
    public String conversation(String user) {
        if (!fields.group.isEmpty()) {
            return "group:" + fields.group;
        }
        if (fields.toAll || fields.stream.equals("broadcast")) {
            return "broadcast";
        }
        boolean own = Objects.equals(fields.sender, user);
        return "user:" + (own ? (fields.receiver.isEmpty() ? user : fields.receiver) : fields.sender);
    }

    /** A new message with the same content and target, to be changed. It has no id, so that it counts as another message. */
    public MessageBuilder copy() {
        return new MessageBuilder(fields.copy());
    }

    /** Type, sender, stream and position; no content, so that logs keep no secrets. */
    @Override
    public String toString() {
        return "Message[" + fields.type + " " + fields.id + " from " + fields.sender + " at " + fields.stream + " " + fields.position + "]";
    }
}
