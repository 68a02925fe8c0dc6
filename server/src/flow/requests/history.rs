//! Requests about the past: pages of a stream, and the user's conversations.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wsc_core::frame::ObjectWriter;
use wsc_core::{ErrorCode, StreamName, limits};

use super::{Asker, LARGEST_PAGE, Outcome, Refused, Reply, page_size};
use crate::clock::{self, Wall};
use crate::log::key::StreamKey;
use crate::log::store::{Conversation, Entry, Flags, StoreError, Target};
use crate::net::entry::entry_frame;
use crate::net::lists;

/// Bytes of entries in one answer; a page ends early when it has more.
const PAGE_BYTES: usize = 256 * 1024;
/// Headers read at a time.
const HEADERS: usize = 2000;
/// Entries of a group looked at for its unread count.
const COUNTED: u64 = 10_000;

impl Asker {
    pub(super) async fn fetch(
        &self,
        id: &str,
        name: &StreamName<'_>,
        from: Option<u64>,
        limit: u64,
        reverse: bool,
    ) -> Outcome {
        let store = &self.shard.node.log.store;
        let stream = self.stream(name);
        let mut start = 0;
        if let StreamKey::Group(group) = &stream {
            let user = Arc::clone(&self.identity.user.user);
            let membership = store.memberships(group, &[user]).await?.pop().flatten();
            start = membership.ok_or_else(|| Refused::new(ErrorCode::GroupNotFound))?.start;
        }
        let limit = page_size(limit, limits::FETCH);
        let first = from.unwrap_or(if reverse { limits::POSITION_END - 1 } else { 1 });
        let page = if reverse {
            store.read_back(&stream, first, limit, PAGE_BYTES).await?
        } else {
            store.read(&stream, first.max(start + 1), limit, PAGE_BYTES).await?
        };
        let floor = page.floor.max(start + 1);
        // What was looked at, lower end first in both directions.
        let (low, high) = if reverse {
            (page.next.saturating_add(1).max(floor), first.min(page.head))
        } else {
            (first.max(floor), page.next.saturating_sub(1).min(page.head))
        };
        let more = if reverse { low > floor && low <= high } else { high < page.head && high >= low };
        let wall = clock::wall();
        let seen = page.entries.iter().filter(|entry| entry.seq >= low && entry.seq <= high);
        let frames = seen.filter(|entry| self.may_fetch(entry, wall)).map(|entry| {
            let binary = entry.flags.has(Flags::BINARY);
            entry_frame(&stream, entry.seq, &entry.body, binary, "history", id)
        });
        let frames: Vec<_> = frames.collect();
        self.step(|connection, _| frames.into_iter().for_each(|frame| connection.wire.push(frame)));
        let mut data = String::new();
        ObjectWriter::new(&mut data)
            .count("from", low)
            .count("to", high.max(low.saturating_sub(1)))
            .count("floor", floor)
            .count("head", page.head)
            .boolean("more", more)
            .end();
        Ok(Reply::Data("fetched", data))
    }

    /// Everything but what has expired and what is narrowed to another device.
    fn may_fetch(&self, entry: &Entry, wall: Wall) -> bool {
        let mine = matches!(&entry.target, Target::User(user) if user.user == self.identity.user.user);
        let narrowed = mine
            && !entry.only_device.is_empty()
            && entry.only_device != self.device
            && entry.device != self.device;
        !narrowed && !entry.is_expired(wall.ms())
    }

    /// The user's conversations, those with the newest message first. Derived from the log: there is no second count.
    pub(super) async fn conversations(&self, limit: u64, after: &str) -> Outcome {
        let store = &self.shard.node.log.store;
        let user = &self.identity.user;
        let marks: HashMap<Conversation, u64> = store.marks(user).await?.into_iter().collect();
        let mut found: HashMap<Conversation, Found> = HashMap::new();
        let inbox = StreamKey::Inbox(user.clone());
        self.each_header(&inbox, 1, u64::MAX, |entry| {
            let Target::User(target) = &entry.target else { return };
            let own = entry.sender == user.user;
            let peer = if own { &target.user } else { &entry.sender };
            let conversation = Conversation::Peer(Arc::clone(peer));
            let read = marks.get(&conversation).copied().unwrap_or(0);
            let state = found.entry(conversation).or_default();
            (state.last, state.at) = (entry.seq, entry.create_at);
            state.unread += u64::from(!own && entry.seq > read);
        })
        .await?;
        let opened = store.open(user, None).await?;
        for stream in opened.streams {
            let StreamKey::Group(group) = &stream.stream else { continue };
            let conversation = Conversation::Group(Arc::clone(&group.group));
            let read = marks.get(&conversation).copied().unwrap_or(0).max(stream.start);
            let from = read.max(stream.head.saturating_sub(COUNTED)) + 1;
            let mut state = Found { last: stream.head, ..Found::default() };
            self.each_header(&stream.stream, from.min(stream.head.max(1)), u64::MAX, |entry| {
                state.at = entry.create_at;
                state.unread += u64::from(entry.sender != user.user && entry.seq > read);
            })
            .await?;
            found.insert(conversation, state);
        }
        let mut all: Vec<(Conversation, Found)> = found.into_iter().collect();
        all.sort_by_cached_key(|(conversation, state)| (Reverse(state.at), name_of(conversation)));
        let begin =
            all.iter().position(|(conversation, _)| name_of(conversation) == after).map_or(0, |at| at + 1);
        let size = page_size(limit, LARGEST_PAGE);
        let items = all[begin..].iter().take(size).map(|(conversation, state)| {
            lists::object(|writer| {
                match conversation {
                    Conversation::Peer(peer) => writer.text("peer", peer),
                    Conversation::Group(group) => writer.text("group_id", group),
                };
                let read = marks.get(conversation).copied().unwrap_or(0);
                writer.count("last", state.last).count("read", read).count("unread", state.unread);
            })
        });
        let (list, count) = lists::take_page(items, lists::room(&self.shard.node.settings));
        let end = begin + count;
        let last = all[begin..end].last().filter(|_| end < all.len());
        let next = last.map(|(conversation, _)| name_of(conversation)).unwrap_or_default();
        let data = lists::object(|data| {
            data.raw("conversations", if count == 0 { "[]" } else { &list }).text("next", &next);
        });
        Ok(Reply::Data("conversations", data))
    }

    /// Looks at every message of a stream from a position up to another, without bodies. Each page but the first is paid
    /// for like a request of its own: whoever asks for much waits, and nobody else.
    pub(super) async fn each_header(
        &self,
        stream: &StreamKey,
        mut from: u64,
        to: u64,
        mut each: impl FnMut(&Entry),
    ) -> Result<(), StoreError> {
        let wall = clock::wall();
        loop {
            let page = self.shard.node.log.store.headers(stream, from, HEADERS).await?;
            page.entries
                .iter()
                .take_while(|entry| entry.seq <= to)
                .filter(|entry| !entry.flags.has(Flags::INTERNAL))
                .filter(|entry| !entry.is_expired(wall.ms()))
                .for_each(&mut each);
            if page.next > page.head.min(to) || page.next <= from {
                return Ok(());
            }
            from = page.next;
            self.pay().await?;
        }
    }
}

impl Asker {
    /// Takes one more request from the connection's budget, waiting until there is one. An error when it has ended.
    pub(super) async fn pay(&self) -> Result<(), StoreError> {
        loop {
            let paid = self.with(|connection, cx| {
                connection.is_attached().then(|| connection.peer.request(cx.now.ms()))
            });
            match paid.await.flatten() {
                None => return Err(StoreError::Closed),
                Some(Ok(())) => return Ok(()),
                Some(Err(wait_ms)) => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
            }
        }
    }
}

#[derive(Default)]
struct Found {
    last: u64,
    at: u64,
    unread: u64,
}

fn name_of(conversation: &Conversation) -> String {
    match conversation {
        Conversation::Peer(peer) => format!("user:{peer}"),
        Conversation::Group(group) => format!("group:{group}"),
    }
}
