// Clients of many users in one process. Knows which are in use; the application says how one is made.
package io.github.wsc;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * Clients of many users, for servers and bots: one for each user, made and connected when it is first acquired, shared by
 * all who acquire it meanwhile, and kept open until the pool is full and another user needs the room.
 *
 * <pre>{@code
 * ClientPool pool = new ClientPool(1_000, user -> Client.builder(hub).user(user));
 * try (ClientPool.Lease lease = pool.acquire("alice").join()) {
 *     lease.client().send(Message.toUser("bob", "hello"));
 * }
 * }</pre>
 */
public final class ClientPool implements AutoCloseable {
    /**
     * The numbers of a pool.
     *
     * @param open the number of clients
     * @param leased of those, the number in use
     * @param waiting calls of {@link #acquire} that wait for room
     */
    public record Stats(int open, int leased, int waiting) {}

    /** The use of a client, until closed; the client itself stays open. */
    public static final class Lease implements Subscription {
        private final ClientPool pool;
        private final Member member;
        private boolean over;

        Lease(ClientPool pool, Member member) {
            this.pool = pool;
            this.member = member;
        }

        /** The client: connected, or about to be again. */
        public Client client() {
            return member.client;
        }

        /** Releases it; once is enough. */
        @Override
        public void close() {
            synchronized (pool) {
                if (over) {
                    return;
                }
                over = true;
                member.leases--;
            }
            pool.serve();
        }
    }

    private static final class Member {
        final String user;
        final Client client;
        final CompletableFuture<Void> connected;
        int leases;

        Member(String user, Client client) {
            this.user = user;
            this.client = client;
            connected = client.connect();
        }
    }

    private record Waiting(String user, CompletableFuture<Lease> lease) {}

    private final int limit;
    private final Function<String, ClientBuilder> make;
    /** By user, the one used longest ago first. */
    private final Map<String, Member> members = new LinkedHashMap<>(16, 0.75f, true);
    private final Queue<Waiting> queue = new ArrayDeque<>();
    /** Users whose client is being closed: until it is their outbox is in use. */
    private final Map<String, CompletableFuture<Void>> closing = new HashMap<>();
    private boolean closed;

    /**
     * A pool without clients.
     *
     * @param limit maximum of clients
     * @param make makes the settings of a user's client
     */
    public ClientPool(int limit, Function<String, ClientBuilder> make) {
        if (limit < 1) {
            throw new IllegalArgumentException("the limit of a pool is at least 1, not " + limit);
        }
        this.limit = limit;
        this.make = make;
    }

    /**
     * The user's client. Completes when it is connected; where all clients are in use, when one is released. Fails as
     * {@link ClientBuilder#build()} and {@link Client#connect()} do.
     */
    public CompletableFuture<Lease> acquire(String user) {
        CompletableFuture<Lease> lease = new CompletableFuture<>();
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(new ClosedException("the pool is closed", 0));
            }
            queue.add(new Waiting(user, lease));
        }
        serve();
        return lease;
    }

    /** The numbers of the pool at this moment. */
    public synchronized Stats stats() {
        int leased = (int) members.values().stream().filter(member -> member.leases > 0).count();
        return new Stats(members.size(), leased, queue.size());
    }

    /** Closes all clients, also those in use. */
    @Override
    public void close() {
        List<Client> clients = new ArrayList<>();
        List<Waiting> left;
        List<CompletableFuture<Void>> ends;
        synchronized (this) {
            closed = true;
            left = List.copyOf(queue);
            queue.clear();
            for (Member member : List.copyOf(members.values())) {
                clients.add(member.client);
                close(member);
            }
            ends = List.copyOf(closing.values());
        }
        left.forEach(waiting -> waiting.lease.completeExceptionally(new ClosedException("the pool is closed", 0)));
        CompletableFuture.allOf(ends.toArray(CompletableFuture[]::new)).join();
        // The last client of a class loader waits for the end of its threads, too.
        clients.forEach(Client::close);
    }

    /** Serves those who wait, in order, for as long as there is room. */
    private synchronized void serve() {
        for (Waiting next = next(); next != null; next = next()) {
            Member member = members.get(next.user);
            if (member != null && member.client.state().phase() == ConnectionState.Phase.CLOSED && member.leases == 0) {
                close(member);
                continue;
            }
            if (member == null && !hasRoom()) {
                return;
            }
            queue.remove(next);
            try {
                if (member == null) {
                    member = new Member(next.user, make.apply(next.user).build());
                    members.put(next.user, member);
                }
                lease(next, member);
            } catch (Throwable failed) {
                // Also an error, and what Kotlin throws undeclared: it belongs to the one who asked.
                next.lease.completeExceptionally(failed);
            }
        }
    }

    /** The first of those who wait that has no client which is still being closed. */
    private @Nullable Waiting next() {
        return queue.stream().filter(waiting -> !closing.containsKey(waiting.user)).findFirst().orElse(null);
    }

    /** Closes a client; those who wait for its user, or for room, are served afterwards. */
    private synchronized void close(Member member) {
        if (!members.remove(member.user, member)) {
            return;
        }
        CompletableFuture<Void> end = member.client.closeAsync();
        closing.put(member.user, end);
        end.whenComplete((done, error) -> {
            synchronized (this) {
                closing.remove(member.user);
            }
            serve();
        });
    }

    private void lease(Waiting next, Member member) {
        member.leases++;
        Lease lease = new Lease(this, member);
        member.connected.whenComplete((connected, error) -> {
            if (error == null) {
                next.lease.complete(lease);
            } else {
                close(member);
                lease.close();
                next.lease.completeExceptionally(error);
            }
        });
    }

    /** Whether another client may be made; closes the one that was unused for longest if that helps. */
    private boolean hasRoom() {
        if (members.size() < limit) {
            return true;
        }
        Member idle = members.values().stream().filter(member -> member.leases == 0).findFirst().orElse(null);
        if (idle != null) {
            close(idle);
        }
        return idle != null;
    }
}
