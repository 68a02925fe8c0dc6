// Connects when the application has started and closes when it stops; messages become events.
package io.github.wsc.spring;

import io.github.wsc.Client;
import io.github.wsc.ClientListener;
import io.github.wsc.ConnectionState;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.SmartLifecycle;

/** Begins with the application, when all who listen are there, and ends with it. */
final class WscLifecycle implements SmartLifecycle {
    private final Client client;
    private final ApplicationEventPublisher events;
    private final boolean publishes;
    private volatile boolean running;

    WscLifecycle(Client client, ApplicationEventPublisher events, boolean publishes) {
        this.client = client;
        this.events = events;
        this.publishes = publishes;
    }

    @Override
    public void start() {
        running = true;
        if (publishes) {
            client.listen(new ClientListener() {
                @Override
                public void onState(ConnectionState state) {
                    events.publishEvent(state);
                }
            });
            client.subscribe(events::publishEvent);
        }
        // The application starts also while the hub is down: the health indicator says so.
        client.connect();
    }

    @Override
    public void stop() {
        running = false;
        client.close();
    }

    @Override
    public boolean isRunning() {
        return running;
    }
}
