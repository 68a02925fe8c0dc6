// What this client sends, and what became of it.
package io.github.wsc;

import io.github.wsc.internal.ffi.Order;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

final class Sends {
    private record Outgoing(Receipt receipt, CompletableFuture<Receipt> taken, boolean followed) {}

    final LongAdder taken = new LongAdder();
    final LongAdder accepted = new LongAdder();
    final LongAdder failed = new LongAdder();

    private final Client client;
    private final Map<String, Outgoing> outgoing = new ConcurrentHashMap<>();
    private final Map<String, Receipt> followed = new ConcurrentHashMap<>();
    private volatile boolean closed;

    Sends(Client client) {
        this.client = client;
    }

    CompletableFuture<Receipt> send(Message message) {
        byte[] object;
        try {
            object = MessageCodec.write(message);
        } catch (SendException wrong) {
            return CompletableFuture.failedFuture(wrong);
        }
        boolean follows = message.receipts && !message.receiver.isEmpty() && !message.isVolatile
                && !message.type.equals(MessageType.TYPING);
        Outgoing made = new Outgoing(new Receipt(message.id), new CompletableFuture<>(), follows);
        if (outgoing.putIfAbsent(message.id, made) != null) {
            String text = "a message with this message_id is not settled yet";
            return CompletableFuture.failedFuture(new SendException(SendException.Fault.REPEATED, text));
        }
        if (follows) {
            followed.put(message.id, made.receipt);
        }
        client.submit(new Order.Send(message.id, object, message.payload));
        if (closed) {
            close();
        }
        return made.taken;
    }

    /** A message is kept. */
    void taken(Report report) {
        Outgoing sent = outgoing.get(report.text);
        taken.increment();
        if (sent != null) {
            Lane.POOL.execute(() -> sent.taken.complete(sent.receipt));
        }
    }

    /** A message was not taken. */
    void notTaken(Report report) {
        SendException.Fault fault = switch ((int) report.first) {
            case Tables.Rejection.OUTBOX_FULL -> SendException.Fault.OUTBOX_FULL;
            case Tables.Rejection.TOO_LARGE -> SendException.Fault.TOO_LARGE;
            case Tables.Rejection.INVALID, Tables.Rejection.UNREADABLE -> SendException.Fault.INVALID;
            case Tables.Rejection.REPEATED -> SendException.Fault.REPEATED;
            case Tables.Rejection.CLOSED -> SendException.Fault.CLOSED;
            default -> SendException.Fault.STORAGE;
        };
        String what = switch (fault) {
            case OUTBOX_FULL -> "the outbox is full: too many messages wait for the hub";
            case TOO_LARGE -> "the message is too large for a frame: put large content on a file server and send its link";
            case INVALID -> "invalid message: " + report.other;
            case REPEATED -> "a message with this message_id is not settled yet";
            case CLOSED -> "the client was closed";
            case STORAGE -> "the outbox file could not be written: " + report.other;
        };
        SendException error = new SendException(fault, what);
        failed.increment();
        refuse(report.text, error);
        client.tell(listener -> listener.onSendError(report.text, error));
    }

    private void refuse(String id, SendException error) {
        Outgoing sent = outgoing.remove(id);
        followed.remove(id);
        if (sent != null) {
            Lane.POOL.execute(() -> sent.taken.completeExceptionally(error));
        }
    }

    /** The hub's word on a message, which may be one of an earlier process. */
    void settled(Report report) {
        String id = report.text;
        Outgoing sent = outgoing.remove(id);
        ReceiptException error = error(report);
        if (error != null) {
            failed.increment();
            client.tell(listener -> listener.onSendError(id, error));
            followed.remove(id);
            if (sent != null) {
                Lane.POOL.execute(() -> {
                    sent.receipt.fail(error);
                    sent.taken.complete(sent.receipt);
                });
            }
            return;
        }
        boolean volatileOne = report.second == Tables.Outcome.SENT;
        Accepted place = new Accepted(volatileOne ? "" : report.other, volatileOne ? 0 : report.third,
                report.second == Tables.Outcome.DUPLICATE, report.last());
        accepted.increment();
        client.tell(listener -> listener.onMessageSent(id, place));
        if (sent != null) {
            Lane.POOL.execute(() -> {
                sent.receipt.accept(place);
                sent.taken.complete(sent.receipt);
                if (!sent.followed) {
                    sent.receipt.end(notFollowed());
                }
            });
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
                    "it was sent, no answer came, and it is too late to send it again: it may have been stored or not");
            case Tables.Outcome.EXPIRED -> new ReceiptException(ReceiptException.Fault.EXPIRED, "its life ended before it could be sent");
            case Tables.Outcome.CANCELLED -> new ReceiptException(ReceiptException.Fault.CANCELLED, "taken back before it was sent");
            case Tables.Outcome.DROPPED -> new ReceiptException(ReceiptException.Fault.DROPPED, "volatile, and there was no connection");
            default -> null;
        };
    }

    private static ReceiptException notFollowed() {
        String text = "its receipts are not followed: ask for them with receipts(), in a message to a user";
        return new ReceiptException(ReceiptException.Fault.NOT_FOLLOWED, text);
    }

    /** A receipt came. */
    void advance(Report report) {
        long stage = report.second;
        Receipt receipt = stage == Tables.Stage.READ ? followed.remove(report.text) : followed.get(report.text);
        if (receipt != null) {
            Lane.POOL.execute(() -> receipt.advance(stage));
        }
    }

    /** Receipts of a message are not followed any more. */
    void unfollowed(Report report) {
        Receipt receipt = followed.remove(report.text);
        if (receipt != null) {
            Lane.POOL.execute(() -> receipt.end(notFollowed()));
        }
    }

    /** The client is closed. What the outbox file has stays there. */
    void close() {
        closed = true;
        SendException refused = new SendException(SendException.Fault.CLOSED, "the client was closed");
        ReceiptException ended = new ReceiptException(
                ReceiptException.Fault.CLOSED,
                "the client was closed before this was heard of; with an outbox file the message is kept");
        for (String id : outgoing.keySet()) {
            Outgoing sent = outgoing.remove(id);
            if (sent != null) {
                Lane.POOL.execute(() -> {
                    sent.taken.completeExceptionally(refused);
                    sent.receipt.fail(ended);
                });
            }
        }
        for (String id : followed.keySet()) {
            Receipt receipt = followed.remove(id);
            if (receipt != null) {
                Lane.POOL.execute(() -> receipt.end(ended));
            }
        }
    }
}
