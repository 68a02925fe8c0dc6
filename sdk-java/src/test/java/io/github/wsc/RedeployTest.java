// An application that is put into a server again and again, as into Tomcat: each time with a class loader of its own that has the
// jar and everything it needs. What an old one leaves behind is a leak.
package io.github.wsc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Isolated;

@Isolated("counts the threads of the process")
class RedeployTest {
    /** The server's own thread, in which each application is started and stopped, and which outlives them. */
    private static final ExecutorService SERVER = Executors.newSingleThreadExecutor();

    @AfterAll
    static void stop() {
        SERVER.shutdown();
    }

    /** What runs in the application: talks to itself in every way, closes its client, and has nothing further to say. */
    public static final class Deployed implements Callable<String> {
        private final String url;

        public Deployed(String url) {
            this.url = url;
        }

        @Override
        public String call() throws Exception {
            StringBuilder got = new StringBuilder();
            try (Client client = Client.builder(java.net.URI.create(url)).user("redeployed").device("d").build()) {
                client.listen(new ClientListener() {});
                client.inbox().subscribe(message -> {});
                client.connect().get(10, TimeUnit.SECONDS);
                Group group = client.group("redeployed");
                group.join().get(10, TimeUnit.SECONDS);
                group.send("hello").get(10, TimeUnit.SECONDS).accepted().get(10, TimeUnit.SECONDS);
                for (Message message : group.history(HistoryOptions.newest().limit(10)).get(10, TimeUnit.SECONDS).messages()) {
                    got.append(message.content());
                }
                client.typing("user:nobody");
                client.presence(List.of("nobody")).subscribe((user, status) -> {});
                client.conversations().subscribe(list -> {});
                client.group("redeployed").publisher().subscribe(new Flow.Subscriber<Delivery>() {
                    @Override
                    public void onSubscribe(Flow.Subscription subscription) {
                        subscription.request(1);
                    }

                    @Override
                    public void onNext(Delivery delivery) {}

                    @Override
                    public void onError(Throwable error) {}

                    @Override
                    public void onComplete() {}
                });
                client.unread().get(10, TimeUnit.SECONDS);
                // A reader that leaves something behind.
                client.group("redeployed").deliveries().close();
            }
            return got.toString();
        }
    }

    /** A class loader as a web application's: its own classes first, nothing of the server's but the JDK. */
    private static URLClassLoader deploy() throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            urls.add(Path.of(entry).toUri().toURL());
        }
        return new URLClassLoader("web application", urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
    }

    private static Set<Thread> threads() {
        Thread[] all = new Thread[Thread.activeCount() * 2 + 50];
        ThreadGroup root = Thread.currentThread().getThreadGroup();
        while (root.getParent() != null) {
            root = root.getParent();
        }
        int count = root.enumerate(all, true);
        return Arrays.stream(all, 0, count).collect(Collectors.toSet());
    }

    private static List<String> of(ClassLoader loader, Set<Thread> before) {
        return threads().stream()
                .filter(thread -> !before.contains(thread) && thread.isAlive())
                .filter(thread -> thread.getContextClassLoader() == loader || thread.getClass().getClassLoader() == loader
                        || thread.getName().startsWith("wsc-") || thread.getName().startsWith("JNA")
                        || thread.getName().startsWith("CompletableFuture"))
                .map(Thread::getName).sorted().toList();
    }

    private static WeakReference<ClassLoader> once(String url, int round) throws Exception {
        Set<Thread> before = threads();
        URLClassLoader loader = deploy();
        Object said = SERVER.submit(() -> {
            Thread.currentThread().setContextClassLoader(loader);
            try {
                Object deployed = loader.loadClass(Deployed.class.getName()).getConstructor(String.class).newInstance(url);
                assertTrue(deployed.getClass() != Deployed.class);
                return ((Callable<?>) deployed).call();
            } finally {
                Thread.currentThread().setContextClassLoader(RedeployTest.class.getClassLoader());
            }
        }).get(60, TimeUnit.SECONDS);
        assertEquals("hello".repeat(round), said);
        // The client is closed: its threads are gone by now, as a server looks at once.
        assertEquals(List.of(), of(loader, before));
        loader.close();
        return new WeakReference<>(loader);
    }

    /** Pieces of native libraries in the process that JNA unpacked; it removes their files at once. */
    private static List<String> unpacked() throws IOException {
        Path maps = Path.of("/proc/self/maps");
        return !Files.exists(maps) ? List.of() : Files.readAllLines(maps).stream()
                .filter(line -> line.contains("(deleted)") && line.contains("/jna")).map(line -> line.replaceFirst(".* /", "/")).distinct().toList();
    }

    @Test
    @Timeout(value = 120, unit = TimeUnit.SECONDS)
    void closing_the_last_client_of_a_class_loader_ends_its_threads_and_lets_it_go() throws Exception {
        try (Hub hub = Hub.start()) {
            List<String> libraries = unpacked();
            List<WeakReference<ClassLoader>> loaders = new ArrayList<>();
            for (int round = 1; round <= 3; round++) {
                loaders.add(once(hub.url.toString(), round));
            }
            for (int number = 0; number < loaders.size(); number++) {
                WeakReference<ClassLoader> loader = loaders.get(number);
                long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                while (loader.get() != null && System.nanoTime() < until) {
                    System.gc();
                    Thread.sleep(50);
                }
                if (loader.get() != null && System.getProperty("wsc.heap") != null) {
                    java.lang.management.ManagementFactory.getPlatformMXBean(com.sun.management.HotSpotDiagnosticMXBean.class)
                            .dumpHeap(System.getProperty("wsc.heap"), true);
                }
                assertTrue(loader.get() == null, "class loader " + number + " is still there");
            }
            // The virtual machine closes a library some time after its class loader.
            long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (!unpacked().equals(libraries) && System.nanoTime() < until) {
                System.gc();
                Thread.sleep(50);
            }
            assertEquals(libraries, unpacked());
        }
    }

    @Test
    void clients_that_come_after_the_last_was_closed_work_as_the_first() throws Exception {
        try (Hub hub = Hub.start()) {
            Set<Thread> before = threads();
            for (int round = 1; round <= 5; round++) {
                assertEquals("hello".repeat(round), new Deployed(hub.url.toString()).call());
                assertEquals(List.of(), of(RedeployTest.class.getClassLoader(), before).stream()
                        .filter(name -> name.startsWith("wsc-")).toList());
            }
        }
    }
}
