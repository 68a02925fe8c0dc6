// The native library in this class loader: bound while somebody needs it and let go of afterwards, because what JNA keeps of it would
// hold the class loader of a stopped web application for ever. Called in threads of its own: JNA leaves variables in those it is
// called in, which of a server's threads would be a leak.
package io.github.wsc.internal;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.internal.Cleaner;
import io.github.wsc.internal.ffi.IntegrityCheckingUniffiLib;
import io.github.wsc.internal.ffi.UniffiLib;
import java.lang.reflect.Field;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The native library in this class loader. */
public final class Natives {
    private static final Logger LOG = LoggerFactory.getLogger("io.github.wsc.Client");
    private static final String LIBRARY = System.getProperty("uniffi.component.wsc_jvm.libraryOverride", "wsc_jvm");
    private static final long CLEANER_MS = 1_000;

    private static int users;
    /** Bound the first time by the bindings themselves, and later here. */
    private static boolean released;

    private Natives() {}

    /** Binds the library for one more user; each call needs a {@link #release}. */
    public static synchronized void acquire() {
        if (released) {
            Native.register(UniffiLib.class, LIBRARY);
            released = false;
        }
        users++;
    }

    /** Lets go of the library with the last user: its code is unloaded, and nothing of JNA runs on. */
    public static synchronized void release() {
        users--;
        if (users > 0) {
            return;
        }
        try {
            released = true;
            // Their methods are known to the virtual machine by references that it never lets go by itself.
            Native.unregister(IntegrityCheckingUniffiLib.class);
            Native.unregister(UniffiLib.class);
            NativeLibrary.getInstance(LIBRARY, Map.of(Library.OPTION_CLASSLOADER, Natives.class.getClassLoader())).close();
            endCleaner();
        } catch (LinkageError | RuntimeException failed) {
            LOG.debug("the native library could not be unloaded: its class loader stays", failed);
        }
    }

    /**
     * Ends JNA's thread, which would otherwise run for as long as JNA's own classes have native memory, and that is for ever. JNA starts
     * another where one is needed. A JNA that other applications of the server use as well is left alone.
     */
    private static void endCleaner() {
        if (Native.class.getClassLoader() != Natives.class.getClassLoader()) {
            return;
        }
        try {
            Cleaner cleaner = Cleaner.getCleaner();
            Thread thread;
            synchronized (field("referenceQueue").get(cleaner)) {
                thread = (Thread) field("cleanerThread").get(cleaner);
                field("cleanerThread").set(cleaner, null);
            }
            if (thread != null) {
                thread.interrupt();
                thread.join(CLEANER_MS);
            }
        } catch (ReflectiveOperationException other) {
            LOG.debug("an unknown version of JNA: its thread stays, and so does the class loader", other);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static Field field(String name) throws NoSuchFieldException {
        Field field = Cleaner.class.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    /** Calls native code in a thread of its own, and waits for it. */
    static <T> T call(Callable<T> task) throws Exception {
        FutureTask<T> future = new FutureTask<>(task);
        Thread thread = ClientRuntime.daemon("wsc-open", future);
        // JNA asks ldconfig for the paths of libraries, and the JDK's thread for ended processes inherits this.
        thread.setContextClassLoader(null);
        thread.start();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get();
                } catch (InterruptedException again) {
                    // It does not take long, and half done it would leave an outbox locked.
                    interrupted = true;
                } catch (ExecutionException failed) {
                    if (failed.getCause() instanceof Error error) {
                        throw error;
                    }
                    throw failed.getCause() instanceof Exception exception ? exception : failed;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
