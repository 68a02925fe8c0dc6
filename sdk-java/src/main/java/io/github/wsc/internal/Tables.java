// Numbers that the SDKs share with the core. Written by `cargo tool tables` from core/src/client/bridge.rs, which says what each means; not by hand.
package io.github.wsc.internal;

/** Numbers that the SDKs share with the core. */
public final class Tables {
    private Tables() {}

    /** The version of all packages. */
    public static final String VERSION = "0.1.0";

    /** What reports are about, in the order of their numbers. */
    public enum Kind {
        STATE,
        CAUGHT_UP,
        MESSAGE,
        VOLATILE,
        GAP,
        STREAM_OPENED,
        STREAM_CLOSED,
        SETTLED,
        RECEIPT,
        RECEIPT_ENDED,
        FETCHED,
        ANSWER,
        REQUEST_FAILED,
        MARK_REFUSED,
        GROUP_CHANGED,
        PRESENCE,
        NOTICE,
        FAULT,
        FETCH_TOKEN,
        PERSIST,
        SAVED,
        REJECTED,
        SYNC,
        UNREAD,
        SOCKET_CLOSED,
        ENDED,
        OPEN,
        WRITE,
        CLOSE_SOCKET
    }

    /** States of a connection. */
    public static final class State {
        private State() {}

        public static final int IDLE = 0;
        public static final int CONNECTING = 1;
        public static final int CONNECTED = 2;
        public static final int WAITING = 3;
        public static final int CLOSED = 4;
    }

    /** Why a client is closed; any other number is the hub's close code. */
    public static final class Closed {
        private Closed() {}

        public static final int APPLICATION = 0;
        public static final int NO_TOKEN = 1;
    }

    /** How a send ended. */
    public static final class Outcome {
        private Outcome() {}

        public static final int ACCEPTED = 0;
        public static final int DUPLICATE = 1;
        public static final int REFUSED = 2;
        public static final int UNKNOWN = 3;
        public static final int EXPIRED = 4;
        public static final int CANCELLED = 5;
        public static final int DROPPED = 6;
        public static final int SENT = 7;
    }

    /** How far a message got. */
    public static final class Stage {
        private Stage() {}

        public static final int ACCEPTED = 0;
        public static final int DELIVERED = 1;
        public static final int READ = 2;
    }

    /** Why a request got no answer. */
    public static final class RequestFault {
        private RequestFault() {}

        public static final int REFUSED = 0;
        public static final int DISCONNECTED = 1;
        public static final int TIMEOUT = 2;
        public static final int TOO_MANY = 3;
    }

    /** What a fault is about. */
    public static final class Fault {
        private Fault() {}

        public static final int FRAME = 0;
        public static final int UNEXPECTED = 1;
        public static final int HUB = 2;
        public static final int SAVED = 3;
        public static final int TOKEN = 4;
    }

    /** Why a message was not taken. */
    public static final class Rejection {
        private Rejection() {}

        public static final int OUTBOX_FULL = 1;
        public static final int TOO_LARGE = 2;
        public static final int INVALID = 3;
        public static final int UNREADABLE = 4;
        public static final int REPEATED = 5;
        public static final int CLOSED = 6;
        public static final int STORAGE = 7;
    }
}
