//! The names of everything in Redis: the partition of a stream, the hash tag of a partition, keys. Pure.

use xxhash_rust::xxh3::xxh3_64;

use super::super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::super::store::Conversation;

/// In how many slots a cluster divides its keys.
const SLOTS: u16 = 16_384;

/// The hash tags of the partitions of a store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    tags: Vec<String>,
}

impl Layout {
    /// Each partition has the smallest number as its tag whose slot lies in the partition's part of all slots: so any
    /// division of the slots among servers divides the partitions as evenly.
    pub(super) fn new(partitions: usize) -> Self {
        let partitions = partitions.clamp(1, 1024);
        let mut tags = vec![String::new(); partitions];
        let (mut number, mut left) = (0_u32, partitions);
        while left > 0 {
            let tag = number.to_string();
            let partition = usize::from(slot(tag.as_bytes())) * partitions / usize::from(SLOTS);
            if tags[partition].is_empty() {
                tags[partition] = tag;
                left -= 1;
            }
            number += 1;
        }
        Self { tags }
    }

    pub(super) fn partitions(&self) -> usize {
        self.tags.len()
    }

    /// The partition of a stream, by its [`name`].
    pub(super) fn partition(&self, name: &str) -> usize {
        spread(name, self.tags.len())
    }

    /// What the keys of a partition begin with.
    pub(super) fn prefix(&self, partition: usize) -> String {
        format!("wsc:{{{}}}:", self.tags[partition])
    }

    /// The key of a partition's facts.
    pub(super) fn facts(&self, partition: usize) -> String {
        self.prefix(partition) + "m"
    }

    /// A key about a stream.
    pub(super) fn key(&self, kind: &str, name: &str) -> String {
        format!("{}{kind}:{name}", self.prefix(self.partition(name)))
    }
}

/// One of `count` parts, always the same for a name.
pub(super) fn spread(name: &str, count: usize) -> usize {
    let hash = u128::from(xxh3_64(name.as_bytes()));
    usize::try_from((hash * count as u128) >> 64).unwrap_or(0)
}

/// The slot of a hash tag in a cluster: CRC-16 (XMODEM) of it.
fn slot(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

fn put(out: &mut String, text: &str) {
    out.push_str(&text.len().to_string());
    out.push(':');
    out.push_str(text);
}

/// A scope, so that what follows it cannot be mistaken for a part of it.
pub(super) fn scope_name(scope: &Scope) -> String {
    let mut out = String::with_capacity(scope.app.len() + scope.namespace.len() + 8);
    put(&mut out, &scope.app);
    put(&mut out, &scope.namespace);
    out
}

/// A stream, as it is named in keys, and as [`stream`] reads it.
pub(super) fn name(stream: &StreamKey) -> String {
    match stream {
        StreamKey::Inbox(user) => format!("i{}{}", scope_name(&user.scope), user.user),
        StreamKey::Group(group) => format!("g{}{}", scope_name(&group.scope), group.group),
        StreamKey::Broadcast(scope) => format!("b{}", scope_name(scope)),
    }
}

/// The inbox of a user.
pub(super) fn inbox(user: &UserKey) -> String {
    format!("i{}{}", scope_name(&user.scope), user.user)
}

/// A group.
pub(super) fn group(group: &GroupKey) -> String {
    format!("g{}{}", scope_name(&group.scope), group.group)
}

/// Something with its length in front, as scripts take it off again, and the rest.
pub(super) fn joined(first: &str, rest: &str) -> String {
    let mut out = String::with_capacity(first.len() + rest.len() + 4);
    put(&mut out, first);
    out + rest
}

/// What [`joined`] made of two.
pub(super) fn split(joined: &str) -> Option<(&str, &str)> {
    let (length, rest) = joined.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

/// The stream that [`name`] named.
pub(super) fn stream(name: &str) -> Option<StreamKey> {
    let (app, rest) = split(name.get(1..)?)?;
    let (namespace, id) = split(rest)?;
    let scope = Scope::new(app, namespace);
    match name.as_bytes()[0] {
        b'i' => Some(StreamKey::Inbox(UserKey::new(&scope, id))),
        b'g' => Some(StreamKey::Group(GroupKey::new(&scope, id))),
        b'b' if id.is_empty() => Some(StreamKey::Broadcast(scope)),
        _ => None,
    }
}

/// A conversation of a user.
pub(super) fn conversation(conversation: &Conversation) -> String {
    match conversation {
        Conversation::Peer(peer) => format!("p{peer}"),
        Conversation::Group(group) => format!("g{group}"),
    }
}

/// What [`conversation`] named.
pub(super) fn read_conversation(name: &str) -> Option<Conversation> {
    match name.split_at_checked(1)? {
        ("p", peer) => Some(Conversation::Peer(peer.into())),
        ("g", group) => Some(Conversation::Group(group.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_is_the_one_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12_182);
    }

    #[test]
    fn partitions_lie_in_their_own_part_of_the_slots() {
        for partitions in [1, 3, 16, 128] {
            let layout = Layout::new(partitions);
            for (partition, tag) in layout.tags.iter().enumerate() {
                assert_eq!(usize::from(slot(tag.as_bytes())) * partitions / usize::from(SLOTS), partition);
            }
        }
        assert_eq!(Layout::new(1).facts(0), "wsc:{0}:m");
    }

    #[test]
    fn names_are_read_as_they_were_written() {
        let ids = ["", "a", "a:b", "1:a", "3:abc", "ä\0\u{10ffff}", ":"];
        let mut names = std::collections::HashSet::new();
        let mut count = 0;
        for app in ids {
            for namespace in ids {
                let scope = Scope::new(app, namespace);
                let mut streams = vec![StreamKey::Broadcast(scope.clone())];
                for id in ids {
                    streams.push(StreamKey::Inbox(UserKey::new(&scope, id)));
                    streams.push(StreamKey::Group(GroupKey::new(&scope, id)));
                }
                for key in streams {
                    let name = name(&key);
                    assert_eq!(stream(&name), Some(key), "{name}");
                    names.insert(name);
                    count += 1;
                }
            }
        }
        assert_eq!(names.len(), count);
        for garbage in ["", "i", "i1", "i9:a", "x1:a1:b", "i1:", "b1:a1:bc", "iä"] {
            assert_eq!(stream(garbage), None, "{garbage}");
        }
    }
}
