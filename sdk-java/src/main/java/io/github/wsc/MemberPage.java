// A part of a group's members.
package io.github.wsc;

import java.util.List;

/**
 * A part of a group's members, or of the users online.
 *
 * @param users their ids
 * @param next what to give as {@code after} for the next part; empty: this is the last
 * @param total how many there are in all
 */
public record MemberPage(List<String> users, String next, long total) {}
