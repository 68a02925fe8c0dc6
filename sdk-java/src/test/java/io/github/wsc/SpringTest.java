// An application of Spring Boot with nothing but wsc.url, against the real hub.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.github.wsc.spring.TokenProvider;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.health.contributor.Status;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;

class SpringTest {
    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class Sample {
        final BlockingQueue<Message> messages = new LinkedBlockingQueue<>();
        final BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();

        @EventListener
        void on(Message message) {
            messages.add(message);
        }

        @EventListener
        void on(ConnectionState state) {
            states.add(state);
        }
    }

    /** With a bean that has tokens. */
    @Configuration(proxyBeanMethods = false)
    static class Guarded extends Sample {
        final AtomicInteger asked = new AtomicInteger();

        @Bean
        TokenProvider tokens() {
            return () -> {
                asked.incrementAndGet();
                return CompletableFuture.completedFuture(null);
            };
        }
    }

    private static ConfigurableApplicationContext run(Class<?> sample, String... properties) {
        return new SpringApplicationBuilder(sample).web(WebApplicationType.NONE).properties("spring.main.banner-mode=off")
                .properties(properties).run();
    }

    @Test
    void a_sample_application_boots_receives_events_and_tells_its_health_and_numbers() throws Exception {
        try (Hub hub = Hub.start();
                Client alice = Client.builder(hub.url).user("alice").build();
                ConfigurableApplicationContext context =
                        run(Sample.class, "wsc.url=" + AddressesTest.nobody() + ", " + hub.url, "wsc.user=robot", "wsc.device=d")) {
            Client client = context.getBean(Client.class);
            client.connect().get(10, TimeUnit.SECONDS);
            alice.connect().get(10, TimeUnit.SECONDS);
            Receipt receipt = alice.send(Message.to("user:robot").content("hello").receipts().build()).get(10, TimeUnit.SECONDS);
            Message got = context.getBean(Sample.class).messages.poll(10, TimeUnit.SECONDS);
            assertNotNull(got);
            assertEquals("hello", got.content());
            receipt.delivered().get(10, TimeUnit.SECONDS);
            assertEquals(Status.UP, context.getBean("wscHealthIndicator", HealthIndicator.class).health().getStatus());
            MeterRegistry registry = new SimpleMeterRegistry();
            context.getBean("wscMetrics", MeterBinder.class).bindTo(registry);
            assertEquals(1, registry.get("wsc.client.received").functionCounter().count());
            assertEquals(1, registry.get("wsc.client.connected").gauge().value());
            hub.kill();
            WithHub.eventually(() -> context.getBean("wscHealthIndicator", HealthIndicator.class).health().getStatus().equals(Status.DOWN));
            context.close();
            assertEquals(ConnectionState.Phase.CLOSED, client.state().phase());
        }
    }

    @Test
    void an_authority_of_ones_own_is_a_file_of_the_settings() throws Exception {
        Path files = Path.of("..", "tests", "tls");
        try (Hub hub = Hub.start();
                TlsFront front = new TlsFront(files, hub.url);
                ConfigurableApplicationContext context = run(
                        Sample.class, "wsc.url=" + front.url(), "wsc.user=robot", "wsc.device=d",
                        "wsc.authorities=" + files.resolve("authority.pem"))) {
            context.getBean(Client.class).connect().get(10, TimeUnit.SECONDS);
        }
    }

    @Test
    void a_bean_that_has_tokens_is_asked_and_without_an_address_there_is_no_client() throws Exception {
        try (Hub hub = Hub.start();
                ConfigurableApplicationContext context = run(Guarded.class, "wsc.url=" + hub.url)) {
            WithHub.eventually(() -> context.getBean(Guarded.class).asked.get() > 0);
            Client client = context.getBean(Client.class);
            WithHub.eventually(() -> client.state().phase() == ConnectionState.Phase.CLOSED);
            assertEquals(1, client.state().code());
            assertEquals(Status.OUT_OF_SERVICE, context.getBean("wscHealthIndicator", HealthIndicator.class).health().getStatus());
            WithHub.eventually(() -> context.getBean(Guarded.class).states.contains(client.state()));
        }
        try (ConfigurableApplicationContext context = run(Sample.class)) {
            assertTrue(context.getBeansOfType(Client.class).isEmpty());
        }
    }
}
