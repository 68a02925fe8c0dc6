// A group and its stream.
package io.github.wsc;

import io.github.wsc.internal.Requests;
import io.github.wsc.internal.Texts;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** A group and its stream. */
public final class Group extends Stream {
    private final String id;

    Group(Client client, String id) {
        super(client, "group:" + Texts.name("the group", id));
        this.id = id;
    }

    /** Its id. */
    public String id() {
        return id;
    }

    /** Sends a text to it, see {@link Client#send(Message)}. */
    public CompletableFuture<Receipt> send(String content) {
        return client.send(Message.toGroup(id, content));
    }

    /** Joins it; a group that does not exist is created. */
    public CompletableFuture<Void> join() {
        return ask("group_join");
    }

    /** Leaves it: this user receives nothing more of it. */
    public CompletableFuture<Void> leave() {
        return ask("group_leave");
    }

    private CompletableFuture<Void> ask(String type) {
        return client.session.ask(Map.of("message_type", type, "group_ids", List.of(id))).thenAccept(answer -> {});
    }

    /**
     * Asks for its members, sorted by their id.
     *
     * @param after only members after this one; empty: from the first on; {@link MemberPage#next()} of the page before
     * @param limit maximum of members, 1 to 1,000
     */
    public CompletableFuture<MemberPage> members(String after, int limit) {
        Map<String, Object> data = Map.of("group_id", id, "limit", limit, "after", after);
        return client.session.ask(Map.of("message_type", "group_members", "data", data)).thenApply(Requests::members);
    }

    /** The presence of its members, see {@link Client#presence}. */
    public Presence presence() {
        return new Presence(client.session.watches.begin(List.of(), id));
    }

    /** Removes a member; needs the right {@code admin}. */
    public CompletableFuture<Void> remove(String user) {
        Map<String, Object> data = Map.of("group_id", id, "user_id", user);
        return client.session.ask(Map.of("message_type", "group_remove", "data", data)).thenAccept(answer -> {});
    }

    /** Disbands it: nobody is a member any more; needs the right {@code admin}. */
    public CompletableFuture<Void> disband() {
        Map<String, Object> data = Map.of("group_id", id);
        return client.session.ask(Map.of("message_type", "group_disband", "data", data)).thenAccept(answer -> {});
    }
}
