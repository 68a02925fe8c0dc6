//! Where the application takes the deliveries of its streams, and says how far it is. Never talks to the hub.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use wsc_core::StreamName;
use wsc_core::client::{self, Gap, Generation};

use crate::backlog::{Backlog, Item, Positions, Unread};
use crate::delivery::{Delivery, Entry, Missed};

#[derive(Debug)]
pub(crate) struct Deliveries {
    inner: Mutex<Inner>,
    /// The driver has something to do: acknowledgements, or room again.
    pub(crate) wake: Arc<Notify>,
    /// Whether taking an entry acknowledges it.
    automatic: bool,
}

#[derive(Debug, Default)]
struct Inner {
    backlog: Backlog<Delivery>,
    readers: HashMap<StreamName<'static>, Reader>,
    /// What the application acknowledged, and the driver does not know yet.
    acknowledged: HashMap<StreamName<'static>, (Generation, u64)>,
    last_reader: u64,
    closed: bool,
}

#[derive(Debug, Default)]
struct Reader {
    /// 0: nobody reads.
    number: u64,
    waker: Option<Waker>,
}

impl Inner {
    fn acknowledge(&mut self, stream: &StreamName<'static>, generation: Generation, position: u64) {
        match self.acknowledged.get_mut(stream) {
            Some(known) if known.0 == generation => known.1 = known.1.max(position),
            Some(known) if known.0 > generation => {}
            Some(known) => *known = (generation, position),
            None => {
                self.acknowledged.insert(stream.clone(), (generation, position));
            }
        }
    }
}

impl Deliveries {
    pub(crate) fn new(automatic: bool) -> Self {
        Self { inner: Mutex::default(), wake: Arc::default(), automatic }
    }

    /// A reader that panicked while it held the lock left whole values behind: every change here is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put_entry(self: &Arc<Self>, entry: &client::Entry) {
        // The machine gives out nothing that cannot be read.
        let Ok(message) = entry.message() else { return };
        let message = Box::new(message.into_owned());
        let delivery = Entry { message, generation: entry.generation, deliveries: Arc::clone(self) };
        self.put(&entry.stream, Delivery::Message(delivery));
    }

    pub(crate) fn put_gap(self: &Arc<Self>, gap: Gap) {
        let stream = gap.stream.clone();
        self.put(&stream, Delivery::Gap(Missed { gap, deliveries: Arc::clone(self) }));
    }

    fn put(&self, stream: &StreamName<'static>, delivery: Delivery) {
        let mut inner = self.lock();
        let reader = inner.readers.get_mut(stream).filter(|reader| reader.number != 0);
        let (is_read, waker) = (reader.is_some(), reader.and_then(|reader| reader.waker.take()));
        inner.backlog.put(stream.as_str(), delivery, is_read);
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the socket should not be read just now.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().backlog.is_full()
    }

    /// A new reader of a stream; the one before it ends.
    pub(crate) fn read(&self, stream: &StreamName<'static>) -> u64 {
        let mut inner = self.lock();
        inner.last_reader += 1;
        let number = inner.last_reader;
        let before = inner.readers.insert(stream.clone(), Reader { number, waker: None });
        inner.backlog.set_read(stream.as_str(), true);
        drop(inner);
        if let Some(waker) = before.and_then(|reader| reader.waker) {
            waker.wake();
        }
        number
    }

    pub(crate) fn stop(&self, stream: &StreamName<'static>, number: u64) {
        let mut inner = self.lock();
        if inner.readers.get(stream).is_some_and(|reader| reader.number == number) {
            inner.readers.remove(stream);
            inner.backlog.set_read(stream.as_str(), false);
        }
    }

    pub(crate) fn poll(
        &self,
        stream: &StreamName<'static>,
        number: u64,
        context: &Context<'_>,
    ) -> Poll<Option<Delivery>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if inner.closed {
            return Poll::Ready(None);
        }
        let Some(reader) = inner.readers.get_mut(stream).filter(|reader| reader.number == number) else {
            return Poll::Ready(None);
        };
        let was_full = inner.backlog.is_full();
        let Some(delivery) = inner.backlog.take(stream.as_str()) else {
            reader.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        let Positions { generation, last, .. } = delivery.positions();
        inner.backlog.credit(stream.as_str(), generation, last);
        if self.automatic {
            // In one step with taking it, so that closing comes before both or after both.
            inner.acknowledge(stream, generation, last);
        }
        if self.automatic || was_full {
            self.wake.notify_one();
        }
        Poll::Ready(Some(delivery))
    }

    pub(crate) fn acknowledge(&self, stream: &StreamName<'static>, generation: Generation, position: u64) {
        self.lock().acknowledge(stream, generation, position);
        self.wake.notify_one();
    }

    /// What the application acknowledged since the last call.
    pub(crate) fn take_acknowledged(&self) -> Vec<(StreamName<'static>, Generation, u64)> {
        let mut inner = self.lock();
        let acknowledged = inner.acknowledged.drain();
        acknowledged.map(|(stream, (generation, position))| (stream, generation, position)).collect()
    }

    /// Lets go of what nobody read for long, acknowledges it, and says what it was.
    pub(crate) fn sweep(&self) -> Vec<(StreamName<'static>, Positions)> {
        let mut inner = self.lock();
        let swept = inner.backlog.sweep().into_iter();
        let swept = swept.filter_map(|Unread { stream, positions }| {
            let stream = StreamName::parse(stream)?;
            inner.acknowledge(&stream, positions.generation, positions.last);
            Some((stream, positions))
        });
        swept.collect()
    }

    /// The end: nothing more is handed over. What waits was not acknowledged and comes again with the next connection
    /// of the device; handed over now, when no cursor can be stored any more, it would come twice.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.backlog.clear();
        let wakers: Vec<_> = inner.readers.values_mut().filter_map(|reader| reader.waker.take()).collect();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use wsc_core::limits::BACKLOG_COUNT;

    use super::*;
    use crate::backlog::UNREAD;
    use crate::delivery::Messages;

    fn put(deliveries: &Arc<Deliveries>, seq: u64) {
        let frame = format!(r#"{{"message_type":"x","sender":"a","stream":"inbox","seq_no":{seq}}}"#);
        let (stream, frame) = (StreamName::Inbox, wsc_core::frame::Frame::Text(frame));
        deliveries.put_entry(&client::Entry { stream, generation: 1, seq_no: seq, frame });
    }

    fn messages(deliveries: &Arc<Deliveries>) -> Messages {
        Messages::new(StreamName::Inbox, Arc::clone(deliveries))
    }

    async fn next(messages: &mut Messages) -> Option<u64> {
        messages.next().await.map(|delivery| delivery.positions().last)
    }

    #[tokio::test]
    async fn taking_an_entry_acknowledges_it_when_that_is_wanted() {
        for (automatic, handed) in [(true, vec![(StreamName::Inbox, 1, 2)]), (false, vec![])] {
            let deliveries = Arc::new(Deliveries::new(automatic));
            let mut reader = messages(&deliveries);
            put(&deliveries, 1);
            put(&deliveries, 2);
            assert_eq!((next(&mut reader).await, next(&mut reader).await), (Some(1), Some(2)));
            assert_eq!(deliveries.take_acknowledged(), handed);
        }
    }

    #[tokio::test]
    async fn a_new_reader_takes_over_what_waits_and_the_one_before_ends() {
        let deliveries = Arc::new(Deliveries::new(true));
        let mut first = messages(&deliveries);
        put(&deliveries, 1);
        let mut second = messages(&deliveries);
        assert_eq!((next(&mut first).await, next(&mut second).await), (None, Some(1)));
        drop(first);
        put(&deliveries, 2);
        assert_eq!(next(&mut second).await, Some(2));
        deliveries.close();
        assert_eq!(next(&mut second).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_counts_as_handed_over_after_a_while() {
        let deliveries = Arc::new(Deliveries::new(true));
        put(&deliveries, 4);
        put(&deliveries, 5);
        tokio::time::advance(UNREAD).await;
        let swept = deliveries.sweep();
        assert_eq!((swept.len(), swept[0].1.first, swept[0].1.last), (1, 4, 5));
        assert_eq!(deliveries.take_acknowledged(), [(StreamName::Inbox, 1, 5)]);
        put(&deliveries, 6);
        let mut reader = messages(&deliveries);
        tokio::time::advance(UNREAD * 2).await;
        assert!(deliveries.sweep().is_empty());
        assert_eq!(next(&mut reader).await, Some(6));
    }

    #[tokio::test]
    async fn after_the_end_nothing_is_handed_over_that_could_not_be_stored() {
        let deliveries = Arc::new(Deliveries::new(true));
        let mut reader = messages(&deliveries);
        put(&deliveries, 1);
        put(&deliveries, 2);
        assert_eq!(next(&mut reader).await, Some(1));
        deliveries.close();
        assert_eq!(next(&mut reader).await, None);
        assert_eq!(deliveries.take_acknowledged(), [(StreamName::Inbox, 1, 1)]);
    }

    #[tokio::test]
    async fn too_much_makes_it_full_until_some_is_taken() {
        let deliveries = Arc::new(Deliveries::new(false));
        let mut reader = messages(&deliveries);
        for seq in 1..=BACKLOG_COUNT as u64 {
            assert!(!deliveries.is_full());
            put(&deliveries, seq);
        }
        assert!(deliveries.is_full());
        assert_eq!(next(&mut reader).await, Some(1));
        assert!(!deliveries.is_full());
        deliveries.wake.notified().await;
    }
}
