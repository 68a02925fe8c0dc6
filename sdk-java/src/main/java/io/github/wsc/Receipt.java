// What becomes of a message that was taken.
package io.github.wsc;

import java.util.concurrent.CompletableFuture;

/**
 * What becomes of a message that was taken. Each future ends once; failures are {@link ReceiptException}s. Futures complete in
 * threads of the library: give them an executor ({@code thenAcceptAsync}) for what takes long.
 */
public interface Receipt {
    /** The message's id. */
    String messageId();

    /** Completes when the hub stored the message, at the durability that the hub is configured for. */
    CompletableFuture<Accepted> accepted();

    /** Completes when a device of the receiver has the message. For messages to a user with {@link MessageBuilder#receipts()}. */
    CompletableFuture<Void> delivered();

    /** Completes when the receiver read the message. For messages to a user with {@link MessageBuilder#receipts()}. */
    CompletableFuture<Void> read();
}
