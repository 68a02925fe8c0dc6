// Several addresses, with real hubs behind them that are killed.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class AddressesTest {
    /** An address that nobody listens on. */
    static URI nobody() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return URI.create("ws://127.0.0.1:" + socket.getLocalPort());
        }
    }

    private static void send(Client client) throws Exception {
        client.send(Message.toUser("bob", "hello")).get(10, TimeUnit.SECONDS).accepted().get(10, TimeUnit.SECONDS);
    }

    @Test
    void a_client_goes_on_at_another_hub_when_its_own_is_killed() throws Exception {
        String[] options = {"--store", "memory", "--listen", "127.0.0.1:0"};
        try (Hub first = Hub.start(options);
                Hub second = Hub.start(options);
                Client alice = Client.builder(nobody(), first.url, URI.create("http://" + second.listen())).user("alice").device("d").build()) {
            alice.connect().get(5, TimeUnit.SECONDS);
            send(alice);
            first.kill();
            send(alice);
            // It is at the second, wherever it was before.
            try (Hub again = Hub.start("--store", "memory", "--listen", first.listen())) {
                second.kill();
                send(alice);
                assertTrue(alice.state().isConnected());
            }
        }
    }

    @Test
    void a_wrong_address_among_several_is_named() {
        URI good = URI.create("ws://127.0.0.1:1");
        ClientBuilder wrong = Client.builder(good, URI.create("ftp://hub")).user("alice");
        assertTrue(assertThrows(IllegalArgumentException.class, wrong::build).getMessage().contains("`ftp://hub` is not a valid address"));
        ClientBuilder none = Client.builder().user("alice");
        assertTrue(assertThrows(IllegalArgumentException.class, none::build).getMessage().contains("no address of a hub is given"));
        try (Client twice = Client.builder(good, good).user("alice").build()) {
            assertFalse(twice.state().isConnected());
        }
    }
}
