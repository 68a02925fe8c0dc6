// A client's counters as meters. Counts nothing itself.
package io.github.wsc.metrics;

import io.github.wsc.Client;
import io.github.wsc.Statistics;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.util.function.ToDoubleFunction;

/** A client's numbers as meters of Micrometer, all named {@code wsc.client.…}. */
public final class ClientMetrics {
    private ClientMetrics() {}

    /**
     * Registers the client's meters.
     *
     * @param tags keys and values, such as {@code "client", "orders"}, that tell one client from another
     */
    public static void bind(MeterRegistry registry, Client client, String... tags) {
        Tags all = Tags.of(tags);
        count(registry, client, all, "received", "Messages handed to the application", Statistics::received);
        count(registry, client, all, "gaps", "Gaps handed to the application", Statistics::gaps);
        count(registry, client, all, "sent", "Messages taken into the outbox", Statistics::sent);
        count(registry, client, all, "accepted", "Messages the hub stored", Statistics::accepted);
        count(registry, client, all, "failed", "Messages that ended without being stored", Statistics::failed);
        count(registry, client, all, "connects", "Connections made", Statistics::connects);
        count(registry, client, all, "disconnects", "Connections lost or not made", Statistics::disconnects);
        Gauge.builder("wsc.client.connected", client, one -> one.state().isConnected() ? 1 : 0)
                .description("Whether messages go and come")
                .tags(all)
                .register(registry);
        Gauge.builder("wsc.client.outbox", client, one -> one.sync().saved())
                .description("Messages that wait for the hub")
                .tags(all)
                .register(registry);
    }

    private static void count(
            MeterRegistry registry, Client client, Tags tags, String name, String what, ToDoubleFunction<Statistics> of) {
        FunctionCounter.builder("wsc.client." + name, client, one -> of.applyAsDouble(one.statistics()))
                .description(what)
                .tags(tags)
                .register(registry);
    }
}
