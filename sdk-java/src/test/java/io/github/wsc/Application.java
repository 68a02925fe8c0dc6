// An application that writes down what happens to it. As a process of its own it sends until it is done, or killed.
package io.github.wsc;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

final class Application implements MessageListener {
    final Client client;
    final AtomicInteger got = new AtomicInteger();
    final Map<String, Integer> gotOf = new ConcurrentHashMap<>();
    private final History history;
    private final String user;
    private final ObjectNode device;

    Application(History history, ClientBuilder settings, String user, int life) {
        this.history = history;
        this.user = user;
        client = settings.user(user).build();
        device = History.JSON.createObjectNode().put("tenant", "t").put("user", user).put("device", client.device());
        history.note(of("started").put("life", life));
        client.listen(this);
        client.connect();
    }

    ObjectNode of(String what) {
        ObjectNode fact = History.fact(what);
        fact.set("device", device);
        return fact;
    }

    @Override
    public void onConnected() {
        history.note(of("connected"));
    }

    @Override
    public void onTextMessageReceived(Message message) {
        got.incrementAndGet();
        gotOf.merge(message.stream(), 1, Integer::sum);
        if (!message.type().equals(MessageType.READ)) {
            history.note(of("handed").put("stream", message.stream()).put("seq", message.position()).put("message_id", message.id())
                    .put("sender", message.sender()).put("sender_device", message.senderDevice()).put("digest", digest(message)));
        }
    }

    @Override
    public void onGap(Gap gap) {
        history.note(of("missed").put("stream", gap.stream()).put("from", gap.from()).put("to", gap.to()).put("reason", gap.reason()));
    }

    @Override
    public void onMessageSent(String messageId, Accepted accepted) {
        if (messageId.startsWith(user + "-")) {
            ObjectNode fact = of("settled").put("message_id", messageId);
            fact.putObject("outcome").putObject("accepted").put("stream", accepted.stream()).put("seq", accepted.position());
            history.note(fact);
        }
    }

    @Override
    public void onSendError(String messageId, WscException error) {
        if (messageId.startsWith(user + "-") && error instanceof ReceiptException receipt) {
            ObjectNode fact = of("settled").put("message_id", messageId);
            switch (receipt.fault()) {
                case REFUSED -> fact.putObject("outcome").put("refused", receipt.getMessage());
                case UNKNOWN -> fact.put("outcome", "unknown");
                case EXPIRED -> fact.put("outcome", "expired");
                default -> {
                    return;
                }
            }
            history.note(fact);
        }
    }

    @Override
    public void onUnread(String stream, long from, long to) {
        throw new IllegalStateException("unread: " + stream);
    }

    private static String digest(Message message) {
        byte[] payload = message.payload();
        return message.type() + " " + message.content() + " " + (payload == null ? 0 : payload.length);
    }

    /** Sends numbered messages, so many waiting for the outbox at a time. */
    void send(String conversation, int first, int last, int flight) throws InterruptedException {
        Semaphore places = new Semaphore(flight);
        for (int number = first; number <= last; number++) {
            places.acquire();
            Message message = Message.to(conversation).id(user + "-" + number).content("number " + number).build();
            ObjectNode fact = of("sending").put("number", number).put("message_id", message.id()).put("digest", digest(message));
            String[] parts = conversation.split(":", 2);
            fact.putObject("target").put(parts[0], parts[1]);
            history.note(fact);
            client.send(message).whenComplete((receipt, error) -> {
                history.note(error == null
                        ? of("taken").put("message_id", message.id())
                        : of("declined").put("message_id", message.id()).put("why", error.toString()));
                places.release();
            });
        }
        places.acquire(flight);
    }

    /** Waits until nothing is unsettled and everything was read. */
    void quiet() throws InterruptedException {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        // Twice, a while apart: what was accepted elsewhere is on its way.
        for (int calm = 0; calm < 3; ) {
            if (System.nanoTime() > until) {
                throw new IllegalStateException(user + " does not come to rest: " + client.sync() + " " + client.state());
            }
            SyncState sync = client.sync();
            int before = got.get();
            Thread.sleep(200);
            boolean rests = sync.saved() == 0 && sync.unsaved() == 0 && sync.caughtUp() && client.state().isConnected();
            calm = rests && got.get() == before ? calm + 1 : 0;
        }
        history.note(of("quiet"));
    }

    void killed() {
        history.note(of("killed"));
    }

    /** {@code url user peer folder life first last}: sends to the peer; says so when it is done, and goes on reading. */
    public static void main(String[] words) throws IOException, InterruptedException {
        Path folder = Path.of(words[3]);
        String user = words[1];
        int life = Integer.parseInt(words[4]);
        History history = new History(folder.resolve(user + "-" + life + ".jsonl"));
        ClientBuilder settings = Client.builder(URI.create(words[0])).outbox(folder.resolve(user + ".outbox"));
        Application application = new Application(history, settings, user, life);
        System.out.println(application.client.device());
        application.send("user:" + words[2], Integer.parseInt(words[5]), Integer.parseInt(words[6]), 4);
        System.out.println("sent");
        if (System.in.read() >= 0) {
            application.quiet();
            System.out.println("quiet");
        }
    }
}
