// What a stream was given, in its order; read when it is handed over. A list's link, so that each reader has its own position.
package io.github.wsc.internal;

import io.github.wsc.Delivery;
import io.github.wsc.Gap;
import org.jspecify.annotations.Nullable;

/** One message or gap that came. */
public final class Entry {
    final long number;
    final int generation;
    final long position;
    /** The one after it; under the backlog's lock. */
    @Nullable Entry next;

    private final @Nullable MessageReader reader;
    private @Nullable Report report;
    private @Nullable Delivery delivery;

    /** Makes the public message of what was read. */
    public interface MessageReader {
        /** The message. */
        Delivery message(MessageFields fields);
    }

    /** Where a list begins. */
    Entry() {
        number = 0;
        generation = 0;
        position = 0;
        reader = null;
    }

    Entry(long number, Report report, MessageReader reader) {
        this.number = number;
        this.report = report;
        this.reader = reader;
        generation = (int) report.first;
        position = report.kind == Tables.Kind.GAP ? report.third : report.second;
    }

    /** The message or gap; the same for every reader. */
    public synchronized Delivery delivery() {
        if (delivery == null) {
            Report read = report;
            if (read == null || reader == null) {
                throw new IllegalStateException("the beginning of a list was handed over");
            }
            delivery = read.kind == Tables.Kind.GAP
                    ? new Gap(read.text, read.second, read.third, read.other, generation)
                    : reader.message(fields(read));
            report = null;
        }
        return delivery;
    }

    private MessageFields fields(Report read) {
        MessageFields fields = MessageCodec.read(read.object, read.payload);
        fields.stream = read.text;
        fields.position = position;
        fields.generation = generation;
        return fields;
    }
}
