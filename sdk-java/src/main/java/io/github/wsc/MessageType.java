// The message types known by name, as core/src/kind.rs has them; a test compares the two. Any other text of up to 64 bytes is
// the application's own. Never decides what a type means.
package io.github.wsc;

import java.util.List;

/** The 107 message types known by name, as they stand on the wire. Any other text of up to 64 bytes is the application's. */
public final class MessageType {
    public static final String TEXT = "text";
    public static final String IMAGE = "image";
    public static final String FILE = "file";
    public static final String AUDIO = "audio";
    public static final String VIDEO = "video";
    public static final String LOCATION = "location";
    public static final String CARD = "card";
    public static final String EMOJI = "emoji";
    public static final String STICKER = "sticker";
    public static final String LINK = "link";
    public static final String QUOTE = "quote";
    public static final String FORWARD = "forward";
    public static final String COMMAND = "command";
    public static final String MARKDOWN = "markdown";
    public static final String RICH_TEXT = "rich_text";
    public static final String CODE = "code";
    public static final String JSON = "json";
    public static final String XML = "xml";
    public static final String BINARY = "binary";
    public static final String VOICE = "voice";
    public static final String GIF = "gif";
    public static final String DOCUMENT = "document";
    public static final String SPREADSHEET = "spreadsheet";
    public static final String PRESENTATION = "presentation";
    public static final String CONTACT = "contact";
    public static final String CALENDAR = "calendar";
    public static final String TASK = "task";
    public static final String POLL = "poll";
    public static final String FORM = "form";
    public static final String PAYMENT = "payment";
    public static final String ORDER = "order";
    public static final String PRODUCT = "product";
    public static final String INVITE = "invite";
    public static final String SYSTEM = "system";
    public static final String NOTICE = "notice";
    public static final String EVENT = "event";
    public static final String ANNOUNCEMENT = "announcement";
    public static final String ALERT = "alert";
    public static final String ERROR = "error";
    public static final String INFO = "info";
    public static final String SUCCESS = "success";
    public static final String WARNING = "warning";
    public static final String HEARTBEAT = "heartbeat";
    public static final String PING = "ping";
    public static final String PONG = "pong";
    public static final String ACK = "ack";
    public static final String TYPING = "typing";
    public static final String READ = "read";
    public static final String DELIVERED = "delivered";
    public static final String RECALL = "recall";
    public static final String EDIT = "edit";
    public static final String REACTION = "reaction";
    public static final String THREAD = "thread";
    public static final String REPLY = "reply";
    public static final String MENTION = "mention";
    public static final String CUSTOM = "custom";
    public static final String UNKNOWN = "unknown";
    public static final String TICKET_CREATED = "ticket_created";
    public static final String TICKET_ASSIGNED = "ticket_assigned";
    public static final String TICKET_CLOSED = "ticket_closed";
    public static final String TICKET_TIMEOUT_CLOSED = "ticket_timeout_closed";
    public static final String TICKET_TRANSFER = "ticket_transfer";
    public static final String TICKET_ACTIVE = "ticket_active";
    public static final String TEST = "test";
    public static final String WELCOME = "welcome";
    public static final String TERMINATE = "terminate";
    public static final String TRANSFERRED = "transferred";
    public static final String SESSION_CREATED = "session_created";
    public static final String SESSION_CLOSED = "session_closed";
    public static final String SESSION_QUEUED = "session_queued";
    public static final String SESSION_TIMEOUT = "session_timeout";
    public static final String SESSION_PAUSED = "session_paused";
    public static final String SESSION_RESUMED = "session_resumed";
    public static final String SESSION_TRANSFERRED = "session_transferred";
    public static final String SESSION_MEMBER_JOINED = "session_member_joined";
    public static final String SESSION_MEMBER_LEFT = "session_member_left";
    public static final String SESSION_STATUS_CHANGED = "session_status_changed";
    public static final String CHECK_USER_STATUS = "check_user_status";
    public static final String USER_STATUS_RESPONSE = "user_status_response";
    public static final String GET_ONLINE_USERS = "get_online_users";
    public static final String ONLINE_USERS_LIST = "online_users_list";
    public static final String GET_USER_INFO = "get_user_info";
    public static final String USER_INFO_RESPONSE = "user_info_response";
    public static final String SYSTEM_QUERY = "system_query";
    public static final String SYSTEM_RESPONSE = "system_response";
    public static final String USER_JOINED = "user_joined";
    public static final String USER_LEFT = "user_left";
    public static final String USER_STATUS_CHANGED = "user_status_changed";
    public static final String SERVER_STATUS = "server_status";
    public static final String SERVER_STATS = "server_stats";
    public static final String CLIENT_CONFIG = "client_config";
    public static final String CONFIG_UPDATE = "config_update";
    public static final String HEALTH_CHECK = "health_check";
    public static final String HEALTH_RESPONSE = "health_response";
    public static final String CONNECTED = "connected";
    public static final String CLIENT_REGISTERED = "client_registered";
    public static final String CONNECTION_REJECTED = "connection_rejected";
    public static final String DISCONNECTED = "disconnected";
    public static final String RECONNECTED = "reconnected";
    public static final String CONNECTION_ERROR = "connection_error";
    public static final String CONNECTION_TIMEOUT = "connection_timeout";
    public static final String KICK_OUT = "kick_out";
    public static final String FORCE_OFFLINE = "force_offline";
    public static final String OPEN_WINDOW = "open_window";
    public static final String CLOSE_WINDOW = "close_window";
    public static final String B_STATUS_REMINDER = "b_status_reminder";
    public static final String GROUP_CHANGED = "group_changed";

    /** All of them. */
    public static final List<String> ALL = List.of(
            TEXT, IMAGE, FILE, AUDIO, VIDEO, LOCATION, CARD, EMOJI, STICKER, LINK, QUOTE, FORWARD, COMMAND, MARKDOWN,
            RICH_TEXT, CODE, JSON, XML, BINARY, VOICE, GIF, DOCUMENT, SPREADSHEET, PRESENTATION, CONTACT, CALENDAR,
            TASK, POLL, FORM, PAYMENT, ORDER, PRODUCT, INVITE, SYSTEM, NOTICE, EVENT, ANNOUNCEMENT, ALERT, ERROR,
            INFO, SUCCESS, WARNING, HEARTBEAT, PING, PONG, ACK, TYPING, READ, DELIVERED, RECALL, EDIT, REACTION,
            THREAD, REPLY, MENTION, CUSTOM, UNKNOWN, TICKET_CREATED, TICKET_ASSIGNED, TICKET_CLOSED,
            TICKET_TIMEOUT_CLOSED, TICKET_TRANSFER, TICKET_ACTIVE, TEST, WELCOME, TERMINATE, TRANSFERRED,
            SESSION_CREATED, SESSION_CLOSED, SESSION_QUEUED, SESSION_TIMEOUT, SESSION_PAUSED, SESSION_RESUMED,
            SESSION_TRANSFERRED, SESSION_MEMBER_JOINED, SESSION_MEMBER_LEFT, SESSION_STATUS_CHANGED,
            CHECK_USER_STATUS, USER_STATUS_RESPONSE, GET_ONLINE_USERS, ONLINE_USERS_LIST, GET_USER_INFO,
            USER_INFO_RESPONSE, SYSTEM_QUERY, SYSTEM_RESPONSE, USER_JOINED, USER_LEFT, USER_STATUS_CHANGED,
            SERVER_STATUS, SERVER_STATS, CLIENT_CONFIG, CONFIG_UPDATE, HEALTH_CHECK, HEALTH_RESPONSE, CONNECTED,
            CLIENT_REGISTERED, CONNECTION_REJECTED, DISCONNECTED, RECONNECTED, CONNECTION_ERROR, CONNECTION_TIMEOUT,
            KICK_OUT, FORCE_OFFLINE, OPEN_WINDOW, CLOSE_WINDOW, B_STATUS_REMINDER, GROUP_CHANGED);

    private MessageType() {}
}
