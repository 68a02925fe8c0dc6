// One report of a session, out of the bytes that bindings/jvm/src/report.rs writes. Never decides anything.
package io.github.wsc.internal;

import io.github.wsc.internal.Tables.Kind;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

public final class Report {
    private static final Kind[] KINDS = Kind.values();

    public final int session;
    public final Kind kind;
    public final long first;
    public final long second;
    public final long third;
    public final long fourth;
    public final String text;
    public final String other;
    /** The third text: of most kinds, JSON. Copied: a batch must not live as long as its last report. */
    public final byte[] object;
    public final byte @Nullable [] payload;

    public Report(ByteBuffer batch) {
        session = batch.getInt();
        kind = KINDS[batch.get()];
        first = batch.getLong();
        second = batch.getLong();
        third = batch.getLong();
        fourth = batch.getLong();
        text = text(batch);
        other = text(batch);
        object = bytes(batch, batch.getInt());
        int length = batch.getInt();
        payload = length < 0 ? null : bytes(batch, length);
    }

    /** The third text. */
    public String last() {
        return new String(object, StandardCharsets.UTF_8);
    }

    private static String text(ByteBuffer batch) {
        int length = batch.getInt();
        if (length == 0) {
            return "";
        }
        int from = batch.position();
        batch.position(from + length);
        return new String(batch.array(), from, length, StandardCharsets.UTF_8);
    }

    private static byte[] bytes(ByteBuffer batch, int length) {
        byte[] bytes = new byte[length];
        batch.get(bytes);
        return bytes;
    }
}
