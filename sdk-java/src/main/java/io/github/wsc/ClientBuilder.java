// The settings of a client.
package io.github.wsc;

import io.github.wsc.internal.ffi.Settings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The settings of a client, see {@link Client#builder}. */
public final class ClientBuilder {
    private static final String NAME = "wsc-java/" + Tables.VERSION;

    private final URI address;
    String user = "";
    Acknowledge acknowledge = Acknowledge.AUTOMATIC;
    @Nullable Executor executor;
    @Nullable Supplier<? extends CompletionStage<String>> tokens;
    final List<ClientListener> listeners = new ArrayList<>();
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

    ClientBuilder(URI address) {
        this.address = address;
    }

    /** A token (JWT) that does not change. */
    public ClientBuilder token(String token) {
        this.token = token;
        return this;
    }

    /**
     * Where tokens come from: asked at connect, before one ends, and when the hub refuses one. What fails is tried again with
     * growing waits; an empty token, or null, means that there will be none, and the client closes.
     */
    public ClientBuilder tokenProvider(Supplier<? extends CompletionStage<String>> provider) {
        tokens = provider;
        return this;
    }

    /** Who to be where the hub runs without authentication (development). */
    public ClientBuilder user(String user) {
        this.user = user;
        return this;
    }

    /** The user's type, without authentication. */
    public ClientBuilder userType(String userType) {
        this.userType = userType;
        return this;
    }

    /** The application, without authentication. */
    public ClientBuilder app(String app) {
        this.app = app;
        return this;
    }

    /** The namespace (tenant), without authentication. */
    public ClientBuilder namespace(String namespace) {
        this.namespace = namespace;
        return this;
    }

    /** Groups to join at connect, without authentication. */
    public ClientBuilder groupsToJoin(Collection<String> groups) {
        groupsToJoin = List.copyOf(groups);
        return this;
    }

    /**
     * This installation's id: the same at every start. Unless told, an outbox file makes and keeps one; in memory the client is a
     * passing device, which begins at the newest messages and leaves nothing.
     */
    public ClientBuilder device(String device) {
        this.device = device;
        return this;
    }

    /**
     * Keeps unsettled sends, places in the streams and the device's id in a file: they survive the process. One client at a time
     * uses it. Unless told, all of it is in memory.
     */
    public ClientBuilder outbox(Path file) {
        outbox = file.toString();
        return this;
    }

    /** Unsettled sends kept at most, by number and by bytes; 10,000 and 16 MiB unless told. */
    public ClientBuilder outboxLimits(int count, long bytes) {
        if (count < 1 || bytes < 1) {
            throw new IllegalArgumentException("an outbox holds one message and one byte at least");
        }
        outboxCount = count;
        outboxBytes = bytes;
        return this;
    }

    /** Which of the user's groups to read; all unless told. */
    public ClientBuilder groups(Collection<String> groups) {
        this.groups = List.copyOf(groups);
        return this;
    }

    /** A new device begins at the newest message of each stream, not at the user's first. */
    public ClientBuilder startAtHead() {
        startAtHead = true;
        return this;
    }

    /** When a message counts as handed over; {@link Acknowledge#AUTOMATIC} unless told. */
    public ClientBuilder acknowledge(Acknowledge acknowledge) {
        this.acknowledge = acknowledge;
        return this;
    }

    /** Authorities that are trusted for {@code wss} beside the usual ones: the text of a PEM file with their certificates. */
    public ClientBuilder authorities(String pem) {
        if (!pem.contains("-----BEGIN CERTIFICATE-----")) {
            throw new IllegalArgumentException("authorities: there is no certificate in it; give the text of a PEM file");
        }
        authorities = pem;
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

    /** Where callbacks run, one at a time for each client; unless told, in daemon threads that all clients share. */
    public ClientBuilder executor(Executor executor) {
        this.executor = executor;
        return this;
    }

    /** Adds a listener; a {@link MessageListener} also takes the messages of all streams. */
    public ClientBuilder listener(ClientListener listener) {
        listeners.add(listener);
        return this;
    }

    /** The client's name and version, told to the hub. */
    public ClientBuilder name(String name) {
        this.name = name;
        return this;
    }

    /**
     * The client, which does not connect yet, so that streams can be read from the first message on.
     *
     * @throws IllegalArgumentException if the address is no {@code ws://} or {@code wss://}
     * @throws StorageException if the outbox file cannot be used
     * @throws WscException if there is no native library for this machine
     */
    public Client build() {
        return new Client(this);
    }

    Settings settings() {
        return new Settings(
                address.toString(), name, token, tokens != null, user, userType, app, namespace, groupsToJoin, device, outbox,
                outboxCount, outboxBytes, groups, startAtHead, authorities);
    }
}
