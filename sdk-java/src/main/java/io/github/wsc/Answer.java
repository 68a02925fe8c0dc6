// The hub's answer to a request.
package io.github.wsc;

import java.util.List;

/**
 * The hub's answer to a request.
 *
 * @param type its {@code message_type}
 * @param frame the whole frame, as JSON
 * @param messages messages that came with it: those of a {@code fetch}
 */
public record Answer(String type, String frame, List<Message> messages) {}
