// Users whose presence is watched, or a group's members, and what is known of them.
package io.github.wsc.internal;

import io.github.wsc.Subscription;
import io.github.wsc.UserStatus;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiConsumer;

/** Users whose presence is watched. */
public final class Watch {
    /** Users in one request. */
    private static final int PART = 100;

    private final Session session;
    private final Set<String> users;
    private final String group;
    private final Map<String, UserStatus> statuses = new ConcurrentHashMap<>();
    private final List<BiConsumer<String, UserStatus>> listeners = new CopyOnWriteArrayList<>();

    Watch(Session session, Set<String> users, String group) {
        this.session = session;
        this.users = users;
        this.group = group;
    }

    /** The last status of each user that the hub named. */
    public Map<String, UserStatus> statuses() {
        return Map.copyOf(statuses);
    }

    /** Calls back with what is known, and for each change. */
    public Subscription subscribe(BiConsumer<String, UserStatus> listener) {
        AtomicBoolean closed = new AtomicBoolean();
        BiConsumer<String, UserStatus> open = (user, status) -> {
            if (!closed.get()) {
                listener.accept(user, status);
            }
        };
        session.executor().execute(() -> {
            listeners.add(open);
            if (closed.get()) {
                listeners.remove(open);
            }
            statuses.forEach((user, status) -> SerialExecutor.guarded(() -> open.accept(user, status)));
        });
        return () -> {
            closed.set(true);
            listeners.remove(open);
        };
    }

    /** Ends the watch. */
    public void close() {
        session.watches.end(this);
    }

    Set<String> users() {
        return users;
    }

    String group() {
        return group;
    }

    /** Asks the hub, as after each connect. */
    void ask() {
        query("watch", users, group);
    }

    /** Asks for users in parts, and for a group unless it is empty. */
    void query(String type, Set<String> of, String group) {
        if (!group.isEmpty()) {
            query(type, Map.of("group_id", group));
        }
        List<String> all = List.copyOf(of);
        for (int from = 0; from < all.size(); from += PART) {
            query(type, Map.of("user_ids", all.subList(from, Math.min(from + PART, all.size()))));
        }
    }

    private void query(String type, Map<String, Object> data) {
        // A request that fails because there is no connection is repeated after the next connect.
        session.ask(Map.of("message_type", type, "data", data)).thenAccept(answer -> {
            for (Map<String, Object> user : JsonValue.objects(Requests.data(answer), "users")) {
                session.executor().execute(() -> onStatus(user));
            }
        });
    }

    /** What the hub says of a user; on the client's executor. */
    void onStatus(Map<String, Object> user) {
        String id = JsonValue.text(user, "user_id");
        // Only the hub knows the members of a group: all that it says passes.
        if (id.isEmpty() || group.isEmpty() && !users.contains(id)) {
            return;
        }
        UserStatus status = UserStatus.of(JsonValue.text(user, "status"));
        if (statuses.put(id, status) != status) {
            listeners.forEach(listener -> SerialExecutor.guarded(() -> listener.accept(id, status)));
        }
    }
}
