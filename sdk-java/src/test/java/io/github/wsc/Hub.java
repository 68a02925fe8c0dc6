// The real hub for tests: a process of its own, which ends with the test.
package io.github.wsc;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

final class Hub implements AutoCloseable {
    static final Path TARGET = Path.of(System.getProperty("cargo.target", System.getenv().getOrDefault("CARGO_TARGET_DIR", "target")));

    private final Process process;
    private Path secret;
    final URI url;

    private Hub(Process process, URI url) {
        this.process = process;
        this.url = url;
    }

    /** One that keeps everything in memory, at a free port. */
    static Hub start() throws IOException {
        return start("--store", "memory", "--listen", "127.0.0.1:0", "--set", "limits.sends=0", "--set", "limits.send_bytes=0",
                "--set", "limits.connects_per_address=0", "--set", "limits.pending_per_address=100000");
    }

    static Hub start(String... options) throws IOException {
        List<String> words = new ArrayList<>(List.of(TARGET.resolve("release/wsc").toString(), "serve"));
        words.addAll(List.of(options));
        Process process = new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = out.readLine();
        if (line == null) {
            throw new IOException("the hub ended at once: " + String.join(" ", words));
        }
        return new Hub(process, URI.create(line.replace("listening on http", "ws")));
    }

    /** One that asks for tokens, see {@link #token}. */
    static Hub guarded(Path folder) throws IOException {
        Path secret = folder.resolve("secret");
        Files.writeString(secret, "0123456789abcdef0123456789abcdef0123456789abcdef");
        Hub hub = start("--store", "memory", "--listen", "127.0.0.1:0", "--secret-file", secret.toString());
        hub.secret = secret;
        return hub;
    }

    /** A token that a guarded hub takes. */
    String token(String user) {
        try {
            Process made = new ProcessBuilder(
                    TARGET.resolve("release/wsc").toString(), "token", "--user", user, "--secret-file", String.valueOf(secret)).start();
            return new String(made.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /** Where it listens, to start another there. */
    String listen() {
        return "127.0.0.1:" + url.getPort();
    }

    /** Ends it as a power cut would. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
            throw new IllegalStateException("the hub does not die");
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
