// What happened, one fact a line, as tests/src/history reads it: the checker of the whole project judges. Facts are in the file when
// `note` returns, so that a killed process leaves them.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

final class History {
    static final ObjectMapper JSON = new ObjectMapper();

    private final OutputStream file;
    private long last;

    History(Path file) throws IOException {
        this.file = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    static ObjectNode fact(String what) {
        return JSON.createObjectNode().put("what", what);
    }

    void note(String what) {
        note(fact(what));
    }

    synchronized void note(ObjectNode fact) {
        Instant now = Instant.now();
        last = Math.max(last + 1, now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000);
        ObjectNode event = JSON.createObjectNode().put("at", last);
        event.set("fact", fact);
        try {
            file.write((event + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /** The checker's word on all that the files of a folder say; fails unless it is clean. */
    static String judge(Path folder) throws IOException, InterruptedException {
        List<String> lines = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".jsonl")).toList()) {
                // The last line of a process that was killed may be torn.
                Files.readAllLines(file).stream().filter(line -> line.endsWith("}")).forEach(lines::add);
            }
        }
        record Line(long at, String text) {}
        List<Line> sorted = new ArrayList<>();
        for (String line : lines) {
            JsonNode event = JSON.readTree(line);
            sorted.add(new Line(event.get("at").asLong(), line));
        }
        sorted.sort(Comparator.comparingLong(Line::at));
        Path whole = folder.resolve("history");
        Files.write(whole, sorted.stream().map(Line::text).toList());
        Process judge = new ProcessBuilder(Hub.TARGET.resolve("release/judge").toString(), whole.toString())
                .redirectErrorStream(true).start();
        String word = new String(judge.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(judge.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, judge.exitValue(), word);
        System.out.print("judge: " + word);
        return word;
    }
}
