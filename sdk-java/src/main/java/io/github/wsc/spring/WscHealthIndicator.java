// Whether the client is connected, for the application's health.
package io.github.wsc.spring;

import io.github.wsc.Client;
import io.github.wsc.ConnectionState;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;

/** Up while connected, out of service while closed for good, down otherwise. */
final class WscHealthIndicator implements HealthIndicator {
    private final Client client;

    WscHealthIndicator(Client client) {
        this.client = client;
    }

    @Override
    public Health health() {
        ConnectionState state = client.state();
        Health.Builder health = switch (state.phase()) {
            case CONNECTED -> Health.up();
            case CLOSED -> Health.outOfService().withDetail("code", state.code()).withDetail("reason", state.reason());
            default -> Health.down();
        };
        return health.withDetail("state", state.phase()).withDetail("outbox", client.sync().saved()).build();
    }
}
