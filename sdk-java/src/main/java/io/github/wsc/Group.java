// A group and its stream.
package io.github.wsc;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** A group and its stream. */
public final class Group extends MessageStream {
    private final String id;

    Group(Client client, String id) {
        super(client, "group:" + id);
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

    /** Joins it; a group that does not exist is made. */
    public CompletableFuture<Void> join() {
        return ask("group_join");
    }

    /** Leaves it: nothing more of it comes. */
    public CompletableFuture<Void> leave() {
        return ask("group_leave");
    }

    private CompletableFuture<Void> ask(String type) {
        return client.ask(Map.of("message_type", type, "group_ids", List.of(id))).thenAccept(answer -> {});
    }

    /** Who is in it: {@code limit} users after the one named; begin with an empty text. */
    public CompletableFuture<MemberPage> members(String after, int limit) {
        Map<String, Object> data = Map.of("group_id", id, "limit", limit, "after", after);
        return client.ask(Map.of("message_type", "group_members", "data", data)).thenApply(Requests::members);
    }

    /** The presence of its members, see {@link Client#presence}. */
    public Presence presence() {
        return client.watch(List.of(), id);
    }

    /** Takes a user out; needs the right {@code admin}. */
    public CompletableFuture<Void> remove(String user) {
        Map<String, Object> data = Map.of("group_id", id, "user_id", user);
        return client.ask(Map.of("message_type", "group_remove", "data", data)).thenAccept(answer -> {});
    }

    /** Ends it for all; needs the right {@code admin}. */
    public CompletableFuture<Void> disband() {
        Map<String, Object> data = Map.of("group_id", id);
        return client.ask(Map.of("message_type", "group_disband", "data", data)).thenAccept(answer -> {});
    }
}
