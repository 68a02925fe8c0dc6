// All presence that a client watches. Ends the watch of a user at the hub with the last one who watches.
package io.github.wsc.internal;

import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** All presence that a client watches. */
public final class Watches {
    private final Session session;
    private final Set<Watch> watches = ConcurrentHashMap.newKeySet();

    Watches(Session session) {
        this.session = session;
    }

    /** Begins to watch users, or a group's members. */
    public Watch begin(Collection<String> users, String group) {
        Watch made = new Watch(session, Set.copyOf(users), group);
        watches.add(made);
        if (session.reports().state().isConnected()) {
            made.ask();
        }
        return made;
    }

    void end(Watch watch) {
        if (!watches.remove(watch) || !session.reports().state().isConnected()) {
            return;
        }
        Set<String> gone = new HashSet<>(watch.users());
        watches.forEach(other -> gone.removeAll(other.users()));
        boolean kept = watches.stream().anyMatch(other -> other.group().equals(watch.group()));
        watch.query("unwatch", gone, kept ? "" : watch.group());
    }

    void askAll() {
        watches.forEach(Watch::ask);
    }

    void onPresence(List<Map<String, Object>> users) {
        session.executor().execute(() -> users.forEach(user -> watches.forEach(watch -> watch.onStatus(user))));
    }
}
