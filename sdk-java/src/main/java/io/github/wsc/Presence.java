// Who is there: users that are watched, or a group's members.
package io.github.wsc;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;

/** Who is there, now and as it changes, also over reconnects, until closed. The last word about a user counts. */
public final class Presence implements Subscription {
    private static final int LOT = 100;

    private final Client client;
    private final Set<String> users;
    private final String group;
    private final Map<String, UserStatus> statuses = new ConcurrentHashMap<>();
    private final List<BiConsumer<String, UserStatus>> listeners = new CopyOnWriteArrayList<>();

    Presence(Client client, Set<String> users, String group) {
        this.client = client;
        this.users = users;
        this.group = group;
    }

    /** How the users are to be seen, as far as the hub told. */
    public Map<String, UserStatus> statuses() {
        return Map.copyOf(statuses);
    }

    /** Calls back with what is known, and for each change, on the client's executor. */
    public Subscription subscribe(BiConsumer<String, UserStatus> listener) {
        client.lane().execute(() -> {
            listeners.add(listener);
            statuses.forEach((user, status) -> Lane.guarded(() -> listener.accept(user, status)));
        });
        return () -> listeners.remove(listener);
    }

    /** Asks the hub, as after each connect. */
    void ask() {
        query("watch", users, group);
    }

    /** Asks for users in lots, and for a group unless it is empty. */
    void query(String type, Set<String> of, String group) {
        if (!group.isEmpty()) {
            query(type, Map.of("group_id", group));
        }
        List<String> all = List.copyOf(of);
        for (int from = 0; from < all.size(); from += LOT) {
            query(type, Map.of("user_ids", all.subList(from, Math.min(from + LOT, all.size()))));
        }
    }

    private void query(String type, Map<String, Object> data) {
        // What fails for want of a connection is asked again after the next connect.
        client.ask(Map.of("message_type", type, "data", data)).thenAccept(answer -> {
            for (Map<String, Object> user : JsonValue.objects(Requests.data(answer), "users")) {
                client.lane().execute(() -> hear(user));
            }
        });
    }

    /** The hub's word about a user, on the client's lane. */
    void hear(Map<String, Object> user) {
        String id = JsonValue.text(user, "user_id");
        // The members of a group only the hub knows: all that is told passes.
        if (id.isEmpty() || group.isEmpty() && !users.contains(id)) {
            return;
        }
        UserStatus status = UserStatus.of(JsonValue.text(user, "status"));
        if (statuses.put(id, status) != status) {
            listeners.forEach(listener -> Lane.guarded(() -> listener.accept(id, status)));
        }
    }

    Set<String> users() {
        return users;
    }

    String group() {
        return group;
    }

    @Override
    public void close() {
        client.unwatch(this);
    }
}
