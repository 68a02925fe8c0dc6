//! What an attach decides, given what the store has: where the device goes on in each stream, and what must be kept for
//! it. Pure, and the same for every store; a hub uses it too where the store can only be read.

use std::collections::HashMap;
use std::sync::Arc;

use super::key::StreamKey;
use super::resume::resume;
use super::store::{Attach, AttachOutcome, Attachment, Opened, OpenedStream, Resume};

/// What follows from an attach.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The answer.
    pub outcome: AttachOutcome,
    /// With [`AttachOutcome::Ready`], what to keep: where the device stands now.
    pub cursors: Vec<(StreamKey, u64)>,
    /// With [`AttachOutcome::Ready`], what to keep: what was delivered, after the first number up to the second.
    pub delivered: Vec<(StreamKey, u64, u64)>,
}

impl Decision {
    fn stop(outcome: AttachOutcome) -> Self {
        Self { outcome, cursors: Vec::new(), delivered: Vec::new() }
    }
}

/// Decides where a device goes on. `opened` is what the store has for it and its user, with the memberships that the
/// attach began.
#[must_use]
pub fn decide(attach: &Attach, opened: Opened) -> Decision {
    let named: HashMap<&StreamKey, _> =
        attach.cursors.iter().map(|(stream, cursor)| (stream, cursor)).collect();
    let (attempts, stored) =
        opened.device.map(|device| (device.attempts, device.streams)).unwrap_or_default();
    let stored: HashMap<&StreamKey, _> = stored.iter().map(|kept| (&kept.stream, kept)).collect();
    let mut groups = Vec::with_capacity(opened.streams.len());
    let mut streams: Vec<(OpenedStream, Resume)> = Vec::with_capacity(opened.streams.len());
    for opened in in_order(opened.streams) {
        if let StreamKey::Group(group) = &opened.stream {
            groups.push(Arc::clone(&group.group));
            if attach.groups.as_ref().is_some_and(|wanted| !wanted.contains(&group.group)) {
                continue;
            }
        }
        if streams.len() < attach.max_streams {
            let (named, kept) = (named.get(&opened.stream).copied(), stored.get(&opened.stream).copied());
            let resume = resume(&opened, named, kept, attach.at_head);
            streams.push((opened, resume));
        }
    }
    let ahead = streams.iter().find(|(_, resume)| resume.is_ahead);
    if let Some((ahead, _)) = ahead.filter(|_| !attach.begins_anew) {
        return Decision::stop(AttachOutcome::Ahead(ahead.clone()));
    }
    let mut delivered = Vec::new();
    for (opened, Resume { from, noted, .. }) in &streams {
        let (after, to) = (*noted, *from - 1);
        match &opened.stream {
            _ if after >= to => {}
            // Nobody asks how far a broadcast got.
            StreamKey::Broadcast(_) => {}
            StreamKey::Group(_) => delivered.push((opened.stream.clone(), after, to)),
            StreamKey::Inbox(_) => {
                let epoch = &opened.epoch;
                let known = attach.delivered.as_ref();
                let known =
                    known.filter(|known| known.epoch == *epoch && known.after <= after && to <= known.to);
                let Some(known) = known else {
                    let epoch = Arc::clone(epoch);
                    return Decision::stop(AttachOutcome::HeadersNeeded { epoch, after, to });
                };
                let within = known.ranges.iter().map(|(first, last)| ((*first).max(after), (*last).min(to)));
                let within = within.filter(|(after, to)| after < to);
                delivered.extend(within.map(|(after, to)| (opened.stream.clone(), after, to)));
            }
        }
    }
    let cursors = streams.iter().map(|(opened, resume)| (opened.stream.clone(), resume.from - 1)).collect();
    Decision {
        outcome: AttachOutcome::Ready(Attachment { streams, groups, attempts, turn: 0 }),
        cursors,
        delivered,
    }
}

/// The inbox, the broadcast, then groups in order of their ids.
fn in_order(mut streams: Vec<OpenedStream>) -> Vec<OpenedStream> {
    let kind = |stream: &StreamKey| match stream {
        StreamKey::Inbox(_) => 0,
        StreamKey::Broadcast(_) => 1,
        StreamKey::Group(_) => 2,
    };
    streams.sort_by(|one, other| {
        kind(&one.stream).cmp(&kind(&other.stream)).then_with(|| one.stream.cmp(&other.stream))
    });
    streams
}

/// Makes what a device is told of its inbox count the claim that was taken with it.
pub(super) fn count_claim(streams: &mut [(OpenedStream, Resume)], version: u64) {
    if let Some((inbox, _)) = streams.first_mut() {
        inbox.version = version;
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{START, attach, group, inbox, scope};
    use super::super::store::{Cursor, Device, DeviceStream, InboxDelivered};
    use super::*;

    fn opened(stream: StreamKey, start: u64, head: u64) -> OpenedStream {
        OpenedStream { stream, start, floor: 1, head, epoch: "e1".into(), version: 0, lineage: Vec::new() }
    }

    fn team(id: &str) -> StreamKey {
        StreamKey::Group(group(id))
    }

    fn cursor(seq: u64) -> Cursor {
        Cursor { epoch: "e1".into(), seq }
    }

    /// What a store has of ann, whose device stands at `stored` in each stream.
    fn kept(stored: Option<u64>) -> Opened {
        let streams = vec![
            opened(team("b"), 2, 9),
            opened(StreamKey::Broadcast(scope()), 4, 9),
            opened(team("a"), 0, 9),
            opened(inbox("ann"), 0, 9),
        ];
        let device = stored.map(|seq| Device {
            device: "d1".into(),
            streams: streams
                .iter()
                .map(|opened| DeviceStream { stream: opened.stream.clone(), cursor: cursor(seq) })
                .collect(),
            attempts: 3,
            last_seen: START,
        });
        Opened { streams, device }
    }

    fn ready(decision: &Decision) -> &Attachment {
        match &decision.outcome {
            AttachOutcome::Ready(attachment) => attachment,
            other => panic!("{other:?}"),
        }
    }

    fn positions(decision: &Decision) -> Vec<(StreamKey, u64)> {
        ready(decision).streams.iter().map(|(opened, resume)| (opened.stream.clone(), resume.from)).collect()
    }

    #[test]
    fn streams_come_in_order_and_begin_where_the_user_does() {
        let decision = decide(&attach("ann", "d1", START), kept(None));
        let broadcast = StreamKey::Broadcast(scope());
        let expected = [(inbox("ann"), 1), (broadcast, 5), (team("a"), 1), (team("b"), 3)];
        assert_eq!(positions(&decision), expected);
        assert_eq!(decision.cursors, expected.map(|(stream, from)| (stream, from - 1)));
        assert_eq!(decision.delivered, []);
        assert_eq!(ready(&decision).attempts, 0);
        assert_eq!(ready(&decide(&attach("ann", "d1", START), kept(Some(5)))).attempts, 3);
    }

    #[test]
    fn groups_that_are_not_read_are_known_all_the_same() {
        let only = |groups: Option<Vec<Arc<str>>>, max_streams| {
            let decision = decide(&Attach { groups, max_streams, ..attach("ann", "d1", START) }, kept(None));
            assert_eq!(ready(&decision).groups, ["a", "b"].map(Arc::from));
            let streams = positions(&decision).into_iter().skip(2).map(|(stream, _)| stream);
            streams.collect::<Vec<_>>()
        };
        assert_eq!(only(Some(vec!["b".into(), "c".into()]), 9), [team("b")]);
        assert_eq!(only(Some(Vec::new()), 9), []);
        assert_eq!(only(None, 3), [team("a")]);
    }

    #[test]
    fn what_was_acknowledged_and_not_written_is_delivered() {
        let named =
            |streams: &[StreamKey]| streams.iter().map(|stream| (stream.clone(), cursor(7))).collect();
        let cursors = named(&[team("a"), team("b"), StreamKey::Broadcast(scope())]);
        let groups = decide(&Attach { cursors, ..attach("ann", "d1", START) }, kept(Some(5)));
        assert_eq!(groups.delivered, [(team("a"), 5, 7), (team("b"), 5, 7)]);

        let with = |delivered: Option<(&str, u64, u64)>| {
            let ranges = vec![(0, 1), (4, 6), (6, 9)];
            let delivered = delivered.map(|(epoch, after, to)| InboxDelivered {
                epoch: epoch.into(),
                after,
                to,
                ranges: ranges.clone(),
            });
            let cursors = named(&[inbox("ann")]);
            decide(&Attach { cursors, delivered, ..attach("ann", "d1", START) }, kept(Some(5)))
        };
        let needed = AttachOutcome::HeadersNeeded { epoch: "e1".into(), after: 5, to: 7 };
        for headers in [None, Some(("e0", 5, 7)), Some(("e1", 6, 7)), Some(("e1", 5, 6))] {
            assert_eq!(with(headers), Decision::stop(needed.clone()), "{headers:?}");
        }
        for headers in [("e1", 5, 7), ("e1", 0, 9)] {
            assert_eq!(with(Some(headers)).delivered, [(inbox("ann"), 5, 6), (inbox("ann"), 6, 7)]);
        }
    }

    #[test]
    fn a_device_that_has_seen_more_than_there_is_is_ahead() {
        let cursors = vec![(team("b"), cursor(10))];
        let Decision { outcome, cursors, delivered } =
            decide(&Attach { cursors, ..attach("ann", "d1", START) }, kept(Some(5)));
        assert!(matches!(&outcome, AttachOutcome::Ahead(ahead) if ahead.stream == team("b")), "{outcome:?}");
        assert_eq!((cursors.len(), delivered.len()), (0, 0));
    }

    #[test]
    fn where_an_epoch_was_begun_for_it_already_it_begins_anew() {
        let cursors = vec![(team("b"), cursor(10))];
        let attach = Attach { cursors, begins_anew: true, ..attach("ann", "d1", START) };
        let decision = decide(&attach, kept(Some(5)));
        let (_, resume) = ready(&decision).streams.last().unwrap();
        assert_eq!((resume.from, resume.new_epoch), (3, true));
    }

    #[test]
    fn at_the_head_means_where_nothing_is_known() {
        let decision = decide(&Attach { at_head: true, ..attach("ann", "", START) }, kept(None));
        assert!(positions(&decision).iter().all(|(_, from)| *from == 10));
        let decision = decide(&Attach { at_head: true, ..attach("ann", "d1", START) }, kept(Some(5)));
        assert!(positions(&decision).iter().all(|(_, from)| *from == 6));
    }
}
