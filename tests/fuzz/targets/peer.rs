//! Any operations on the hub's half of a connection, against a model that keeps each entry under way by itself.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use wsc_core::coverage::Fit;
use wsc_core::peer::{Offer, Peer, Settings};
use wsc_fuzz::Script;

/// Positions stay below what JavaScript counts exactly, as those of a log do.
const MOST: u64 = 1 << 53;

struct Stream {
    next: u64,
    acknowledged: u64,
    under_way: BTreeSet<u64>,
    closed: bool,
}

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let settings = Settings { window: u32::from(script.byte() % 32), ..Settings::default() };
    let mut now = 1_000_000;
    let mut peer = Peer::new(now, &settings);
    let mut streams: Vec<Stream> = Vec::new();
    while !script.is_over() {
        operate(&mut script, &mut peer, &settings, &mut now, &mut streams);
        let under_way: usize = streams.iter().map(|stream| stream.under_way.len()).sum();
        assert_eq!(peer.in_flight() as usize, under_way);
        assert!(peer.in_flight() <= settings.window);
        assert_eq!(peer.room(&settings), settings.window - peer.in_flight());
    }
});

fn operate(
    script: &mut Script<'_>,
    peer: &mut Peer,
    settings: &Settings,
    now: &mut u64,
    streams: &mut Vec<Stream>,
) {
    let operation = script.byte() % 10;
    let id = if streams.is_empty() { 0 } else { usize::from(script.byte()) % streams.len() };
    let track = id as u32;
    let near = |script: &mut Script<'_>, at: u64| {
        let far = script.number().min(MOST);
        if script.byte() % 4 == 0 { at.saturating_sub(far) } else { (at + far).min(MOST) }
    };
    match operation {
        0 => {
            let from = script.number().clamp(1, MOST);
            assert_eq!(peer.open(from) as usize, streams.len());
            streams.push(Stream {
                next: from,
                acknowledged: from - 1,
                under_way: BTreeSet::new(),
                closed: false,
            });
        }
        1 => {
            peer.close(track);
            if let Some(stream) = streams.get_mut(id) {
                stream.closed = true;
                stream.under_way.clear();
            }
        }
        2..=4 => {
            let Some(stream) = streams.get_mut(id) else { return };
            let first = if script.flag() { stream.next } else { near(script, stream.next) };
            let last = first + script.number().min(MOST);
            let count = last - first + 1;
            let room = u64::from(peer.room(settings));
            let expected = match first {
                _ if stream.closed => Offer::Old,
                first if first < stream.next => Offer::Old,
                first if first == stream.next && count <= room => Offer::Send,
                _ => Offer::Wait,
            };
            assert_eq!(peer.offer(track, first, last, settings, *now), expected);
            if expected == Offer::Send {
                stream.under_way.extend(first..=last);
                stream.next = last + 1;
            }
        }
        5 => {
            let Some(stream) = streams.get_mut(id) else { return };
            let first = if script.flag() { stream.next } else { near(script, stream.next) };
            let last = near(script, first);
            let fit = peer.pass(track, first, last);
            if stream.closed || first < stream.next {
                assert_eq!(fit, Fit::Old);
            } else if first > stream.next {
                assert_eq!(fit, Fit::Hole);
            } else {
                assert_eq!(fit, Fit::Taken);
                stream.next = stream.next.max(last + 1);
            }
        }
        6 | 7 => {
            let Some(stream) = streams.get_mut(id) else { return };
            let seq = near(script, stream.acknowledged);
            match peer.acknowledge(track, seq, *now) {
                Ok(Some((before, to))) => {
                    assert_eq!((before, to), (stream.acknowledged, seq));
                    stream.acknowledged = seq;
                    stream.under_way.retain(|at| *at > seq);
                }
                Ok(None) => assert!(stream.closed || seq <= stream.acknowledged),
                Err(_) => assert!(seq >= stream.next),
            }
        }
        8 => {
            *now = now.saturating_add(script.number()).min(MOST);
            let end = peer.handle_timeout(*now, settings);
            assert_eq!(end.is_some(), *now >= peer.poll_timeout(settings));
        }
        _ => match script.byte() % 5 {
            0 => peer.attach(*now),
            1 => peer.heard(*now),
            2 => drop(peer.request(*now)),
            3 => drop(peer.control(*now)),
            _ => drop(peer.misunderstood(*now)),
        },
    }
}
