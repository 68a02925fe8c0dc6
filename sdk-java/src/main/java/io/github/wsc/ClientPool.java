// Clients of many users in one process. Knows who uses which; how a client is made the application says.
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
 * Clients of many users, for servers and bots: one for each user, made and connected when somebody first asks for it, used by
 * all who ask meanwhile, and kept until its place is needed for another.
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
     * How a pool stands.
     *
     * @param open clients there are
     * @param leased of those, the ones somebody uses
     * @param waiting who waits for a place
     */
    public record Stats(int open, int leased, int waiting) {}

    /** The use of a client, until closed. */
    public static final class Lease implements Subscription {
        private final ClientPool pool;
        private final Place place;
        private boolean over;

        Lease(ClientPool pool, Place place) {
            this.pool = pool;
            this.place = place;
        }

        /** The client: connected, or about to be again. */
        public Client client() {
            return place.client;
        }

        /** Gives it back. */
        @Override
        public void close() {
            synchronized (pool) {
                if (over) {
                    return;
                }
                over = true;
                place.leases--;
            }
            pool.serve();
        }
    }

    private static final class Place {
        final Client client;
        final CompletableFuture<Void> connected;
        int leases;

        Place(Client client) {
            this.client = client;
            connected = client.connect();
        }
    }

    private record Waiting(String user, CompletableFuture<Lease> lease) {}

    private final int most;
    private final Function<String, ClientBuilder> make;
    /** By user, the one used longest ago first. */
    private final Map<String, Place> places = new LinkedHashMap<>(16, 0.75f, true);
    private final Queue<Waiting> queue = new ArrayDeque<>();
    private boolean closed;

    /**
     * A pool without clients.
     *
     * @param most clients there are at most
     * @param make how a user's client is made
     */
    public ClientPool(int most, Function<String, ClientBuilder> make) {
        if (most < 1) {
            throw new IllegalArgumentException("a pool has room for one client at least, not for " + most);
        }
        this.most = most;
        this.make = make;
    }

    /**
     * The user's client. Completes when it is connected; where all places are in use, when one is given back. Fails as
     * {@link ClientBuilder#build()} and {@link Client#connect()} do.
     */
    public CompletableFuture<Lease> acquire(String user) {
        CompletableFuture<Lease> lease = new CompletableFuture<>();
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(new ClosedException("the pool was closed", 0));
            }
            queue.add(new Waiting(user, lease));
        }
        serve();
        return lease;
    }

    /** How it stands. */
    public synchronized Stats stats() {
        int leased = (int) places.values().stream().filter(place -> place.leases > 0).count();
        return new Stats(places.size(), leased, queue.size());
    }

    /** Closes all clients, also those in use. */
    @Override
    public void close() {
        List<CompletableFuture<Void>> closing = new ArrayList<>();
        List<Waiting> left;
        synchronized (this) {
            closed = true;
            places.values().forEach(place -> closing.add(place.client.closeAsync()));
            places.clear();
            left = List.copyOf(queue);
            queue.clear();
        }
        left.forEach(waiting -> waiting.lease.completeExceptionally(new ClosedException("the pool was closed", 0)));
        CompletableFuture.allOf(closing.toArray(CompletableFuture[]::new)).join();
    }

    /** Gives places to those who wait, in order, for as long as there are any. */
    private synchronized void serve() {
        while (!queue.isEmpty()) {
            Waiting next = queue.element();
            Place place = places.get(next.user);
            if (place != null && place.client.state().phase() == ConnectionState.Phase.CLOSED && place.leases == 0) {
                places.remove(next.user);
                place.client.closeAsync();
                place = null;
            }
            if (place == null && !hasRoom()) {
                return;
            }
            queue.remove();
            try {
                if (place == null) {
                    place = new Place(make.apply(next.user).build());
                    places.put(next.user, place);
                }
                give(next, place);
            } catch (RuntimeException failed) {
                next.lease.completeExceptionally(failed);
            }
        }
    }

    private void give(Waiting next, Place place) {
        place.leases++;
        Lease lease = new Lease(this, place);
        place.connected.whenComplete((connected, error) -> {
            if (error == null) {
                next.lease.complete(lease);
            } else {
                synchronized (this) {
                    places.remove(next.user, place);
                }
                place.client.closeAsync();
                lease.close();
                next.lease.completeExceptionally(error);
            }
        });
    }

    /** Whether another client may be made; closes the one that was unused for longest if that helps. */
    private boolean hasRoom() {
        if (places.size() < most) {
            return true;
        }
        for (Iterator<Place> all = places.values().iterator(); all.hasNext(); ) {
            Place place = all.next();
            if (place.leases == 0) {
                all.remove();
                place.client.closeAsync();
                return true;
            }
        }
        return false;
    }
}
