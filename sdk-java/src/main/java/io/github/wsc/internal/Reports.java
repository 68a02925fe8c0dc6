// What a session reports, given to the part of the client that it is for; and where the connection stands. Runs in the thread that
// brings the reports of all clients: it never waits, and runs code of the application only where an executor does so.
package io.github.wsc.internal;

import io.github.wsc.ClientListener;
import io.github.wsc.ClosedException;
import io.github.wsc.ConnectionState;
import io.github.wsc.ConnectionState.Phase;
import io.github.wsc.ErrorCode;
import io.github.wsc.Message;
import io.github.wsc.SyncState;
import io.github.wsc.WscException;
import io.github.wsc.internal.Tables.Kind;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What a session reported so far. */
public final class Reports implements Bridge.ReportListener {
    /** Maximum of volatile messages that wait for a slow listener. */
    private static final int VOLATILE = 1_000;
    private static final ConnectionState IDLE = new ConnectionState(Phase.IDLE, null, 0, 0, "");

    public final LongAdder received = new LongAdder();
    public final LongAdder gaps = new LongAdder();
    public final LongAdder connects = new LongAdder();
    public final LongAdder disconnects = new LongAdder();

    private final Session session;
    private final Tokens tokens;
    private final AtomicInteger waitingVolatile = new AtomicInteger();
    private volatile ConnectionState state = IDLE;
    private volatile SyncState sync = new SyncState(0, 0, 0, false);
    private volatile String user;
    /** Why the client closed itself. */
    private volatile @Nullable Throwable failure;
    private CompletableFuture<Void> connected = new CompletableFuture<>();
    private boolean isConnected;

    Reports(Session session, String user, @Nullable Supplier<? extends CompletionStage<@Nullable String>> tokens) {
        this.session = session;
        this.user = user;
        this.tokens = new Tokens(session, tokens);
    }

    /** Where the connection stands. */
    public ConnectionState state() {
        return state;
    }

    /** How far sends and streams are. */
    public SyncState sync() {
        return sync;
    }

    /** The user, once the hub or the application named it. */
    public String user() {
        return user;
    }

    /** Completes when connected, fails when closed for good. */
    synchronized CompletableFuture<Void> connected() {
        if (state.phase() == Phase.CLOSED) {
            state = IDLE;
        }
        return connected.copy();
    }

    /** Nothing more comes. */
    synchronized void end() {
        CompletableFuture<Void> waiting = connected;
        ClosedException why = closedException();
        session.complete(() -> waiting.completeExceptionally(why));
    }

    /** The client closes itself because of this. */
    void fail(Throwable error) {
        if (failure == null) {
            failure = error;
        }
    }

    /** What calls of a client that the application, or an error, has closed fail with. */
    ClosedException closedException() {
        Throwable error = failure;
        return error == null
                ? new ClosedException("the client was closed: make another", 0)
                : new ClosedException("the client closed itself: " + error, 0, error);
    }

    @Override
    public void onBroken(Throwable error) {
        session.fail(error);
    }

    @Override
    public void onReport(Report report) {
        switch (report.kind) {
            case MESSAGE -> {
                received.increment();
                session.conversations.onEntry(session.backlog(report.text).put(report));
            }
            case GAP -> {
                gaps.increment();
                session.conversations.onEntry(session.backlog(report.text).put(report));
            }
            case VOLATILE -> onVolatile(report);
            case STATE -> onState(report);
            case SYNC, CAUGHT_UP -> onSync(report);
            case SAVED -> session.sends.onSaved(report);
            case REJECTED -> session.sends.onRejected(report);
            case SETTLED -> session.sends.onSettled(report);
            case RECEIPT -> session.sends.onReceipt(report);
            case RECEIPT_ENDED -> session.sends.onReceiptEnded(report);
            case FETCHED -> session.requests.onFetched(report);
            case ANSWER -> session.requests.onAnswer(report);
            case REQUEST_FAILED -> session.requests.onFailed(report);
            case FETCH_TOKEN -> session.complete(tokens::fetch);
            case SOCKET_CLOSED -> onSocketClosed(report);
            case STREAM_OPENED -> {
                session.conversations.onOpened();
                session.tell(one -> one.onStreamOpened(report.text, report.second, report.third));
            }
            case STREAM_CLOSED -> {
                session.conversations.onClosed(report.text);
                session.tell(one -> one.onStreamClosed(report.text, report.other));
            }
            case UNREAD -> session.unread(report.text, report.first, report.second);
            case GROUP_CHANGED -> onGroup(report);
            case PRESENCE -> onPresence(report);
            case NOTICE -> onNotice(report);
            case MARK_REFUSED -> session.fault("the hub refused a read mark", (int) report.first, false, null);
            case FAULT -> onFault(report);
            case ENDED -> session.end();
            default -> Session.LOG.debug("unexpected report: {}", report.kind);
        }
    }

    private void onFault(Report report) {
        String what = report.text.isEmpty() ? "a frame of the hub is not valid" : report.text;
        String text = report.object.length == 0 ? what : what + ": " + report.last();
        boolean token = report.first == Tables.Fault.TOKEN;
        int code = (int) report.second;
        session.fault(text, code, token || ErrorCode.isRetryable(code), token ? tokens.thrown() : null);
    }

    private void onState(Report report) {
        ConnectionState now = stateOf(report);
        if (!report.other.isEmpty()) {
            user = report.other;
        }
        synchronized (this) {
            state = now;
            settleConnect(now);
        }
        Session.LOG.debug("{}: {}", user, now);
        session.tell(one -> one.onState(now));
        if (now.isConnected()) {
            connects.increment();
            session.watches.askAll();
            session.conversations.onConnected();
            session.tell(ClientListener::onConnected);
        } else if (now.phase() == Phase.CLOSED) {
            session.tell(one -> one.onClose(now.code(), now.reason()));
        }
    }

    private ConnectionState stateOf(Report report) {
        Phase phase = switch ((int) report.first) {
            case Tables.State.CONNECTING -> Phase.CONNECTING;
            case Tables.State.CONNECTED -> Phase.CONNECTED;
            case Tables.State.WAITING -> Phase.WAITING;
            case Tables.State.CLOSED -> Phase.CLOSED;
            default -> Phase.IDLE;
        };
        boolean closed = phase == Phase.CLOSED;
        Instant retryAt = phase == Phase.WAITING ? Instant.ofEpochMilli(report.second) : null;
        Throwable error = failure;
        String reason = closed && error != null ? "the client closed itself: " + error : report.text;
        return new ConnectionState(phase, retryAt, (int) report.third, closed ? (int) report.second : 0, reason);
    }

    /** Why a connection does not come about. */
    private ClosedException whyClosed(ConnectionState closed) {
        return switch (closed.code()) {
            case Tables.Closed.APPLICATION -> closedException();
            case Tables.Closed.NO_TOKEN -> new ClosedException("closed: the token provider has no token", closed.code());
            default -> new ClosedException("closed by the hub: " + closed.reason() + " (" + closed.code() + ")", closed.code());
        };
    }

    /** Completes what waits for a connection; what comes later waits for the next. */
    private void settleConnect(ConnectionState now) {
        CompletableFuture<Void> waiting = connected;
        switch (now.phase()) {
            case CONNECTED -> {
                isConnected = true;
                session.complete(() -> waiting.complete(null));
            }
            case CLOSED -> {
                isConnected = false;
                connected = new CompletableFuture<>();
                ClosedException why = whyClosed(now);
                session.complete(() -> waiting.completeExceptionally(why));
            }
            default -> {
                connected = isConnected ? new CompletableFuture<>() : waiting;
                isConnected = false;
            }
        }
    }

    private void onSync(Report report) {
        sync = report.kind == Kind.SYNC
                ? new SyncState(report.first, report.second, report.third, report.fourth != 0)
                : new SyncState(sync.unsaved(), sync.saved(), sync.underWay(), true);
    }

    private void onSocketClosed(Report report) {
        disconnects.increment();
        int code = (int) report.second;
        String reason = report.text;
        if (report.first != 0) {
            Session.LOG.info("{}: disconnected ({}) {}", user, code, reason);
            session.tell(one -> one.onDisconnected(code, reason));
        } else {
            Session.LOG.info("{}: could not connect: {}", user, reason);
            WscException error = new WscException("could not connect: " + reason, code, true, 0, null);
            session.tell(one -> one.onConnectError(error));
        }
    }

    private void onVolatile(Report report) {
        // They may be dropped where a listener is slow.
        if (session.listeners().isEmpty() || waitingVolatile.get() >= VOLATILE) {
            return;
        }
        waitingVolatile.incrementAndGet();
        session.executor().execute(() -> {
            waitingVolatile.decrementAndGet();
            Message message = session.read(report.object, report.payload);
            session.listeners().forEach(listener -> SerialExecutor.guarded(() -> listener.onVolatile(message)));
        });
    }

    private void onGroup(Report report) {
        Map<String, Object> data = JsonValue.fields(JsonValue.object(report.object).get("data"));
        String group = JsonValue.text(data, "group_id");
        String action = JsonValue.text(data, "action");
        String member = JsonValue.text(data, "user_id");
        session.tell(one -> one.onGroupChanged(group, action, member));
    }

    private void onPresence(Report report) {
        Map<String, Object> data = JsonValue.fields(JsonValue.object(report.object).get("data"));
        List<Map<String, Object>> users = data.containsKey("users") ? JsonValue.objects(data, "users") : List.of(data);
        session.watches.onPresence(users);
    }

    private void onNotice(Report report) {
        String type = JsonValue.text(JsonValue.object(report.object), "message_type");
        String frame = report.last();
        Session.LOG.info("{}: notice of the hub: {}", user, type);
        session.tell(one -> one.onNotice(type, frame));
    }
}
