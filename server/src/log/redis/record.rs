//! What is kept of an entry, a claim, a device, a membership: texts where scripts read them, postcard where not. Pure:
//! any bytes give a record or an error, never a panic.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::rules::Tombstone;
use super::super::store::{
    Append, Claim, Entry, Facts, Flags, Membership, Milliseconds, Ranges, StoreError, Target,
};
use crate::log::key::Scope;

/// The version of all that is kept as postcard.
const VERSION: u8 = 1;

/// Something that was not written so.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} in Redis cannot be understood").into())
}

/// An entry but for its position and its body.
#[derive(Serialize, Deserialize)]
struct Header<'a> {
    flags: u8,
    create_at: u64,
    expires_at: u64,
    target: Target,
    sender: &'a str,
    device: &'a str,
    message_id: &'a str,
    only_device: &'a str,
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Nothing in it can fail to be written to memory.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, StoreError> {
    match bytes {
        [VERSION, rest @ ..] => postcard::from_bytes(rest).map_err(|_| damaged(what)),
        _ => Err(damaged(what)),
    }
}

/// What is kept of a message beside its body.
pub(super) fn header(append: &Append) -> Vec<u8> {
    encode(&Header {
        flags: append.flags.0,
        create_at: append.now,
        expires_at: append.expires_at,
        target: append.target.clone(),
        sender: &append.sender,
        device: &append.device,
        message_id: &append.message_id,
        only_device: &append.only_device,
    })
}

/// The entry at a position.
pub(super) fn entry(seq: u64, header: &[u8], body: Bytes) -> Result<Entry, StoreError> {
    let header: Header<'_> = decode(header, "an entry")?;
    Ok(Entry {
        seq,
        target: header.target,
        sender: header.sender.into(),
        device: header.device.into(),
        message_id: header.message_id.into(),
        flags: Flags(header.flags),
        only_device: header.only_device.into(),
        expires_at: header.expires_at,
        create_at: header.create_at,
        body,
    })
}

/// [`Facts`] in order.
type KeptFacts = (Arc<str>, Arc<str>, bool, u64, Vec<(Scope, Arc<str>)>);

/// What hubs tell of themselves.
pub(super) fn facts(facts: &Facts) -> Vec<u8> {
    let Facts { name, release, is_draining, connections, observed } = facts.clone();
    encode::<KeptFacts>(&(name, release, is_draining, connections, observed))
}

pub(super) fn read_facts(bytes: &[u8]) -> Result<Facts, StoreError> {
    let kept: KeptFacts = decode(bytes, "what a hub told of itself")?;
    let (name, release, is_draining, connections, observed) = kept;
    Ok(Facts { name, release, is_draining, connections, observed })
}

/// An index of a stream, as it is kept: epoch, positions before it, names, marks, what expires.
pub(super) type KeptIndex = (Arc<str>, u64, Vec<(Arc<str>, u64, u64)>, Vec<u64>, Vec<(u64, u64, u64, u64)>);

pub(super) fn index(index: &KeptIndex) -> Vec<u8> {
    encode(index)
}

pub(super) fn read_index(bytes: &[u8]) -> Result<KeptIndex, StoreError> {
    decode(bytes, "an index")
}

/// A claim is kept as `turn:incarnation:sent:taken:connection`. With it comes when it was taken.
pub(super) fn claim(device: &str, kept: &str) -> Option<(Claim, Milliseconds)> {
    let mut parts = kept.splitn(5, ':');
    let turn = parts.next()?.parse().ok()?;
    let incarnation = u128::from_str_radix(parts.next()?, 16).ok()?;
    let (sent_ms, taken) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let connection = parts.next()?.into();
    Some((Claim { device: device.into(), incarnation, connection, turn, sent_ms }, taken))
}

/// A device is kept as `attempts:seen:revision`: its attempts, and when it was last seen.
pub(super) fn device(kept: &str) -> Option<(u32, Milliseconds)> {
    let mut parts = kept.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A membership is kept as `start:since:request`.
pub(super) fn membership(kept: &str) -> Option<Membership> {
    let mut parts = kept.split(':');
    Some(Membership { start: parts.next()?.parse().ok()?, since: parts.next()?.parse().ok()? })
}

/// What is left of memberships is kept as `left:removed:request:membership`, `-` for never.
pub(super) fn tombstone(kept: &str) -> Option<Tombstone> {
    let mut parts = kept.split(':');
    let mut second = || match parts.next()? {
        "-" => Some(None),
        second => second.parse().ok().map(Some),
    };
    let (left, removed) = (second()?, second()?);
    Some(Tombstone { left, removed, ended: parts.next()?.parse().ok()? })
}

/// What was delivered is kept as `epoch;after-to,after-to`.
pub(super) fn delivered(kept: &str) -> Option<(&str, Ranges)> {
    let (epoch, parts) = kept.split_once(';')?;
    let mut ranges = Ranges::default();
    for (after, to) in parts.split(',').filter_map(|part| part.split_once('-')) {
        ranges.insert(after.parse().ok()?, to.parse().ok()?);
    }
    Some((epoch, ranges))
}

pub(super) fn write_delivered(epoch: &str, ranges: &Ranges) -> String {
    let parts: Vec<String> = ranges.iter().map(|(after, to)| format!("{after}-{to}")).collect();
    format!("{epoch};{}", parts.join(","))
}

/// Where messages with one id went, the newest last: kept as the length of the target, the target, `seq:own;` of each.
pub(super) fn sent(mut kept: &str) -> Option<Vec<(&str, u64)>> {
    let mut list = Vec::new();
    while !kept.is_empty() {
        let (target, rest) = super::layout::split(kept)?;
        let (places, rest) = rest.split_once(';')?;
        list.push((target, places.split_once(':')?.0.parse().ok()?));
        kept = rest;
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[0-9a-f:;,-]{0,30}") {
            for bytes in [&bytes[..], &[&[VERSION], &bytes[..]].concat()] {
                let _ = entry(1, bytes, Bytes::new());
                let _ = (read_facts(bytes), read_index(bytes));
            }
            let _ = (claim("d", &text), device(&text), membership(&text), tombstone(&text));
            let _ = (delivered(&text).is_some(), sent(&text).is_some());
        }
    }

    #[test]
    fn texts_are_read_as_scripts_write_them() {
        let (read, taken) = claim("d1", "7:000000000000000000000000000000ff:5:9:a:b").expect("a claim");
        assert_eq!((read.turn, read.incarnation, read.sent_ms, &*read.connection), (7, 255, 5, "a:b"));
        assert_eq!(taken, 9);
        assert_eq!(tombstone("-:5:9:1:2"), Some(Tombstone { left: None, removed: Some(5), ended: 9 }));
        assert_eq!(membership("3:4:9"), Some(Membership { start: 3, since: 4 }));
        let (epoch, ranges) = delivered("e1;0-4,6-7").expect("ranges");
        assert_eq!((epoch, write_delivered(epoch, &ranges)), ("e1", "e1;0-4,6-7".to_owned()));
        assert_eq!(sent("2:ab7:0;1:c9:8;"), Some(vec![("ab", 7), ("c", 9)]));
        assert_eq!(sent(""), Some(Vec::new()));
    }
}
