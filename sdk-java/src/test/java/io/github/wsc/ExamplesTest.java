// The doc comments of Client: each public method has an example, and each example is compiled.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class ExamplesTest {
    private static final Pattern COMMENT = Pattern.compile(
            "/\\*\\*((?:(?!\\*/).)*)\\*/\\s+(?:@Override\\s+)?public (?:static |final )*[^=;{]*?\\b(\\w+)(?:\\(| implements)", Pattern.DOTALL);
    private static final Pattern EXAMPLE = Pattern.compile("<pre>\\{@code\\s(.*?)(?: |\n\\s*\\* )}</pre>", Pattern.DOTALL);

    private static String text(String code) {
        return Arrays.stream(code.split("\n")).map(line -> line.replaceFirst("^\\s*\\*( |$)", "").strip())
                .filter(line -> !line.isEmpty()).collect(Collectors.joining("\n"));
    }

    @Test
    void each_method_of_the_client_has_an_example_that_is_compiled() throws IOException {
        String client = Files.readString(Path.of("src/main/java/io/github/wsc/Client.java"));
        String compiled = text(Files.readString(Path.of("src/test/java/io/github/wsc/Examples.java")));
        List<MatchResult> comments = COMMENT.matcher(client).results().toList();
        long methods = Arrays.stream(Client.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()) && !method.isSynthetic())
                .map(Method::getName).filter(name -> !name.equals("toString")).count();
        // The class itself has one, too.
        assertEquals(methods + 1, comments.size());
        for (MatchResult comment : comments) {
            List<String> examples = EXAMPLE.matcher(comment.group(1)).results().map(found -> text(found.group(1))).toList();
            assertEquals(1, examples.size(), "examples of " + comment.group(2));
            assertTrue(compiled.contains(examples.get(0)), "not compiled: the example of " + comment.group(2));
        }
    }
}
