//! The models: few threads, few steps, all orders.

use std::sync::Arc;
use std::task::Wake as _;

use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::mailbox::Mailbox;
use crate::net::id::ConnectionId;
use crate::net::signal::{Signal, Signals};
use crate::queue::{Batch, Queue};
use crate::quota::Quota;

/// Every order with at most so many switches away from a thread that could go on. Two find nearly every fault there is.
fn every_order(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    // Not loom's: it counts across the orders.
    let orders = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&orders);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} orders", orders.load(Ordering::Relaxed));
}

#[test]
fn letters_of_two_threads_arrive_once_each_s_in_order_and_a_closed_mailbox_gives_them_back() {
    every_order(2, || {
        let mailbox = Arc::new(Mailbox::default());
        let writers: Vec<_> = [10, 20]
            .map(|of| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || {
                    let batch = mailbox.put([of, of + 1]).err().unwrap_or_default();
                    [batch, mailbox.put([of + 2]).err().unwrap_or_default()].concat()
                })
            })
            .into();
        let closer = Arc::clone(&mailbox);
        let closer = thread::spawn(move || closer.close());
        let mut all = Vec::new();
        while let Some(letters) = block_on(mailbox.take()) {
            all.extend(letters);
        }
        closer.join().unwrap();
        for (writer, of) in writers.into_iter().zip([10, 20]) {
            let refused = writer.join().unwrap();
            let mine = all.iter().copied().filter(|letter| letter / 10 == of / 10);
            // What arrived and what came back are all there was, in order: nothing arrives after something came back.
            assert_eq!(mine.chain(refused).collect::<Vec<_>>(), [of, of + 1, of + 2]);
        }
    });
}

#[test]
fn an_abandoned_mailbox_keeps_nothing() {
    every_order(3, || {
        let mailbox = Arc::new(Mailbox::default());
        let letter = Arc::new(());
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (mailbox, letter) = (Arc::clone(&mailbox), Arc::clone(&letter));
                thread::spawn(move || drop(mailbox.put([letter])))
            })
            .collect();
        mailbox.abandon();
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(Arc::strong_count(&letter), 1, "whoever waits for what is in it would wait for ever");
        assert!(block_on(mailbox.take()).is_none());
    });
}

/// What happens to a socket: something, and then its waker is called.
#[test]
fn what_happens_to_a_connection_is_seen_whenever_its_shard_looks() {
    every_order(3, || {
        let signals = Arc::new(Signals::default());
        let id = ConnectionId { slot: 7, generation: 1 };
        let signal = Arc::new(Signal::new(&signals, id));
        let happened = Arc::new(AtomicUsize::new(0));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (signal, happened) = (Arc::clone(&signal), Arc::clone(&happened));
                thread::spawn(move || {
                    happened.fetch_add(1, Ordering::Relaxed);
                    signal.wake_by_ref();
                })
            })
            .collect();
        let (mut seen, mut looks) = (0, 0);
        while seen < 2 {
            // It is told often enough to see all, and no oftener than there was something.
            let noted = block_on(signals.take()).unwrap();
            assert!(noted.iter().all(|of| *of == id));
            looks += noted.len();
            signal.look();
            seen = happened.load(Ordering::Relaxed);
        }
        assert!(looks <= 2, "{looks}");
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn writes_of_two_shards_are_made_once_in_order_and_each_is_answered_before_the_log_ends() {
    every_order(2, || {
        let queue = Arc::new(Queue::default());
        let answers: Arc<[Mailbox<u32>; 2]> = Arc::default();
        let (taken, to) = (Arc::clone(&queue), Arc::clone(&answers));
        let log = thread::spawn(move || {
            let mut made = Vec::new();
            block_on(async {
                while let Some(mut some) = taken.take().await {
                    // One write makes a batch full, as thousands do in the hub.
                    while let Some(Batch { writes, settled }) = some.batch(1) {
                        taken.made(writes.len());
                        made.extend(writes.iter().copied());
                        for write in writes {
                            let (shard, number): (usize, u32) = write;
                            to[shard].put([number]).unwrap();
                        }
                        drop(settled);
                    }
                }
            });
            made
        });
        let other = {
            let (queue, answers) = (Arc::clone(&queue), Arc::clone(&answers));
            thread::spawn(move || shard(&queue, &answers, 1))
        };
        shard(&queue, &answers, 0);
        other.join().unwrap();
        queue.close();
        let made = log.join().unwrap();
        for shard in 0..2 {
            let of: Vec<_> = made.iter().filter(|(of, _)| *of == shard).map(|(_, number)| *number).collect();
            assert_eq!(of, [1, 2]);
        }
        assert_eq!(queue.waiting(), 0);
    });
}

/// Hands two writes over and waits for both answers.
fn shard(queue: &Queue<(usize, u32)>, answers: &[Mailbox<u32>; 2], id: usize) {
    let _ = queue.submit(vec![(id, 1)].into_iter());
    let _ = queue.submit(vec![(id, 2)].into_iter());
    let mut got = Vec::new();
    while got.len() < 2 {
        got.extend(block_on(answers[id].take()).unwrap());
    }
    assert_eq!(got, [1, 2]);
}

#[test]
fn who_waits_for_all_writes_before_goes_on_when_they_are_made_and_not_earlier() {
    every_order(2, || {
        let queue = Arc::new(Queue::default());
        let made = Arc::new(AtomicUsize::new(0));
        let (taken, count) = (Arc::clone(&queue), Arc::clone(&made));
        let log = thread::spawn(move || {
            block_on(async {
                while let Some(mut some) = taken.take().await {
                    while let Some(Batch { writes, settled }) = some.batch(2) {
                        count.fetch_add(writes.len(), Ordering::Release);
                        taken.made(writes.len());
                        drop(settled);
                    }
                }
            });
        });
        let other = Arc::clone(&queue);
        let other = thread::spawn(move || other.submit(vec![(), ()].into_iter()));
        let _ = queue.submit(vec![()].into_iter());
        block_on(queue.settled());
        assert!(made.load(Ordering::Acquire) >= 1);
        other.join().unwrap();
        queue.close();
        log.join().unwrap();
        assert_eq!((made.load(Ordering::Acquire), queue.waiting()), (3, 0));
    });
}

#[test]
fn when_the_log_breaks_off_nobody_waits_for_ever() {
    every_order(3, || {
        let queue = Arc::new(Queue::default());
        let answer = Arc::new(());
        let shard = {
            let (queue, answer) = (Arc::clone(&queue), Arc::clone(&answer));
            thread::spawn(move || {
                queue.submit(vec![answer].into_iter());
                block_on(queue.settled());
            })
        };
        let log = Arc::clone(&queue);
        let log = thread::spawn(move || {
            // It takes a batch and breaks off in the middle of it.
            drop(block_on(log.take()));
            log.abandon();
        });
        shard.join().unwrap();
        log.join().unwrap();
        assert_eq!(Arc::strong_count(&answer), 1, "an answer is still owed");
    });
}

#[test]
fn a_quota_is_never_exceeded_and_can_be_used_up() {
    every_order(2, || {
        let quota = Arc::new(Quota::new(2));
        let inside = Arc::new(AtomicUsize::new(0));
        let guests: Vec<_> = (0..3)
            .map(|_| {
                let (quota, inside) = (Arc::clone(&quota), Arc::clone(&inside));
                thread::spawn(move || {
                    let entered = quota.take();
                    if entered {
                        assert!(inside.fetch_add(1, Ordering::Relaxed) < 2, "one too many");
                        inside.fetch_sub(1, Ordering::Relaxed);
                        quota.release();
                    }
                    entered
                })
            })
            .collect();
        let entered =
            guests.into_iter().map(|remote| remote.join().unwrap()).filter(|entered| *entered).count();
        // Of three at least two find a place, whoever comes first.
        assert!(entered >= 2, "{entered}");
        assert!(quota.take() && quota.take() && !quota.take());
    });
}
