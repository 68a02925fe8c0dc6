// Messages and JSON, in both directions. Knows the names on the wire and never what they are good for; what the machine says of a
// message that is wrong is said there.
package io.github.wsc.internal;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import io.github.wsc.SendException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Messages as JSON. */
public final class MessageCodec {
    private static final int BUFFERS = 32;
    /**
     * The hub bounds frames: what it lets through is read, however long its names and numbers are. Buffers are not kept by thread: those
     * of a server would hold this class loader.
     */
    static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .maxNumberLength(Integer.MAX_VALUE)
                    .build())
            .recyclerPool(JsonRecyclerPools.newBoundedPool(BUFFERS))
            .build();

    private MessageCodec() {}

    /**
     * The message as the client writes it.
     *
     * @throws SendException if it cannot be written
     */
    public static byte[] write(MessageFields message) {
        // Everywhere else the hub reads one as an unknown character; an id must stay the one that the application knows.
        if (!Texts.isWellFormed(message.id)) {
            throw new SendException(SendException.Fault.INVALID, "invalid message: message_id: " + Texts.HALF);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256 + message.content.length());
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            text(json, "message_type", message.type);
            text(json, "message_id", message.id);
            text(json, "sender_name", message.senderName);
            text(json, "receiver", message.receiver);
            text(json, "receiver_name", message.receiverName);
            text(json, "receiver_client", message.receiverDevice);
            if (!message.group.isEmpty()) {
                json.writeArrayFieldStart("group_ids");
                json.writeString(message.group);
                json.writeEndArray();
            }
            text(json, "broadcast_type", message.toAll ? "global" : "");
            text(json, "session_id", message.sessionId);
            text(json, "content", message.content);
            if (!message.data.isEmpty()) {
                json.writeFieldName("data");
                json.writeRawValue(Texts.repaired(message.data));
            }
            text(json, "reply_to_msg_id", message.replyTo);
            text(json, "priority", message.priority);
            flag(json, "require_ack", message.receipts);
            flag(json, "skip_send_to_client", message.storeOnly);
            flag(json, "volatile", message.isVolatile);
            if (message.expiresInMs > 0) {
                json.writeNumberField("expires_in_ms", message.expiresInMs);
            }
            text(json, "trace_id", message.traceId);
            json.writeEndObject();
        } catch (IOException wrong) {
            throw new SendException(SendException.Fault.INVALID, "invalid message: " + wrong.getMessage(), wrong);
        }
        return bytes.toByteArray();
    }

    private static void text(JsonGenerator json, String name, String text) throws IOException {
        if (!text.isEmpty()) {
            json.writeStringField(name, text);
        }
    }

    private static void flag(JsonGenerator json, String name, boolean flag) throws IOException {
        if (flag) {
            json.writeBooleanField(name, true);
        }
    }

    /** Reads a message that the machine took as one. Fields that are not known are left out. */
    public static MessageFields read(byte[] object, byte @Nullable [] payload) {
        MessageFields message = new MessageFields();
        message.payload = payload;
        try (JsonParser json = JSON.createParser(object)) {
            json.nextToken();
            for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                JsonToken token = json.nextToken();
                switch (name) {
                    case "message_type" -> message.type = json.getText();
                    case "message_id" -> message.id = json.getText();
                    case "sender" -> message.sender = json.getText();
                    case "sender_type" -> message.senderType = json.getText();
                    case "sender_client" -> message.senderDevice = json.getText();
                    case "sender_name" -> message.senderName = json.getText();
                    case "receiver" -> message.receiver = json.getText();
                    case "receiver_type" -> message.receiverType = json.getText();
                    case "receiver_client" -> message.receiverDevice = json.getText();
                    case "receiver_name" -> message.receiverName = json.getText();
                    case "group_ids" -> message.group = first(json);
                    case "broadcast_type" -> message.toAll = json.getText().equals("global");
                    case "session_id" -> message.sessionId = json.getText();
                    case "content" -> message.content = json.getText();
                    case "data" -> message.data = raw(json, object);
                    case "create_at" -> message.createdAt = json.getText();
                    case "reply_to_msg_id" -> message.replyTo = json.getText();
                    case "stream" -> message.stream = json.getText();
                    case "seq_no" -> message.position = json.getLongValue();
                    case "priority" -> message.priority = json.getText();
                    case "source" -> message.source = json.getText();
                    case "require_ack" -> message.receipts = token == JsonToken.VALUE_TRUE;
                    case "volatile", "skip_database_storage" -> message.isVolatile |= token == JsonToken.VALUE_TRUE;
                    case "skip_send_to_client" -> message.storeOnly = token == JsonToken.VALUE_TRUE;
                    case "observed" -> message.observed = token == JsonToken.VALUE_TRUE;
                    case "expires_in_ms" -> message.expiresInMs = json.getLongValue();
                    case "trace_id" -> message.traceId = json.getText();
                    default -> json.skipChildren();
                }
            }
        } catch (IOException broken) {
            throw new UncheckedIOException("a message of the native library is not valid JSON", broken);
        }
        return message;
    }

    /** The first text of a list. */
    private static String first(JsonParser json) throws IOException {
        String first = "";
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (first.isEmpty()) {
                first = json.getText();
            }
        }
        return first;
    }

    /** The value that begins here, byte for byte. */
    private static String raw(JsonParser json, byte[] object) throws IOException {
        int from = (int) json.currentTokenLocation().getByteOffset();
        json.skipChildren();
        int to = (int) json.currentLocation().getByteOffset();
        return new String(object, from, to - from, StandardCharsets.UTF_8);
    }
}
