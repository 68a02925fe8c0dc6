// The client of an application: its parts put together, and its reports given to the part they are for. Holds no state of the
// protocol; never waits in the thread that brings reports.
package io.github.wsc;

import io.github.wsc.internal.ffi.Opened;
import io.github.wsc.internal.ffi.Order;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One device's connection to a hub. It heals itself: what is sent while there is no connection waits, and goes out once.
 *
 * <pre>{@code
 * try (Client client = Client.builder(URI.create("ws://127.0.0.1:8080/ws")).user("alice").outbox(Path.of("alice.outbox")).build()) {
 *     client.inbox().subscribe(message -> System.out.println(message.sender() + ": " + message.content()));
 *     client.connect().join();
 *     Receipt receipt = client.send(Message.toUser("bob", "hello")).join();   // the outbox has it
 *     receipt.accepted().join();                                             // the hub stored it
 * }
 * }</pre>
 *
 * <p>All methods may be called from any thread. Callbacks of one client come one at a time, on its executor; futures complete
 * in threads of the library. A client costs no thread.
 */
public final class Client implements AutoCloseable {
    static final Logger LOG = LoggerFactory.getLogger(Client.class);
    /** A user who goes on typing says so as often: well before the others forget it. */
    private static final long TYPING_NS = TimeUnit.SECONDS.toNanos(2);
    /** The machine waits 5 s for what is under way. */
    private static final long CLOSING_S = 8;
    /** How long a closing client waits for handlers that run. */
    private static final long QUIET_S = 2;

    private final Bridge bridge;
    private final int session;
    private final String device;
    private final List<Message> pending;
    private final Executor executor;
    private final Lane lane;
    private final boolean automatic;
    final List<ClientListener> listeners = new CopyOnWriteArrayList<>();
    private final List<Consumer<? super Delivery>> all = new CopyOnWriteArrayList<>();
    private final Map<String, MessageStream> streams = new ConcurrentHashMap<>();
    final Set<Presence> watched = ConcurrentHashMap.newKeySet();
    private final Map<String, Long> typed = new ConcurrentHashMap<>();
    final Sends sends = new Sends(this);
    final Requests requests = new Requests(this);
    private final Reports reports;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Object lock = new Object();
    private volatile boolean closed;
    /** Nothing more comes; under the lock of `all`, as is what streams begin with. */
    private boolean over;
    /** The states as Kotlin has them, once somebody wants them. */
    @Nullable Object stateFlow;
    private boolean readingSoon;

    Client(ClientBuilder settings) {
        bridge = Bridge.get();
        executor = settings.executor == null ? Lane.POOL : settings.executor;
        lane = new Lane(executor);
        automatic = settings.acknowledge == Acknowledge.AUTOMATIC;
        reports = new Reports(this, settings.user, settings.tokens);
        session = bridge.register(reports);
        Opened opened;
        try {
            opened = bridge.open(session, settings.settings());
        } catch (RuntimeException failed) {
            bridge.forget(session);
            throw failed;
        }
        device = opened.getDevice();
        pending = opened.getPending().stream()
                .map(object -> MessageCodec.read(object.getBytes(StandardCharsets.UTF_8), null))
                .toList();
        settings.listeners.forEach(this::listen);
        if (!automatic) {
            readersChanged();
        }
    }

    /**
     * Begins a client of the hub at this address: {@code ws://} or {@code wss://}; without a path, {@code /ws}.
     *
     * <p>Nothing is opened before {@link ClientBuilder#build()}, and nothing connects before {@link #connect()}.
     */
    public static ClientBuilder builder(URI address) {
        return new ClientBuilder(address);
    }

    // ── The connection ──────────────────────────────────────────────────────────────────────────────────────────────

    /**
     * Connects, and from now on keeps connected; while waiting, tries at once. Completes when connected; fails with a
     * {@link ClosedException} when the client is closed for good.
     */
    public CompletableFuture<Void> connect() {
        if (closed) {
            return CompletableFuture.failedFuture(new ClosedException("the client was closed: make another", 0));
        }
        CompletableFuture<Void> connected = reports.connected();
        submit(Order.Connect.INSTANCE);
        return connected;
    }

    /** The platform says that the network is back, or gone: a waiting client tries at once. */
    public void network(boolean online) {
        submit(new Order.Network(online));
    }

    /** Where the connection stands. */
    public ConnectionState state() {
        return reports.state;
    }

    /** How far sends and streams are. */
    public SyncState sync() {
        return reports.sync;
    }

    /** The user, once the hub or the builder named it. */
    public String user() {
        return reports.user;
    }

    /** This installation's id; empty for a passing device, of which the hub keeps nothing. */
    public String device() {
        return device;
    }

    /** Messages that an earlier process left in the outbox file, in order, without bytes beside them; they go out first. */
    public List<Message> pending() {
        return pending;
    }

    /** What this client has counted. */
    public Statistics statistics() {
        return new Statistics(
                reports.received.sum(), reports.gaps.sum(), sends.taken.sum(), sends.accepted.sum(), sends.failed.sum(),
                reports.connects.sum(), reports.disconnects.sum());
    }

    /** Adds a listener; a {@link MessageListener} also reads all streams. Close the subscription to take it away. */
    public Subscription listen(ClientListener listener) {
        listeners.add(listener);
        Subscription reading = listener instanceof MessageListener messages
                ? subscribe(
                        sorted(
                                message -> {
                                    if (message.payload() == null) {
                                        messages.onTextMessageReceived(message);
                                    } else {
                                        messages.onBinaryMessageReceived(message);
                                    }
                                },
                                messages::onGap))
                : () -> {};
        return () -> {
            listeners.remove(listener);
            reading.close();
        };
    }

    /** Closes, waiting up to 5 s until what is under way is settled; what is not stays in the outbox file. */
    @Override
    public void close() {
        try {
            closeAsync().get(CLOSING_S, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException late) {
            LOG.warn("closing took longer than {} s", CLOSING_S, late);
        }
    }

    /** As {@link #close()}; completes when it is done. */
    public CompletableFuture<Void> closeAsync() {
        boolean first;
        synchronized (lock) {
            first = !closed;
            closed = true;
        }
        if (first) {
            // Acknowledged first, or it would come again.
            CompletableFuture<?>[] quiet = streams.values().stream().map(MessageStream::quiet).toArray(CompletableFuture[]::new);
            CompletableFuture.allOf(quiet)
                    .completeOnTimeout(null, QUIET_S, TimeUnit.SECONDS)
                    .thenRun(() -> submit(Order.Close.INSTANCE));
        }
        return ended.copy();
    }

    // ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────

    /**
     * Takes a message. Completes when it is kept: in the outbox file, where there is one, and it then survives the process.
     * From then on it is sent until the hub has it, and takes effect once. Fails with a {@link SendException} when nothing
     * of it was kept.
     */
    public CompletableFuture<Receipt> send(Message message) {
        return sends.send(message);
    }

    /**
     * Takes a text for a conversation.
     *
     * @param conversation {@code user:<id>}, {@code group:<id>} or {@code broadcast}
     */
    public CompletableFuture<Receipt> send(String conversation, String content) {
        return send(Message.to(conversation).content(content).build());
    }

    /** Takes back a message that never went out; what became of it its receipt tells. */
    public void cancel(Receipt receipt) {
        submit(new Order.Cancel(receipt.messageId()));
    }

    /** Tells the others that this user types: call it at every key, it is sent every two seconds. Never stored. */
    public void typing(String conversation) {
        Message message = Message.to(conversation).type(MessageType.TYPING).build();
        if (!reports.state.isConnected()) {
            return;
        }
        long now = System.nanoTime();
        Long due = typed.compute(conversation, (name, said) -> said == null || now - said >= TYPING_NS ? Long.valueOf(now) : said);
        if (due == now) {
            submit(new Order.Send(message.id(), MessageCodec.write(message), null));
        }
    }

    /** This user's messages with other users. */
    public MessageStream inbox() {
        return stream("inbox");
    }

    /** Messages to everybody. */
    public MessageStream broadcast() {
        return stream("broadcast");
    }

    /** A group. */
    public Group group(String id) {
        return (Group) stream("group:" + id);
    }

    /** Calls back for the messages and gaps of all streams, on the client's executor, until closed. */
    public Subscription subscribe(Consumer<? super Delivery> consumer) {
        synchronized (all) {
            all.add(consumer);
            // Streams that come later take the consumer from the list.
            streams.values().forEach(stream -> stream.attach(consumer));
        }
        readersChanged();
        return () -> {
            synchronized (all) {
                all.remove(consumer);
                streams.values().forEach(stream -> stream.detach(consumer));
            }
            readersChanged();
        };
    }

    /** The application has this, and all before it in its stream; only with {@link Acknowledge#MANUAL}. */
    public void acknowledge(Delivery delivery) {
        int generation = delivery instanceof Message message ? message.generation : ((Gap) delivery).generation();
        if (!automatic && !delivery.stream().isEmpty()) {
            submit(new Order.Acknowledge(delivery.stream(), generation, delivery.position()));
        }
    }

    /**
     * Everything of a conversation up to this position was read: on all of the user's devices. Kept until the hub has it,
     * with an outbox file also over restarts.
     */
    public void markRead(String conversation, long position) {
        boolean direct = conversation.startsWith("user:");
        String peer = direct ? conversation.substring(5) : "";
        submit(new Order.MarkRead(direct ? "inbox" : conversation, peer, position));
    }

    /** Everything of this message's conversation up to it was read. */
    public void markRead(Message message) {
        markRead(message.conversation(reports.user), message.position());
    }

    // ── Questions ───────────────────────────────────────────────────────────────────────────────────────────────────

    /** The user's conversations with their unread counts, equal on all devices. */
    public CompletableFuture<List<Conversation>> conversations() {
        return conversations("", new ArrayList<>());
    }

    private CompletableFuture<List<Conversation>> conversations(String after, List<Conversation> before) {
        Map<String, Object> data = after.isEmpty() ? Map.of("limit", 100) : Map.of("limit", 100, "after", after);
        return ask(Map.of("message_type", "conversations", "data", data)).thenCompose(answer -> {
            Map<String, Object> page = Requests.data(answer);
            JsonValue.objects(page, "conversations").forEach(row -> before.add(Requests.conversation(row)));
            String next = JsonValue.text(page, "next");
            return next.isEmpty() ? CompletableFuture.completedFuture(before) : conversations(next, before);
        });
    }

    /** Messages of others that were not read, in all conversations together. */
    public CompletableFuture<Long> unread() {
        return conversations().thenApply(list -> list.stream().mapToLong(Conversation::unread).sum());
    }

    /** How far own messages got; 100 ids at most. */
    public CompletableFuture<List<ReceiptState>> receipts(Collection<String> messageIds) {
        Map<String, Object> data = Map.of("message_ids", List.copyOf(messageIds));
        return ask(Map.of("message_type", "receipts", "data", data)).thenApply(Requests::receipts);
    }

    /** The presence of users, now and as it changes, until closed; 1,000 users at most. */
    public Presence presence(Collection<String> users) {
        return watch(users, "");
    }

    /** Says how this user is to be seen. */
    public CompletableFuture<Void> setStatus(UserStatus status) {
        Map<String, Object> data = Map.of("status", status.text());
        return ask(Map.of("message_type", "user_status_changed", "data", data)).thenAccept(answer -> {});
    }

    /**
     * Asks the hub anything it answers.
     *
     * @param frame the frame of a request as JSON, without {@code message_id}
     * @throws IllegalArgumentException if it is no JSON object with a {@code message_type}
     */
    public CompletableFuture<Answer> request(String frame) {
        byte[] bytes = frame.getBytes(StandardCharsets.UTF_8);
        if (JsonValue.text(JsonValue.object(bytes), "message_type").isEmpty()) {
            throw new IllegalArgumentException("a request is a JSON object with a message_type");
        }
        return requests.ask(bytes);
    }

    @Override
    public String toString() {
        return "Client[" + reports.user + " " + reports.state.phase() + "]";
    }

    // ── For the parts ───────────────────────────────────────────────────────────────────────────────────────────────

    CompletableFuture<Answer> ask(Map<String, ?> frame) {
        return requests.ask(JsonValue.write(frame));
    }

    CompletableFuture<Page> history(String stream, long from, boolean reverse, int limit) {
        Map<String, Object> frame = new HashMap<>(Map.of("message_type", "fetch", "stream", stream, "limit", limit));
        if (from > 0) {
            frame.put("from", from);
        }
        if (reverse) {
            frame.put("reverse", true);
        }
        return ask(frame).thenApply(answer -> Requests.page(answer, reverse));
    }

    Lane lane() {
        return lane;
    }

    Lane newLane() {
        return new Lane(executor);
    }

    boolean acknowledges() {
        return automatic;
    }

    boolean isClosing() {
        return closed;
    }

    void submit(Order order) {
        bridge.submit(session, order);
    }

    void submit(Supplier<Order> order) {
        bridge.submit(session, order);
    }

    void tell(Consumer<ClientListener> what) {
        if (!listeners.isEmpty()) {
            lane.execute(() -> listeners.forEach(listener -> Lane.guarded(() -> what.accept(listener))));
        }
    }

    static Consumer<Delivery> sorted(Consumer<Message> messages, Consumer<Gap> gaps) {
        return delivery -> {
            if (delivery instanceof Message message) {
                messages.accept(message);
            } else if (delivery instanceof Gap gap) {
                gaps.accept(gap);
            }
        };
    }

    /** Which streams are read is told when the order's turn comes. */
    void readersChanged() {
        synchronized (lock) {
            if (readingSoon) {
                return;
            }
            readingSoon = true;
        }
        submit(() -> {
            synchronized (lock) {
                readingSoon = false;
            }
            List<String> read = new ArrayList<>();
            // What the application acknowledges itself waits for its reader here, for as long as it takes.
            if (!automatic || !all.isEmpty()) {
                read.add("*");
            }
            streams.values().stream().filter(MessageStream::isRead).map(MessageStream::name).forEach(read::add);
            return new Order.Read(read);
        });
    }

    void unread(String stream, long from, long to) {
        LOG.warn("nobody reads {}: {} to {} count as handed over", stream, from, to);
        tell(listener -> listener.onUnread(stream, from, to));
    }

    Presence watch(Collection<String> users, String group) {
        Presence made = new Presence(this, Set.copyOf(users), group);
        watched.add(made);
        if (reports.state.isConnected()) {
            made.ask();
        }
        return made;
    }

    void unwatch(Presence presence) {
        if (!watched.remove(presence) || !reports.state.isConnected()) {
            return;
        }
        Set<String> gone = new HashSet<>(presence.users());
        watched.forEach(other -> gone.removeAll(other.users()));
        boolean kept = watched.stream().anyMatch(other -> other.group().equals(presence.group()));
        presence.query("unwatch", gone, kept ? "" : presence.group());
    }

    MessageStream stream(String name) {
        MessageStream known = streams.get(name);
        if (known != null) {
            return known;
        }
        synchronized (all) {
            return streams.computeIfAbsent(name, this::makeStream);
        }
    }

    private MessageStream makeStream(String name) {
        MessageStream made = name.startsWith("group:") ? new Group(this, name.substring(6)) : new MessageStream(this, name);
        all.forEach(made::attach);
        if (over) {
            made.end();
        }
        return made;
    }

    /** Nothing more comes. */
    void end() {
        bridge.forget(session);
        closed = true;
        reports.end();
        sends.close();
        requests.close();
        synchronized (all) {
            over = true;
            streams.values().forEach(MessageStream::end);
        }
        Lane.POOL.execute(() -> ended.complete(null));
    }
}
