//! What waits for the application, per stream, and what it was given and has not dealt with. Never talks to the hub.
//!
//! Both count against one limit: when that is reached the driver stops reading the socket, so that a slow application holds
//! back the hub and not the memory.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use wsc_core::client::Generation;
use wsc_core::limits::{BACKLOG_BYTES, BACKLOG_COUNT, UNREAD_MS};

/// How long entries of a stream that nobody reads are held.
pub(crate) const UNREAD: Duration = Duration::from_millis(UNREAD_MS);

/// An entry or a gap.
pub(crate) trait Item {
    fn positions(&self) -> Positions;

    /// Bytes of memory.
    fn size(&self) -> usize;
}

/// The positions of a stream that an item covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    pub(crate) generation: Generation,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

#[derive(Debug)]
pub(crate) struct Backlog<T> {
    streams: HashMap<String, Queue<T>>,
    count: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<T>,
    /// Given to the application, and counted until [`Backlog::credit`].
    given: VecDeque<Given>,
    /// Since when something waits and nobody reads.
    unread: Option<Instant>,
}

#[derive(Debug)]
struct Given {
    generation: Generation,
    last: u64,
    size: usize,
}

/// Positions that nobody read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) stream: String,
    pub(crate) positions: Positions,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { streams: HashMap::new(), count: 0, bytes: 0 }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), given: VecDeque::new(), unread: None }
    }
}

impl Given {
    fn of(item: &impl Item) -> Self {
        let Positions { generation, last, .. } = item.positions();
        Self { generation, last, size: item.size() }
    }
}

impl<T: Item> Backlog<T> {
    /// Adds an item of a stream that somebody reads, or nobody.
    pub(crate) fn put(&mut self, stream: &str, item: T, is_read: bool) {
        self.count += 1;
        self.bytes += item.size();
        self.change(stream, |queue| {
            queue.waiting.push_back(item);
            if !is_read {
                queue.unread.get_or_insert_with(Instant::now);
            }
        });
    }

    /// Counts an item that is given at once.
    pub(crate) fn give(&mut self, stream: &str, item: &T) {
        self.count += 1;
        self.bytes += item.size();
        self.change(stream, |queue| queue.given.push_back(Given::of(item)));
    }

    /// Gives the next item of a stream.
    pub(crate) fn take(&mut self, stream: &str) -> Option<T> {
        let queue = self.streams.get_mut(stream)?;
        let item = queue.waiting.pop_front()?;
        queue.given.push_back(Given::of(&item));
        Some(item)
    }

    fn change(&mut self, stream: &str, change: impl FnOnce(&mut Queue<T>)) {
        // Not by an entry of the map: that would copy the name each time.
        if let Some(queue) = self.streams.get_mut(stream) {
            return change(queue);
        }
        let mut queue = Queue::default();
        change(&mut queue);
        self.streams.insert(stream.to_owned(), queue);
    }

    /// The application has dealt with everything of a stream up to here.
    pub(crate) fn credit(&mut self, stream: &str, generation: Generation, position: u64) {
        let Some(queue) = self.streams.get_mut(stream) else { return };
        let is_covered = |given: &mut Given| (given.generation, given.last) <= (generation, position);
        while let Some(given) = queue.given.pop_front_if(is_covered) {
            self.count -= 1;
            self.bytes -= given.size;
        }
    }

    /// Somebody reads a stream from now on, or nobody.
    pub(crate) fn set_read(&mut self, stream: &str, is_read: bool) {
        if let Some(queue) = self.streams.get_mut(stream) {
            let waits = !is_read && !queue.waiting.is_empty();
            queue.unread = waits.then(|| queue.unread.unwrap_or_else(Instant::now));
        }
    }

    /// The streams of which something waits.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &str> {
        self.streams.iter().filter(|(_, queue)| !queue.waiting.is_empty()).map(|(stream, _)| stream.as_str())
    }

    /// Whether the socket should not be read just now.
    pub(crate) const fn is_full(&self) -> bool {
        self.count >= BACKLOG_COUNT || self.bytes >= BACKLOG_BYTES
    }

    /// Lets go of what nobody read for [`UNREAD`]: it, and all before it, counts as dealt with.
    pub(crate) fn sweep(&mut self) -> Vec<Unread> {
        let is_old = |queue: &Queue<T>| queue.unread.is_some_and(|since| since.elapsed() >= UNREAD);
        let old = self.streams.iter().filter(|(_, queue)| is_old(queue));
        let streams: Vec<_> = old.map(|(stream, _)| stream.clone()).collect();
        let swept = streams.into_iter().filter_map(|stream| {
            let first = self.take(&stream)?.positions();
            let mut positions = first;
            while let Some(item) = self.take(&stream) {
                positions = Positions { first: first.first, ..item.positions() };
            }
            self.credit(&stream, positions.generation, positions.last);
            self.set_read(&stream, false);
            Some(Unread { stream, positions })
        });
        swept.collect()
    }

    /// A stream has closed: what waits of it does not come.
    pub(crate) fn remove(&mut self, stream: &str) {
        if let Some(queue) = self.streams.remove(stream) {
            self.count -= queue.waiting.len() + queue.given.len();
            self.bytes -= queue.waiting.iter().map(Item::size).sum::<usize>();
            self.bytes -= queue.given.iter().map(|given| given.size).sum::<usize>();
        }
    }

    /// The end: nothing more is given.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Entry(u64);

    impl Item for Entry {
        fn positions(&self) -> Positions {
            Positions { generation: 1, first: self.0, last: self.0 }
        }

        fn size(&self) -> usize {
            100
        }
    }

    fn filled(positions: std::ops::RangeInclusive<u64>, is_read: bool) -> Backlog<Entry> {
        let mut backlog = Backlog::default();
        positions.for_each(|position| backlog.put("inbox", Entry(position), is_read));
        backlog
    }

    fn counted(backlog: &Backlog<Entry>) -> (usize, usize) {
        (backlog.count, backlog.bytes)
    }

    #[test]
    fn what_is_given_counts_until_it_is_dealt_with() {
        let mut backlog = filled(1..=3, true);
        assert_eq!(backlog.take("inbox").map(|entry| entry.0), Some(1));
        backlog.take("inbox");
        assert_eq!(counted(&backlog), (3, 300));
        backlog.credit("inbox", 0, 9);
        backlog.credit("inbox", 1, 0);
        assert_eq!(counted(&backlog), (3, 300), "another generation, or before them");
        backlog.credit("inbox", 1, 3);
        assert_eq!(counted(&backlog), (1, 100), "what waits is not dealt with");
        backlog.remove("inbox");
        assert_eq!((counted(&backlog), backlog.take("inbox").is_none()), ((0, 0), true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_held_for_a_while_and_then_named() {
        let mut backlog = filled(4..=6, false);
        tokio::time::advance(UNREAD - Duration::from_millis(1)).await;
        backlog.put("inbox", Entry(7), false);
        assert!(backlog.sweep().is_empty());
        tokio::time::advance(Duration::from_millis(1)).await;
        let swept = backlog.sweep();
        assert_eq!((swept.len(), swept[0].positions.first, swept[0].positions.last), (1, 4, 7));
        assert_eq!(counted(&backlog), (0, 0));
        backlog.put("inbox", Entry(8), false);
        tokio::time::advance(UNREAD / 2).await;
        backlog.set_read("inbox", true);
        tokio::time::advance(UNREAD).await;
        assert!(backlog.sweep().is_empty(), "somebody reads it");
        backlog.set_read("inbox", false);
        tokio::time::advance(UNREAD / 2).await;
        assert!(backlog.sweep().is_empty(), "the time begins anew");
        tokio::time::advance(UNREAD / 2).await;
        assert_eq!(backlog.sweep().len(), 1);
    }

    #[test]
    fn too_many_or_too_large_make_it_full() {
        let mut backlog = filled(1..=BACKLOG_COUNT as u64, true);
        assert!(backlog.is_full());
        backlog.take("inbox");
        assert!(backlog.is_full());
        backlog.credit("inbox", 1, 1);
        assert!(!backlog.is_full());
        let bytes = backlog.bytes;
        backlog.bytes = BACKLOG_BYTES;
        assert!(backlog.is_full());
        backlog.bytes = bytes;
        backlog.clear();
        assert_eq!(counted(&backlog), (0, 0));
    }
}
