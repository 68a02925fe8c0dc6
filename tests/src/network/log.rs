//! The store of the simulated hub: streams, dedupe, positions of devices. In memory; survives a restart of the hub.

use std::collections::BTreeMap;

use wsc_core::frame::StreamCursor;
use wsc_core::message::Destination;
use wsc_core::{Message, StreamName};

/// One stored message.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The message as it was sent, with the sender filled in.
    pub message: Message<'static>,
    /// The device that sent it.
    pub device: String,
}

/// One stream: position 1 is the first entry.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// All entries ever, trimmed ones included.
    pub entries: Vec<Stored>,
    /// Positions below were trimmed.
    pub floor: u64,
}

impl Stream {
    /// The newest position.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entry at a position.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Stored> {
        self.entries.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }
}

/// Where a message was stored, as its sender names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The position.
    pub seq: u64,
    /// Whether it had been stored before.
    pub duplicate: bool,
}

/// Where a stream is read on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// The first position.
    pub from: u64,
    /// Something may be lost: a gap of reason `epoch` comes first.
    pub broken: bool,
}

/// Everything the hub keeps.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Changes when the end of the log was lost.
    pub epoch: usize,
    /// By key.
    pub streams: BTreeMap<String, Stream>,
    /// What survived of each stream at the end of each epoch.
    survived: Vec<BTreeMap<String, u64>>,
    dedupe: BTreeMap<(String, String, String), u64>,
    positions: BTreeMap<(String, String, String), u64>,
    first_seen: BTreeMap<String, u64>,
}

/// The key of a stream as a user names it.
#[must_use]
pub fn key_of(user: &str, stream: &StreamName<'_>) -> String {
    if *stream == StreamName::Inbox { format!("inbox/{user}") } else { stream.to_string() }
}

impl Log {
    /// The epoch's name.
    #[must_use]
    pub fn epoch_name(&self) -> String {
        format!("e{}", self.epoch)
    }

    /// A stream, created when it is not there.
    pub fn stream(&mut self, key: &str) -> &mut Stream {
        self.streams.entry(key.to_owned()).or_default()
    }

    /// Stores a message once; `None` when it has no target that this hub knows.
    pub fn store(
        &mut self,
        user: &str,
        device: &str,
        message: &Message<'_>,
    ) -> Option<(Place, StreamName<'static>)> {
        let (target, keys, named) = match message.destination().ok()? {
            Destination::User(receiver) => {
                let keys = [Some(format!("inbox/{receiver}")), Some(format!("inbox/{user}"))];
                (format!("user/{receiver}"), keys, StreamName::Inbox)
            }
            Destination::Group(group) => {
                let stream = StreamName::group(group);
                (format!("group/{group}"), [None, Some(stream.to_string())], stream)
            }
            Destination::Broadcast => {
                ("broadcast".to_owned(), [None, Some("broadcast".to_owned())], StreamName::Broadcast)
            }
            Destination::Application => return None,
        };
        let mut message = message.clone().into_owned();
        message.sender = user.to_owned().into();
        message.sender_client = device.to_owned().into();
        let stored = Stored { message, device: format!("{user}/{device}") };
        let [other, own] = keys;
        // Each stream by itself knows what it has: after a loss one of the two may have to be mended.
        if let Some(other) = other.filter(|other| Some(other) != own.as_ref()) {
            self.append_once(&other, &target, &stored);
        }
        let place = self.append_once(&own?, &target, &stored);
        Some((place, named))
    }

    fn append_once(&mut self, key: &str, target: &str, stored: &Stored) -> Place {
        let sender = format!("{}>{target}", stored.message.sender);
        let once = (key.to_owned(), sender, stored.message.message_id.to_string());
        if let Some(seq) = self.dedupe.get(&once) {
            return Place { seq: *seq, duplicate: true };
        }
        let stream = self.stream(key);
        stream.entries.push(stored.clone());
        let seq = stream.head();
        self.dedupe.insert(once, seq);
        Place { seq, duplicate: false }
    }

    /// Where a device goes on; raises its stored position to there.
    pub fn resume(
        &mut self,
        user: &str,
        device: &str,
        stream: &StreamName<'_>,
        cursor: Option<&StreamCursor<'_>>,
    ) -> Resumption {
        let key = key_of(user, stream);
        let head = self.stream(&key).head();
        let place = (user.to_owned(), device.to_owned(), key.clone());
        let resumption = match cursor {
            Some(cursor) => {
                let epoch = cursor.epoch.strip_prefix('e').and_then(|epoch| epoch.parse::<usize>().ok());
                match epoch {
                    Some(epoch) if epoch == self.epoch && cursor.seq <= head => {
                        Resumption { from: cursor.seq + 1, broken: false }
                    }
                    Some(epoch) if epoch < self.epoch => {
                        let later = self.survived.iter().skip(epoch);
                        let kept = later.map(|survived| survived.get(&key).copied().unwrap_or(0));
                        let last = kept.fold(cursor.seq, u64::min);
                        Resumption { from: last + 1, broken: true }
                    }
                    _ => Resumption { from: self.stream(&key).floor.max(1), broken: true },
                }
            }
            None => {
                let start = if *stream == StreamName::Broadcast {
                    *self.first_seen.entry(user.to_owned()).or_insert(head)
                } else {
                    0
                };
                let last = self.positions.get(&place).copied().unwrap_or(start);
                Resumption { from: last + 1, broken: false }
            }
        };
        let known = self.positions.entry(place).or_insert(0);
        *known = (*known).max(resumption.from - 1).min(head);
        resumption
    }

    /// A device acknowledged a stream.
    pub fn acknowledged(&mut self, user: &str, device: &str, key: &str, seq: u64) {
        let known = self.positions.entry((user.to_owned(), device.to_owned(), key.to_owned())).or_insert(0);
        *known = (*known).max(seq);
    }

    /// Whether any device of the receiver acknowledged a message.
    #[must_use]
    pub fn is_delivered(&self, receiver: &str, message_id: &str) -> bool {
        let key = format!("inbox/{receiver}");
        let Some(stream) = self.streams.get(&key) else { return false };
        let found = stream.entries.iter().position(|stored| stored.message.message_id == message_id);
        let Some(seq) = found.map(|index| index as u64 + 1) else { return false };
        self.positions.iter().any(|((user, _, of), known)| user == receiver && *of == key && *known >= seq)
    }

    /// The newest messages of every stream are lost, as many as given, and a new epoch begins.
    pub fn lose(&mut self, mut count: impl FnMut() -> u64) {
        let mut survived = BTreeMap::new();
        for (key, stream) in &mut self.streams {
            let kept = stream.head().saturating_sub(count());
            stream.entries.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            survived.insert(key.clone(), kept);
        }
        let kept = |key: &str| survived.get(key).copied().unwrap_or(0);
        self.dedupe.retain(|(key, ..), seq| *seq <= kept(key));
        for ((_, _, key), known) in &mut self.positions {
            *known = (*known).min(kept(key));
        }
        for first in self.first_seen.values_mut() {
            *first = (*first).min(kept("broadcast"));
        }
        self.survived.push(survived);
        self.epoch += 1;
    }
}
