//! The keys of the embedded store, format 1: what each part is called on disk and in which order it lies there. Pure
//! functions; they never touch a file.
//!
//! Only the directory of names carries the scope. Everywhere else a stream is its number, which belongs to one stream
//! of one scope for ever, and a user is the number of the user's inbox.

use super::super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::super::store::Conversation;
use super::codec::{Decoder, Invalid};

/// Directory of names: name → number.
pub(super) const NAME: u8 = b'n';
/// Streams: number → [`StreamRecord`](super::record::StreamRecord).
pub(super) const STREAM: u8 = b's';
/// Users: number → [`UserRecord`](super::record::UserRecord).
pub(super) const USER: u8 = b'u';
/// Group memberships and their tombstones: group, user id → [`MemberRecord`](super::record::MemberRecord).
pub(super) const MEMBER: u8 = b'm';
/// Groups: number → [`GroupRecord`](super::record::GroupRecord).
pub(super) const GROUP: u8 = b'c';
/// The groups of a user: user, group → start.
pub(super) const USER_GROUP: u8 = b'g';
/// Read marks: user, conversation → position.
pub(super) const MARK: u8 = b'r';
/// Read marks that were not passed on: user, conversation → [`WaitingRecord`](super::record::WaitingRecord).
pub(super) const WAITING_MARK: u8 = b'q';
/// What was delivered: user, stream → [`DeliveredRecord`](super::record::DeliveredRecord).
pub(super) const DELIVERED: u8 = b'a';
/// Indexes of streams: number → [`IndexRecord`](super::conversations::IndexRecord).
pub(super) const INDEX: u8 = b'x';
/// Devices: user, device id → [`DeviceRecord`](super::record::DeviceRecord).
pub(super) const DEVICE: u8 = b'd';
/// Places of devices: user, device id, stream → [`PlaceRecord`](super::record::PlaceRecord).
pub(super) const PLACE: u8 = b'p';
/// Timers: kind, time, what it is about; no value.
pub(super) const TIMER: u8 = b't';
/// How many batches were written: compared with the count at closing.
pub(super) const BATCHES: u8 = b'b';

/// What a timer is about. The time in its key is that of the event, so a changed retention holds for old ones too.
pub(super) mod timer {
    /// A stream's oldest entry: the stream's number.
    pub(in super::super) const STREAM: u8 = b's';
    /// A message id that outlived its entry: its key in `ids`.
    pub(in super::super) const ID: u8 = b'i';
    /// A device: user, device id.
    pub(in super::super) const DEVICE: u8 = b'd';
    /// An ended membership: group, user id.
    pub(in super::super) const MEMBER: u8 = b'm';
}

/// The key of an entry in `log`.
pub(super) fn entry(stream: u64, seq: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&stream.to_be_bytes());
    key[8..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// The position in a key of `log`.
pub(super) fn entry_seq(key: &[u8]) -> Result<u64, Invalid> {
    let mut decoder = Decoder::new(key);
    decoder.fixed_u64()?;
    let seq = decoder.fixed_u64()?;
    decoder.end()?;
    Ok(seq)
}

/// The beginning of all keys in `ids` for one sender's message id; a sender's keys lie in order of (length, id).
pub(super) fn id_prefix(sender: u64, message_id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + 2 + message_id.len() + 8);
    key.extend_from_slice(&sender.to_be_bytes());
    put_name(&mut key, message_id);
    key
}

/// The key of a message id in `ids`.
pub(super) fn id(sender: u64, message_id: &str, target: u64) -> Vec<u8> {
    let mut key = id_prefix(sender, message_id);
    key.extend_from_slice(&target.to_be_bytes());
    key
}

/// The target's stream in a key of `ids`.
pub(super) fn id_target(key: &[u8]) -> Result<u64, Invalid> {
    let tail = key.len().checked_sub(8).and_then(|at| key.get(at..)).ok_or(Invalid)?;
    Decoder::new(tail).fixed_u64()
}

/// The key of a stream's number.
pub(super) fn name(stream: &StreamKey) -> Vec<u8> {
    let mut key = vec![NAME];
    put_stream(&mut key, stream);
    key
}

/// A stream's name: scope first, every part with its length.
pub(super) fn put_stream(out: &mut Vec<u8>, stream: &StreamKey) {
    let scope = stream.scope();
    put_name(out, &scope.app);
    put_name(out, &scope.namespace);
    match stream {
        StreamKey::Inbox(user) => {
            out.push(b'i');
            put_name(out, &user.user);
        }
        StreamKey::Group(group) => {
            out.push(b'g');
            put_name(out, &group.group);
        }
        StreamKey::Broadcast(_) => out.push(b'b'),
    }
}

/// Reads what [`put_stream`] wrote.
pub(super) fn stream_name(decoder: &mut Decoder<'_>) -> Result<StreamKey, Invalid> {
    let scope = Scope { app: decoder.name()?.into(), namespace: decoder.name()?.into() };
    match decoder.byte()? {
        b'i' => Ok(StreamKey::Inbox(UserKey { user: decoder.name()?.into(), scope })),
        b'g' => Ok(StreamKey::Group(GroupKey { group: decoder.name()?.into(), scope })),
        b'b' => Ok(StreamKey::Broadcast(scope)),
        _ => Err(Invalid),
    }
}

/// A key, or the beginning of keys, of a kind and a number.
pub(super) fn numbered(kind: u8, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.push(kind);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number in a key made by [`numbered`].
pub(super) fn number(key: &[u8]) -> Result<u64, Invalid> {
    let mut decoder = Decoder::new(key);
    decoder.byte()?;
    decoder.fixed_u64()
}

/// The key of a kind, a number and an id, which lies last so that ids are in order: members and devices.
pub(super) fn with_id(kind: u8, number: u64, id: &str) -> Vec<u8> {
    let mut key = numbered(kind, number);
    key.extend_from_slice(id.as_bytes());
    key
}

/// The id in a key made by [`with_id`].
pub(super) fn id_of(key: &[u8]) -> Result<&str, Invalid> {
    key.get(9..).and_then(|id| std::str::from_utf8(id).ok()).ok_or(Invalid)
}

/// The first key behind all with this prefix. A prefix begins with a kind, which is never the highest byte.
pub(super) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// The key of a kind and two numbers: a user's groups.
pub(super) fn pair(kind: u8, first: u64, second: u64) -> Vec<u8> {
    let mut key = numbered(kind, first);
    key.extend_from_slice(&second.to_be_bytes());
    key
}

/// The number at the end of a key made by [`pair`] or [`place`].
pub(super) fn last_number(key: &[u8]) -> Result<u64, Invalid> {
    id_target(key)
}

/// The key of a read mark, or of one that waits to be passed on.
pub(super) fn mark(of: u8, user: u64, conversation: &Conversation) -> Vec<u8> {
    let (kind, id) = match conversation {
        Conversation::Peer(id) => (b'p', id),
        Conversation::Group(id) => (b'g', id),
    };
    let mut key = numbered(of, user);
    key.push(kind);
    key.extend_from_slice(id.as_bytes());
    key
}

/// The conversation in a key made by [`mark`].
pub(super) fn mark_conversation(key: &[u8]) -> Result<Conversation, Invalid> {
    let (kind, id) = key.get(9..).and_then(<[u8]>::split_first).ok_or(Invalid)?;
    let id = std::str::from_utf8(id).map_err(|_| Invalid)?;
    match kind {
        b'p' => Ok(Conversation::Peer(id.into())),
        b'g' => Ok(Conversation::Group(id.into())),
        _ => Err(Invalid),
    }
}

/// The beginning of the keys of a device's places.
pub(super) fn places(user: u64, device: &str) -> Vec<u8> {
    let mut key = numbered(PLACE, user);
    put_name(&mut key, device);
    key
}

/// The key of a device's place in a stream.
pub(super) fn place(user: u64, device: &str, stream: u64) -> Vec<u8> {
    let mut key = places(user, device);
    key.extend_from_slice(&stream.to_be_bytes());
    key
}

/// The key of a timer.
pub(super) fn timer(kind: u8, time: u64, about: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(10 + about.len());
    key.extend_from_slice(&[TIMER, kind]);
    key.extend_from_slice(&time.to_be_bytes());
    key.extend_from_slice(about);
    key
}

/// The time of a timer, and what it is about.
pub(super) fn timer_parts(key: &[u8]) -> Result<(u64, &[u8]), Invalid> {
    let mut decoder = Decoder::new(key);
    decoder.byte()?;
    decoder.byte()?;
    let time = decoder.fixed_u64()?;
    Ok((time, decoder.rest()))
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    // The longest id of the protocol has 128 bytes. What is longer is cut at 65,535, with its hash-free tail lost:
    // `admissible` keeps such names out before they come here.
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&name.as_bytes()[..usize::from(length)]);
}
