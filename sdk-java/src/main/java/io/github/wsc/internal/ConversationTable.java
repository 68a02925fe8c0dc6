// The user's conversations as they change, while somebody looks: loaded from the hub, and moved by what comes. Reads nothing away from
// the readers of streams. Its rows are touched on the client's executor alone.
package io.github.wsc.internal;

import io.github.wsc.Accepted;
import io.github.wsc.Conversation;
import io.github.wsc.ConversationList;
import io.github.wsc.Gap;
import io.github.wsc.Message;
import io.github.wsc.Subscription;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The user's conversations as they change. */
public final class ConversationTable {
    private static final int PAGE = 100;
    private static final int PAGES = 20;
    /** Listeners are called, and the hub is asked, no more often than this. */
    private static final long SHOW_MS = 16;
    private static final long LOAD_MS = 250;

    private final Session session;
    /** By name, the newest last. */
    private final Map<String, Conversation> rows = new LinkedHashMap<>();
    private final List<Consumer<? super ConversationList>> listeners = new CopyOnWriteArrayList<>();
    private final Coalesced show;
    private final Coalesced load;
    private boolean loaded;
    private volatile ConversationList value = new ConversationList(List.of(), 0, false);

    ConversationTable(Session session) {
        this.session = session;
        show = new Coalesced(session, SHOW_MS, this::show);
        load = new Coalesced(session, LOAD_MS, this::load);
    }

    /** What is known. */
    public ConversationList value() {
        return value;
    }

    /** Calls back with what is known, and with each change. */
    public Subscription subscribe(Consumer<? super ConversationList> listener) {
        AtomicBoolean closed = new AtomicBoolean();
        Consumer<ConversationList> open = list -> {
            if (!closed.get()) {
                listener.accept(list);
            }
        };
        session.executor().execute(() -> {
            listeners.add(open);
            if (closed.get()) {
                listeners.remove(open);
                return;
            }
            if (loaded) {
                SerialExecutor.guarded(() -> open.accept(value));
            }
            session.readersChanged();
            load.run();
        });
        return () -> {
            closed.set(true);
            listeners.remove(open);
            session.readersChanged();
        };
    }

    boolean isWatched() {
        return !listeners.isEmpty();
    }

    /** All conversations as the hub has them now, the newest first. */
    public CompletableFuture<List<Conversation>> fetch() {
        return fetch("", new ArrayList<>(), 0).thenApply(Collections::unmodifiableList);
    }

    private CompletableFuture<List<Conversation>> fetch(String after, List<Conversation> before, int page) {
        Map<String, Object> data = after.isEmpty() ? Map.of("limit", PAGE) : Map.of("limit", PAGE, "after", after);
        return session.ask(Map.of("message_type", "conversations", "data", data)).thenCompose(answer -> {
            Map<String, Object> found = Requests.data(answer);
            JsonValue.objects(found, "conversations").forEach(row -> before.add(Requests.conversation(row)));
            String next = JsonValue.text(found, "next");
            return next.isEmpty() || page + 1 >= PAGES
                    ? CompletableFuture.completedFuture(before)
                    : fetch(next, before, page + 1);
        });
    }

    void onEntry(Entry entry) {
        if (isWatched()) {
            session.executor().execute(() -> {
                if (entry.delivery() instanceof Message message) {
                    onMessage(message);
                } else if (entry.delivery() instanceof Gap gap) {
                    onGap(gap);
                }
            });
        }
    }

    void onConnected() {
        reload();
    }

    void onOpened() {
        reload();
    }

    /** A message of this client is stored; one of an earlier process is not known here. */
    void onAccepted(@Nullable MessageFields sent, Accepted stored) {
        if (sent != null && isWatched()) {
            MessageFields own = sent.copy();
            own.id = sent.id;
            own.sender = session.reports().user();
            own.stream = stored.stream();
            own.position = stored.position();
            own.createdAt = stored.createdAt();
            Message message = session.show(own);
            session.executor().execute(() -> onMessage(message));
        }
        reload();
    }

    private void reload() {
        if (isWatched()) {
            load.run();
        }
    }

    void onClosed(String stream) {
        if (isWatched()) {
            session.executor().execute(() -> {
                rows.remove(stream);
                show.run();
            });
        }
    }

    /** This device read a conversation. */
    void onMarked(String name, long position) {
        if (isWatched()) {
            session.executor().execute(() -> marked(name, position));
        }
    }

    private void marked(String name, long position) {
        Conversation row = rows.get(name);
        if (row == null || position <= row.read()) {
            return;
        }
        if (position >= row.last()) {
            rows.put(name, read(row, position));
            show.run();
        } else {
            // Only the hub knows how many are left.
            load.run();
        }
    }

    private static Conversation read(Conversation row, long position) {
        return new Conversation(row.name(), row.last(), position, 0, row.message());
    }

    private void onMessage(Message message) {
        String user = session.reports().user();
        if (message.type().equals("read") && message.sender().equals(user)) {
            Map<String, Object> mark = JsonValue.object(message.data().getBytes(StandardCharsets.UTF_8));
            String peer = JsonValue.text(mark, "peer");
            marked(peer.isEmpty() ? JsonValue.text(mark, "stream") : "user:" + peer, JsonValue.number(mark, "seq_no"));
            return;
        }
        String name = message.conversation(user);
        Conversation row = rows.getOrDefault(name, new Conversation(name, 0, 0, 0, null));
        if (message.position() > 0 && message.position() == row.last()) {
            // The hub's row was here first: it counted the message, and has no text.
            rows.put(name, new Conversation(name, row.last(), row.read(), row.unread(), message));
            show.run();
        }
        if (message.position() <= row.last()) {
            return;
        }
        boolean unread = !message.sender().equals(user) && message.position() > row.read();
        put(new Conversation(name, message.position(), row.read(), row.unread() + (unread ? 1 : 0), message));
        show.run();
    }

    private void onGap(Gap gap) {
        if (gap.reason().equals("epoch")) {
            // The positions are other messages now.
            rows.replaceAll((name, row) -> new Conversation(name, 0, 0, row.unread(), row.message()));
        }
        load.run();
    }

    /** As the newest. */
    private void put(Conversation row) {
        rows.remove(row.name());
        rows.put(row.name(), row);
    }

    private void load() {
        if (isWatched() && session.reports().state().isConnected()) {
            // A request that fails because there is no connection is repeated after the next connect.
            fetch().thenAccept(found -> session.executor().execute(() -> onLoaded(found)));
        }
    }

    private void onLoaded(List<Conversation> found) {
        Map<String, Conversation> before = new LinkedHashMap<>(rows);
        rows.clear();
        List<Conversation> oldestFirst = new ArrayList<>(found);
        Collections.reverse(oldestFirst);
        for (Conversation row : oldestFirst) {
            Conversation known = before.remove(row.name());
            if (known != null && known.last() > row.last()) {
                // It came while the answer was under way.
                before.put(row.name(), known);
                continue;
            }
            Conversation with = known == null ? row : new Conversation(row.name(), row.last(), row.read(), row.unread(), known.message());
            rows.put(row.name(), known != null && known.read() > row.read() ? newer(with, known.read()) : with);
        }
        before.values().stream().filter(row -> row.message() != null).forEach(this::put);
        loaded = true;
        show.run();
    }

    /** A row of the hub's, which did not know yet that everything up to here was read. */
    private Conversation newer(Conversation row, long read) {
        if (read >= row.last()) {
            return read(row, read);
        }
        load.run();
        return row;
    }

    private void show() {
        List<Conversation> list = new ArrayList<>(rows.values());
        Collections.reverse(list);
        long unread = list.stream().mapToLong(Conversation::unread).sum();
        ConversationList now = new ConversationList(List.copyOf(list), unread, loaded);
        if (!isSame(now, value)) {
            value = now;
            listeners.forEach(listener -> SerialExecutor.guarded(() -> listener.accept(now)));
        }
    }

    /** Field by field: the JDK keeps the class of the last record whose equals was called, and its class loader with it. */
    private static boolean isSame(ConversationList one, ConversationList other) {
        if (one.loaded() != other.loaded() || one.list().size() != other.list().size()) {
            return false;
        }
        for (int number = 0; number < one.list().size(); number++) {
            Conversation left = one.list().get(number);
            Conversation right = other.list().get(number);
            if (!left.name().equals(right.name()) || left.last() != right.last() || left.read() != right.read()
                    || left.unread() != right.unread() || left.message() != right.message()) {
                return false;
            }
        }
        return true;
    }
}
