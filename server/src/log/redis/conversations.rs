//! Lists of conversations. As in the embedded store an index of each stream is kept beside it and brought up to date when
//! somebody asks: an append costs nothing more, and a list costs what came since the last one, whichever hub made that. A
//! summary kept by each append would be a second truth beside the entries, which expire and go without a write. An index
//! that is lost is made anew.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::index::{COUNTED, Expiring, Index, Mark, Name};
use super::super::key::{StreamKey, UserKey};
use super::super::store::{Conversation, Entry, Milliseconds, StoreError, Summary, Target};
use super::Inner;
use super::layout;
use super::read::Reading;
use super::record;

/// Entries read at a time.
const HEADERS: usize = 2_000;
/// An index is kept when it knows so many positions more than the kept one.
const KEPT: u64 = 64;

impl Inner {
    pub(super) async fn conversations(
        &self,
        user: &UserKey,
        now: Milliseconds,
    ) -> Result<Vec<Summary>, StoreError> {
        let marks: HashMap<Conversation, u64> = self.marks(user).await?.into_iter().collect();
        let mut found = Vec::new();
        for opened in self.opened(user, None).await?.0.streams {
            match &opened.stream {
                StreamKey::Broadcast(_) => {}
                StreamKey::Inbox(_) => {
                    let index = self.index(&opened.stream, opened.floor, opened.head, &opened.epoch).await?;
                    found.extend(index.of_inbox(now, &marks));
                }
                StreamKey::Group(group) => {
                    let conversation = Conversation::Group(Arc::clone(&group.group));
                    let read = marks.get(&conversation).copied().unwrap_or(0);
                    let (last, after) = (opened.head, read.max(opened.start));
                    let oldest = opened.floor.max(opened.head.saturating_sub(COUNTED) + 1);
                    let index = self.index(&opened.stream, oldest, opened.head, &opened.epoch).await?;
                    let (at, unread) = index.of_group(now, after, &user.user);
                    found.push(Summary { conversation, last, at, read, unread });
                }
            }
        }
        Ok(found)
    }

    /// The index of a stream from a position on, up to date.
    async fn index(
        &self,
        stream: &StreamKey,
        oldest: u64,
        head: u64,
        epoch: &Arc<str>,
    ) -> Result<Index, StoreError> {
        let key = self.link.layout.key("i", &layout::name(stream));
        let mut ask = redis::pipe();
        ask.cmd("GET").arg(&key);
        let (kept,): (Option<Vec<u8>>,) = self.link.ask(ask).await?;
        // One of another epoch may know positions that were given a second time.
        let kept = kept.and_then(|kept| read(&kept, epoch)).filter(|index| index.upto() <= head);
        let mut index = kept.unwrap_or_default();
        let known = index.upto();
        index.trim(oldest);
        while index.upto() < head {
            let (from, limit) = (index.upto() + 1, HEADERS);
            let reading = Reading { from, limit, max_bytes: usize::MAX, back: false, bodies: false };
            let page = self.page(stream, reading).await?;
            for entry in page.entries.iter().filter(|entry| entry.seq <= head) {
                let (who, own) = belongs_to(stream, entry);
                index.add(entry, who, own);
            }
            index.pass((page.next - 1).min(head));
            if page.next <= from {
                break;
            }
        }
        if index.upto() >= known + KEPT {
            index.compact();
            let mut put = redis::pipe();
            put.cmd("SET").arg(&key).arg(record::index(&written(&index, epoch))).ignore();
            // It is as good as the entries: whoever comes last with one that is older costs the next list a little.
            self.link.ask::<()>(put).await?;
        }
        Ok(index)
    }
}

fn read(kept: &[u8], present: &Arc<str>) -> Option<Index> {
    let (epoch, before, names, marks, expiring) = record::read_index(kept).ok()?;
    if epoch != *present {
        return None;
    }
    let names: Vec<Name> = names.into_iter().map(|(name, last, at)| Name { name, last, at }).collect();
    let mark = |number| Mark::from_number(number, names.len());
    let marks: VecDeque<Mark> = marks.into_iter().map(mark).collect::<Option<_>>()?;
    before.checked_add(marks.len() as u64)?;
    let expiring = expiring
        .into_iter()
        .map(|(seq, number, at, expires_at)| Some(Expiring { seq, mark: mark(number)?, at, expires_at }));
    let expiring = expiring.collect::<Option<_>>()?;
    Some(Index::stored(before, names, marks, expiring))
}

fn written(index: &Index, epoch: &Arc<str>) -> record::KeptIndex {
    let names = index.names.iter().map(|Name { name, last, at }| (Arc::clone(name), *last, *at));
    let expiring = index.expiring.iter();
    let expiring =
        expiring.map(|Expiring { seq, mark, at, expires_at }| (*seq, mark.number(), *at, *expires_at));
    let marks = index.marks.iter().map(|mark| mark.number());
    (Arc::clone(epoch), index.before, names.collect(), marks.collect(), expiring.collect())
}

/// Whose conversation with the owner of an inbox an entry belongs to, or who wrote it in a group; and whether the owner
/// of the inbox did.
fn belongs_to<'a>(stream: &StreamKey, entry: &'a Entry) -> (&'a Arc<str>, bool) {
    match (stream, &entry.target) {
        (StreamKey::Inbox(owner), Target::User(target)) if entry.sender == owner.user => (&target.user, true),
        _ => (&entry.sender, false),
    }
}
