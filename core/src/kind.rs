//! The 107 message types of go-wsc with their category and default priority, and the enumerations that travel on the wire.
//!
//! A message carries its type as text, so that types this table does not know pass unharmed; the table is for
//! completion, classification and defaults.

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* #[doc = concat!("`", $text, "`")] $variant),* }
        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The text on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),* } }
            /// The value of a text, if the table knows it.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> { match name { $($text => Some(Self::$variant),)* _ => None } }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

names! {
    /// A message type known by name.
    MessageType {
        Text "text", Image "image", File "file", Audio "audio", Video "video", Location "location", Card "card",
        Emoji "emoji", Sticker "sticker", Link "link", Quote "quote", Forward "forward", Command "command",
        Markdown "markdown", RichText "rich_text", Code "code", Json "json", Xml "xml", Binary "binary", Voice "voice",
        Gif "gif", Document "document", Spreadsheet "spreadsheet", Presentation "presentation", Contact "contact",
        Calendar "calendar", Task "task", Poll "poll", Form "form", Payment "payment", Order "order",
        Product "product", Invite "invite",
        System "system", Notice "notice", Event "event", Announcement "announcement", Alert "alert", Error "error",
        Info "info", Success "success", Warning "warning",
        Heartbeat "heartbeat", Ping "ping", Pong "pong",
        Ack "ack", Typing "typing", Read "read", Delivered "delivered", Recall "recall", Edit "edit",
        Reaction "reaction",
        Thread "thread", Reply "reply", Mention "mention", Custom "custom", Unknown "unknown",
        TicketCreated "ticket_created", TicketAssigned "ticket_assigned", TicketClosed "ticket_closed",
        TicketTimeoutClosed "ticket_timeout_closed", TicketTransfer "ticket_transfer", TicketActive "ticket_active",
        Test "test", Welcome "welcome", Terminate "terminate", Transferred "transferred",
        SessionCreated "session_created", SessionClosed "session_closed", SessionQueued "session_queued",
        SessionTimeout "session_timeout", SessionPaused "session_paused", SessionResumed "session_resumed",
        SessionTransferred "session_transferred", SessionMemberJoined "session_member_joined",
        SessionMemberLeft "session_member_left", SessionStatusChanged "session_status_changed",
        CheckUserStatus "check_user_status", UserStatusResponse "user_status_response",
        GetOnlineUsers "get_online_users", OnlineUsersList "online_users_list", GetUserInfo "get_user_info",
        UserInfoResponse "user_info_response", SystemQuery "system_query", SystemResponse "system_response",
        UserJoined "user_joined", UserLeft "user_left", UserStatusChanged "user_status_changed",
        ServerStatus "server_status", ServerStats "server_stats", ClientConfig "client_config",
        ConfigUpdate "config_update", HealthCheck "health_check", HealthResponse "health_response",
        Connected "connected", ClientRegistered "client_registered", ConnectionRejected "connection_rejected",
        Disconnected "disconnected", Reconnected "reconnected", ConnectionError "connection_error",
        ConnectionTimeout "connection_timeout", KickOut "kick_out", ForceOffline "force_offline",
        OpenWindow "open_window", CloseWindow "close_window", BStatusReminder "b_status_reminder",
        GroupChanged "group_changed",
    }
}

names! {
    /// What a message type is about.
    Category {
        Media "media", Text "text", System "system", Interactive "interactive", Recall "recall", Status "status",
        Business "business", Session "session", Window "window", User "user", Config "config", Health "health",
        Server "server", Thread "thread", Custom "custom", Other "other",
    }
}

names! {
    /// How important a message says it is. It never reorders.
    Priority { Low "low", Normal "normal", High "high", Urgent "urgent", Critical "critical" }
}

names! {
    /// Who a user is, `utp` in a token. Any other text is the application's.
    UserType {
        Visitor "visitor", Customer "customer", Agent "agent", Admin "admin", Bot "bot", Vip "vip", System "system",
        Observer "observer",
    }
}

names! {
    /// A user's presence.
    UserStatus { Online "online", Offline "offline", Busy "busy", Away "away", Invisible "invisible" }
}

names! {
    /// `push_type`: informative only.
    PushType { None "none", Direct "direct", Queue "queue", Offline "offline", Unicast "unicast" }
}

names! {
    /// `broadcast_type`: `global` addresses everybody.
    BroadcastType { None "none", Session "session", Global "global" }
}

names! {
    /// `source`: where an entry came from; a live one has none (`online` in bare mode).
    Source { Online "online", Offline "offline", History "history" }
}

impl MessageType {
    /// The type's category; the first that matches in go-wsc's order.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            Self::Image
            | Self::Audio
            | Self::Video
            | Self::File
            | Self::Voice
            | Self::Gif
            | Self::Document
            | Self::Spreadsheet
            | Self::Presentation => Category::Media,
            Self::Text | Self::Markdown | Self::RichText | Self::Code => Category::Text,
            Self::System
            | Self::Notice
            | Self::Event
            | Self::Announcement
            | Self::Alert
            | Self::Error
            | Self::Info
            | Self::Success
            | Self::Warning
            | Self::Heartbeat
            | Self::Ping
            | Self::Pong
            | Self::BStatusReminder => Category::System,
            Self::Card
            | Self::Link
            | Self::Quote
            | Self::Command
            | Self::Poll
            | Self::Form
            | Self::Task
            | Self::Invite => Category::Interactive,
            Self::Recall | Self::Edit | Self::Reaction => Category::Recall,
            Self::Typing | Self::Read | Self::Delivered | Self::Ack => Category::Status,
            Self::OpenWindow | Self::CloseWindow => Category::Window,
            Self::UserJoined
            | Self::UserLeft
            | Self::UserStatusChanged
            | Self::CheckUserStatus
            | Self::UserStatusResponse
            | Self::GetOnlineUsers
            | Self::OnlineUsersList
            | Self::GetUserInfo
            | Self::UserInfoResponse => Category::User,
            Self::ClientConfig | Self::ConfigUpdate => Category::Config,
            Self::HealthCheck | Self::HealthResponse => Category::Health,
            Self::ServerStatus | Self::ServerStats => Category::Server,
            Self::Thread | Self::Reply => Category::Thread,
            Self::Custom | Self::Unknown => Category::Custom,
            Self::Payment | Self::Order | Self::Product => Category::Business,
            other if other.as_str().starts_with("ticket_") => Category::Business,
            other if other.as_str().starts_with("session_") => Category::Session,
            _ => Category::Other,
        }
    }

    /// The priority go-wsc gives the type when none is set.
    #[must_use]
    pub fn default_priority(self) -> Priority {
        match self {
            Self::Error | Self::Alert => Priority::Critical,
            Self::System | Self::Announcement | Self::Warning => Priority::Urgent,
            Self::Notice
            | Self::Event
            | Self::Success
            | Self::Payment
            | Self::Order
            | Self::Invite
            | Self::Task
            | Self::Recall
            | Self::Test
            | Self::Welcome
            | Self::Terminate
            | Self::Transferred => Priority::High,
            Self::Typing
            | Self::Read
            | Self::Delivered
            | Self::Ack
            | Self::Heartbeat
            | Self::Ping
            | Self::Pong
            | Self::Info
            | Self::Edit
            | Self::Reaction
            | Self::Json
            | Self::Xml
            | Self::Binary
            | Self::Spreadsheet
            | Self::Presentation
            | Self::Custom
            | Self::Command => Priority::Low,
            other if matches!(other.category(), Category::Session) => Priority::High,
            other if other.as_str().starts_with("ticket_") => Priority::High,
            _ => Priority::Normal,
        }
    }
}

/// The frames of the connection, and the requests: one after the other those of the same length, at its index.
static RESERVED: [&str; 21] = [
    "",
    "",
    "",
    concat!("ack", "gap"),
    concat!("kick", "ping", "pong", "skip"),
    concat!("error", "fetch", "watch"),
    "",
    concat!("connect", "fetched", "observe", "refresh", "unwatch", "welcome"),
    concat!("kick_out", "receipts"),
    concat!("connected", "heartbeat", "unobserve", "user_left"),
    "group_join",
    concat!("group_leave", "user_joined"),
    concat!("group_remove", "health_check"),
    concat!(
        "config_update",
        "conversations",
        "force_offline",
        "get_user_info",
        "group_changed",
        "group_disband",
        "group_members",
        "server_status"
    ),
    "",
    "health_response",
    "get_online_users",
    concat!("check_user_status", "online_users_list"),
    "user_info_response",
    "user_status_changed",
    "user_status_response",
];

/// Whether this type is never a message from a client.
#[must_use]
pub fn is_reserved(message_type: &str) -> bool {
    let length = message_type.len();
    let names = RESERVED.get(length).copied().unwrap_or_default();
    length > 0 && names.as_bytes().chunks_exact(length).any(|name| name == message_type.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_types_are_found_at_their_length() {
        assert!(RESERVED.iter().enumerate().all(|(length, names)| names.len() % length.max(1) == 0));
        let reserved = ["ack", "gap", "kick", "connected", "unobserve", "kick_out", "user_status_response"];
        assert!(reserved.iter().all(|name| is_reserved(name)));
        assert!(
            ["", "text", "typing", "connecting", "connects", "ckg"].iter().all(|name| !is_reserved(name))
        );
    }

    #[test]
    fn there_are_107_types_and_each_is_found_by_its_name() {
        assert_eq!(MessageType::ALL.len(), 107);
        for kind in MessageType::ALL {
            assert_eq!(MessageType::from_name(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn categories_and_priorities_are_those_of_the_original() {
        assert_eq!(MessageType::BStatusReminder.category(), Category::System);
        assert_eq!(MessageType::TicketActive.category(), Category::Business);
        assert_eq!(MessageType::SessionQueued.default_priority(), Priority::High);
        assert_eq!(MessageType::Alert.default_priority(), Priority::Critical);
        assert_eq!(MessageType::Text.default_priority(), Priority::Normal);
        assert_eq!(MessageType::Connected.category(), Category::Other);
    }
}
