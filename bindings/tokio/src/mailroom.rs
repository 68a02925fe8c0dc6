//! Where entries wait for the application, one slot per stream, and where it says how far it is. Never talks to the hub.
//!
//! The driver puts in, readers take out. When too much waits the driver stops reading the socket, so that a slow
//! application holds back the hub and not the memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wsc_core::client::{self, Gap, Generation};
use wsc_core::{StreamName, limits};

use crate::stream::{Delivery, Entry, Missed};

/// Entries that may wait.
pub(crate) const ENTRIES: usize = limits::BACKLOG_COUNT;
/// Bytes that may wait.
pub(crate) const BYTES: usize = limits::BACKLOG_BYTES;
/// How long entries of a stream that nobody reads are held.
pub(crate) const UNREAD: Duration = Duration::from_millis(limits::UNREAD_MS);

#[derive(Debug)]
pub(crate) struct Mailroom {
    rooms: Mutex<Rooms>,
    /// The driver has something to do: acknowledgements, or room again.
    pub(crate) wake: Arc<Notify>,
    /// Whether taking an entry acknowledges it.
    automatic: bool,
}

#[derive(Debug, Default)]
struct Rooms {
    slots: HashMap<StreamName<'static>, Slot>,
    handed: HashMap<StreamName<'static>, (Generation, u64)>,
    entries: usize,
    bytes: usize,
    readers: u64,
    closed: bool,
}

#[derive(Debug, Default)]
struct Slot {
    queue: VecDeque<Delivery>,
    waker: Option<Waker>,
    /// Who reads; 0: nobody.
    reader: u64,
    /// Since when something waits and nobody reads.
    unread: Option<Instant>,
}

/// Entries that nobody read.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    pub(crate) stream: StreamName<'static>,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Rooms {
    fn acknowledge(&mut self, stream: &StreamName<'static>, generation: Generation, seq: u64) {
        match self.handed.get_mut(stream) {
            Some(place) if place.0 == generation => place.1 = place.1.max(seq),
            Some(place) if place.0 > generation => {}
            Some(place) => *place = (generation, seq),
            None => {
                self.handed.insert(stream.clone(), (generation, seq));
            }
        }
    }
}

impl Mailroom {
    pub(crate) fn new(automatic: bool) -> Self {
        Self { rooms: Mutex::default(), wake: Arc::default(), automatic }
    }

    /// A reader that panicked while it held the lock left whole values behind: every change here is one step.
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put_entry(self: &Arc<Self>, entry: &client::Entry) {
        // The machine gives out nothing that cannot be read.
        let Ok(message) = entry.message() else { return };
        let message = Box::new(message.into_owned());
        let delivery = Entry { message, generation: entry.generation, room: Arc::clone(self) };
        self.put(entry.stream.clone(), Delivery::Message(delivery));
    }

    pub(crate) fn put_gap(self: &Arc<Self>, gap: Gap) {
        let stream = gap.stream.clone();
        self.put(stream, Delivery::Gap(Missed { gap, room: Arc::clone(self) }));
    }

    fn put(&self, stream: StreamName<'static>, delivery: Delivery) {
        let mut rooms = self.lock();
        rooms.entries += 1;
        rooms.bytes += delivery.size();
        let slot = rooms.slots.entry(stream).or_default();
        slot.queue.push_back(delivery);
        if slot.reader == 0 {
            slot.unread.get_or_insert_with(Instant::now);
        }
        if let Some(waker) = slot.waker.take() {
            drop(rooms);
            waker.wake();
        }
    }

    /// Whether the socket should not be read just now.
    pub(crate) fn is_full(&self) -> bool {
        let rooms = self.lock();
        rooms.entries >= ENTRIES || rooms.bytes >= BYTES
    }

    /// A new reader of a stream; the one before it ends.
    pub(crate) fn read(&self, stream: &StreamName<'static>) -> u64 {
        let mut rooms = self.lock();
        rooms.readers += 1;
        let reader = rooms.readers;
        let slot = rooms.slots.entry(stream.clone()).or_default();
        slot.reader = reader;
        slot.unread = None;
        if let Some(waker) = slot.waker.take() {
            drop(rooms);
            waker.wake();
        }
        reader
    }

    pub(crate) fn stop(&self, stream: &StreamName<'static>, reader: u64) {
        let mut rooms = self.lock();
        if let Some(slot) = rooms.slots.get_mut(stream).filter(|slot| slot.reader == reader) {
            slot.reader = 0;
            slot.waker = None;
            slot.unread = (!slot.queue.is_empty()).then(Instant::now);
        }
    }

    pub(crate) fn poll(
        &self,
        stream: &StreamName<'static>,
        reader: u64,
        context: &Context<'_>,
    ) -> Poll<Option<Delivery>> {
        let mut rooms = self.lock();
        if rooms.closed {
            return Poll::Ready(None);
        }
        let Some(slot) = rooms.slots.get_mut(stream).filter(|slot| slot.reader == reader) else {
            return Poll::Ready(None);
        };
        let Some(delivery) = slot.queue.pop_front() else {
            slot.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        let was_full = rooms.entries >= ENTRIES || rooms.bytes >= BYTES;
        rooms.entries -= 1;
        rooms.bytes -= delivery.size();
        if self.automatic {
            // In one step with taking it, so that closing comes before both or after both.
            let (generation, seq) = delivery.place();
            rooms.acknowledge(stream, generation, seq);
        }
        drop(rooms);
        if self.automatic || was_full {
            self.wake.notify_one();
        }
        Poll::Ready(Some(delivery))
    }

    pub(crate) fn acknowledge(&self, stream: &StreamName<'static>, generation: Generation, seq: u64) {
        self.lock().acknowledge(stream, generation, seq);
        self.wake.notify_one();
    }

    /// What the application acknowledged since the last call.
    pub(crate) fn take_handed(&self) -> Vec<(StreamName<'static>, Generation, u64)> {
        let mut rooms = self.lock();
        rooms.handed.drain().map(|(stream, (generation, seq))| (stream, generation, seq)).collect()
    }

    /// Lets go of what nobody read for [`UNREAD`], acknowledges it, and says what it was.
    pub(crate) fn sweep(&self) -> Vec<Unread> {
        let mut swept = Vec::new();
        let mut rooms = self.lock();
        let rooms = &mut *rooms;
        for (stream, slot) in &mut rooms.slots {
            if slot.reader != 0 || slot.unread.is_none_or(|since| since.elapsed() < UNREAD) {
                continue;
            }
            slot.unread = None;
            let queue = std::mem::take(&mut slot.queue);
            rooms.entries -= queue.len();
            rooms.bytes -= queue.iter().map(Delivery::size).sum::<usize>();
            if let (Some(first), Some(last)) = (queue.front(), queue.back()) {
                let (generation, to) = last.place();
                rooms.handed.insert(stream.clone(), (generation, to));
                swept.push(Unread { stream: stream.clone(), from: first.first(), to });
            }
        }
        swept
    }

    /// The end: nothing more is handed over. What waits was not acknowledged and comes again with the next connection
    /// of the device; handed over now, when no cursor can be stored any more, it would come twice.
    pub(crate) fn close(&self) {
        let mut rooms = self.lock();
        rooms.closed = true;
        (rooms.entries, rooms.bytes) = (0, 0);
        rooms.slots.values_mut().for_each(|slot| slot.queue.clear());
        let wakers: Vec<_> = rooms.slots.values_mut().filter_map(|slot| slot.waker.take()).collect();
        drop(rooms);
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::stream::Messages;

    fn put(room: &Arc<Mailroom>, seq: u64) {
        let frame = format!(r#"{{"message_type":"x","sender":"a","stream":"inbox","seq_no":{seq}}}"#);
        let (stream, frame) = (StreamName::Inbox, wsc_core::frame::Frame::Text(frame));
        room.put_entry(&client::Entry { stream, generation: 1, seq_no: seq, frame });
    }

    fn messages(room: &Arc<Mailroom>) -> Messages {
        Messages::new(StreamName::Inbox, Arc::clone(room))
    }

    async fn next(messages: &mut Messages) -> Option<u64> {
        messages.next().await.map(|delivery| delivery.place().1)
    }

    #[tokio::test]
    async fn taking_an_entry_acknowledges_it_when_that_is_wanted() {
        for (automatic, handed) in [(true, vec![(StreamName::Inbox, 1, 2)]), (false, vec![])] {
            let room = Arc::new(Mailroom::new(automatic));
            let mut reader = messages(&room);
            put(&room, 1);
            put(&room, 2);
            assert_eq!((next(&mut reader).await, next(&mut reader).await), (Some(1), Some(2)));
            assert_eq!(room.take_handed(), handed);
        }
    }

    #[tokio::test]
    async fn a_new_reader_takes_over_what_waits_and_the_one_before_ends() {
        let room = Arc::new(Mailroom::new(true));
        let mut first = messages(&room);
        put(&room, 1);
        let mut second = messages(&room);
        assert_eq!((next(&mut first).await, next(&mut second).await), (None, Some(1)));
        drop(first);
        put(&room, 2);
        assert_eq!(next(&mut second).await, Some(2));
        room.close();
        assert_eq!(next(&mut second).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_held_for_a_while_and_then_named() {
        let room = Arc::new(Mailroom::new(true));
        for seq in 4..=6 {
            put(&room, seq);
        }
        tokio::time::advance(UNREAD - Duration::from_millis(1)).await;
        assert!(room.sweep().is_empty());
        tokio::time::advance(Duration::from_millis(1)).await;
        let swept = room.sweep();
        assert_eq!((swept.len(), swept[0].from, swept[0].to), (1, 4, 6));
        assert_eq!(room.take_handed(), [(StreamName::Inbox, 1, 6)]);
        put(&room, 7);
        let mut reader = messages(&room);
        tokio::time::advance(UNREAD * 2).await;
        assert!(room.sweep().is_empty());
        assert_eq!(next(&mut reader).await, Some(7));
    }

    #[tokio::test]
    async fn after_the_end_nothing_is_handed_over_that_could_not_be_stored() {
        let room = Arc::new(Mailroom::new(true));
        let mut reader = messages(&room);
        put(&room, 1);
        put(&room, 2);
        assert_eq!(next(&mut reader).await, Some(1));
        room.close();
        assert_eq!(next(&mut reader).await, None);
        assert_eq!(room.take_handed(), [(StreamName::Inbox, 1, 1)]);
    }

    #[tokio::test]
    async fn too_much_makes_it_full_until_some_is_taken() {
        let room = Arc::new(Mailroom::new(false));
        let mut reader = messages(&room);
        for seq in 1..=ENTRIES as u64 {
            assert!(!room.is_full());
            put(&room, seq);
        }
        assert!(room.is_full());
        assert_eq!(next(&mut reader).await, Some(1));
        assert!(!room.is_full());
        room.wake.notified().await;
    }
}
