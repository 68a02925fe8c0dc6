// What this client sends, and what became of it.
package io.github.wsc.internal;

import io.github.wsc.Accepted;
import io.github.wsc.ClosedException;
import io.github.wsc.Message;
import io.github.wsc.MessageType;
import io.github.wsc.Receipt;
import io.github.wsc.ReceiptException;
import io.github.wsc.SendException;
import io.github.wsc.internal.ffi.Command;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/** What this client sends, and what became of it. */
public final class Sends {
    private record Outgoing(PendingReceipt receipt, CompletableFuture<Receipt> taken, boolean followed, MessageFields fields) {}

    public final LongAdder taken = new LongAdder();
    public final LongAdder accepted = new LongAdder();
    public final LongAdder failed = new LongAdder();

    private final Session session;
    private final Map<String, Outgoing> outgoing = new ConcurrentHashMap<>();
    private final Map<String, PendingReceipt> followed = new ConcurrentHashMap<>();
    /** In the order in which they were sent. */
    private final Map<String, Message> pending = new LinkedHashMap<>();
    private volatile @Nullable ClosedException closed;

    Sends(Session session) {
        this.session = session;
    }

    /** Messages of an earlier process, which go out first. */
    void begin(List<Message> earlier) {
        synchronized (pending) {
            earlier.forEach(message -> pending.put(message.id(), message));
        }
    }

    /** Messages that the hub has not settled yet, in order. */
    public List<Message> pending() {
        synchronized (pending) {
            return List.copyOf(pending.values());
        }
    }

    CompletableFuture<Receipt> send(MessageFields fields, Message message) {
        byte[] object;
        try {
            object = MessageCodec.write(fields);
        } catch (SendException wrong) {
            return CompletableFuture.failedFuture(wrong);
        }
        boolean follows = fields.receipts && !fields.receiver.isEmpty() && !fields.isVolatile
                && !fields.type.equals(MessageType.TYPING);
        Outgoing made = new Outgoing(new PendingReceipt(fields.id), new CompletableFuture<>(), follows, fields);
        if (outgoing.putIfAbsent(fields.id, made) != null) {
            String text = "a message with this message_id is not settled yet";
            return CompletableFuture.failedFuture(new SendException(SendException.Fault.REPEATED, text));
        }
        if (follows) {
            followed.put(fields.id, made.receipt);
        }
        synchronized (pending) {
            pending.put(fields.id, message);
        }
        session.submit(new Command.Send(fields.id, object, fields.payload));
        ClosedException why = closed;
        if (why != null) {
            close(why);
        }
        return made.taken;
    }

    /** A message is saved. */
    void onSaved(Report report) {
        Outgoing sent = outgoing.get(report.text);
        taken.increment();
        if (sent != null) {
            session.complete(() -> sent.taken.complete(sent.receipt));
        }
    }

    /** A message was not saved. */
    void onRejected(Report report) {
        SendException.Fault fault = switch ((int) report.first) {
            case Tables.Rejection.OUTBOX_FULL -> SendException.Fault.OUTBOX_FULL;
            case Tables.Rejection.TOO_LARGE -> SendException.Fault.TOO_LARGE;
            case Tables.Rejection.INVALID, Tables.Rejection.UNREADABLE -> SendException.Fault.INVALID;
            case Tables.Rejection.REPEATED -> SendException.Fault.REPEATED;
            case Tables.Rejection.CLOSED -> SendException.Fault.CLOSED;
            default -> SendException.Fault.STORAGE;
        };
        String what = switch (fault) {
            case OUTBOX_FULL -> "the outbox is full: the maximum of messages that wait for the hub is reached";
            case TOO_LARGE -> "the message is too large for a frame: put large content on a file server and send its link";
            case INVALID -> report.other;
            case REPEATED -> "a message with this message_id is not settled yet";
            case CLOSED -> "the client is closed";
            case STORAGE -> "the outbox file could not be written: " + report.other;
        };
        SendException error = new SendException(fault, what);
        failed.increment();
        refuse(report.text, error);
        session.tell(listener -> listener.onSendError(report.text, error));
    }

    private void refuse(String id, SendException error) {
        Outgoing sent = outgoing.remove(id);
        followed.remove(id);
        unpend(id);
        if (sent != null) {
            session.complete(() -> sent.taken.completeExceptionally(error));
        }
    }

    /** The hub's answer to a message, which may be one of an earlier process. */
    void onSettled(Report report) {
        String id = report.text;
        Outgoing sent = outgoing.remove(id);
        unpend(id);
        ReceiptException error = error(report);
        if (error != null) {
            failed.increment();
            session.tell(listener -> listener.onSendError(id, error));
            followed.remove(id);
            if (sent != null) {
                session.complete(() -> {
                    sent.receipt.fail(error);
                    sent.taken.complete(sent.receipt);
                });
            }
            return;
        }
        boolean volatileOne = report.second == Tables.Outcome.SENT;
        Accepted stored = new Accepted(volatileOne ? "" : report.other, volatileOne ? 0 : report.third,
                report.second == Tables.Outcome.DUPLICATE, report.last());
        accepted.increment();
        session.conversations.onAccepted(sent == null ? null : sent.fields, stored);
        session.tell(listener -> listener.onMessageSent(id, stored));
        if (sent != null) {
            session.complete(() -> {
                sent.receipt.accept(stored);
                sent.taken.complete(sent.receipt);
                if (!sent.followed) {
                    sent.receipt.end(notFollowed());
                }
            });
        }
    }

    private void unpend(String id) {
        synchronized (pending) {
            pending.remove(id);
        }
    }

    private static @Nullable ReceiptException error(Report report) {
        return switch ((int) report.second) {
            case Tables.Outcome.REFUSED -> new ReceiptException(
                    ReceiptException.Fault.REFUSED,
                    "refused: " + report.other + " (" + report.third + ")",
                    (int) report.third,
                    report.fourth);
            case Tables.Outcome.UNKNOWN -> new ReceiptException(
                    ReceiptException.Fault.UNKNOWN,
                    "sent, but the hub did not answer, and it is too late to send it again: the message may be stored or not");
            case Tables.Outcome.EXPIRED -> new ReceiptException(ReceiptException.Fault.EXPIRED, "the message expired before it could be sent");
            case Tables.Outcome.CANCELLED -> new ReceiptException(ReceiptException.Fault.CANCELLED, "cancelled before it was sent");
            case Tables.Outcome.DROPPED -> new ReceiptException(ReceiptException.Fault.DROPPED, "the message is volatile, and there was no connection");
            default -> null;
        };
    }

    private static ReceiptException notFollowed() {
        String text = "receipts of this message are not followed: request them with receipts(), in a message to a user";
        return new ReceiptException(ReceiptException.Fault.NOT_FOLLOWED, text);
    }

    /** A receipt came. */
    void onReceipt(Report report) {
        long stage = report.second;
        PendingReceipt receipt = stage == Tables.Stage.READ ? followed.remove(report.text) : followed.get(report.text);
        if (receipt != null) {
            session.complete(() -> receipt.advance(stage));
        }
    }

    /** Receipts of a message are not followed any more. */
    void onReceiptEnded(Report report) {
        PendingReceipt receipt = followed.remove(report.text);
        if (receipt != null) {
            session.complete(() -> receipt.end(notFollowed()));
        }
    }

    /** The client is closed. What the outbox file has stays there. */
    void close(ClosedException why) {
        closed = why;
        SendException refused = new SendException(SendException.Fault.CLOSED, String.valueOf(why.getMessage()), why.getCause());
        ReceiptException ended = new ReceiptException(
                ReceiptException.Fault.CLOSED,
                "the client was closed before the hub answered; with an outbox file the message is kept");
        for (String id : outgoing.keySet()) {
            Outgoing sent = outgoing.remove(id);
            if (sent != null) {
                session.complete(() -> {
                    sent.taken.completeExceptionally(refused);
                    sent.receipt.fail(ended);
                });
            }
        }
        ReceiptException unfollowed = new ReceiptException(
                ReceiptException.Fault.CLOSED, "the client was closed: receipts of this message are not followed any more");
        for (String id : followed.keySet()) {
            PendingReceipt receipt = followed.remove(id);
            if (receipt != null) {
                session.complete(() -> receipt.end(unfollowed));
            }
        }
    }
}
