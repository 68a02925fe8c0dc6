/** Numbers of a client for Micrometer. Needs {@code micrometer-core}. */
@NullMarked
package io.github.wsc.metrics;

import org.jspecify.annotations.NullMarked;
