// What a session reports, given to the part of the client that it is for; and where the connection stands. Runs in the thread that
// brings the reports of all clients: it never waits, and never runs code of the application.
package io.github.wsc;

import io.github.wsc.Tables.Kind;
import io.github.wsc.internal.ffi.Order;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

final class Reports implements Bridge.Ear {
    /** Volatile messages that wait for a slow listener at most. */
    private static final int VOLATILE = 1_000;

    final LongAdder received = new LongAdder();
    final LongAdder gaps = new LongAdder();
    final LongAdder connects = new LongAdder();
    final LongAdder disconnects = new LongAdder();
    volatile ConnectionState state = ConnectionState.IDLE;
    volatile SyncState sync = new SyncState(0, 0, 0, false);
    volatile String user;

    private final Client client;
    private final @Nullable Supplier<? extends CompletionStage<String>> tokens;
    private final AtomicInteger waitingVolatile = new AtomicInteger();
    private CompletableFuture<Void> connected = new CompletableFuture<>();
    private boolean isConnected;

    Reports(Client client, String user, @Nullable Supplier<? extends CompletionStage<String>> tokens) {
        this.client = client;
        this.user = user;
        this.tokens = tokens;
    }

    /** Completes when connected, fails when closed for good. */
    synchronized CompletableFuture<Void> connected() {
        if (state.phase() == ConnectionState.Phase.CLOSED) {
            state = ConnectionState.IDLE;
        }
        return connected.copy();
    }

    /** Nothing more comes. */
    synchronized void end() {
        CompletableFuture<Void> waiting = connected;
        Lane.POOL.execute(() -> waiting.completeExceptionally(new ClosedException("the client was closed", 0)));
    }

    @Override
    public void hear(Report report) {
        switch (report.kind) {
            case MESSAGE -> {
                received.increment();
                client.stream(report.text).put(report);
            }
            case GAP -> {
                gaps.increment();
                client.stream(report.text).put(report);
            }
            case VOLATILE -> hearVolatile(report);
            case STATE -> hearState(report);
            case SYNC, CAUGHT_UP -> hearSync(report);
            case SAVED -> client.sends.taken(report);
            case REJECTED -> client.sends.notTaken(report);
            case SETTLED -> client.sends.settled(report);
            case RECEIPT -> client.sends.advance(report);
            case RECEIPT_ENDED -> client.sends.unfollowed(report);
            case FETCHED -> client.requests.fetched(report);
            case ANSWER -> client.requests.answered(report);
            case REQUEST_FAILED -> client.requests.failed(report);
            case FETCH_TOKEN -> Lane.POOL.execute(this::fetchToken);
            case SOCKET_CLOSED -> hearParted(report);
            case STREAM_OPENED -> client.tell(one -> one.onStreamOpened(report.text, report.second, report.third));
            case STREAM_CLOSED -> client.tell(one -> one.onStreamClosed(report.text, report.other));
            case UNREAD -> client.unread(report.text, report.first, report.second);
            case GROUP_CHANGED -> hearGroup(report);
            case PRESENCE -> hearPresence(report);
            case NOTICE -> hearNotice(report);
            case MARK_REFUSED -> fault("a read mark was refused", (int) report.first);
            case FAULT -> fault(
                    (report.text.isEmpty() ? "a frame was not understood" : report.text)
                            + (report.object.length == 0 ? "" : ": " + report.last()),
                    (int) report.second);
            case ENDED -> client.end();
            default -> Client.LOG.debug("unexpected: {}", report.kind);
        }
    }

    private void hearState(Report report) {
        ConnectionState now = ConnectionState.of(report);
        if (!report.other.isEmpty()) {
            user = report.other;
        }
        synchronized (this) {
            state = now;
            settleConnect(now);
        }
        Client.LOG.debug("{}: {}", user, now);
        client.tell(one -> one.onState(now));
        if (now.isConnected()) {
            connects.increment();
            client.watched.forEach(Presence::ask);
            client.tell(ClientListener::onConnected);
        } else if (now.phase() == ConnectionState.Phase.CLOSED) {
            client.tell(one -> one.onClose(now.code(), now.reason()));
        }
    }

    /** Tells those who wait for a connection; those who come later wait for the next. */
    private void settleConnect(ConnectionState now) {
        CompletableFuture<Void> waiting = connected;
        switch (now.phase()) {
            case CONNECTED -> {
                isConnected = true;
                Lane.POOL.execute(() -> waiting.complete(null));
            }
            case CLOSED -> {
                isConnected = false;
                connected = new CompletableFuture<>();
                Lane.POOL.execute(() -> waiting.completeExceptionally(now.closed()));
            }
            default -> {
                connected = isConnected ? new CompletableFuture<>() : waiting;
                isConnected = false;
            }
        }
    }

    private void hearSync(Report report) {
        sync = report.kind == Kind.SYNC
                ? new SyncState(report.first, report.second, report.third, report.fourth != 0)
                : new SyncState(sync.unsaved(), sync.saved(), sync.underWay(), true);
    }

    private void hearParted(Report report) {
        disconnects.increment();
        int code = (int) report.second;
        String reason = report.text;
        if (report.first != 0) {
            Client.LOG.info("{}: disconnected ({}) {}", user, code, reason);
            client.tell(one -> one.onDisconnected(code, reason));
        } else {
            Client.LOG.info("{}: could not connect: {}", user, reason);
            WscException error = new WscException("could not connect: " + reason, code, true, 0, null);
            client.tell(one -> one.onConnectError(error));
        }
    }

    private void hearVolatile(Report report) {
        // They may be dropped where somebody is slow.
        if (client.listeners.isEmpty() || waitingVolatile.get() >= VOLATILE) {
            return;
        }
        waitingVolatile.incrementAndGet();
        client.lane().execute(() -> {
            waitingVolatile.decrementAndGet();
            Message message = MessageCodec.read(report.object, report.payload);
            client.listeners.forEach(listener -> Lane.guarded(() -> listener.onVolatile(message)));
        });
    }

    private void hearGroup(Report report) {
        Map<String, Object> data = JsonValue.fields(JsonValue.object(report.object).get("data"));
        String group = JsonValue.text(data, "group_id");
        String action = JsonValue.text(data, "action");
        String member = JsonValue.text(data, "user_id");
        client.tell(one -> one.onGroupChanged(group, action, member));
    }

    private void hearPresence(Report report) {
        Map<String, Object> data = JsonValue.fields(JsonValue.object(report.object).get("data"));
        List<Map<String, Object>> users = data.containsKey("users") ? JsonValue.objects(data, "users") : List.of(data);
        client.lane().execute(() -> users.forEach(user -> client.watched.forEach(presence -> presence.hear(user))));
    }

    private void hearNotice(Report report) {
        String type = JsonValue.text(JsonValue.object(report.object), "message_type");
        String frame = report.last();
        Client.LOG.info("{}: notice of the hub: {}", user, type);
        client.tell(one -> one.onNotice(type, frame));
    }

    private void fault(String what, int code) {
        Client.LOG.warn("{}: {} ({})", user, what, code);
        WscException error = new WscException(what, code, ErrorCode.isRetryable(code), 0, null);
        client.tell(one -> one.onFault(error));
    }

    private void fetchToken() {
        try {
            if (tokens == null) {
                client.submit(new Order.NoToken());
                return;
            }
            tokens.get().whenComplete((token, error) -> {
                if (error != null) {
                    tokenFailed(error instanceof CompletionException && error.getCause() != null ? error.getCause() : error);
                } else {
                    client.submit(token == null ? new Order.NoToken() : new Order.Token(token));
                }
            });
        } catch (RuntimeException error) {
            tokenFailed(error);
        }
    }

    private void tokenFailed(Throwable error) {
        Client.LOG.warn("{}: the token provider failed, and is asked again later", user, error);
        client.submit(new Order.TokenFailed(error.toString()));
    }
}
