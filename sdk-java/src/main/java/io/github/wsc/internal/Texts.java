// Halves of surrogate pairs, which native code and UTF-8 do not know.
package io.github.wsc.internal;

import java.util.Collection;

/** Texts that are whole, or made so. */
public final class Texts {
    static final String HALF = "it has half of a surrogate pair, as a text that was cut in the middle of an emoji";

    private Texts() {}

    /** Whether a text has no half of a surrogate pair. */
    static boolean isWellFormed(String text) {
        for (int at = 0; at < text.length(); ) {
            int point = text.codePointAt(at);
            if (isHalf(point)) {
                return false;
            }
            at += Character.charCount(point);
        }
        return true;
    }

    /** The text with an unknown character in place of each half of a surrogate pair, as the hub reads it. */
    static String repaired(String text) {
        if (isWellFormed(text)) {
            return text;
        }
        StringBuilder repaired = new StringBuilder(text.length());
        text.codePoints().forEach(point -> repaired.appendCodePoint(isHalf(point) ? 0xfffd : point));
        return repaired.toString();
    }

    private static boolean isHalf(int point) {
        return point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE;
    }

    /**
     * The text, which is a name of something.
     *
     * @throws IllegalArgumentException if it has half of a surrogate pair
     */
    public static String name(String what, String text) {
        if (!isWellFormed(text)) {
            throw new IllegalArgumentException(what + " is not valid: " + HALF);
        }
        return text;
    }

    /** The same of many. */
    public static <C extends Collection<String>> C names(String what, C texts) {
        texts.forEach(text -> name(what, text));
        return texts;
    }
}
