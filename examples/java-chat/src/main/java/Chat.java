// A chat in a terminal: users, groups, history, who is there. What is written while the hub is away goes out later.

import io.github.wsc.Client;
import io.github.wsc.ClientListener;
import io.github.wsc.ConnectionState;
import io.github.wsc.Delivery;
import io.github.wsc.Gap;
import io.github.wsc.HistoryOptions;
import io.github.wsc.Message;
import io.github.wsc.Stream;
import io.github.wsc.MessageType;
import io.github.wsc.WscException;
import java.net.URI;
import java.nio.file.Path;
import java.util.Scanner;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

public final class Chat implements ClientListener {
    private static final String HELP = "/to USER, /join GROUP, /leave, /history, /who, /quit; anything else is sent";

    private final Client client;
    private String conversation = "";

    private Chat(URI hub, String user) {
        client = Client.builder(hub).user(user).outbox(Path.of("target", user + ".outbox")).listener(this).build();
        client.subscribe(this::show);
        client.connect();
    }

    public static void main(String[] args) {
        if (args.length == 0) {
            System.out.println("usage: mvn -q compile exec:java -Dexec.args=\"USER [HUB]\"");
            return;
        }
        Chat chat = new Chat(URI.create(args.length > 1 ? args[1] : "ws://127.0.0.1:8080/ws"), args[0]);
        try (Client open = chat.client; Scanner lines = new Scanner(System.in)) {
            System.out.println(HELP);
            while (lines.hasNextLine() && chat.obey(lines.nextLine().strip())) {}
        }
    }

    /** Does what a line says; false: it is the end. */
    private boolean obey(String line) {
        String[] words = line.split("\\s+", 2);
        String rest = words.length > 1 ? words[1] : "";
        switch (words[0]) {
            case "" -> {}
            case "/to" -> open("user:" + rest);
            case "/join" -> tell("joined " + rest, client.group(rest).join().thenRun(() -> open("group:" + rest)));
            case "/leave" -> tell("left", client.group(group()).leave());
            case "/history" -> tell("", stream().history(HistoryOptions.newest().limit(10)).thenAccept(page -> page.messages().forEach(
                    message -> System.out.println(message.position() + " " + message.sender() + ": " + message.content()))));
            case "/who" -> tell("", client.group(group()).members("", 100).thenAccept(
                    members -> System.out.println(String.join(", ", members.users()))));
            case "/quit" -> {
                return false;
            }
            default -> {
                if (line.startsWith("/") || conversation.isEmpty()) {
                    System.out.println(HELP);
                } else {
                    send(line);
                }
            }
        }
        return true;
    }

    private synchronized void open(String name) {
        conversation = name;
    }

    private synchronized String group() {
        return conversation.startsWith("group:") ? conversation.substring(6) : "none";
    }

    private Stream stream() {
        return conversation.startsWith("group:") ? client.group(group()) : client.inbox();
    }

    private synchronized void send(String line) {
        Message message = Message.to(conversation).content(line).receipts().build();
        tell("", client.send(message).thenCompose(receipt -> receipt.accepted()));
    }

    /** Says when it is done, or what is wrong. */
    private static void tell(String done, CompletableFuture<?> future) {
        future.whenComplete((result, error) -> {
            if (error != null) {
                Throwable why = error instanceof CompletionException ? error.getCause() : error;
                System.out.println("! " + why.getMessage());
            } else if (!done.isEmpty()) {
                System.out.println(done);
            }
        });
    }

    private void show(Delivery delivery) {
        if (delivery instanceof Gap gap) {
            System.out.println("! messages are missing: " + gap.from() + " to " + gap.to() + " of " + gap.stream());
        } else if (delivery instanceof Message message && !message.type().equals(MessageType.READ)) {
            String group = message.group().isEmpty() ? "" : message.group() + " ";
            System.out.println(group + message.sender() + ": " + message.content());
            client.markRead(message);
        }
    }

    @Override
    public void onState(ConnectionState state) {
        System.out.println("(" + state.phase().name().toLowerCase() + ")");
    }

    @Override
    public void onVolatile(Message message) {
        if (message.type().equals(MessageType.TYPING)) {
            System.out.println("(" + message.sender() + " types)");
        }
    }

    @Override
    public void onSendError(String messageId, WscException error) {
        System.out.println("! not sent: " + error.getMessage());
    }
}
