// The settings of a client.
package io.github.wsc;

import io.github.wsc.internal.MessageFields;
import io.github.wsc.internal.Session;
import io.github.wsc.internal.Tables;
import io.github.wsc.internal.Texts;
import io.github.wsc.internal.ffi.Settings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The settings of a client, see {@link Client#builder}. */
public final class ClientBuilder {
    private static final String NAME = "wsc-java/" + Tables.VERSION;

    private final List<String> addresses;
    private String user = "";
    private Acknowledge acknowledge = Acknowledge.AUTOMATIC;
    private @Nullable Executor executor;
    private @Nullable Supplier<? extends CompletionStage<@Nullable String>> tokens;
    private final List<ClientListener> listeners = new ArrayList<>();
    private String name = NAME;
    private String token = "";
    private String userType = "";
    private String app = "";
    private String namespace = "";
    private List<String> groupsToJoin = List.of();
    private String device = "";
    private String outbox = "";
    private int outboxCount;
    private long outboxBytes;
    private @Nullable List<String> groups;
    private boolean startAtHead;
    private String authorities = "";

    ClientBuilder(URI... addresses) {
        this.addresses = Arrays.stream(addresses).map(URI::toString).toList();
    }

    /** A token (JWT) that does not change. */
    public ClientBuilder token(String token) {
        this.token = Texts.name("token", token);
        return this;
    }

    /**
     * Where tokens come from: asked at connect, before a token expires, and when the hub refuses one.
     *
     * <p>A stage that completes with {@code null} says that there is no token, and the client closes. Everything else that is not a token is
     * told to {@link ClientListener#onFault} and asked for again, with growing waits: a provider that throws or returns no stage, a stage
     * that fails, a text that is empty or not a JWT, such as the error page of a proxy. The provider runs in a thread of the library: it
     * must not wait for long.
     */
    public ClientBuilder tokenProvider(Supplier<? extends CompletionStage<@Nullable String>> provider) {
        tokens = provider;
        return this;
    }

    /** The user id to connect as, only on a hub without authentication (development). */
    public ClientBuilder user(String user) {
        this.user = Texts.name("user", user);
        return this;
    }

    /** The user's type, only on a hub without authentication. */
    public ClientBuilder userType(String userType) {
        this.userType = Texts.name("userType", userType);
        return this;
    }

    /** The application, only on a hub without authentication. */
    public ClientBuilder app(String app) {
        this.app = Texts.name("app", app);
        return this;
    }

    /** The namespace (tenant), only on a hub without authentication. */
    public ClientBuilder namespace(String namespace) {
        this.namespace = Texts.name("namespace", namespace);
        return this;
    }

    /** Groups to join at connect, only on a hub without authentication. */
    public ClientBuilder groupsToJoin(Collection<String> groups) {
        groupsToJoin = Texts.names("a group", List.copyOf(groups));
        return this;
    }

    /**
     * This installation's id: the same at every start. Without it, an outbox file makes and keeps one; without a file the client is an
     * ephemeral device, which begins at the newest messages and leaves nothing at the hub.
     */
    public ClientBuilder device(String device) {
        this.device = Texts.name("device", device);
        return this;
    }

    /**
     * Keeps unsettled sends, positions in the streams and the device's id in a file: they survive the process. One client at a time
     * uses it. Without it, all of this is in memory.
     */
    public ClientBuilder outbox(Path file) {
        outbox = Texts.name("the outbox file", file.toString());
        return this;
    }

    /** Maximum of unsettled sends, by number and by bytes; default 10,000 and 16 MiB. */
    public ClientBuilder outboxLimits(int count, long bytes) {
        if (count < 1 || bytes < 1) {
            throw new IllegalArgumentException("the limits of an outbox are at least one message and one byte");
        }
        outboxCount = count;
        outboxBytes = bytes;
        return this;
    }

    /** Which of the user's groups to read; default: all. */
    public ClientBuilder groups(Collection<String> groups) {
        this.groups = Texts.names("a group", List.copyOf(groups));
        return this;
    }

    /** A new device begins at the newest message of each stream, not at the user's first. */
    public ClientBuilder startAtHead() {
        startAtHead = true;
        return this;
    }

    /** When a message counts as handed over; default: {@link Acknowledge#AUTOMATIC}. */
    public ClientBuilder acknowledge(Acknowledge acknowledge) {
        this.acknowledge = acknowledge;
        return this;
    }

    /** Authorities that are trusted for {@code wss} beside the usual ones: the text of a PEM file with their certificates. */
    public ClientBuilder authorities(String pem) {
        if (!pem.contains("-----BEGIN CERTIFICATE-----")) {
            throw new IllegalArgumentException("authorities: the text has no certificate; give the text of a PEM file");
        }
        authorities = Texts.name("authorities", pem);
        return this;
    }

    /**
     * The same from a PEM file, which is read now.
     *
     * @throws UncheckedIOException if it cannot be read
     */
    public ClientBuilder authorities(Path pem) {
        try {
            return authorities(Files.readString(pem));
        } catch (IOException error) {
            throw new UncheckedIOException("authorities: " + pem + " cannot be read", error);
        }
    }

    /**
     * Where callbacks run, one at a time for each client; default: in daemon threads that all clients share.
     *
     * <p>A task that the executor rejects, or loses because it was shut down, runs in those threads instead. An executor that drops tasks
     * silently stops the callbacks; one that runs tasks in the thread that calls it ({@code Runnable::run}) makes all clients wait for
     * the callback.
     */
    public ClientBuilder executor(Executor executor) {
        this.executor = executor;
        return this;
    }

    /** Adds a listener; a {@link MessageListener} also takes the messages of all streams. */
    public ClientBuilder listener(ClientListener listener) {
        listeners.add(listener);
        return this;
    }

    /** The client's name and version, as the hub logs it. */
    public ClientBuilder name(String name) {
        this.name = Texts.name("name", name);
        return this;
    }

    /**
     * The client, which does not connect yet, so that streams can be read from the first message on.
     *
     * @throws IllegalArgumentException if there is no address, one is not {@code ws://} or {@code wss://}, or another setting is not valid
     * @throws StorageException if the outbox file cannot be used
     * @throws WscException if there is no native library for this machine
     */
    public Client build() {
        return new Client(this);
    }

    List<ClientListener> listeners() {
        return listeners;
    }

    Session.Options options(Function<MessageFields, Message> messages) {
        Settings settings = new Settings(
                addresses, name, token, tokens != null, user, userType, app, namespace, groupsToJoin, device, outbox,
                outboxCount, outboxBytes, groups, startAtHead, authorities);
        return new Session.Options(settings, acknowledge == Acknowledge.AUTOMATIC, executor, tokens, messages);
    }
}
