// How fast the client is beside a bare WebSocket (Java-WebSocket) that speaks the same frames by hand, over the same hub. A program,
// no test: sdk-java/README.md has the command. The bare socket keeps nothing, resumes nothing and checks nothing.
package io.github.wsc;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import io.github.wsc.internal.JsonValue;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.java_websocket.client.WebSocketClient;
import org.java_websocket.drafts.Draft_6455;
import org.java_websocket.handshake.ServerHandshake;
import org.java_websocket.protocols.Protocol;

public final class Speed {
    private static final int WINDOW = 1_024;
    /** Rounds in which the virtual machine learns, not counted. */
    private static final int WARM = 3;

    private record Run(double perSecond, double processorUs) {}

    private interface Measured {
        void run() throws Exception;
    }

    private Speed() {}

    public static void main(String[] words) throws Exception {
        int messages = words.length > 0 ? Integer.parseInt(words[0]) : 200_000;
        int rounds = words.length > 1 ? Integer.parseInt(words[1]) : 5;
        System.out.printf("%d messages, the median of %d rounds, %d processors%n", messages, rounds, Runtime.getRuntime().availableProcessors());
        try (Hub hub = Hub.start("--store", "memory", "--listen", "127.0.0.1:0", "--set", "limits.sends=0", "--set",
                "limits.send_bytes=0", "--set", "retention.group=10000000", "--set", "retention.inbox=10000000")) {
            for (int size : new int[] {100, 1_000}) {
                String group = "g" + size;
                fill(hub.url, group, size, messages);
                List<Run> client = new ArrayList<>();
                List<Run> bare = new ArrayList<>();
                List<Run> clientOut = new ArrayList<>();
                List<Run> bareOut = new ArrayList<>();
                // In turns, so that both have the same machine.
                for (int round = -WARM; round < rounds; round++) {
                    String device = size + "-" + round;
                    if (round == 0) {
                        List.of(client, bare, clientOut, bareOut).forEach(List::clear);
                    }
                    bare.add(measured(messages, () -> bareReceives(hub.url, group, "bare" + device, messages)));
                    client.add(measured(messages, () -> clientReceives(hub.url, group, "client" + device, messages)));
                    bareOut.add(measured(messages / 4, () -> bareSends(hub.url, "b" + device, size, messages / 4)));
                    clientOut.add(measured(messages / 4, () -> clientSends(hub.url, "c" + device, size, messages / 4)));
                }
                report("received, " + size + " bytes", median(client), median(bare));
                report("sent and accepted, " + size + " bytes", median(clientOut), median(bareOut));
            }
        }
    }

    private static void report(String what, Run client, Run bare) {
        System.out.printf(Locale.ROOT, "| %s | %,.0f | %,.0f | %.2f | %.1f | %.1f |%n", what, client.perSecond, bare.perSecond,
                bare.perSecond / client.perSecond, client.processorUs, bare.processorUs);
    }

    private static Run median(List<Run> runs) {
        return runs.stream().sorted(Comparator.comparingDouble(Run::perSecond)).toList().get(runs.size() / 2);
    }

    /** Messages per second, and processor time of this process for each, in microseconds. */
    private static Run measured(int messages, Measured task) throws Exception {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long processor = system.getProcessCpuTime();
        long began = System.nanoTime();
        task.run();
        double seconds = (System.nanoTime() - began) / 1e9;
        return new Run(messages / seconds, (system.getProcessCpuTime() - processor) / 1e3 / messages);
    }

    /** A group with as many messages. */
    private static void fill(URI hub, String group, int size, int messages) throws Exception {
        // A group is read from where one joined.
        try (Client reader = Client.builder(hub).user("reader of " + group).build()) {
            reader.connect().get(10, TimeUnit.SECONDS);
            reader.group(group).join().get(10, TimeUnit.SECONDS);
        }
        try (Client client = Client.builder(hub).user("writer").device("d").build()) {
            client.connect().get(10, TimeUnit.SECONDS);
            client.group(group).join().get(10, TimeUnit.SECONDS);
            sendAll(client, "group:" + group, size, messages);
        }
    }

    private static void sendAll(Client client, String conversation, int size, int messages) {
        Semaphore places = new Semaphore(WINDOW);
        String content = "x".repeat(size);
        for (int number = 0; number < messages; number++) {
            places.acquireUninterruptibly();
            client.send(Message.to(conversation).content(content).build()).thenCompose(Receipt::accepted)
                    .whenComplete((accepted, error) -> places.release());
        }
        places.acquireUninterruptibly(WINDOW);
    }

    private static void clientSends(URI hub, String user, int size, int messages) throws Exception {
        try (Client client = Client.builder(hub).user(user).device("d").build()) {
            client.connect().get(10, TimeUnit.SECONDS);
            sendAll(client, "user:sink" + size, size, messages);
        }
    }

    /** A new device reads all that is there: as fast as it can. */
    private static void clientReceives(URI hub, String group, String device, int messages) throws Exception {
        CountDownLatch all = new CountDownLatch(messages);
        try (Client client = Client.builder(hub).user("reader of " + group).device(device).groups(List.of(group)).build()) {
            client.group(group).subscribe(message -> all.countDown());
            client.connect().get(10, TimeUnit.SECONDS);
            if (!all.await(60, TimeUnit.SECONDS)) {
                throw new IllegalStateException(all.getCount() + " are missing");
            }
        }
    }

    private static void bareReceives(URI hub, String group, String device, int messages) throws Exception {
        CountDownLatch all = new CountDownLatch(messages);
        Bare bare = new Bare(hub, Map.of("message_type", "connect", "protocol", 1, "user_id", "reader of " + group, "device_id", device,
                "groups", List.of(group))) {
            private int unacknowledged;

            @Override
            void message(String type, String stream, String content, long position) {
                if (!stream.isEmpty() && !type.equals("skip") && !type.equals("ack") && !content.isEmpty()) {
                    all.countDown();
                    if (++unacknowledged >= 1_024) {
                        unacknowledged = 0;
                        write(Map.of("message_type", "ack", "stream", stream, "seq_no", position));
                    }
                }
            }
        };
        if (!all.await(60, TimeUnit.SECONDS)) {
            throw new IllegalStateException(all.getCount() + " are missing");
        }
        bare.closeBlocking();
    }

    private static void bareSends(URI hub, String user, int size, int messages) throws Exception {
        Semaphore places = new Semaphore(WINDOW);
        CountDownLatch connected = new CountDownLatch(1);
        Bare bare = new Bare(hub, Map.of("message_type", "connect", "protocol", 1, "user_id", user, "device_id", "d")) {
            @Override
            void message(String type, String stream, String content, long position) {
                if (type.equals("ack")) {
                    places.release();
                } else if (type.equals("connected")) {
                    connected.countDown();
                }
            }
        };
        connected.await(10, TimeUnit.SECONDS);
        String content = "x".repeat(size);
        for (int number = 0; number < messages; number++) {
            places.acquireUninterruptibly();
            bare.write(Map.of("message_type", "text", "message_id", "m" + number, "receiver", "sink" + size, "content", content));
        }
        places.acquireUninterruptibly(WINDOW);
        bare.closeBlocking();
    }

    /** A socket, and JSON read as far as one must. */
    private abstract static class Bare extends WebSocketClient {
        private static final JsonFactory JSON = new JsonFactory();

        Bare(URI hub, Map<String, ?> connect) throws InterruptedException {
            super(hub.resolve("/ws"), new Draft_6455(List.of(), List.of(new Protocol("wsc.v1"))));
            setTcpNoDelay(true);
            if (!connectBlocking(10, TimeUnit.SECONDS)) {
                throw new IllegalStateException("no connection");
            }
            write(connect);
        }

        abstract void message(String type, String stream, String content, long position);

        final void write(Map<String, ?> frame) {
            send(new String(JsonValue.write(frame), java.nio.charset.StandardCharsets.UTF_8));
        }

        @Override
        public void onOpen(ServerHandshake handshake) {}

        @Override
        public void onMessage(String text) {
            String type = "";
            String stream = "";
            String content = "";
            long position = 0;
            try (JsonParser json = JSON.createParser(text)) {
                json.nextToken();
                for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                    json.nextToken();
                    switch (name) {
                        case "message_type" -> type = json.getText();
                        case "stream" -> stream = json.getText();
                        case "content" -> content = json.getText();
                        case "seq_no" -> position = json.getLongValue();
                        default -> json.skipChildren();
                    }
                }
            } catch (IOException wrong) {
                throw new IllegalStateException(wrong);
            }
            message(type, stream, content, position);
        }

        @Override
        public void onClose(int code, String reason, boolean remote) {}

        @Override
        public void onError(Exception error) {
            error.printStackTrace();
        }
    }
}
