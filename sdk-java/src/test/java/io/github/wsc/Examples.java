// The examples that stand in the doc comments of Client, one method for each: compiled here, and compared by ExamplesTest. Not run.
package io.github.wsc;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;

@SuppressWarnings("unused")
final class Examples {
    private Examples() {}

    static void client() {
        try (Client client = Client.builder(URI.create("ws://127.0.0.1:8080/ws")).user("alice").outbox(Path.of("alice.outbox")).build()) {
            client.inbox().subscribe(message -> System.out.println(message.sender() + ": " + message.content()));
            client.connect().join();
            Receipt receipt = client.send(Message.toUser("bob", "hello")).join();   // it is saved here
            receipt.accepted().join();                                             // the hub stored it
        }
    }

    static void builder(Tokens tokens, ExecutorService executor) {
        Client client = Client.builder(URI.create("wss://a.hub.example"), URI.create("wss://b.hub.example"))
                .tokenProvider(() -> CompletableFuture.supplyAsync(tokens::fetch))
                .outbox(Path.of("alice.outbox"))
                .executor(executor)
                .build();
    }

    static void connect(Client client) {
        client.connect().thenRun(() -> System.out.println("connected as " + client.user()));
    }

    static void network(Client client) {
        client.network(true);   // the phone is back in reach: do not wait for the next attempt
    }

    static void state(Client client) {
        System.out.println(client.state().isConnected() ? "connected" : "next attempt at " + client.state().retryAt());
    }

    static void sync(Client client) {
        System.out.println(client.sync().saved() + " messages wait for the hub");
    }

    static void user(Client client, Message message) {
        boolean own = message.sender().equals(client.user());
    }

    static void device(Client client) {
        System.out.println("this is device " + client.device());
    }

    static void pending(Client client) {
        client.pending().forEach(message -> System.out.println("not sent yet: " + message.content()));
    }

    static void statistics(Client client) {
        System.out.println(client.statistics().received() + " received");
    }

    static void listen(Client client, ClientListener listener) {
        Subscription subscription = client.listen(listener);
        subscription.close();   // no more calls
    }

    static void close(Client client) {
        Runtime.getRuntime().addShutdownHook(new Thread(client::close));
    }

    static void closeAsync(Client client, Client other) {
        CompletableFuture.allOf(client.closeAsync(), other.closeAsync()).join();
    }

    static void send(Client client) throws IOException {
        Message photo = Message.to("user:bob").type(MessageType.IMAGE).payload(Files.readAllBytes(Path.of("cat.png"))).receipts().build();
        client.send(photo).thenCompose(Receipt::read).thenRun(() -> System.out.println("bob has seen it"));
    }

    static void sendText(Client client) {
        client.send("group:team", "hello all").thenCompose(Receipt::accepted)
                .whenComplete((accepted, error) -> System.out.println(error == null ? "stored" : error.getMessage()));
    }

    static void cancel(Client client, Receipt receipt) {
        client.cancel(receipt);
        receipt.accepted().whenComplete((accepted, error) -> System.out.println(error == null ? "too late" : "cancelled"));
    }

    static void typing(Client client) {
        client.typing("user:bob");
    }

    static void inbox(Client client) {
        Subscription subscription = client.inbox().subscribe(message -> System.out.println(message.content()));
    }

    static void broadcast(Client client) {
        client.broadcast().subscribe(message -> System.out.println("to all: " + message.content()));
    }

    static void group(Client client) {
        Group team = client.group("team");
        team.join().thenCompose(joined -> team.send("hello team"));
    }

    static void subscribe(Client client) {
        client.subscribe(delivery -> System.out.println(delivery instanceof Gap gap ? "missed " + gap : delivery));
    }

    static void acknowledge(Client client, Orders orders) {
        client.inbox().subscribe(message -> orders.store(message).thenRun(() -> client.acknowledge(message)));
    }

    static void markReadPosition(Client client, Conversation conversation) {
        client.markRead(conversation.name(), conversation.last());
    }

    static void markRead(Client client) {
        client.inbox().subscribe(message -> client.markRead(message));
    }

    static void conversations(Client client) {
        client.conversations().subscribe(list -> System.out.println(list.unread() + " unread messages"));
    }

    static void unread(Client client) {
        client.unread().thenAccept(unread -> System.out.println(unread + " unread messages"));
    }

    static void receipts(Client client, Receipt receipt) {
        client.receipts(List.of(receipt.messageId())).thenAccept(states -> System.out.println(states.get(0).stage()));
    }

    static void presence(Client client) {
        client.presence(List.of("bob", "carol")).subscribe((user, status) -> System.out.println(user + " is " + status));
    }

    static void setStatus(Client client) {
        client.setStatus(UserStatus.BUSY);
    }

    static void request(Client client) {
        client.request("{\"message_type\":\"health_check\"}").thenAccept(answer -> System.out.println(answer.frame()));
    }

    interface Tokens {
        String fetch();
    }

    interface Orders {
        CompletableFuture<Void> store(Message message);
    }
}
