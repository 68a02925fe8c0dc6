// What becomes of a message that was taken, as it comes to be known.
package io.github.wsc.internal;

import io.github.wsc.Accepted;
import io.github.wsc.Receipt;
import io.github.wsc.ReceiptException;
import java.util.concurrent.CompletableFuture;

final class PendingReceipt implements Receipt {
    private final String id;
    private final CompletableFuture<Accepted> accepted = new CompletableFuture<>();
    private final CompletableFuture<Void> delivered = new CompletableFuture<>();
    private final CompletableFuture<Void> read = new CompletableFuture<>();

    PendingReceipt(String id) {
        this.id = id;
    }

    @Override
    public String messageId() {
        return id;
    }

    @Override
    public CompletableFuture<Accepted> accepted() {
        return accepted.copy();
    }

    @Override
    public CompletableFuture<Void> delivered() {
        return delivered.copy();
    }

    @Override
    public CompletableFuture<Void> read() {
        return read.copy();
    }

    void accept(Accepted stored) {
        accepted.complete(stored);
    }

    /** A stage of {@link Tables.Stage} includes those below it. */
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

    /** No further receipt comes. */
    void end(ReceiptException error) {
        delivered.completeExceptionally(error);
        read.completeExceptionally(error);
    }

    @Override
    public String toString() {
        return "Receipt[" + id + "]";
    }
}
