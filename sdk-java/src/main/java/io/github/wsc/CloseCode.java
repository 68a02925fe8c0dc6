// Why a hub ends a connection, as the protocol numbers it.
package io.github.wsc;

/** Why the hub ended a connection. After those marked <em>final</em> a client stays closed; after others it comes back by itself. */
public final class CloseCode {
    /** Done; final. */
    public static final int NORMAL = 1000;
    /** The hub restarts or drains. */
    public static final int GOING_AWAY = 1001;
    /** Full, or its store is not available. */
    public static final int TRY_AGAIN_LATER = 1013;
    /** The credentials were refused; final unless a fresh token can be had. */
    public static final int CREDENTIALS_REFUSED = 4001;
    /** The token expired: another is fetched. */
    public static final int TOKEN_EXPIRED = 4002;
    /** Forbidden; final. */
    public static final int FORBIDDEN = 4003;
    /** Took nothing for too long. */
    public static final int TOO_SLOW = 4008;
    /** Another connection of the same device replaced this one; final. */
    public static final int REPLACED = 4009;
    /** Kicked out; final. */
    public static final int KICKED = 4010;
    /** Against the protocol; final. */
    public static final int PROTOCOL_ERROR = 4011;
    /** No sign of life. */
    public static final int SILENT = 4012;
    /** Entries were not acknowledged. */
    public static final int NOT_ACKNOWLEDGED = 4013;
    /** Positions do not fit. */
    public static final int POSITIONS = 4014;
    /** Over a rate limit. */
    public static final int RATE_LIMITED = 4029;

    private CloseCode() {}
}
