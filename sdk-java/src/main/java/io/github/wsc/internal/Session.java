// One client behind its public face: its parts put together, and what is asked of them. Holds no state of the protocol; never waits in
// the thread that brings reports.
package io.github.wsc.internal;

import io.github.wsc.Answer;
import io.github.wsc.ClientListener;
import io.github.wsc.ClosedException;
import io.github.wsc.ConnectionState;
import io.github.wsc.Delivery;
import io.github.wsc.Message;
import io.github.wsc.Receipt;
import io.github.wsc.Subscription;
import io.github.wsc.WscException;
import io.github.wsc.internal.ffi.Opened;
import io.github.wsc.internal.ffi.Command;
import io.github.wsc.internal.ffi.Settings;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One client behind its public face. */
public final class Session {
    public static final Logger LOG = LoggerFactory.getLogger("io.github.wsc.Client");
    /** The machine waits 5 s for what is under way. */
    private static final long CLOSING_S = 8;
    /** How long a closing client waits for handlers that run. */
    private static final long QUIET_S = 2;

    /**
     * What a session is made with.
     *
     * @param settings what the native side is told
     * @param automatic whether what a handler has handled is acknowledged by the client
     * @param executor where callbacks run; null: in threads of the library
     * @param tokens where tokens come from
     * @param messages makes a public message of what was read
     */
    public record Options(
            Settings settings,
            boolean automatic,
            @Nullable Executor executor,
            @Nullable Supplier<? extends CompletionStage<@Nullable String>> tokens,
            Function<MessageFields, Message> messages) {}

    public final Sends sends;
    public final Requests requests;
    public final Watches watches;
    public final ConversationTable conversations;

    private final Options options;
    private final ClientRuntime runtime;
    private final Bridge bridge;
    private final int number;
    private final String device;
    private final SerialExecutor executor;
    private final List<ClientListener> listeners = new CopyOnWriteArrayList<>();
    private final List<Consumer<? super Delivery>> all = new CopyOnWriteArrayList<>();
    private final Map<String, Backlog> backlogs = new ConcurrentHashMap<>();
    private final Typing typing = new Typing();
    private final Reports reports;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Object lock = new Object();
    private volatile boolean closed;
    /** Nothing more comes; under the lock of `all`, as is what streams begin with. */
    private boolean over;
    private boolean readingSoon;

    /**
     * Opens it; it does not connect yet.
     *
     * @throws IllegalArgumentException if a setting is wrong
     * @throws WscException if the outbox or the native library cannot be used
     */
    public Session(Options options) {
        this.options = options;
        runtime = ClientRuntime.acquire();
        bridge = runtime.bridge();
        executor = newExecutor();
        sends = new Sends(this);
        requests = new Requests(this);
        watches = new Watches(this);
        conversations = new ConversationTable(this);
        reports = new Reports(this, options.settings.getUser(), options.tokens);
        number = bridge.register(reports);
        Opened opened;
        try {
            opened = bridge.open(number, options.settings);
        } catch (Throwable failed) {
            bridge.forget(number);
            runtime.release(() -> {});
            throw failed;
        }
        device = opened.getDevice();
        sends.begin(opened.getPending().stream().map(object -> read(object.getBytes(StandardCharsets.UTF_8), null)).toList());
        if (!options.automatic) {
            readersChanged();
        }
    }

    /** Connects; completes when connected. */
    public CompletableFuture<Void> connect() {
        if (closed) {
            return CompletableFuture.failedFuture(reports.closedException());
        }
        CompletableFuture<Void> connected = reports.connected();
        submit(Command.Connect.INSTANCE);
        return connected;
    }

    /** Tells the machine that the network is there or gone. */
    public void network(boolean online) {
        submit(new Command.Network(online));
    }

    /** What was reported so far. */
    public Reports reports() {
        return reports;
    }

    /** This installation's id. */
    public String device() {
        return device;
    }

    /** Adds a listener. */
    public void listen(ClientListener listener) {
        listeners.add(listener);
    }

    /** Takes a listener away. */
    public void unlisten(ClientListener listener) {
        listeners.remove(listener);
    }

    /** Closes, and waits until that is done, and until the threads of the library have ended if this was the last client. */
    public void close() {
        CompletableFuture<Void> done = closeAsync();
        if (bridge.isOwn(Thread.currentThread())) {
            // An executor that runs callbacks in the thread which it is given them in: to wait here would be to wait for oneself.
            return;
        }
        try {
            done.get(CLOSING_S, TimeUnit.SECONDS);
            runtime.awaitEnd();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException late) {
            LOG.warn("closing takes longer than {} s", CLOSING_S, late);
        }
    }

    /** Begins to close; completes when that is done. */
    public CompletableFuture<Void> closeAsync() {
        boolean first;
        synchronized (lock) {
            first = !closed;
            closed = true;
        }
        if (first) {
            // Acknowledged first, or it would come again.
            CompletableFuture<?>[] quiet = backlogs.values().stream().map(Backlog::quiet).toArray(CompletableFuture[]::new);
            CompletableFuture<Void> all = CompletableFuture.allOf(quiet);
            Future<?> late = schedule(() -> all.complete(null), TimeUnit.SECONDS.toNanos(QUIET_S));
            all.whenComplete((done, never) -> {
                late.cancel(false);
                submit(Command.Close.INSTANCE);
            });
        }
        return ended.copy();
    }

    /** Closes for good, because something is wrong that the application must know. */
    void fail(Throwable error) {
        synchronized (lock) {
            closed = true;
        }
        reports.fail(error);
        submit(Command.Close.INSTANCE);
    }

    /** Sends a message. */
    public CompletableFuture<Receipt> send(MessageFields fields, Message message) {
        typing.reset(fields.target());
        return sends.send(fields, message);
    }

    /** Says that the user types, unless that was just said. */
    public void typing(MessageFields fields) {
        if (reports.state().isConnected() && typing.isDue(fields.target())) {
            submit(new Command.Send(fields.id, MessageCodec.write(fields), null));
        }
    }

    /** Calls back for what comes of all streams. */
    public Subscription subscribe(Consumer<? super Delivery> consumer) {
        synchronized (all) {
            all.add(consumer);
            // Streams that come later take the consumer from the list.
            backlogs.values().forEach(backlog -> backlog.attach(consumer));
        }
        readersChanged();
        return () -> {
            synchronized (all) {
                all.remove(consumer);
                backlogs.values().forEach(backlog -> backlog.detach(consumer));
            }
            readersChanged();
        };
    }

    /** The application has this, and all before it in its stream. */
    public void acknowledge(String stream, int generation, long position) {
        if (!options.automatic && !stream.isEmpty()) {
            submit(new Command.Acknowledge(stream, generation, position));
        }
    }

    /** Everything of a conversation up to a position was read. */
    public void markRead(String conversation, long position) {
        boolean direct = conversation.startsWith("user:");
        String peer = direct ? conversation.substring(5) : "";
        submit(new Command.MarkRead(direct ? "inbox" : conversation, peer, position));
        conversations.onMarked(conversation, position);
    }

    /** Takes back a message that never went out. */
    public void cancel(String messageId) {
        submit(new Command.Cancel(messageId));
    }

    /** A request and its answer. */
    public CompletableFuture<Answer> ask(Map<String, ?> frame) {
        return requests.ask(JsonValue.write(frame));
    }

    /** What came of a stream. */
    public Backlog backlog(String stream) {
        Backlog known = backlogs.get(stream);
        if (known != null) {
            return known;
        }
        synchronized (all) {
            return backlogs.computeIfAbsent(stream, this::makeBacklog);
        }
    }

    private Backlog makeBacklog(String stream) {
        Backlog made = new Backlog(this, stream);
        all.forEach(made::attach);
        if (over) {
            made.end();
        }
        return made;
    }

    SerialExecutor executor() {
        return executor;
    }

    SerialExecutor newExecutor() {
        return new SerialExecutor(runtime, options.executor);
    }

    Entry.MessageReader messages() {
        return options.messages::apply;
    }

    Message show(MessageFields fields) {
        return options.messages.apply(fields);
    }

    Message read(byte[] object, byte @Nullable [] payload) {
        return options.messages.apply(MessageCodec.read(object, payload));
    }

    boolean acknowledges() {
        return options.automatic;
    }

    boolean isClosing() {
        return closed;
    }

    void submit(Command command) {
        bridge.submit(number, command);
    }

    void submit(Supplier<Command> command) {
        bridge.submit(number, command);
    }

    /** Runs a task that completes futures of the application, in a thread of the library. */
    void complete(Runnable task) {
        runtime.execute(task);
    }

    Future<?> schedule(Runnable task, long delayNs) {
        return runtime.schedule(task, delayNs, TimeUnit.NANOSECONDS);
    }

    void tell(Consumer<ClientListener> what) {
        if (!listeners.isEmpty()) {
            executor.execute(() -> listeners.forEach(listener -> SerialExecutor.guarded(() -> what.accept(listener))));
        }
    }

    List<ClientListener> listeners() {
        return listeners;
    }

    /** Something is wrong that no call waits for. */
    void fault(String text, int code, boolean retryable, @Nullable Throwable cause) {
        LOG.warn("{}: {} ({})", reports.user(), text, code, cause);
        WscException fault = new WscException(text, code, retryable, 0, cause);
        tell(listener -> listener.onFault(fault));
    }

    void subscriberFailed(Throwable thrown) {
        fault("a Flow.Subscriber threw, against its contract, and is cancelled", 0, false, thrown);
    }

    /** Submits which streams are read, as they are when the order's turn comes. */
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
            // What the application acknowledges itself waits for its reader here, for as long as it takes; and the list of
            // conversations sees what nobody reads yet.
            if (!options.automatic || !all.isEmpty() || conversations.isWatched()) {
                read.add("*");
            }
            backlogs.values().stream().filter(Backlog::isRead).map(Backlog::stream).forEach(read::add);
            return new Command.Read(read);
        });
    }

    void unread(String stream, long from, long to) {
        LOG.warn("{} has no reader: {} to {} count as handed over", stream, from, to);
        tell(listener -> listener.onUnread(stream, from, to));
    }

    /** Nothing more comes. */
    void end() {
        bridge.forget(number);
        closed = true;
        ClosedException why = reports.closedException();
        reports.end();
        sends.close(why);
        requests.close(why);
        synchronized (all) {
            over = true;
            backlogs.values().forEach(Backlog::end);
        }
        runtime.release(() -> ended.complete(null));
    }

    @Override
    public String toString() {
        ConnectionState state = reports.state();
        return "Client[" + reports.user() + " " + state.phase() + "]";
    }
}
