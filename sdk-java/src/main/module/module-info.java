// What of the client other modules may use: the public classes. Compiled for itself, after Kotlin and Java, because the Kotlin compiler
// reads the same sources as the Java compiler and would take it for its own.

/** The wsc client: reliable real-time messaging over one connection that reconnects by itself. */
module io.github.wsc {
    requires transitive kotlin.stdlib;
    requires transitive kotlinx.coroutines.core;
    requires com.fasterxml.jackson.core;
    requires com.sun.jna;
    requires org.slf4j;
    requires static org.jspecify;

    // Only for those who use them.
    requires static micrometer.core;
    requires static spring.beans;
    requires static spring.boot;
    requires static spring.boot.autoconfigure;
    requires static spring.boot.health;
    requires static spring.context;

    exports io.github.wsc;
    exports io.github.wsc.metrics;
    exports io.github.wsc.spring;

    opens io.github.wsc.spring;
    // JNA finds the native functions, and the structures that cross, by reflection.
    opens io.github.wsc.internal.ffi to com.sun.jna;
}
