//! The codes of the protocol: one table of errors, one of closes.

// A code is its number with names for those that are known: what is not in the table passes through unharmed, and
// neither direction needs code.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident: $number:ty { $($(#[$doc:meta])* $variant:ident = $value:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name($number);
        #[allow(non_upper_case_globals, reason = "they are the values of an open enumeration")]
        impl $name {
            $($(#[$doc])* pub const $variant: Self = Self($value);)*
            /// Every code of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> $number { self.0 }
            /// The code of a number.
            #[must_use]
            pub const fn from_number(number: $number) -> Self { Self(number) }
            /// What it means, in a few words.
            #[must_use]
            pub const fn text(self) -> &'static str { match self { $(Self::$variant => $text,)* Self(_) => "another code" } }
        }
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self { $(Self::$variant => f.write_str(stringify!($variant)),)* Self(number) => write!(f, "Other({number})") }
            }
        }
    };
}

codes! {
    /// Why a message or a request was refused. The numbers are go-wsc's; those the hub itself sends are marked "on the wire".
    ErrorCode: u32 {
        /// Connection fault.
        Connection = 80000, "connection fault";
        /// Message fault.
        Message = 80001, "message fault";
        /// System fault.
        System = 80002, "system fault";
        /// Network fault.
        Network = 80003, "network fault";
        /// Concurrency fault.
        Concurrency = 80004, "concurrency fault";
        /// Memory fault.
        Memory = 80005, "memory fault";
        /// Configuration fault.
        Configuration = 80006, "configuration fault";
        /// Connection closed.
        ConnectionClosed = 80101, "connection closed";
        /// Connection reset.
        ConnectionReset = 80102, "connection reset";
        /// Connection timed out.
        ConnectionTimeout = 80103, "connection timed out";
        /// Network unreachable.
        NetworkUnreachable = 80104, "network unreachable";
        /// Service unavailable.
        ServiceUnavailable = 80105, "service unavailable";
        /// A queue is full.
        QueueFull = 80201, "queue full";
        /// The message buffer is full.
        MessageBufferFull = 80202, "message buffer full";
        /// The queue of pending messages is full.
        PendingFull = 80203, "pending queue full";
        /// Queue and pending queue are full.
        AllQueuesFull = 80204, "all queues full";
        /// The send channel is full.
        SendChannelFull = 80205, "send channel full";
        /// The user is offline.
        UserOffline = 80301, "user offline";
        /// No such user.
        UserNotFound = 80302, "no such user";
        /// On the wire: the sender may not do this.
        PermissionDenied = 80303, "permission denied";
        /// On the wire: bad credentials.
        AuthenticationFailed = 80304, "authentication failed";
        /// No credentials.
        Unauthorized = 80305, "unauthorized";
        /// On the wire: the frame or a field cannot be understood.
        InvalidFormat = 80401, "invalid format";
        /// On the wire: the message is too large.
        MessageTooLarge = 80402, "message too large";
        /// On the wire: no target, or one that cannot be.
        TargetMissing = 80403, "target missing";
        /// On the wire: refused by the application.
        Filtered = 80404, "filtered by the application";
        /// Delivery timed out.
        DeliveryTimeout = 80405, "delivery timed out";
        /// On the wire: the message id was used before for other content.
        MessageIdReused = 80406, "message_id was used before for other content";
        /// No such client.
        ClientNotFound = 80501, "no such client";
        /// The client is not connected.
        ClientDisconnected = 80502, "client disconnected";
        /// No agents.
        NoAgents = 80503, "no agents";
        /// The hub did not start in time.
        StartupTimeout = 80601, "hub startup timed out";
        /// The hub did not stop in time.
        ShutdownTimeout = 80602, "hub shutdown timed out";
        /// The hub is not running.
        HubNotRunning = 80603, "hub not running";
        /// The circuit breaker is open.
        CircuitOpen = 80604, "circuit open";
        /// Records are off.
        RecordsDisabled = 80701, "records disabled";
        /// No such record.
        RecordNotFound = 80702, "no such record";
        /// Sent already.
        RecordAlreadySent = 80703, "already sent";
        /// Too many retries.
        RecordMaxRetries = 80704, "too many retries";
        /// Records are not initialised.
        RecordsNotInitialised = 80705, "records not initialised";
        /// Too many retries of a message.
        MessageMaxRetries = 80706, "too many retries of a message";
        /// No record repository.
        RecordRepositoryMissing = 80707, "no record repository";
        /// No online-status repository.
        OnlineRepositoryMissing = 80708, "no online status repository";
        /// No statistics repository.
        StatsRepositoryMissing = 80709, "no statistics repository";
        /// On the wire (HTTP and requests): too many in too short a time.
        RateLimited = 80801, "rate limit";
        /// Too frequent.
        FrequencyLimited = 80802, "frequency limit";
        /// An operation timed out.
        OperationTimeout = 80901, "operation timed out";
        /// On the wire (HTTP and requests): cannot be done just now.
        Temporary = 80902, "temporary failure";
        /// On the wire (HTTP and requests): busy or draining.
        Busy = 80903, "busy";
        /// Unknown fault.
        Unknown = 80999, "unknown fault";
        /// No acknowledgement in time.
        AckTimeout = 81001, "acknowledgement timed out";
        /// No acknowledgement after retries.
        AckTimeoutAfterRetries = 81002, "acknowledgement timed out after retries";
        /// The context was cancelled.
        Cancelled = 81003, "cancelled";
        /// A setting is missing.
        ConfigMissing = 81101, "configuration missing";
        /// A setting is invalid.
        ConfigInvalid = 81102, "configuration invalid";
        /// Settings could not be loaded.
        ConfigLoad = 81103, "configuration not loaded";
        /// On a block list.
        Blacklisted = 81201, "on a block list";
        /// Too many login attempts.
        BruteForce = 81202, "too many login attempts";
        /// A threat was seen.
        Threat = 81203, "threat detected";
        /// A security rule was violated.
        SecurityRule = 81204, "security rule violated";
        /// No pub/sub.
        PubSubMissing = 81301, "pub/sub not set";
        /// Publishing failed.
        PublishFailed = 81302, "publishing failed";
        /// Serialisation failed.
        SerialiseFailed = 81303, "serialisation failed";
        /// Deserialisation failed.
        DeserialiseFailed = 81304, "deserialisation failed";
        /// On the wire: no such group, or none this user may see.
        GroupNotFound = 81401, "no such group, or not a member";
        /// Member already.
        GroupMember = 81402, "already a member";
        /// The group is full, or the user is in too many.
        GroupFull = 81403, "group full";
        /// No group repository.
        GroupRepositoryMissing = 81404, "no group repository";
        /// The group exists.
        GroupExists = 81405, "group exists";
        /// The group's name is reserved.
        GroupReserved = 81406, "reserved group name";
    }
}

impl ErrorCode {
    /// Whether trying the same again later can succeed.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::ConnectionTimeout
                | Self::QueueFull
                | Self::MessageBufferFull
                | Self::PendingFull
                | Self::AllQueuesFull
                | Self::DeliveryTimeout
                | Self::StartupTimeout
                | Self::ShutdownTimeout
                | Self::CircuitOpen
                | Self::RateLimited
                | Self::OperationTimeout
                | Self::Temporary
                | Self::Busy
                | Self::AckTimeout
        )
    }
}

codes! {
    /// Why a connection ended: the status of a WebSocket Close frame.
    CloseCode: u16 {
        /// Done.
        Normal = 1000, "done";
        /// The hub restarts or drains.
        GoingAway = 1001, "going away";
        /// WebSocket framing violated.
        Protocol = 1002, "websocket protocol error";
        /// Invalid UTF-8.
        InvalidData = 1007, "invalid UTF-8";
        /// A frame above the limit.
        TooBig = 1009, "frame too big";
        /// The hub is full or its store not available.
        TryAgainLater = 1013, "try again later";
        /// Credentials refused.
        Unauthorized = 4001, "credentials refused";
        /// The token expired.
        TokenExpired = 4002, "token expired";
        /// Forbidden.
        Forbidden = 4003, "forbidden";
        /// The connection took nothing for too long.
        TooSlow = 4008, "too slow";
        /// A newer connection of the device replaced it.
        Replaced = 4009, "replaced by a newer connection of this device";
        /// Kicked.
        Kicked = 4010, "kicked";
        /// The other side broke the protocol.
        Violation = 4011, "protocol violation";
        /// No sign of life, or no `connect` in time.
        Silent = 4012, "no sign of life";
        /// Entries were not acknowledged in time.
        Unacknowledged = 4013, "entries were not acknowledged";
        /// Positions do not fit, or a new epoch began.
        Hole = 4014, "positions do not fit";
        /// Too much, too fast.
        RateLimited = 4029, "rate limit";
    }
}

/// What a client does after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterClose {
    /// Stays closed.
    Stay,
    /// Connects again with backoff, or after the hint.
    Reconnect,
    /// Asks for a fresh token first; without one it stays closed.
    FreshToken,
    /// Connects again, but stays closed at the third time within a minute.
    ReconnectFewTimes,
}

impl CloseCode {
    /// What a client does after this close; unknown codes reconnect.
    #[must_use]
    pub const fn after(self) -> AfterClose {
        match self {
            Self::Normal | Self::Forbidden | Self::Kicked | Self::Violation | Self::Replaced => {
                AfterClose::Stay
            }
            Self::Unauthorized | Self::TokenExpired => AfterClose::FreshToken,
            Self::Protocol | Self::InvalidData | Self::TooBig => AfterClose::ReconnectFewTimes,
            _ => AfterClose::Reconnect,
        }
    }
}

/// The hint in a close reason: `retry_after_ms=1500` gives 1500.
///
/// ```
/// assert_eq!(wsc_core::codes::retry_hint("draining retry_after_ms=1500"), Some(1500));
/// assert_eq!(wsc_core::codes::retry_hint("draining"), None);
/// ```
#[must_use]
pub fn retry_hint(reason: &str) -> Option<u64> {
    number_after(reason.as_bytes(), b"retry_after_ms=", &[])
}

/// The whole number that follows a name, after bytes that may stand between. Not by `str::find`: its searcher for long
/// texts costs more in WebAssembly than everything here.
pub(crate) fn number_after(bytes: &[u8], name: &[u8], between: &[u8]) -> Option<u64> {
    let at = bytes.windows(name.len()).position(|window| window == name)? + name.len();
    let mut found = None;
    for byte in bytes.get(at..)? {
        if byte.is_ascii_digit() {
            found = Some(with_digit(found.unwrap_or(0), *byte)?);
        } else if found.is_some() || !between.contains(byte) {
            break;
        }
    }
    found
}

/// The number with one more decimal digit; `None` when it is none, or the number too large for any use here.
pub(crate) fn with_digit(number: u64, digit: u8) -> Option<u64> {
    // By a bound: a multiplication that is checked takes 128 bits, which WebAssembly does not have.
    let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
    (number < u64::MAX / 10).then(|| number * 10 + u64::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), *code);
        }
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_number(code.number()), *code);
        }
        assert_eq!(CloseCode::from_number(4999).number(), 4999);
        assert_eq!(format!("{:?} {:?}", CloseCode::Hole, CloseCode::from_number(7)), "Hole Other(7)");
    }
}
