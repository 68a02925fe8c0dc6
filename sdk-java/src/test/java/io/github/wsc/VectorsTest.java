// The scripts of tests/vectors through the whole bridge: orders and reports cross JNA as they do for applications.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.wsc.internal.MessageCodec;
import io.github.wsc.internal.MessageFields;
import io.github.wsc.internal.Natives;
import io.github.wsc.internal.Report;
import io.github.wsc.internal.Tables.Kind;
import io.github.wsc.internal.ffi.Machine;
import io.github.wsc.internal.ffi.Command;
import io.github.wsc.internal.ffi.Script;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class VectorsTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path FOLDER = Path.of("../tests/vectors");

    @BeforeAll
    static void bind() {
        Natives.acquire();
    }

    @AfterAll
    static void release() {
        Natives.release();
    }

    @Test
    void the_machine_in_the_library_does_what_the_scripts_say() throws IOException {
        int count = 0;
        try (Stream<Path> files = Files.list(FOLDER)) {
            for (Path file : files.filter(path -> path.getFileName().toString().startsWith("client_")).sorted().toList()) {
                for (JsonNode script : JSON.readTree(file.toFile())) {
                    // Signs of life beside frames only a driver in Rust gives.
                    if (script.findValuesAsText("do").contains("life")) {
                        continue;
                    }
                    new Player(script).play();
                    count++;
                }
            }
        }
        assertTrue(count > 20, count + " scripts");
    }

    @Test
    void messages_of_the_golden_frames_are_read_and_written_without_loss() throws IOException {
        int count = 0;
        for (JsonNode golden : JSON.readTree(FOLDER.resolve("frames_client.json").toFile())) {
            JsonNode again = golden.get("again").get("text");
            JsonNode frame = again == null ? null : JSON.readTree(again.asText());
            // What may not be written by an application is not read to be sent on.
            if (frame == null || frame.has("data") && !frame.get("data").isObject() || !frame.has("message_id") || isOther(frame)) {
                continue;
            }
            MessageFields message = MessageCodec.read(again.asText().getBytes(StandardCharsets.UTF_8), null);
            JsonNode written = JSON.readTree(MessageCodec.write(message));
            assertEquals(frame, written, golden.get("name").asText());
            count++;
        }
        assertTrue(count >= 3, count + " frames");
    }

    /** Frames that are no message of an application, or have fields that only go-wsc's clients write. */
    private static boolean isOther(JsonNode frame) {
        boolean addressed = frame.has("receiver") || frame.has("group_ids") || frame.has("broadcast_type");
        boolean foreign = Stream.of("sender", "source", "push_type", "seq_no", "create_at", "skip_database_storage", "sender_type",
                "receiver_type", "stream", "sender_client", "request_id").anyMatch(frame::has);
        boolean several = frame.path("group_ids").size() > 1;
        return !addressed || foreign || several || frame.path("require_ack").isBoolean() && !frame.get("require_ack").booleanValue();
    }

    /** The fields of a message that scripts compare: what else stands in a frame passes unharmed. */
    private static final List<String> FIELDS = List.of(("message_id message_type sender sender_name sender_type sender_client receiver"
            + " receiver_name receiver_type receiver_client session_id content data create_at reply_to_msg_id seq_no priority source"
            + " push_type broadcast_type group_ids require_ack skip_database_storage skip_send_to_client trace_id stream"
            + " expires_in_ms volatile observed request_id").split(" "));

    private static JsonNode message(Report report) throws IOException {
        return ((ObjectNode) JSON.readTree(report.object)).retain(FIELDS);
    }

    /** Plays one script. */
    private static final class Player {
        private final JsonNode script;
        private final String name;
        private final Map<Long, String> ids = new HashMap<>();
        private final ArrayNode events = JSON.createArrayNode();
        private final ArrayNode actions = JSON.createArrayNode();
        private long seed;
        private long now;
        private Machine machine;

        Player(JsonNode script) {
            this.script = script;
            name = script.get("name").asText();
            seed = script.path("seed").asLong(1);
            machine = make(script.get("config"), new byte[0]);
        }

        private Machine make(JsonNode config, byte[] saved) {
            List<String> groups = config.has("groups") ? texts(config.get("groups")) : null;
            int storage = List.of("none", "behind", "durable").indexOf(config.path("storage").asText("none"));
            Script settings = new Script(
                    config.path("device_id").asText(), config.path("token").asText(), config.path("token_provider").asBoolean(),
                    config.path("user_id").asText(), groups, config.path("start_at_head").asBoolean(),
                    config.path("auto_acknowledge").asBoolean(true), storage, config.path("outbox_count").asInt(),
                    config.path("flight_count").asInt(), config.path("receipts").asInt(), config.path("client").asText());
            return new Machine(settings, seed, ByteBuffer.allocateDirect(saved.length).put(saved).flip());
        }

        void play() throws IOException {
            int place = 0;
            for (JsonNode step : script.get("steps")) {
                JsonNode time = step.path("now");
                now = time.isTextual() ? Math.max(machine.deadline(), now) : time.asLong(now);
                events.removeAll();
                actions.removeAll();
                JsonNode result = perform(step);
                ByteBuffer batch = ByteBuffer.wrap(machine.drain());
                while (batch.hasRemaining()) {
                    tell(new Report(batch));
                }
                ObjectNode happened = JSON.createObjectNode();
                if (result != null) {
                    happened.set("result", result.isBoolean() ? JSON.getNodeFactory().booleanNode(cancelled()) : result);
                }
                happened.set("events", events);
                happened.set("actions", actions);
                happened.set("timeout", machine.deadline() < 0 ? JSON.nullNode() : JSON.getNodeFactory().numberNode(machine.deadline()));
                // Read anew, so that equal numbers are of equal classes.
                assertEquals(step.get("expect"), JSON.readTree(happened.toString()), name + ", step " + place + ": " + step.get("do"));
                place++;
            }
            machine.close();
        }

        /** An order to take back says nothing; the settlement does. */
        private boolean cancelled() {
            return StreamSupport.stream(events.spliterator(), false).anyMatch(event -> event.path("outcome").asText().equals("cancelled"));
        }

        private JsonNode perform(JsonNode step) throws IOException {
            int link = step.path("link").asInt(machine.link());
            switch (step.get("do").asText()) {
                case "connect" -> machine.execute(now, Command.Connect.INSTANCE);
                case "close" -> machine.execute(now, Command.Close.INSTANCE);
                case "send" -> {
                    JsonNode message = step.get("message");
                    String id = message.path("message_id").asText();
                    long send = machine.execute(now, new Command.Send(id, JSON.writeValueAsBytes(message), null));
                    ids.put(send, id);
                    ObjectNode result = JSON.createObjectNode();
                    return send > 0 ? result.put("send", send) : result.put("error", machine.wrong());
                }
                case "cancel" -> {
                    machine.execute(now, new Command.Cancel(ids.getOrDefault(step.get("send").asLong(), "none")));
                    return JSON.getNodeFactory().booleanNode(true);
                }
                case "acknowledge" -> machine.execute(now, new Command.Acknowledge(
                        step.get("stream").asText(), step.get("generation").asInt(), step.get("seq_no").asLong()));
                case "request" -> {
                    ObjectNode query = step.get("query").deepCopy();
                    query.remove("message_id");
                    long request = machine.execute(now, new Command.Request(1, JSON.writeValueAsBytes(query)));
                    return JSON.createObjectNode().put("request", request);
                }
                case "mark_read" -> machine.execute(now, new Command.MarkRead(
                        step.get("stream").asText(), step.path("peer").asText(), step.get("seq_no").asLong()));
                case "supply_token" -> machine.execute(now, step.has("error")
                        ? step.get("error").asText().equals("denied") ? Command.NoToken.INSTANCE : new Command.TokenFailed("not now")
                        : new Command.Token(step.get("token").asText()));
                case "network" -> machine.execute(now, new Command.Network(step.path("online").asBoolean(true)));
                case "open" -> machine.open(now, link);
                case "frame" -> {
                    JsonNode frame = step.get("frame");
                    machine.text(now, link, frame.isTextual() ? frame.asText() : frame.toString());
                }
                case "closed" -> machine.closed(now, link, step.path("code").asInt(), step.path("reason").asText());
                case "stored" -> machine.stored(now, step.get("send").asLong());
                case "timeout" -> machine.timeout(now);
                case "restart" -> {
                    byte[] saved = machine.snapshot();
                    seed++;
                    ObjectNode config = step.get("config").deepCopy();
                    config.set("device_id", script.get("config").path("device_id"));
                    machine.close();
                    machine = make(config, saved);
                }
                default -> throw new IllegalStateException("do: unknown " + step.get("do"));
            }
            return null;
        }

        private static List<String> texts(JsonNode list) {
            List<String> texts = new ArrayList<>();
            list.forEach(one -> texts.add(one.asText()));
            return texts;
        }

        private ObjectNode event(String event) {
            return events.addObject().put("event", event);
        }

        private ObjectNode action(String action) {
            return actions.addObject().put("action", action);
        }

        private static JsonNode orNull(String text) {
            return text.isEmpty() ? JSON.nullNode() : JSON.getNodeFactory().textNode(text);
        }

        /** Puts a report into the words of the scripts. */
        private void tell(Report report) throws IOException {
            String text = report.text;
            switch (report.kind) {
                case STATE -> {
                    String state = List.of("idle", "connecting", "connected", "waiting", "closed").get((int) report.first);
                    ObjectNode event = event("state").put("state", state);
                    if (state.equals("waiting")) {
                        event.put("until", report.second);
                    } else if (state.equals("closed")) {
                        event.put("why", report.second == 0 ? "application" : report.second == 1 ? "no_token" : "hub");
                        if (report.second > 1) {
                            event.put("code", report.second);
                        }
                    }
                }
                case CAUGHT_UP -> event("caught_up");
                case MESSAGE -> event("message").put("generation", report.first).set("message", message(report));
                case VOLATILE -> event("volatile").set("message", message(report));
                case GAP -> event("gap").put("stream", text).put("generation", report.first).put("from", report.second)
                        .put("to", report.third).put("reason", report.other);
                case STREAM_OPENED -> event("stream_opened").put("stream", text).put("generation", report.first)
                        .put("from", report.second).put("head", report.third);
                case STREAM_CLOSED -> event("stream_closed").put("stream", text).put("reason", report.other);
                case SETTLED -> settled(report);
                case RECEIPT -> event("receipt").put("message_id", text)
                        .put("stage", List.of("accepted", "delivered", "read").get((int) report.second))
                        .set("send", report.first == 0 ? JSON.nullNode() : JSON.getNodeFactory().numberNode(report.first));
                case RECEIPT_ENDED -> event("receipt_ended").put("send", report.first).put("message_id", text);
                case FETCHED -> event("fetched").put("request", report.first).set("message", message(report));
                case ANSWER -> {
                    JsonNode frame = JSON.readTree(report.object);
                    String type = frame.get("message_type").asText();
                    JsonNode data = frame.has("data") && !type.equals("group_changed") ? frame.get("data") : JSON.nullNode();
                    event("answer").put("request", report.first).put("message_type", type).set("data", data);
                }
                case REQUEST_FAILED -> {
                    String why = List.of("refused", "disconnected", "timeout", "too_many").get((int) report.second);
                    JsonNode code = report.second == 0 ? JSON.getNodeFactory().numberNode(report.third) : JSON.nullNode();
                    event("request_failed").put("request", report.first).put("error", why).set("code", code);
                }
                case MARK_REFUSED -> event("mark_refused").put("stream", text).put("peer", report.other).put("code", report.first);
                case GROUP_CHANGED -> {
                    JsonNode data = JSON.readTree(report.object).get("data");
                    event("group_changed").put("group", data.get("group_id").asText()).put("change", data.get("action").asText())
                            .put("user", data.get("user_id").asText());
                }
                case PRESENCE, NOTICE -> {
                    JsonNode frame = JSON.readTree(report.object);
                    event(report.kind == Kind.NOTICE ? "notice" : "presence").put("message_type", frame.get("message_type").asText())
                            .set("data", frame.has("data") ? frame.get("data") : JSON.nullNode());
                }
                case FAULT -> event("fault");
                case FETCH_TOKEN -> action("fetch_token");
                case PERSIST -> change(ByteBuffer.wrap(report.payload));
                case OPEN -> action("open").put("link", report.first);
                case WRITE -> action("send").put("link", report.first).set("frame", JSON.readTree(report.object));
                case CLOSE_SOCKET -> action("close").put("link", report.first).put("code", report.second);
                default -> throw new IllegalStateException("unexpected: " + report.kind);
            }
        }

        private void settled(Report report) {
            String outcome = List.of("accepted", "accepted", "refused", "unknown", "expired", "cancelled", "dropped", "sent")
                    .get((int) report.second);
            ObjectNode event = event("settled").put("send", report.first).put("message_id", report.text).put("outcome", outcome);
            if (outcome.equals("accepted")) {
                event.put("seq_no", report.third).put("duplicate", report.second == 1).set("stream", orNull(report.other));
            } else if (outcome.equals("refused")) {
                event.put("code", report.third);
            }
        }

        /** A change in the core's encoding. */
        private void change(ByteBuffer bytes) throws JsonProcessingException {
            byte letter = bytes.get();
            // How long it is: what a later version adds is passed over.
            number(bytes);
            switch (letter) {
                case 'P' -> {
                    int flags = bytes.get();
                    ObjectNode put = action("put").put("send", number(bytes));
                    if ((flags & 4) != 0) {
                        number(bytes);
                    }
                    if ((flags & 8) != 0) {
                        number(bytes);
                    }
                    put.put("message_id", text(bytes)).set("frame", JSON.readTree(text(bytes)));
                }
                case 'S' -> action("sent").put("up_to", number(bytes)).put("at", number(bytes));
                case 'E' -> action("settled").put("send", number(bytes));
                case 'C' -> action("cursor").put("stream", text(bytes)).put("epoch", text(bytes)).put("seq_no", number(bytes));
                case 'M' -> action("mark").put("stream", text(bytes)).put("peer", text(bytes)).put("seq_no", number(bytes));
                case 'K' -> action("marked").put("stream", text(bytes)).put("peer", text(bytes)).put("seq_no", number(bytes));
                default -> action("forget").put("stream", text(bytes));
            }
        }

        private static long number(ByteBuffer bytes) {
            long value = 0;
            for (int shift = 0; ; shift += 7) {
                int next = bytes.get();
                value |= (long) (next & 0x7f) << shift;
                if (next >= 0) {
                    return value;
                }
            }
        }

        private static String text(ByteBuffer bytes) {
            byte[] text = new byte[(int) number(bytes)];
            bytes.get(text);
            return new String(text, StandardCharsets.UTF_8);
        }
    }
}
