// One of the user's streams: how it is read, and its history.
package io.github.wsc;

import io.github.wsc.internal.Backlog;
import io.github.wsc.internal.Requests;
import io.github.wsc.internal.Session;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/**
 * One of the user's streams: messages in order, each once, with gaps as values where some are gone.
 *
 * <p>What comes before the first reader waits for it: for 20 s, then it counts as handed over and is named to
 * {@link ClientListener#onUnread}; with {@link Acknowledge#MANUAL} for as long as the client lives. A further reader begins with what
 * comes next. A message counts as handed over when all readers are done with it, or, with {@link Acknowledge#MANUAL}, when the
 * application says so.
 */
public class Stream {
    final Client client;
    final Backlog backlog;
    private final String name;

    Stream(Client client, String name) {
        this.client = client;
        this.name = name;
        backlog = client.session.backlog(name);
    }

    /** {@code inbox}, {@code broadcast} or {@code group:<id>}. */
    public final String name() {
        return name;
    }

    /** Calls back for each message, on the client's executor, until closed. Gaps are only logged. */
    public final Subscription subscribe(Consumer<Message> messages) {
        return subscribe(messages, gap -> Session.LOG.warn("missed {} to {} of {}: {}", gap.from(), gap.to(), name, gap.reason()));
    }

    /** Calls back for each message and each gap, on the client's executor, until closed. */
    public final Subscription subscribe(Consumer<Message> messages, Consumer<Gap> gaps) {
        return backlog.subscribe(Client.sorted(messages, gaps));
    }

    /**
     * The messages and gaps, as many as a subscriber requests; the others wait at the hub. An entry is handed over when
     * {@code onNext} returned: for operators that buffer take {@link Acknowledge#MANUAL}. A subscriber that throws is cancelled;
     * {@link ClientListener#onFault} gets what it threw, and what it threw at is for the next reader.
     */
    public final Flow.Publisher<Delivery> publisher() {
        return backlog::subscribe;
    }

    /** The messages and gaps for a thread that waits for them. */
    public final Deliveries deliveries() {
        return new Deliveries(backlog);
    }

    /** The newest part of the history: 50 positions. */
    public final CompletableFuture<Page> history() {
        return history(HistoryOptions.newest());
    }

    /** A part of the history, own messages included. */
    public final CompletableFuture<Page> history(HistoryOptions options) {
        boolean forward = options.after() >= 0;
        if (!forward && (options.before() == 0 || options.before() == 1)) {
            return CompletableFuture.completedFuture(new Page(List.of(), 1, 0, 1, 0, false));
        }
        Map<String, Object> frame = new HashMap<>(Map.of("message_type", "fetch", "stream", name, "limit", options.limit()));
        if (forward) {
            frame.put("from", options.after() + 1);
        } else {
            frame.put("reverse", true);
            if (options.before() > 0) {
                frame.put("from", options.before() - 1);
            }
        }
        return client.session.ask(frame).thenApply(answer -> Requests.page(answer, !forward));
    }

    @Override
    public String toString() {
        return "Stream[" + name + "]";
    }
}
