//! The numbers of the protocol that both sides must agree on, and their defaults.

/// A frame from a client, in bytes; above it the connection closes with 1009.
pub const FRAME: usize = 64 * 1024;
/// What a frame from the hub may be longer than [`FRAME`], in bytes.
pub const FRAME_MARGIN: usize = 4 * 1024;
/// Longer than any frame in either direction can be, in bytes: the decoder reads no further.
pub const FRAME_MAX: usize = 16 * 1024 * 1024;
/// Nesting of JSON, the outermost object included.
pub const DEPTH: usize = 32;
/// The protocol's number.
pub const PROTOCOL: u64 = 1;
/// The WebSocket subprotocol that chooses this protocol.
pub const SUBPROTOCOL: &str = "wsc.v1";
/// The first number that is not a valid position: 2^53.
pub const POSITION_END: u64 = 1 << 53;
/// Time for the `connect` frame, in milliseconds.
pub const CONNECT_MS: u64 = 10_000;
/// Silence before a ping, in milliseconds.
pub const HEARTBEAT_MS: u64 = 25_000;
/// Time for anything to come after a ping, in milliseconds.
pub const PONG_MS: u64 = 10_000;
/// Unacknowledged entries under way per connection.
pub const WINDOW: u32 = 4096;
/// An acknowledgement may wait this long, in milliseconds.
pub const ACK_MS: u64 = 200;
/// Entries out and none acknowledged for this long is a failed attempt, in milliseconds.
pub const ACK_TIMEOUT_MS: u64 = 30_000;
/// How long a message id is remembered, in milliseconds.
pub const DEDUPE_MS: u64 = 24 * 60 * 60 * 1000;
/// Sends out and no answer to any for this long: the client reconnects, in milliseconds.
pub const SEND_TIMEOUT_MS: u64 = 20_000;
/// Frames that cannot be understood within a minute before the connection closes with 4011.
pub const BAD_FRAMES: u32 = 10;
/// Entries in one answer to `fetch`.
pub const FETCH: u64 = 500;
/// Groups read by one connection.
pub const GROUPS: usize = 1000;
/// Ids in `receipts` and `check_user_status`.
pub const QUERY_IDS: usize = 100;
/// Users in `watch`, and the size up to which a group's members learn of each other.
pub const WATCH: usize = 1000;
/// Unsettled sends that a client keeps by default.
pub const OUTBOX_COUNT: usize = 10_000;
/// Their bytes.
pub const OUTBOX_BYTES: usize = 16 * 1024 * 1024;
/// Entries of a stream that the application does not read are held this long; then they count as handed over. In
/// milliseconds.
pub const UNREAD_MS: u64 = 20_000;
/// A user who keeps typing in a conversation says so again after this time, in milliseconds.
pub const TYPING_MS: u64 = 2_000;
/// Entries that wait for the application before its client stops reading the socket.
pub const BACKLOG_COUNT: usize = 8192;
/// Their bytes.
pub const BACKLOG_BYTES: usize = 16 * 1024 * 1024;
