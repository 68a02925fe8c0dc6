// What a stream was given, in its order; read when it is handed over. A list's link, so that each reader has a place of its own.
package io.github.wsc;

import org.jspecify.annotations.Nullable;

final class Entry {
    final long number;
    final int generation;
    final long position;
    /** The one after it; under the stream's lock. */
    @Nullable Entry next;

    private @Nullable Report report;
    private @Nullable Delivery delivery;

    /** Where a list begins. */
    Entry() {
        number = 0;
        generation = 0;
        position = 0;
    }

    Entry(long number, Report report) {
        this.number = number;
        this.report = report;
        generation = (int) report.first;
        position = report.kind == Tables.Kind.GAP ? report.third : report.second;
    }

    /** The message or gap; the same for every reader. */
    synchronized Delivery delivery() {
        if (delivery == null) {
            Report read = report;
            report = null;
            if (read == null) {
                throw new IllegalStateException("the beginning of a list was handed over");
            }
            delivery = read.kind == Tables.Kind.GAP
                    ? new Gap(read.text, read.second, read.third, read.other, generation)
                    : message(read);
        }
        return delivery;
    }

    private Message message(Report read) {
        Message message = MessageCodec.read(read.object, read.payload);
        message.stream = read.text;
        message.position = position;
        message.generation = generation;
        return message;
    }
}
