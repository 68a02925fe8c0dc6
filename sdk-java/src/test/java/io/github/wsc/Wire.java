// A wire to a hub that can be cut: then nothing gets through, and nothing new connects.
package io.github.wsc;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

final class Wire implements AutoCloseable {
    private final ServerSocket server;
    private final int far;
    private final Set<Socket> ends = ConcurrentHashMap.newKeySet();
    private volatile boolean whole = true;

    Wire(URI hub) throws IOException {
        far = hub.getPort();
        server = new ServerSocket(0, 1_000, InetAddress.getLoopbackAddress());
        daemon(this::listen);
    }

    private static void daemon(Runnable task) {
        Thread thread = new Thread(task, "wire");
        thread.setDaemon(true);
        thread.start();
    }

    URI url() {
        return URI.create("ws://127.0.0.1:" + server.getLocalPort());
    }

    private void listen() {
        while (!server.isClosed()) {
            try {
                Socket near = server.accept();
                if (!whole) {
                    near.close();
                    continue;
                }
                Socket hub = new Socket(InetAddress.getLoopbackAddress(), far);
                ends.add(near);
                ends.add(hub);
                daemon(() -> carry(near, hub));
                daemon(() -> carry(hub, near));
            } catch (IOException gone) {
                // The hub is down, or this is closed.
            }
        }
    }

    private void carry(Socket from, Socket to) {
        try (from; to) {
            from.getInputStream().transferTo(to.getOutputStream());
        } catch (IOException cut) {
            // As a wire does.
        } finally {
            ends.remove(from);
            ends.remove(to);
        }
    }

    /** Cuts what there is; nothing new connects. */
    void cut() {
        whole = false;
        ends.forEach(end -> {
            try {
                end.setSoLinger(true, 0);
                end.close();
            } catch (IOException gone) {
                // It was cut already.
            }
        });
    }

    void heal() {
        whole = true;
    }

    @Override
    public void close() throws IOException {
        cut();
        server.close();
    }
}
