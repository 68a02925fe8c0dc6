// The settings wsc.* of an application.
package io.github.wsc.spring;

import io.github.wsc.Acknowledge;
import java.net.URI;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * The settings of the application's client; each is explained at its namesake in {@link io.github.wsc.ClientBuilder}.
 *
 * @param url the hub's address, or several, separated by commas; without it no client is made
 * @param user the user id to connect as, only on a hub without authentication
 * @param userType the user's type, only on a hub without authentication
 * @param app the application, only on a hub without authentication
 * @param namespace the namespace, only on a hub without authentication
 * @param token a token that does not change
 * @param tokenProvider the name of the {@link TokenProvider} bean, where there are several
 * @param device this installation's id
 * @param outbox the file that keeps unsent messages and positions
 * @param authorities a PEM file with authorities that are trusted beside the usual ones
 * @param acknowledge when a message counts as handed over
 * @param events whether messages, gaps and states are published as events of the application
 */
@ConfigurationProperties("wsc")
public record WscProperties(
        URI[] url,
        @DefaultValue("") String user,
        @DefaultValue("") String userType,
        @DefaultValue("") String app,
        @DefaultValue("") String namespace,
        @DefaultValue("") String token,
        @DefaultValue("") String tokenProvider,
        @DefaultValue("") String device,
        @Nullable Path outbox,
        @Nullable Path authorities,
        @DefaultValue("AUTOMATIC") Acknowledge acknowledge,
        @DefaultValue("true") boolean events) {}
