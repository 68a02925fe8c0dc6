// The source of tokens of a Spring application.
package io.github.wsc.spring;

import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Where tokens come from: a bean of this type is asked as {@link io.github.wsc.ClientBuilder#tokenProvider} says. */
@FunctionalInterface
public interface TokenProvider extends Supplier<CompletionStage<@Nullable String>> {}
