// Clients of many users in one process. Knows which are in use; the application says how one is made.
package io.github.wsc;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.Queue;

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
        final Client client;
        final CompletableFuture<Void> connected;
        int leases;

        Member(Client client) {
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
        synchronized (this) {
            closed = true;
            members.values().forEach(member -> clients.add(member.client));
            members.clear();
            left = List.copyOf(queue);
            queue.clear();
        }
        left.forEach(waiting -> waiting.lease.completeExceptionally(new ClosedException("the pool is closed", 0)));
        CompletableFuture.allOf(clients.stream().map(Client::closeAsync).toArray(CompletableFuture[]::new)).join();
        // The last client of a class loader waits for the end of its threads, too.
        clients.forEach(Client::close);
    }

    /** Serves those who wait, in order, for as long as there is room. */
    private synchronized void serve() {
        while (!queue.isEmpty()) {
            Waiting next = queue.element();
            Member member = members.get(next.user);
            if (member != null && member.client.state().phase() == ConnectionState.Phase.CLOSED && member.leases == 0) {
                members.remove(next.user);
                member.client.closeAsync();
                member = null;
            }
            if (member == null && !hasRoom()) {
                return;
            }
            queue.remove();
            try {
                if (member == null) {
                    member = new Member(make.apply(next.user).build());
                    members.put(next.user, member);
                }
                lease(next, member);
            } catch (RuntimeException failed) {
                next.lease.completeExceptionally(failed);
            }
        }
    }

    private void lease(Waiting next, Member member) {
        member.leases++;
        Lease lease = new Lease(this, member);
        member.connected.whenComplete((connected, error) -> {
            if (error == null) {
                next.lease.complete(lease);
            } else {
                synchronized (this) {
                    members.remove(next.user, member);
                }
                member.client.closeAsync();
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
        for (Iterator<Member> all = members.values().iterator(); all.hasNext(); ) {
            Member member = all.next();
            if (member.leases == 0) {
                all.remove();
                member.client.closeAsync();
                return true;
            }
        }
        return false;
    }
}
