//! Requests about the past: pages of a stream, and the user's conversations.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use wsc_core::frame::ObjectWriter;
use wsc_core::{ErrorCode, StreamName, limits};

use super::{Asker, LARGEST_PAGE, Outcome, Refused, Reply, page_size};
use crate::clock::{self, Wall};
use crate::log::key::StreamKey;
use crate::log::store::{Conversation, Entry, Flags, StoreError, Summary, Target};
use crate::net::entry::entry_frame;
use crate::net::lists;

/// Bytes of entries in one answer; a page ends early when it has more.
const PAGE_BYTES: usize = 256 * 1024;
/// Headers read at a time.
const HEADERS: usize = 2000;

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

    /// The user's conversations, those with the newest message first. The store derives them from its entries: there is no
    /// second count.
    pub(super) async fn conversations(&self, limit: u64, after: &str) -> Outcome {
        let store = &self.shard.node.log.store;
        let mut all = store.conversations(&self.identity.user, clock::wall().ms()).await?;
        all.sort_by_cached_key(|summary| (Reverse(summary.at), name_of(&summary.conversation)));
        let begin = all.iter().position(|found| name_of(&found.conversation) == after).map_or(0, |at| at + 1);
        let size = page_size(limit, LARGEST_PAGE);
        let items = all[begin..].iter().take(size).map(|summary| {
            lists::object(|writer| {
                match &summary.conversation {
                    Conversation::Peer(peer) => writer.text("peer", peer),
                    Conversation::Group(group) => writer.text("group_id", group),
                };
                let Summary { last, read, unread, .. } = summary;
                writer.count("last", *last).count("read", *read).count("unread", *unread);
            })
        });
        let (list, count) = lists::take_page(items, lists::room(&self.shard.node.settings));
        let end = begin + count;
        let last = all[begin..end].last().filter(|_| end < all.len());
        let next = last.map(|found| name_of(&found.conversation)).unwrap_or_default();
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

fn name_of(conversation: &Conversation) -> String {
    match conversation {
        Conversation::Peer(peer) => format!("user:{peer}"),
        Conversation::Group(group) => format!("group:{group}"),
    }
}
