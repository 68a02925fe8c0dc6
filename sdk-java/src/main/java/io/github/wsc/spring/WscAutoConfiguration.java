// What an application of Spring Boot gets when it sets wsc.url.
package io.github.wsc.spring;

import io.github.wsc.Client;
import io.github.wsc.ClientBuilder;
import io.github.wsc.metrics.ClientMetrics;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import org.springframework.beans.factory.BeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * A {@link Client} as a bean, connected with the application; messages, gaps and states as events ({@code @EventListener});
 * health and metrics where Spring's are there. Everything is left alone without {@code wsc.url}, or where there is a client.
 */
@AutoConfiguration
@ConditionalOnProperty("wsc.url")
@EnableConfigurationProperties(WscProperties.class)
public class WscAutoConfiguration {
    /** Made by Spring. */
    public WscAutoConfiguration() {}

    /** The application's client. */
    @Bean(destroyMethod = "close")
    @ConditionalOnMissingBean
    Client wscClient(WscProperties settings, BeanFactory beans, ObjectProvider<TokenProvider> tokens) {
        ClientBuilder builder = Client.builder(settings.url())
                .user(settings.user())
                .userType(settings.userType())
                .app(settings.app())
                .namespace(settings.namespace())
                .token(settings.token())
                .device(settings.device())
                .acknowledge(settings.acknowledge());
        if (settings.outbox() != null) {
            builder.outbox(settings.outbox());
        }
        if (settings.authorities() != null) {
            builder.authorities(settings.authorities());
        }
        TokenProvider provider = settings.tokenProvider().isEmpty()
                ? tokens.getIfUnique()
                : beans.getBean(settings.tokenProvider(), TokenProvider.class);
        if (provider != null) {
            builder.tokenProvider(provider);
        }
        return builder.build();
    }

    @Bean
    WscLifecycle wscLifecycle(Client client, ApplicationEventPublisher events, WscProperties settings) {
        return new WscLifecycle(client, events, settings.events());
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(HealthIndicator.class)
    static class Healthy {
        @Bean
        @ConditionalOnMissingBean(name = "wscHealthIndicator")
        WscHealthIndicator wscHealthIndicator(Client client) {
            return new WscHealthIndicator(client);
        }
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(MeterRegistry.class)
    static class Measured {
        @Bean
        @ConditionalOnMissingBean(name = "wscMetrics")
        MeterBinder wscMetrics(Client client) {
            return registry -> ClientMetrics.bind(registry, client);
        }
    }
}
