// The user's conversations at one moment.
package io.github.wsc;

import java.util.List;

/**
 * The user's conversations at one moment.
 *
 * @param list the conversations, the newest first
 * @param unread the number of unread messages in all of them
 * @param loaded whether the hub has answered yet
 */
public record ConversationList(List<Conversation> list, long unread, boolean loaded) {}
