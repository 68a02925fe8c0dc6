//! Streams as connections read them: which are open on a connection, and who on the shard reads a stream.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use slab::Slab;
use wsc_core::StreamName;
use wsc_core::peer::TrackId;

use super::notes::Notes;
use super::standing::{Seen, Standing};
use crate::log::key::StreamKey;

/// One stream as one connection reads it. Its positions are the [`Peer`](wsc_core::peer::Peer)'s.
pub(crate) struct Subscription {
    /// Its group; `None`: the inbox or the broadcast.
    pub(crate) group: Option<Arc<str>>,
    /// Its number in [`Streams`].
    pub(crate) stream: u32,
    /// Its index among the stream's subscribers.
    pub(super) index: u32,
    /// Gets entries as they are published; otherwise the log is read.
    pub(crate) is_live: bool,
    /// Is handed nothing until its stream was looked up again.
    pub(crate) is_held: bool,
    pub(super) is_closed: bool,
    /// Entries up to here carry `"source":"offline"`.
    pub(crate) offline_to: u64,
    /// Positions up to here, from the next one, are not for it, and the `skip` is not written yet.
    pub(crate) skip_to: u64,
    /// What must be remembered of entries until they are acknowledged.
    pub(crate) notes: Notes,
}

impl Subscription {
    pub(crate) fn owes_skip(&self) -> bool {
        self.skip_to != 0 && !self.is_closed
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether the log is to be read for it.
    pub(crate) fn lags(&self) -> bool {
        !self.is_live && !self.is_held
    }
}

/// What a connection reads, by [`TrackId`]: the inbox first, then the broadcast, then groups.
pub(crate) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub(super) fn push(&mut self, subscription: Subscription) {
        self.0.push(subscription);
    }

    /// All tracks there ever were on the connection.
    pub(crate) fn tracks(&self) -> std::ops::Range<TrackId> {
        0..TrackId::try_from(self.0.len()).unwrap_or(TrackId::MAX)
    }

    pub(crate) fn get(&self, track: TrackId) -> Option<&Subscription> {
        self.0.get(track as usize)
    }

    /// Those that are open, with their tracks.
    pub(crate) fn open(&self) -> impl Iterator<Item = (TrackId, &Subscription)> {
        (0..).zip(&self.0).filter(|(_, subscription)| !subscription.is_closed)
    }

    pub(crate) fn open_mut(&mut self) -> impl Iterator<Item = (TrackId, &mut Subscription)> {
        (0..).zip(&mut self.0).filter(|(_, subscription)| !subscription.is_closed)
    }

    /// The track of a stream that is open.
    pub(crate) fn track_of(&self, stream: u32) -> Option<TrackId> {
        self.open().find(|(_, subscription)| subscription.stream == stream).map(|(track, _)| track)
    }

    /// A stream's name on this connection.
    pub(crate) fn name(&self, track: TrackId) -> StreamName<'static> {
        match track {
            0 => StreamName::Inbox,
            1 => StreamName::Broadcast,
            _ => match &self[track].group {
                Some(group) => StreamName::group(group),
                None => StreamName::Inbox,
            },
        }
    }
}

impl Index<TrackId> for Subscriptions {
    type Output = Subscription;

    fn index(&self, track: TrackId) -> &Subscription {
        &self.0[track as usize]
    }
}

impl IndexMut<TrackId> for Subscriptions {
    fn index_mut(&mut self, track: TrackId) -> &mut Subscription {
        &mut self.0[track as usize]
    }
}

/// The streams read on a shard, and by whom.
#[derive(Default)]
pub(crate) struct Streams {
    numbers: HashMap<StreamKey, u32>,
    streams: Slab<Stream>,
    /// What changed since it was last taken; `None`: nobody wants to know.
    interest: Option<Vec<Interest>>,
}

/// A shard began or ceased to read a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Interest {
    Begins(StreamKey),
    Ends(StreamKey),
}

/// A stream with subscribers.
pub(crate) struct Stream {
    pub(crate) key: StreamKey,
    /// The newest position known here.
    pub(crate) head: u64,
    pub(crate) subscribers: Vec<Subscriber>,
    /// `None`: no other hub writes to it.
    pub(crate) standing: Option<Box<Standing>>,
}

/// A connection of the shard, and on which of its tracks it reads the stream.
#[derive(Clone, Copy)]
pub(crate) struct Subscriber {
    pub(crate) slot: u32,
    pub(crate) track: TrackId,
}

impl Streams {
    /// From now on it is noted which streams begin and cease to be read.
    pub(crate) fn note_interest(&mut self) {
        self.interest.get_or_insert_default();
    }

    /// What was noted since it was last taken, in order.
    pub(crate) fn take_interest(&mut self) -> Vec<Interest> {
        self.interest.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Adds a subscriber; returns the stream's number and the subscriber's index. `seen`: where other hubs write too.
    pub(super) fn subscribe(
        &mut self,
        key: &StreamKey,
        head: u64,
        subscriber: Subscriber,
        seen: Option<(&Arc<str>, &Seen)>,
    ) -> (u32, u32) {
        let number = match self.numbers.get(key) {
            Some(number) => *number,
            None => {
                // Nearly always an inbox, with one reader.
                let standing = seen.map(|(_, seen)| Box::new(Standing::new(seen)));
                let subscribers = Vec::with_capacity(1);
                let stream = Stream { key: key.clone(), head, subscribers, standing };
                let number = u32::try_from(self.streams.insert(stream)).unwrap_or(u32::MAX);
                self.numbers.insert(key.clone(), number);
                if let Some(interest) = &mut self.interest {
                    interest.push(Interest::Begins(key.clone()));
                }
                number
            }
        };
        let stream = &mut self.streams[number as usize];
        stream.head = stream.head.max(head);
        if let (Some(standing), Some((user, seen))) = (&mut stream.standing, seen) {
            standing.admit(user, matches!(key, StreamKey::Group(_)), seen);
        }
        stream.subscribers.push(subscriber);
        (number, u32::try_from(stream.subscribers.len() - 1).unwrap_or(u32::MAX))
    }

    /// Removes a subscriber; returns who has its index now, if somebody has.
    pub(super) fn unsubscribe(&mut self, number: u32, index: u32) -> Option<Subscriber> {
        let stream = self.streams.get_mut(number as usize)?;
        stream.subscribers.swap_remove(index as usize);
        if stream.subscribers.is_empty() {
            let stream = self.streams.remove(number as usize);
            self.numbers.remove(&stream.key);
            if let Some(interest) = &mut self.interest {
                interest.push(Interest::Ends(stream.key));
            }
            return None;
        }
        stream.subscribers.get(index as usize).copied()
    }

    /// All streams that are read, in order.
    pub(crate) fn keys(&self) -> Vec<StreamKey> {
        let mut keys: Vec<StreamKey> = self.numbers.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    pub(crate) fn number(&self, key: &StreamKey) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    pub(crate) fn get(&self, number: u32) -> &Stream {
        &self.streams[number as usize]
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Stream {
        &mut self.streams[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::Scope;

    #[test]
    fn only_the_first_and_the_last_reader_of_a_stream_are_noted() {
        let (mut streams, key) = (Streams::default(), StreamKey::Broadcast(Scope::default()));
        let reader = |slot| Subscriber { slot, track: 1 };
        let (number, _) = streams.subscribe(&key, 0, reader(1), None);
        streams.unsubscribe(number, 0);
        assert!(streams.take_interest().is_empty());
        streams.note_interest();
        let (number, first) = streams.subscribe(&key, 0, reader(1), None);
        let (_, second) = streams.subscribe(&key, 0, reader(2), None);
        assert_eq!(streams.take_interest(), [Interest::Begins(key.clone())]);
        // The last takes the place of the one that goes.
        assert_eq!(streams.unsubscribe(number, first).map(|moved| moved.slot), Some(2));
        assert_eq!(second, 1);
        streams.unsubscribe(number, first);
        assert_eq!(streams.take_interest(), [Interest::Ends(key)]);
    }
}
