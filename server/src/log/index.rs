//! An index of a stream: to whom each position belongs. It answers in a few bytes per position what a list of
//! conversations shows, without reading the entries again. Pure; how it is stored is the store's affair.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::store::{Conversation, Entry, Flags, Milliseconds, Summary};

/// Maximum number of the newest entries of a group that are counted.
pub(super) const COUNTED: u64 = 10_000;

/// Whom a position belongs to, and whether the owner of the stream sent it; 0: it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Mark {
    const NOTHING: Self = Self(0);

    fn new(number: usize, own: bool) -> Self {
        Self(((number as u64) << 1 | u64::from(own)) + 1)
    }

    fn parts(self) -> Option<(usize, bool)> {
        let mark = self.0.checked_sub(1)?;
        Some((usize::try_from(mark >> 1).ok()?, mark & 1 == 1))
    }

    /// As it is stored.
    pub(super) fn number(self) -> u64 {
        self.0
    }

    /// What [`Mark::number`] gave, unless it names more than `names`.
    pub(super) fn from_number(number: u64, names: usize) -> Option<Self> {
        let mark = Self(number);
        mark.parts().is_none_or(|(name, _)| name < names).then_some(mark)
    }
}

/// Somebody to whom positions belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) name: Arc<str>,
    /// The newest position that does not expire; 0: none.
    pub(super) last: u64,
    /// When that was stored.
    pub(super) at: Milliseconds,
}

/// A position that expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiring {
    pub(super) seq: u64,
    pub(super) mark: Mark,
    pub(super) at: Milliseconds,
    pub(super) expires_at: Milliseconds,
}

/// What counts for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) name: Arc<str>,
    /// The newest position.
    pub(super) last: u64,
    /// When it was stored.
    pub(super) at: Milliseconds,
    /// How many positions after a bound are not the owner's own.
    pub(super) unread: u64,
}

/// An index of some contiguous positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// How many positions lie before it.
    pub(super) before: u64,
    pub(super) names: Vec<Name>,
    pub(super) marks: VecDeque<Mark>,
    pub(super) expiring: VecDeque<Expiring>,
    /// The names again, by name; made when needed.
    numbers: HashMap<Arc<str>, usize>,
}

impl Index {
    /// An index as it was stored.
    pub(super) fn stored(
        before: u64,
        names: Vec<Name>,
        marks: VecDeque<Mark>,
        expiring: VecDeque<Expiring>,
    ) -> Self {
        Self { before, names, marks, expiring, numbers: HashMap::new() }
    }

    /// The newest position it knows.
    pub(super) fn upto(&self) -> u64 {
        self.before + self.marks.len() as u64
    }

    /// Adds an entry, whose position lies above all so far. Positions between do not count.
    pub(super) fn add(&mut self, entry: &Entry, name: &Arc<str>, own: bool) {
        self.pass(entry.seq - 1);
        if entry.flags.has(Flags::INTERNAL) {
            self.marks.push_back(Mark::NOTHING);
            return;
        }
        if self.numbers.len() < self.names.len() {
            let names = self.names.iter().enumerate();
            self.numbers = names.map(|(number, name)| (Arc::clone(&name.name), number)).collect();
        }
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                self.names.push(Name { name: Arc::clone(name), last: 0, at: 0 });
                self.numbers.insert(Arc::clone(name), self.names.len() - 1);
                self.names.len() - 1
            }
        };
        let (seq, mark, at, expires_at) =
            (entry.seq, Mark::new(number, own), entry.create_at, entry.expires_at);
        if expires_at == 0 {
            self.marks.push_back(mark);
            (self.names[number].last, self.names[number].at) = (seq, at);
        } else {
            self.marks.push_back(Mark::NOTHING);
            self.expiring.push_back(Expiring { seq, mark, at, expires_at });
        }
    }

    /// What there is up to a position was added.
    pub(super) fn pass(&mut self, to: u64) {
        if self.marks.is_empty() {
            self.before = self.before.max(to);
        }
        while self.upto() < to {
            self.marks.push_back(Mark::NOTHING);
        }
    }

    /// Forgets what lies below a position.
    pub(super) fn trim(&mut self, floor: u64) {
        while self.before + 1 < floor && self.marks.pop_front().is_some() {
            self.before += 1;
        }
        self.pass(floor.saturating_sub(1));
        while self.expiring.pop_front_if(|expiring| expiring.seq < floor).is_some() {}
    }

    /// Leaves out names to which nothing belongs any more.
    pub(super) fn compact(&mut self) {
        let mut kept: Vec<Option<usize>> = vec![None; self.names.len()];
        let expiring = self.expiring.iter().map(|expiring| expiring.mark);
        for (number, _) in self.marks.iter().copied().chain(expiring).filter_map(Mark::parts) {
            kept[number] = Some(0);
        }
        let mut next = 0;
        for number in kept.iter_mut().flatten() {
            *number = next;
            next += 1;
        }
        if next == self.names.len() {
            return;
        }
        let again = |mark: Mark| match mark.parts() {
            Some((number, own)) => kept[number].map_or(Mark::NOTHING, |number| Mark::new(number, own)),
            None => Mark::NOTHING,
        };
        self.marks.iter_mut().for_each(|mark| *mark = again(*mark));
        self.expiring.iter_mut().for_each(|expiring| expiring.mark = again(expiring.mark));
        let mut number = 0;
        self.names.retain(|_| {
            number += 1;
            kept[number - 1].is_some()
        });
        self.numbers.clear();
    }

    /// The conversations of an inbox, by the user's read marks.
    pub(super) fn of_inbox(&self, now: Milliseconds, marks: &HashMap<Conversation, u64>) -> Vec<Summary> {
        let read = |name: &Arc<str>| marks.get(&Conversation::Peer(Arc::clone(name))).copied().unwrap_or(0);
        let counts = self.counts(now, read).into_iter();
        let summaries = counts.map(|Count { name, last, at, unread }| {
            let read = read(&name);
            Summary { conversation: Conversation::Peer(name), last, at, read, unread }
        });
        summaries.collect()
    }

    /// When the newest entry of a group was stored, and how many after a position are not the user's own.
    pub(super) fn of_group(&self, now: Milliseconds, after: u64, user: &str) -> (Milliseconds, u64) {
        let counts = self.counts(now, |_| after);
        let unread = counts.iter().filter(|count| *count.name != *user).map(|count| count.unread).sum();
        let newest = counts.iter().max_by_key(|count| count.last);
        (newest.map_or(0, |newest| newest.at), unread)
    }

    /// What counts at a time, for each name to which anything belongs. `read`: up to where each name is read.
    pub(super) fn counts(&self, now: Milliseconds, read: impl Fn(&Arc<str>) -> u64) -> Vec<Count> {
        let mut counts: Vec<Count> = self
            .names
            .iter()
            .map(|Name { name, last, at }| {
                let (last, at) = if *last > self.before { (*last, *at) } else { (0, 0) };
                Count { name: Arc::clone(name), last, at, unread: 0 }
            })
            .collect();
        let bounds: Vec<u64> = self.names.iter().map(|name| read(&name.name)).collect();
        for (seq, mark) in (self.before + 1..).zip(&self.marks) {
            if let Some((number, false)) = mark.parts() {
                counts[number].unread += u64::from(seq > bounds[number]);
            }
        }
        for Expiring { seq, mark, at, expires_at } in &self.expiring {
            if let Some((number, own)) = mark.parts()
                && *expires_at > now
            {
                let count = &mut counts[number];
                if *seq > count.last {
                    (count.last, count.at) = (*seq, *at);
                }
                count.unread += u64::from(!own && *seq > bounds[number]);
            }
        }
        counts.retain(|count| count.last > 0);
        counts
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::conformance::user;
    use super::super::store::Target;
    use super::*;

    #[derive(Clone, Debug)]
    struct Message {
        name: u8,
        own: bool,
        internal: bool,
        missing: bool,
        expires_at: u64,
    }

    fn message() -> impl Strategy<Value = Message> {
        let expires = prop_oneof![4 => Just(0), 1 => 1..9_u64];
        (0..4_u8, any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.1), expires).prop_map(
            |(name, own, internal, missing, expires_at)| Message { name, own, internal, missing, expires_at },
        )
    }

    fn entry(seq: u64, message: &Message) -> Entry {
        Entry {
            seq,
            target: Target::User(user("ann")),
            sender: "bob".into(),
            device: "".into(),
            message_id: "".into(),
            flags: Flags::default().with(Flags::INTERNAL, message.internal),
            only_device: "".into(),
            expires_at: message.expires_at,
            create_at: 100 + seq,
            body: Bytes::new(),
        }
    }

    proptest! {
        #[test]
        fn it_counts_what_a_look_at_all_entries_counts(
            messages in prop::collection::vec(message(), 0..40),
            cuts in prop::collection::vec((0..40_usize, 0..45_u64, any::<bool>()), 0..5),
            now in 0..10_u64,
            read in 0..40_u64,
        ) {
            let (mut index, mut floor) = (Index::default(), 1);
            for (at, message) in messages.iter().enumerate() {
                let seq = at as u64 + 1;
                for (_, to, compact) in cuts.iter().filter(|(when, ..)| *when == at) {
                    floor = floor.max((*to).min(seq));
                    index.trim(floor);
                    if *compact {
                        index.compact();
                    }
                }
                if message.missing {
                    index.pass(seq);
                } else {
                    index.add(&entry(seq, message), &message.name.to_string().into(), message.own);
                }
                prop_assert_eq!(index.upto(), seq);
            }
            let mut counts = index.counts(now, |_| read);
            counts.sort_by(|one, other| one.name.cmp(&other.name));
            let mut expected: Vec<Count> = Vec::new();
            for name in 0..4_u8 {
                let all = (1_u64..).zip(&messages).filter(|(seq, message)| {
                    *seq >= floor
                        && message.name == name
                        && !message.internal
                        && !message.missing
                        && (message.expires_at == 0 || message.expires_at > now)
                });
                let all: Vec<_> = all.collect();
                let Some((last, _)) = all.last() else { continue };
                let unread = all.iter().filter(|(seq, message)| !message.own && *seq > read).count() as u64;
                expected.push(Count { name: name.to_string().into(), last: *last, at: 100 + last, unread });
            }
            prop_assert_eq!(counts, expected);
        }
    }
}
