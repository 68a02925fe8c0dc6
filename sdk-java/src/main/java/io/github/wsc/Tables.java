// Numbers that the SDKs share with the core. Written by `cargo tool tables` from core/src/client/bridge.rs, which says what each means; not by hand.
package io.github.wsc;

final class Tables {
    private Tables() {}

    /** The version of all packages. */
    static final String VERSION = "0.1.0";

    /** What reports are about, in the order of their numbers. */
    enum Kind {
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
    static final class State {
        private State() {}

        static final int IDLE = 0;
        static final int CONNECTING = 1;
        static final int CONNECTED = 2;
        static final int WAITING = 3;
        static final int CLOSED = 4;
    }

    /** Why a client is closed; any other number is the hub's close code. */
    static final class Closed {
        private Closed() {}

        static final int APPLICATION = 0;
        static final int NO_TOKEN = 1;
    }

    /** How a send ended. */
    static final class Outcome {
        private Outcome() {}

        static final int ACCEPTED = 0;
        static final int DUPLICATE = 1;
        static final int REFUSED = 2;
        static final int UNKNOWN = 3;
        static final int EXPIRED = 4;
        static final int CANCELLED = 5;
        static final int DROPPED = 6;
        static final int SENT = 7;
    }

    /** How far a message got. */
    static final class Stage {
        private Stage() {}

        static final int ACCEPTED = 0;
        static final int DELIVERED = 1;
        static final int READ = 2;
    }

    /** Why a request got no answer. */
    static final class RequestFault {
        private RequestFault() {}

        static final int REFUSED = 0;
        static final int DISCONNECTED = 1;
        static final int TIMEOUT = 2;
        static final int TOO_MANY = 3;
    }

    /** What a fault is about. */
    static final class Fault {
        private Fault() {}

        static final int FRAME = 0;
        static final int UNEXPECTED = 1;
        static final int HUB = 2;
        static final int SAVED = 3;
        static final int TOKEN = 4;
    }

    /** Why a message was not taken. */
    static final class Rejection {
        private Rejection() {}

        static final int OUTBOX_FULL = 1;
        static final int TOO_LARGE = 2;
        static final int INVALID = 3;
        static final int UNREADABLE = 4;
        static final int REPEATED = 5;
        static final int CLOSED = 6;
        static final int STORAGE = 7;
    }
}
