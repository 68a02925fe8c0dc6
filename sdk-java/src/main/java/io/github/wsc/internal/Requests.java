// Requests to the hub that wait for their answers.
package io.github.wsc.internal;

import io.github.wsc.Answer;
import io.github.wsc.ClosedException;
import io.github.wsc.Conversation;
import io.github.wsc.MemberPage;
import io.github.wsc.Message;
import io.github.wsc.Page;
import io.github.wsc.ReceiptState;
import io.github.wsc.RequestException;
import io.github.wsc.internal.ffi.Command;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Requests that wait for their answers, and what answers say. */
public final class Requests {
    private record Asked(CompletableFuture<Answer> answer, List<Message> messages) {}

    private final Session session;
    private final AtomicLong tickets = new AtomicLong();
    private final Map<Long, Asked> asked = new ConcurrentHashMap<>();
    private volatile @Nullable ClosedException closed;

    Requests(Session session) {
        this.session = session;
    }

    /** Asks; the frame is a JSON object without a {@code message_id}. */
    public CompletableFuture<Answer> ask(byte[] frame) {
        long ticket = tickets.incrementAndGet();
        Asked made = new Asked(new CompletableFuture<>(), new ArrayList<>());
        asked.put(ticket, made);
        session.submit(new Command.Request(ticket, frame));
        ClosedException why = closed;
        if (why != null) {
            close(why);
        }
        return made.answer;
    }

    void onFetched(Report report) {
        Asked waiting = asked.get(report.first);
        if (waiting != null) {
            waiting.messages.add(session.read(report.object, report.payload));
        }
    }

    void onAnswer(Report report) {
        Asked waiting = asked.remove(report.first);
        if (waiting == null) {
            return;
        }
        session.complete(() -> {
            String frame = report.last();
            try {
                String type = JsonValue.text(JsonValue.object(report.object), "message_type");
                waiting.answer.complete(new Answer(type, frame, Collections.unmodifiableList(waiting.messages)));
            } catch (RuntimeException broken) {
                String text = "the answer is not valid: " + frame;
                waiting.answer.completeExceptionally(
                        new RequestException(RequestException.Fault.ANSWER, text, 0, 0, broken));
            }
        });
    }

    void onFailed(Report report) {
        RequestException error = switch ((int) report.second) {
            case Tables.RequestFault.REFUSED -> new RequestException(
                    RequestException.Fault.REFUSED,
                    "refused: " + report.text + " (" + report.third + ")",
                    (int) report.third,
                    report.fourth,
                    null);
            case Tables.RequestFault.DISCONNECTED -> new RequestException(RequestException.Fault.DISCONNECTED, "there is no connection");
            case Tables.RequestFault.TIMEOUT -> new RequestException(RequestException.Fault.TIMEOUT, "no answer in time");
            default -> new RequestException(RequestException.Fault.TOO_MANY, "too many requests are under way");
        };
        fail(report.first, error);
    }

    private void fail(long ticket, RequestException error) {
        Asked waiting = asked.remove(ticket);
        if (waiting != null) {
            session.complete(() -> waiting.answer.completeExceptionally(error));
        }
    }

    /** The client is closed. */
    void close(ClosedException why) {
        closed = why;
        RequestException error =
                new RequestException(RequestException.Fault.CLOSED, String.valueOf(why.getMessage()), 0, 0, why.getCause());
        asked.keySet().forEach(ticket -> fail(ticket, error));
    }

    /** An answer's {@code data}. */
    public static Map<String, Object> data(Answer answer) {
        return JsonValue.fields(JsonValue.object(answer.frame().getBytes(StandardCharsets.UTF_8)).get("data"));
    }

    /** An answer as a part of a group's members. */
    public static MemberPage members(Answer answer) {
        Map<String, Object> data = data(answer);
        return new MemberPage(JsonValue.texts(data, "users"), JsonValue.text(data, "next"), JsonValue.number(data, "total"));
    }

    /** An answer as a part of a stream's history, the oldest first. */
    public static Page page(Answer answer, boolean reverse) {
        Map<String, Object> data = data(answer);
        List<Message> messages = new ArrayList<>(answer.messages());
        if (reverse) {
            Collections.reverse(messages);
        }
        long from = JsonValue.number(data, "from");
        long to = JsonValue.number(data, "to");
        boolean more = Boolean.TRUE.equals(data.get("more"));
        return new Page(
                Collections.unmodifiableList(messages),
                Math.min(from, to),
                Math.max(from, to),
                JsonValue.number(data, "floor"),
                JsonValue.number(data, "head"),
                more);
    }

    /** An answer as receipts. */
    public static List<ReceiptState> receipts(Answer answer) {
        return JsonValue.objects(data(answer), "receipts").stream()
                .map(one -> new ReceiptState(
                        JsonValue.text(one, "message_id"),
                        JsonValue.text(one, "stage"),
                        JsonValue.number(one, "delivered"),
                        JsonValue.number(one, "read")))
                .toList();
    }

    /** A row of an answer as a conversation. */
    public static Conversation conversation(Map<String, Object> row) {
        String group = JsonValue.text(row, "group_id");
        String name = group.isEmpty() ? "user:" + JsonValue.text(row, "peer") : "group:" + group;
        return new Conversation(
                name, JsonValue.number(row, "last"), JsonValue.number(row, "read"), JsonValue.number(row, "unread"), null);
    }
}
