// A robot that answers whoever writes to it, with a small interface over HTTP.
package chat;

import io.github.wsc.Accepted;
import io.github.wsc.Client;
import io.github.wsc.Message;
import io.github.wsc.MessageType;
import io.github.wsc.Receipt;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.event.EventListener;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Robot {
    private final Client client;
    private final AtomicLong answered = new AtomicLong();

    Robot(Client client) {
        this.client = client;
    }

    public static void main(String[] args) {
        SpringApplication.run(Robot.class, args);
    }

    /** Answers a text of somebody else. */
    @EventListener
    void on(Message message) {
        if (message.type().equals(MessageType.TEXT) && !message.sender().equals(client.user())) {
            client.send("user:" + message.sender(), "you said: " + message.content());
            client.markRead(message);
            answered.incrementAndGet();
        }
    }

    /** Sends a text; answers when the hub has stored it. */
    @PostMapping("/send")
    CompletableFuture<Accepted> send(@RequestParam String to, @RequestParam String text) {
        return client.send("user:" + to, text).thenCompose(Receipt::accepted);
    }

    /** How things stand. */
    @GetMapping("/status")
    Map<String, Object> status() {
        return Map.of("connected", client.state().isConnected(), "waiting", client.sync().saved(), "answered", answered.get());
    }
}
