// What becomes of a message that was taken.
package io.github.wsc;

import java.util.concurrent.CompletableFuture;

/**
 * What becomes of a message that was taken. Each future ends once; failures are {@link ReceiptException}s. Futures complete in
 * threads of the library: give them an executor ({@code thenAcceptAsync}) for what takes long.
 */
public final class Receipt {
    private final String id;
    private final CompletableFuture<Accepted> accepted = new CompletableFuture<>();
    private final CompletableFuture<Void> delivered = new CompletableFuture<>();
    private final CompletableFuture<Void> read = new CompletableFuture<>();

    Receipt(String id) {
        this.id = id;
    }

    /** The message's id. */
    public String messageId() {
        return id;
    }

    /** The hub stored it, at the durability it is configured for. */
    public CompletableFuture<Accepted> accepted() {
        return accepted.copy();
    }

    /** A device of the receiver has it. For messages to a user with {@link MessageBuilder#receipts()}. */
    public CompletableFuture<Void> delivered() {
        return delivered.copy();
    }

    /** The receiver read it. For messages to a user with {@link MessageBuilder#receipts()}. */
    public CompletableFuture<Void> read() {
        return read.copy();
    }

    void accept(Accepted place) {
        accepted.complete(place);
    }

    /** 1: delivered, 2: read, which includes it. */
    void advance(long stage) {
        if (stage >= Tables.Stage.DELIVERED) {
            delivered.complete(null);
        }
        if (stage >= Tables.Stage.READ) {
            read.complete(null);
        }
    }

    void fail(ReceiptException error) {
        accepted.completeExceptionally(error);
        end(error);
    }

    /** Nothing more is heard of it. */
    void end(ReceiptException error) {
        delivered.completeExceptionally(error);
        read.completeExceptionally(error);
    }

    @Override
    public String toString() {
        return "Receipt[" + id + "]";
    }
}
