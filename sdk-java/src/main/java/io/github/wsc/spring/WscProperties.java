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
 * @param url the hub's address; without it there is no client
 * @param user who to be where the hub runs without authentication
 * @param userType the user's type, without authentication
 * @param app the application, without authentication
 * @param namespace the namespace, without authentication
 * @param token a token that does not change
 * @param tokenProvider the name of the {@link TokenProvider} bean, where there are several
 * @param device this installation's id
 * @param outbox the file that keeps what is unsent, and places
 * @param authorities a PEM file with authorities that are trusted beside the usual ones
 * @param acknowledge when a message counts as handed over
 * @param events whether messages, gaps and states are published as events of the application
 */
@ConfigurationProperties("wsc")
public record WscProperties(
        URI url,
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
