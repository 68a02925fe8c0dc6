// The user's conversations, once or as they change.
package io.github.wsc;

import io.github.wsc.internal.ConversationTable;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The user's conversations with their unread counts, equal on all devices. They change by themselves while somebody subscribes: with
 * each message, each read mark and each reconnect. To watch them is not to read: messages still wait for their reader.
 */
public final class Conversations {
    private final ConversationTable table;

    Conversations(ConversationTable table) {
        this.table = table;
    }

    /** The conversations as last known; up to date while somebody subscribes. */
    public ConversationList get() {
        return table.value();
    }

    /** Calls back with the conversations once they are loaded and after each change, on the client's executor, until closed. */
    public Subscription subscribe(Consumer<? super ConversationList> listener) {
        return table.subscribe(listener);
    }

    /** Asks the hub once, for the newest 2,000 conversations; the newest first. */
    public CompletableFuture<List<Conversation>> fetch() {
        return table.fetch();
    }
}
