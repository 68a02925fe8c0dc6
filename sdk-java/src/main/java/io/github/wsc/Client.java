// The client of an application. Its parts are in `internal`; this only says what they do.
package io.github.wsc;

import io.github.wsc.internal.JsonValue;
import io.github.wsc.internal.Reports;
import io.github.wsc.internal.Requests;
import io.github.wsc.internal.Session;
import io.github.wsc.internal.Texts;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One device's connection to a hub. It reconnects by itself: what is sent while there is no connection waits, and takes effect once.
 *
 * <pre>{@code
 * try (Client client = Client.builder(URI.create("ws://127.0.0.1:8080/ws")).user("alice").outbox(Path.of("alice.outbox")).build()) {
 *     client.inbox().subscribe(message -> System.out.println(message.sender() + ": " + message.content()));
 *     client.connect().join();
 *     Receipt receipt = client.send(Message.toUser("bob", "hello")).join();   // it is saved here
 *     receipt.accepted().join();                                             // the hub stored it
 * }
 * }</pre>
 *
 * <p>All methods may be called from any thread. Callbacks of one client come one at a time, on its executor; futures complete
 * in threads of the library. A client costs no thread: those of the library begin with the first client of a class loader and end when
 * the last one is closed.
 *
 * <p>A callback may throw anything, errors like {@link StackOverflowError} included: that is logged, and the next callback comes. When
 * the client itself cannot go on, it closes, and {@link ClosedException#getCause()} says why.
 */
public final class Client implements AutoCloseable {
    final Session session;
    private final Conversations conversations;
    private final Map<String, Stream> streams = new ConcurrentHashMap<>();
    /** The states as Kotlin has them, once somebody wants them. */
    @Nullable Object stateFlow;

    Client(ClientBuilder builder) {
        session = new Session(builder.options(Message::new));
        conversations = new Conversations(session.conversations);
        builder.listeners().forEach(this::listen);
    }

    /**
     * Begins a client of the hub at this address: {@code ws://} or {@code wss://}, also written {@code http://} and {@code https://};
     * without a path, {@code /ws}.
     *
     * <p>Nothing is opened before {@link ClientBuilder#build()}, and nothing connects before {@link #connect()}.
     *
     * <p>Several addresses are those of hubs that share one store, where no balancer stands before them. The client takes them in a random
     * order of its own and keeps to one that works. It goes on to the next when an attempt failed, when the hub closed the connection or drains, and when it
     * says nothing more; a connection that was only lost is tried again where it was. The waits between attempts are divided by the number of
     * addresses.
     *
     * <pre>{@code
     * Client client = Client.builder(URI.create("wss://a.hub.example"), URI.create("wss://b.hub.example"))
     *         .tokenProvider(() -> CompletableFuture.supplyAsync(tokens::fetch))
     *         .outbox(Path.of("alice.outbox"))
     *         .executor(executor)
     *         .build();
     * }</pre>
     */
    public static ClientBuilder builder(URI... addresses) {
        return new ClientBuilder(addresses);
    }

    /**
     * Connects, and from now on keeps connected; while waiting, tries at once. Completes when connected; fails with a
     * {@link ClosedException} when the client is closed for good.
     *
     * <pre>{@code client.connect().thenRun(() -> System.out.println("connected as " + client.user())); }</pre>
     */
    public CompletableFuture<Void> connect() {
        return session.connect();
    }

    /**
     * Tells the client that the network is back, or gone: a waiting client tries at once.
     *
     * <pre>{@code client.network(true);   // the phone is back in reach: do not wait for the next attempt }</pre>
     */
    public void network(boolean online) {
        session.network(online);
    }

    /**
     * The state of the connection.
     *
     * <pre>{@code System.out.println(client.state().isConnected() ? "connected" : "next attempt at " + client.state().retryAt()); }</pre>
     */
    public ConnectionState state() {
        return session.reports().state();
    }

    /**
     * How many messages wait here, and whether all streams are caught up.
     *
     * <pre>{@code System.out.println(client.sync().saved() + " messages wait for the hub"); }</pre>
     */
    public SyncState sync() {
        return session.reports().sync();
    }

    /**
     * The user: empty until the hub or the builder named it.
     *
     * <pre>{@code boolean own = message.sender().equals(client.user()); }</pre>
     */
    public String user() {
        return session.reports().user();
    }

    /**
     * This installation's id; empty for an ephemeral device, of which the hub keeps nothing.
     *
     * <pre>{@code System.out.println("this is device " + client.device()); }</pre>
     */
    public String device() {
        return session.device();
    }

    /**
     * Own messages that the hub has not settled yet, in order, with the bytes beside them. Those that an earlier process left in the outbox
     * file come first, without their bytes.
     *
     * <pre>{@code client.pending().forEach(message -> System.out.println("not sent yet: " + message.content())); }</pre>
     */
    public List<Message> pending() {
        return session.sends.pending();
    }

    /**
     * The counters of this client, since it was made.
     *
     * <pre>{@code System.out.println(client.statistics().received() + " received"); }</pre>
     */
    public Statistics statistics() {
        Reports reports = session.reports();
        return new Statistics(
                reports.received.sum(), reports.gaps.sum(), session.sends.taken.sum(), session.sends.accepted.sum(),
                session.sends.failed.sum(), reports.connects.sum(), reports.disconnects.sum());
    }

    /**
     * Adds a listener; a {@link MessageListener} also reads all streams. Close the subscription to remove it.
     *
     * <pre>{@code
     * Subscription subscription = client.listen(listener);
     * subscription.close();   // no more calls
     * }</pre>
     */
    public Subscription listen(ClientListener listener) {
        session.listen(listener);
        Subscription reading = listener instanceof MessageListener messages
                ? subscribe(sorted(message -> give(message, messages), messages::onGap))
                : () -> {};
        return () -> {
            session.unlisten(listener);
            reading.close();
        };
    }

    private static void give(Message message, MessageListener listener) {
        if (message.payload() == null) {
            listener.onTextMessageReceived(message);
        } else {
            listener.onBinaryMessageReceived(message);
        }
    }

    /**
     * Closes: waits up to 5 s until what is under way is settled; the rest stays in the outbox file. If this is the last client of its class
     * loader, the threads of the library have ended when it returns.
     *
     * <pre>{@code Runtime.getRuntime().addShutdownHook(new Thread(client::close)); }</pre>
     */
    @Override
    public void close() {
        session.close();
    }

    /**
     * Closes as {@link #close()} does, without waiting; completes when it is done.
     *
     * <pre>{@code CompletableFuture.allOf(client.closeAsync(), other.closeAsync()).join(); }</pre>
     */
    public CompletableFuture<Void> closeAsync() {
        return session.closeAsync();
    }

    /**
     * Sends a message. Completes when it is saved here: in the outbox file, where there is one, and it then survives the process.
     * From then on it is sent until the hub has it, and takes effect once. Fails with a {@link SendException} when it was not saved.
     *
     * <pre>{@code
     * Message photo = Message.to("user:bob").type(MessageType.IMAGE).payload(Files.readAllBytes(Path.of("cat.png"))).receipts().build();
     * client.send(photo).thenCompose(Receipt::read).thenRun(() -> System.out.println("bob has seen it"));
     * }</pre>
     */
    public CompletableFuture<Receipt> send(Message message) {
        return session.send(message.fields, message);
    }

    /**
     * Sends a text to a conversation.
     *
     * <pre>{@code
     * client.send("group:team", "hello all").thenCompose(Receipt::accepted)
     *         .whenComplete((accepted, error) -> System.out.println(error == null ? "stored" : error.getMessage()));
     * }</pre>
     *
     * @param conversation {@code user:<id>}, {@code group:<id>} or {@code broadcast}
     */
    public CompletableFuture<Receipt> send(String conversation, String content) {
        return send(Message.to(conversation).content(content).build());
    }

    /**
     * Cancels a message that was not sent yet; its receipt says whether it was.
     *
     * <pre>{@code
     * client.cancel(receipt);
     * receipt.accepted().whenComplete((accepted, error) -> System.out.println(error == null ? "too late" : "cancelled"));
     * }</pre>
     */
    public void cancel(Receipt receipt) {
        session.cancel(Texts.name("the message_id", receipt.messageId()));
    }

    /**
     * Tells the others in a conversation that this user types. Call it at every key: it is sent every two seconds, and again at once after a
     * message. Never stored.
     *
     * <pre>{@code client.typing("user:bob"); }</pre>
     */
    public void typing(String conversation) {
        session.typing(Message.to(conversation).type(MessageType.TYPING).build().fields);
    }

    /**
     * The stream of this user's messages with other users.
     *
     * <pre>{@code Subscription subscription = client.inbox().subscribe(message -> System.out.println(message.content())); }</pre>
     */
    public Stream inbox() {
        return stream("inbox");
    }

    /**
     * The stream of messages to everybody.
     *
     * <pre>{@code client.broadcast().subscribe(message -> System.out.println("to all: " + message.content())); }</pre>
     */
    public Stream broadcast() {
        return stream("broadcast");
    }

    /**
     * A group and its stream.
     *
     * <pre>{@code
     * Group team = client.group("team");
     * team.join().thenCompose(joined -> team.send("hello team"));
     * }</pre>
     */
    public Group group(String id) {
        return (Group) streams.computeIfAbsent("group:" + id, name -> new Group(this, id));
    }

    /**
     * Calls back for the messages and gaps of all streams, on the client's executor, until closed.
     *
     * <pre>{@code client.subscribe(delivery -> System.out.println(delivery instanceof Gap gap ? "missed " + gap : delivery)); }</pre>
     */
    public Subscription subscribe(Consumer<? super Delivery> consumer) {
        return session.subscribe(consumer);
    }

    /**
     * Acknowledges this delivery and all before it in its stream; only with {@link Acknowledge#MANUAL}.
     *
     * <pre>{@code client.inbox().subscribe(message -> orders.store(message).thenRun(() -> client.acknowledge(message))); }</pre>
     */
    public void acknowledge(Delivery delivery) {
        int generation = delivery instanceof Message message ? message.fields.generation : ((Gap) delivery).generation();
        session.acknowledge(Texts.name("the stream", delivery.stream()), generation, delivery.position());
    }

    /**
     * Marks everything of a conversation up to this position as read, on all of the user's devices. Saved until the hub has it,
     * with an outbox file also over restarts.
     *
     * <pre>{@code client.markRead(conversation.name(), conversation.last()); }</pre>
     */
    public void markRead(String conversation, long position) {
        session.markRead(Texts.name("the conversation", conversation), position);
    }

    /**
     * Marks everything of this message's conversation up to the message as read.
     *
     * <pre>{@code client.inbox().subscribe(message -> client.markRead(message)); }</pre>
     */
    public void markRead(Message message) {
        markRead(message.conversation(user()), message.position());
    }

    /**
     * The user's conversations with their unread counts, once or as they change.
     *
     * <pre>{@code client.conversations().subscribe(list -> System.out.println(list.unread() + " unread messages")); }</pre>
     */
    public Conversations conversations() {
        return conversations;
    }

    /**
     * Asks the hub for the number of unread messages in all conversations together.
     *
     * <pre>{@code client.unread().thenAccept(unread -> System.out.println(unread + " unread messages")); }</pre>
     */
    public CompletableFuture<Long> unread() {
        return conversations.fetch().thenApply(list -> list.stream().mapToLong(Conversation::unread).sum());
    }

    /**
     * Asks the hub how far own messages got; maximum 100 ids.
     *
     * <pre>{@code client.receipts(List.of(receipt.messageId())).thenAccept(states -> System.out.println(states.get(0).stage())); }</pre>
     */
    public CompletableFuture<List<ReceiptState>> receipts(Collection<String> messageIds) {
        Map<String, Object> data = Map.of("message_ids", List.copyOf(messageIds));
        return session.ask(Map.of("message_type", "receipts", "data", data)).thenApply(Requests::receipts);
    }

    /**
     * The presence of users, now and as it changes, until closed; maximum 1,000 users.
     *
     * <pre>{@code client.presence(List.of("bob", "carol")).subscribe((user, status) -> System.out.println(user + " is " + status)); }</pre>
     */
    public Presence presence(Collection<String> users) {
        return new Presence(session.watches.begin(Texts.names("a user", List.copyOf(users)), ""));
    }

    /**
     * Sets the status that others see of this user.
     *
     * <pre>{@code client.setStatus(UserStatus.BUSY); }</pre>
     */
    public CompletableFuture<Void> setStatus(UserStatus status) {
        Map<String, Object> data = Map.of("status", status.text());
        return session.ask(Map.of("message_type", "user_status_changed", "data", data)).thenAccept(answer -> {});
    }

    /**
     * Sends the hub any request that it answers.
     *
     * <pre>{@code client.request("{\"message_type\":\"health_check\"}").thenAccept(answer -> System.out.println(answer.frame())); }</pre>
     *
     * @param frame the frame of a request as JSON, without {@code message_id}
     * @throws IllegalArgumentException if it is not a JSON object with a {@code message_type}
     */
    public CompletableFuture<Answer> request(String frame) {
        byte[] bytes = frame.getBytes(StandardCharsets.UTF_8);
        if (JsonValue.text(JsonValue.object(bytes), "message_type").isEmpty()) {
            throw new IllegalArgumentException("a request must be a JSON object with a message_type");
        }
        return session.requests.ask(bytes);
    }

    @Override
    public String toString() {
        return session.toString();
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

    private Stream stream(String name) {
        return streams.computeIfAbsent(name, made -> new Stream(this, made));
    }
}
