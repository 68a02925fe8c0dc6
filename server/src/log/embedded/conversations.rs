//! Lists of conversations. An index of each stream is kept beside it and brought up to date when somebody asks, so that an
//! append costs nothing more; it is as good as the entries, and is made anew when it is lost.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::index::{COUNTED, Expiring, Index, Mark, Name};
use super::super::key::{StreamKey, UserKey};
use super::super::store::{Conversation, Entry, Flags, Milliseconds, StoreError, Summary, Target};
use super::codec::{Decoder, Invalid, put_number, put_text};
use super::engine::{Source as _, View};
use super::layout;
use super::opening::Opening as _;
use super::read::Reading;
use super::record::{Record, VERSION};

/// Entries read at a time.
const HEADERS: usize = 2_000;
/// An index is stored when it knows so many positions more than the stored one. Few in tests, which have short lives.
const STORED: u64 = if cfg!(test) { 3 } else { 256 };
/// So many unread entries of a group are looked at themselves, rather than in an index of all.
const FEW: u64 = if cfg!(test) { 2 } else { 200 };

/// An index to be stored: key and value.
pub(super) type Stored = (Vec<u8>, Vec<u8>);

/// An index, and the generation its positions are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IndexRecord {
    pub(super) generation: u64,
    pub(super) index: Index,
}

impl Record for IndexRecord {
    fn encode(&self) -> Vec<u8> {
        let Self { generation, index } = self;
        let mut out = vec![VERSION];
        for number in [*generation, index.before, index.names.len() as u64] {
            put_number(&mut out, number);
        }
        for Name { name, last, at } in &index.names {
            put_text(&mut out, name);
            put_number(&mut out, *last);
            put_number(&mut out, *at);
        }
        put_number(&mut out, index.marks.len() as u64);
        index.marks.iter().for_each(|mark| put_number(&mut out, mark.number()));
        for Expiring { seq, mark, at, expires_at } in &index.expiring {
            for number in [*seq, mark.number(), *at, *expires_at] {
                put_number(&mut out, number);
            }
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut from = Decoder::new(bytes);
        from.version(VERSION)?;
        let (generation, before) = (from.number()?, from.number()?);
        let names = (0..from.number()?)
            .map(|_| Ok(Name { name: from.text()?.into(), last: from.number()?, at: from.number()? }));
        let names: Vec<Name> = names.collect::<Result<_, _>>()?;
        let mark = |number| Mark::from_number(number, names.len()).ok_or(Invalid);
        let marks: VecDeque<Mark> =
            (0..from.number()?).map(|_| mark(from.number()?)).collect::<Result<_, _>>()?;
        if before.checked_add(marks.len() as u64).is_none() {
            return Err(Invalid);
        }
        let mut expiring = VecDeque::new();
        while !from.is_empty() {
            expiring.push_back(Expiring {
                seq: from.number()?,
                mark: mark(from.number()?)?,
                at: from.number()?,
                expires_at: from.number()?,
            });
        }
        Ok(Self { generation, index: Index::stored(before, names, marks, expiring) })
    }
}

impl View<'_> {
    /// The conversations of a user, and indexes that are worth storing.
    pub(super) fn conversations(
        &self,
        user: &UserKey,
        now: Milliseconds,
    ) -> Result<(Vec<Summary>, Vec<Stored>), StoreError> {
        let marks: HashMap<Conversation, u64> = self.marks(user)?.into_iter().collect();
        let (mut found, mut to_store) = (Vec::new(), Vec::new());
        for opened in (&mut &*self).open(user, None)?.streams {
            match &opened.stream {
                StreamKey::Broadcast(_) => {}
                StreamKey::Inbox(_) => {
                    let index = self.index(&opened.stream, 0, &mut to_store)?;
                    found.extend(index.of_inbox(now, &marks));
                }
                StreamKey::Group(group) => {
                    let conversation = Conversation::Group(Arc::clone(&group.group));
                    let read = marks.get(&conversation).copied().unwrap_or(0);
                    let (last, after) = (opened.head, read.max(opened.start));
                    let oldest = opened.head.saturating_sub(COUNTED);
                    let few = self.few_unread(&opened.stream, after.max(oldest), last, &user.user, now)?;
                    let (at, unread) = match few {
                        Some(counted) => counted,
                        None => {
                            let index = self.index(&opened.stream, oldest, &mut to_store)?;
                            index.of_group(now, after, &user.user)
                        }
                    };
                    found.push(Summary { conversation, last, at, read, unread });
                }
            }
        }
        Ok((found, to_store))
    }

    /// When the newest entry of a group was stored, and how many after a position are unread; `None`: that takes an
    /// index.
    fn few_unread(
        &self,
        group: &StreamKey,
        after: u64,
        head: u64,
        user: &str,
        now: Milliseconds,
    ) -> Result<Option<(Milliseconds, u64)>, StoreError> {
        if head.saturating_sub(after) > FEW {
            return Ok(None);
        }
        let from = (after + 1).min(head);
        let page = self.headers(group, from, HEADERS)?;
        let counted = page.iter().filter(|entry| counts(entry) && !entry.is_expired(now));
        let Some(newest) = counted.clone().next_back() else { return Ok((head == 0).then_some((0, 0))) };
        let unread = counted.filter(|entry| entry.seq > after && *entry.sender != *user).count();
        Ok(Some((newest.create_at, unread as u64)))
    }

    fn headers(&self, stream: &StreamKey, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let reading = Reading { from, limit, max_bytes: usize::MAX, back: false, bodies: false };
        Ok(self.page(stream, reading)?.entries)
    }

    /// The index of what lies after a position of a stream, up to date.
    fn index(&self, name: &StreamKey, oldest: u64, to_store: &mut Vec<Stored>) -> Result<Index, StoreError> {
        let Some(stream) = self.stream(name)? else { return Ok(Index::default()) };
        let key = layout::numbered(layout::INDEX, stream.number);
        let generation = self.epochs.present();
        // One of another generation may know positions that were given a second time.
        let stored = self.record::<IndexRecord>(&key)?.filter(|stored| stored.generation == generation);
        let index = stored.map(|stored| stored.index).filter(|index| index.upto() <= stream.head);
        let mut index = index.unwrap_or_default();
        let known = index.upto();
        index.trim(stream.record.floor.max(oldest + 1));
        while index.upto() < stream.head {
            let reading = Reading {
                from: index.upto() + 1,
                limit: HEADERS,
                max_bytes: usize::MAX,
                back: false,
                bodies: false,
            };
            let page = self.page(name, reading)?;
            for entry in &page.entries {
                let (who, own) = belongs_to(name, entry);
                index.add(entry, who, own);
            }
            index.pass(page.next.saturating_sub(1).min(stream.head));
        }
        if index.upto() >= known + STORED {
            index.compact();
            to_store.push((key, IndexRecord { generation, index: index.clone() }.encode()));
        }
        Ok(index)
    }
}

fn counts(entry: &Entry) -> bool {
    !entry.flags.has(Flags::INTERNAL)
}

/// Whose conversation with the owner of an inbox an entry belongs to, or who wrote it in a group; and whether the owner
/// of the inbox did.
fn belongs_to<'a>(stream: &StreamKey, entry: &'a Entry) -> (&'a Arc<str>, bool) {
    match (stream, &entry.target) {
        (StreamKey::Inbox(owner), Target::User(target)) if entry.sender == owner.user => (&target.user, true),
        _ => (&entry.sender, false),
    }
}
