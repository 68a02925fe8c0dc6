// What a message consists of, as the codec reads and writes it and a public message shows it. Knows no rule.
package io.github.wsc.internal;

import org.jspecify.annotations.Nullable;

/** The fields of a message. Texts that are not there are empty. */
public final class MessageFields {
    public String type = "";
    public String id = "";
    public String sender = "";
    public String senderType = "";
    public String senderDevice = "";
    public String senderName = "";
    public String receiver = "";
    public String receiverType = "";
    public String receiverDevice = "";
    public String receiverName = "";
    public String group = "";
    public boolean toAll;
    public String sessionId = "";
    public String content = "";
    public String data = "";
    public String createdAt = "";
    public String replyTo = "";
    public String stream = "";
    public long position;
    public String priority = "";
    public String source = "";
    public boolean receipts;
    public boolean isVolatile;
    public boolean storeOnly;
    public boolean observed;
    public long expiresInMs;
    public String traceId = "";
    public byte @Nullable [] payload;
    /** The numbering of its position; known of what a stream handed over. */
    public int generation;

    /** What an application may write, without the id: another message with the same content and target. */
    public MessageFields copy() {
        MessageFields copy = new MessageFields();
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
        return copy;
    }

    /** The conversation that it is sent to. */
    public String target() {
        if (!group.isEmpty()) {
            return "group:" + group;
        }
        return toAll ? "broadcast" : "user:" + receiver;
    }
}
