//! The checker itself: good histories pass, and each way to break the promise is found under its name.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;

use wsc_tests::history::{
    Cover, Device, Entry, Event, Fact, Mark, Outcome, Report, Rule, Sending, Stage, Target, Writer, check,
    digest, read_all,
};

/// A history by hand: alice (a1, a2), bob (b1, b2) and carol (c1) in one tenant, a namesake of bob in another.
#[derive(Default)]
struct Story {
    events: Vec<Event>,
    number: u64,
}

fn device(name: &str) -> Device {
    match name {
        "other" => Device::new("two", "bob", "b1"),
        _ => {
            let user = match &name[..1] {
                "a" => "alice",
                "b" => "bob",
                _ => "carol",
            };
            Device::new("one", user, name)
        }
    }
}

fn sum(id: &str) -> String {
    digest("text", id, "", None)
}

fn entry(to: &str, from: &str, stream: &str, seq: u64, id: &str) -> Entry {
    let (sender, to) = (device(from), device(to));
    Entry {
        device: to,
        stream: stream.into(),
        epoch: String::new(),
        seq,
        message_id: id.into(),
        sender: sender.user,
        sender_device: sender.device,
        digest: sum(id),
    }
}

const ALL: [&str; 6] = ["a1", "a2", "b1", "b2", "c1", "other"];

impl Story {
    fn new() -> Self {
        let mut story = Self::default();
        for name in ALL {
            story.tell(Fact::Started { device: device(name), life: 0 });
            story.tell(Fact::Connected { device: device(name) });
        }
        story
    }

    fn tell(&mut self, fact: Fact) -> &mut Self {
        let at = self.events.last().map_or(1, |event| event.at) + 1000;
        self.events.push(Event { at, fact });
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        let at = self.events.last().map_or(1, |event| event.at) + seconds * 1_000_000;
        self.events.push(Event { at, fact: Fact::HubStarted });
        self
    }

    fn send(&mut self, from: &str, id: &str, target: Target) -> &mut Self {
        self.number += 1;
        let number = self.number;
        self.sending(from, id, target, |sending| sending.number = number)
    }

    fn sending(
        &mut self,
        from: &str,
        id: &str,
        target: Target,
        change: impl FnOnce(&mut Sending),
    ) -> &mut Self {
        let mut sending = Sending {
            device: device(from),
            number: self.number,
            message_id: id.into(),
            target,
            digest: sum(id),
            expires: false,
            store_only: false,
            volatile: false,
            receipts: true,
        };
        change(&mut sending);
        self.tell(Fact::Sending(sending));
        self.tell(Fact::Taken { device: device(from), message_id: id.into() })
    }

    fn settle(&mut self, from: &str, id: &str, outcome: Outcome) -> &mut Self {
        self.tell(Fact::Settled { device: device(from), message_id: id.into(), outcome })
    }

    fn accept(&mut self, from: &str, id: &str, stream: &str, seq: u64) -> &mut Self {
        self.settle(from, id, Outcome::Accepted { stream: stream.into(), seq })
    }

    fn hand(&mut self, to: &str, from: &str, stream: &str, seq: u64, id: &str) -> &mut Self {
        self.tell(Fact::Handed(entry(to, from, stream, seq, id)))
    }

    /// `id` from a1 to bob, accepted, on all devices but those left out.
    fn whole(&mut self, id: &str, seq: u64, without: &[&str]) -> &mut Self {
        self.send("a1", id, Target::User("bob".into())).accept("a1", id, "inbox", seq);
        for to in ["a2", "b1", "b2"].into_iter().filter(|to| !without.contains(to)) {
            self.hand(to, "a1", "inbox", seq, id);
        }
        self
    }

    fn life(&mut self, name: &str, life: u32, killed: bool) -> &mut Self {
        let device = device(name);
        self.tell(if killed {
            Fact::Killed { device: device.clone() }
        } else {
            Fact::Stopped { device: device.clone() }
        });
        self.tell(Fact::Started { device, life })
    }

    fn greet(&mut self, name: &str, cursor: Option<u64>, from: u64, head: u64) -> &mut Self {
        let cursors = cursor.map(|seq| ("inbox".to_owned(), ("e1".to_owned(), seq))).into_iter().collect();
        self.tell(Fact::Hello { connection: 1, device: device(name), cursors });
        let streams = BTreeMap::from([("inbox".to_owned(), ("e1".to_owned(), from, head))]);
        self.tell(Fact::Greeted { connection: 1, window: 2, streams })
    }

    fn cover(&mut self, by: Cover, from: u64, to: u64, id: &str) -> &mut Self {
        self.tell(Fact::Covered {
            connection: 1,
            stream: "inbox".into(),
            from,
            to,
            by,
            message_id: id.into(),
            sender: "alice".into(),
        })
    }

    /// a device of alice was told how far `id` got, by bob's device `by`.
    fn reach(&mut self, name: &str, id: &str, stage: Stage, by: &str) -> &mut Self {
        let (device, by, receiver) = (device(name), by.to_owned(), "bob".to_owned());
        self.tell(Fact::Reached { device, message_id: id.into(), stage, receiver, by })
    }

    /// a1 asked how far `id` got.
    fn stand(&mut self, id: &str, stage: Option<Stage>) -> &mut Self {
        self.tell(Fact::Stood { device: device("a1"), message_id: id.into(), stage })
    }

    /// a device of bob says that what alice wrote was read.
    fn mark(&mut self, name: &str, seq: u64) -> &mut Self {
        self.tell(Fact::Marking { device: device(name), mark: of_alice(seq) })
    }

    /// What one device of bob read is handed to another, at a position of his inbox.
    fn pass(&mut self, from: &str, to: &str, at: u64, seq: u64) -> &mut Self {
        self.tell(Fact::Marked {
            entry: entry(to, from, "inbox", at, &format!("mark{at}")),
            mark: of_alice(seq),
        })
    }

    fn count(&mut self, name: &str, seq: u64, unread: u64) -> &mut Self {
        self.tell(Fact::Counted { device: device(name), mark: of_alice(seq), unread })
    }

    /// Bob's device looks at all of his inbox, which holds these messages of a1.
    fn look(&mut self, name: &str, ids: &[(u64, &str)]) -> &mut Self {
        for (seq, id) in ids {
            self.tell(Fact::Kept(entry(name, "a1", "inbox", *seq, id)));
        }
        let to = ids.last().map_or(0, |(seq, _)| *seq);
        self.tell(Fact::Looked { device: device(name), stream: "inbox".into(), from: 1, to })
    }

    fn report(&mut self) -> Report {
        for name in ALL {
            self.tell(Fact::Quiet { device: device(name) });
        }
        check(&self.events)
    }

    #[track_caller]
    fn passes(&mut self) -> Report {
        let report = self.report();
        assert!(report.is_clean(), "{:?} {:#?}", report.unfinished, report.violations);
        report
    }

    #[track_caller]
    fn breaks(&mut self, rule: Rule) {
        let report = self.report();
        assert!(report.faults.contains_key(&rule), "{:?}", report.faults);
        let found = report.violations.iter().find(|found| found.rule == rule).expect("explained");
        assert!(!found.what.is_empty() && !found.timeline.is_empty() && found.timeline.len() <= 16);
    }
}

fn of_alice(seq: u64) -> Mark {
    Mark { stream: "inbox".into(), peer: "alice".into(), seq }
}

fn bob() -> Target {
    Target::User("bob".into())
}

fn team() -> Target {
    Target::Group("team".into())
}

fn missed(name: &str, from: u64, to: u64) -> Fact {
    Fact::Missed { device: device(name), stream: "inbox".into(), from, to, reason: "trimmed".into() }
}

fn membership(name: &str, step: fn(Device, String) -> Fact) -> Fact {
    step(device(name), "team".into())
}

const JOINING: fn(Device, String) -> Fact = |device, group| Fact::Joining { device, group };
const JOINED: fn(Device, String) -> Fact = |device, group| Fact::Joined { device, group };
const LEAVING: fn(Device, String) -> Fact = |device, group| Fact::Leaving { device, group };
const LEFT: fn(Device, String) -> Fact = |device, group| Fact::Left { device, group };

#[test]
fn what_arrives_everywhere_once_and_in_order_passes() {
    let report = Story::new().whole("m1", 1, &[]).whole("m2", 2, &[]).passes();
    assert_eq!((report.sent, report.accepted, report.handed), (2, 2, 6));
}

#[test]
fn a_gap_a_refusal_a_narrowed_and_a_store_only_message_pass() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b2"]).tell(missed("b2", 1, 1));
    story.send("a1", "m2", bob()).settle("a1", "m2", Outcome::Refused("no".into()));
    story.send("a1", "m3", Target::Device("bob".into(), "b1".into())).accept("a1", "m3", "inbox", 2);
    story.hand("a2", "a1", "inbox", 2, "m3").hand("b1", "a1", "inbox", 2, "m3");
    story.sending("a1", "m4", bob(), |sending| sending.store_only = true).accept("a1", "m4", "inbox", 3);
    story.passes();
}

#[test]
fn the_same_again_after_a_kill_passes_when_the_cursor_was_young() {
    let mut story = Story::new();
    let report = story.whole("m1", 1, &[]).life("b1", 1, true).hand("b1", "a1", "inbox", 1, "m1").passes();
    assert_eq!(report.repeated, 1);
}

#[test]
fn the_same_id_of_another_user_and_tenant_is_another_message() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).send("c1", "m1", bob()).accept("c1", "m1", "inbox", 1);
    story.hand("b1", "c1", "inbox", 2, "m1").hand("b2", "c1", "inbox", 2, "m1");
    story.send("other", "m1", bob()).accept("other", "m1", "inbox", 1);
    story.passes();
}

#[test]
fn group_members_get_what_was_sent_after_they_joined() {
    let mut story = Story::new();
    story.tell(membership("a1", JOINED)).tell(membership("b1", JOINED));
    story.send("a1", "m1", team()).accept("a1", "m1", "group:team", 1);
    for to in ["a2", "b1", "b2"] {
        story.hand(to, "a1", "group:team", 1, "m1");
    }
    story.tell(membership("c1", JOINING)).tell(membership("c1", JOINED));
    story.send("a1", "m2", team()).accept("a1", "m2", "group:team", 2);
    for to in ["a2", "b1", "b2", "c1"] {
        story.hand(to, "a1", "group:team", 2, "m2");
    }
    story.passes();
}

#[test]
fn the_answer_to_an_earlier_request_makes_nobody_a_member_or_a_stranger() {
    let mut story = Story::new();
    story.tell(membership("a1", JOINED));
    // Asked twice, then asked to leave: the second answer is to the second request, and he is out.
    for step in [JOINING, JOINING, JOINED, LEAVING, JOINED] {
        story.tell(membership("c1", step));
    }
    story.send("a1", "m1", team()).accept("a1", "m1", "group:team", 1).hand(
        "a2",
        "a1",
        "group:team",
        1,
        "m1",
    );
    story.passes();
    let mut story = Story::new();
    story.tell(membership("a1", JOINED));
    // Left and asked to join again before he heard of it: he may be in.
    for step in [JOINED, LEAVING, JOINING, LEFT] {
        story.tell(membership("c1", step));
    }
    story.send("a1", "m1", team()).accept("a1", "m1", "group:team", 1);
    story.hand("a2", "a1", "group:team", 1, "m1").hand("c1", "a1", "group:team", 1, "m1");
    story.passes();
}

#[test]
fn a_lost_message_is_found() {
    Story::new().whole("m1", 1, &["b2"]).breaks(Rule::Delivered);
}

#[test]
fn a_lost_copy_of_the_sender_s_other_device_is_found() {
    Story::new().whole("m1", 1, &["a2"]).breaks(Rule::Delivered);
}

#[test]
fn a_gap_elsewhere_is_no_excuse() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b2"]).tell(missed("b2", 2, 3));
    story.breaks(Rule::Delivered);
}

#[test]
fn a_message_settled_in_a_killed_process_and_seen_by_one_device_alone_is_found() {
    let mut story = Story::new();
    story.send("a1", "m1", bob()).life("a1", 1, true).hand("b1", "a1", "inbox", 1, "m1");
    story.breaks(Rule::Delivered);
}

#[test]
fn a_message_taken_by_an_outbox_and_gone_is_found() {
    Story::new().send("a1", "m1", bob()).life("a1", 1, true).breaks(Rule::Delivered);
}

#[test]
fn a_broadcast_that_misses_somebody_is_found() {
    let mut story = Story::new();
    story.send("a1", "m1", Target::Everybody).accept("a1", "m1", "broadcast", 1);
    for to in ["a2", "b1", "b2"] {
        story.hand(to, "a1", "broadcast", 1, "m1");
    }
    story.breaks(Rule::Delivered);
}

#[test]
fn a_group_message_that_misses_a_member_is_found() {
    let mut story = Story::new();
    story.tell(membership("a1", JOINED)).tell(membership("c1", JOINED));
    story.send("a1", "m1", team()).accept("a1", "m1", "group:team", 1).hand(
        "a2",
        "a1",
        "group:team",
        1,
        "m1",
    );
    story.breaks(Rule::Delivered);
}

#[test]
fn a_message_handed_over_twice_is_found() {
    Story::new().whole("m1", 1, &[]).hand("b1", "a1", "inbox", 1, "m1").breaks(Rule::Rising);
}

#[test]
fn positions_that_fall_are_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]).whole("m2", 2, &[]).hand("b1", "a1", "inbox", 1, "m1");
    story.breaks(Rule::Rising);
}

#[test]
fn the_same_again_after_an_orderly_restart_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("b1", 1, false).hand("b1", "a1", "inbox", 1, "m1");
    story.breaks(Rule::Rising);
}

#[test]
fn the_same_again_long_after_its_cursor_was_stored_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).wait(10).life("b1", 1, true).hand("b1", "a1", "inbox", 1, "m1");
    story.breaks(Rule::Rising);
}

#[test]
fn a_message_at_two_positions_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b2"]).hand("b2", "a1", "inbox", 2, "m1");
    story.breaks(Rule::Once);
}

#[test]
fn a_position_with_two_messages_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &["b2"]).hand("b2", "a1", "inbox", 1, "m2");
    story.breaks(Rule::One);
}

#[test]
fn an_altered_message_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]);
    story.tell(Fact::Handed(Entry { digest: sum("else"), ..entry("b1", "a1", "inbox", 1, "m1") }));
    story.breaks(Rule::Genuine);
}

#[test]
fn an_invented_message_is_found() {
    Story::new().hand("b1", "a1", "inbox", 1, "never").breaks(Rule::Genuine);
}

#[test]
fn a_forged_sender_and_a_forged_device_are_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]).hand("b1", "c1", "inbox", 1, "m1");
    story.breaks(Rule::Mine);
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]).hand("b1", "a2", "inbox", 1, "m1");
    story.breaks(Rule::Mine);
}

#[test]
fn a_message_in_another_tenant_is_found() {
    Story::new().whole("m1", 1, &[]).hand("other", "a1", "inbox", 1, "m1").breaks(Rule::Mine);
}

#[test]
fn a_message_at_somebody_else_or_at_its_own_device_is_found() {
    Story::new().whole("m1", 1, &[]).hand("c1", "a1", "inbox", 1, "m1").breaks(Rule::Mine);
    Story::new().whole("m1", 1, &[]).hand("a1", "a1", "inbox", 1, "m1").breaks(Rule::Mine);
}

#[test]
fn a_narrowed_or_store_only_message_on_a_device_it_is_not_for_is_found() {
    let mut story = Story::new();
    story.send("a1", "m1", Target::Device("bob".into(), "b1".into())).accept("a1", "m1", "inbox", 1);
    for to in ["a2", "b1", "b2"] {
        story.hand(to, "a1", "inbox", 1, "m1");
    }
    story.breaks(Rule::Mine);
    let mut story = Story::new();
    story.sending("a1", "m1", bob(), |sending| sending.store_only = true).accept("a1", "m1", "inbox", 1);
    story.hand("b1", "a1", "inbox", 1, "m1").breaks(Rule::Mine);
}

#[test]
fn a_group_message_after_leaving_is_found() {
    let mut story = Story::new();
    story.tell(membership("a1", JOINED)).tell(membership("c1", JOINED));
    story.tell(membership("c1", LEAVING)).tell(membership("c1", LEFT));
    story.send("a1", "m1", team()).accept("a1", "m1", "group:team", 1).hand(
        "a2",
        "a1",
        "group:team",
        1,
        "m1",
    );
    story.hand("c1", "a1", "group:team", 1, "m1").breaks(Rule::Mine);
}

#[test]
fn messages_of_a_device_in_another_order_are_found() {
    let mut story = Story::new();
    story.send("a1", "m1", bob()).send("a1", "m2", bob());
    story.accept("a1", "m2", "inbox", 1).accept("a1", "m1", "inbox", 2);
    for to in ["a2", "b1", "b2"] {
        story.hand(to, "a1", "inbox", 1, "m2").hand(to, "a1", "inbox", 2, "m1");
    }
    story.breaks(Rule::Order);
}

#[test]
fn a_send_settled_twice_never_or_in_two_ways_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).accept("a1", "m1", "inbox", 1).breaks(Rule::Settled);
    let mut story = Story::new();
    story.send("a1", "m1", bob());
    story.breaks(Rule::Settled);
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("a1", 1, true).settle("a1", "m1", Outcome::Refused("no".into()));
    story.breaks(Rule::Settled);
}

#[test]
fn a_process_that_was_killed_may_not_know_any_more_how_a_send_ended() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("a1", 1, true).settle("a1", "m1", Outcome::Unknown);
    let violations = check(&story.events).violations;
    assert!(violations.is_empty(), "{violations:#?}");
    // One that ended in order knows.
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("a1", 1, false).settle("a1", "m1", Outcome::Unknown);
    story.breaks(Rule::Settled);
}

#[test]
fn a_refused_message_that_arrives_is_found() {
    let mut story = Story::new();
    story.send("a1", "m1", bob()).settle("a1", "m1", Outcome::Refused("no".into()));
    story.hand("b1", "a1", "inbox", 1, "m1").breaks(Rule::Settled);
}

#[test]
fn an_accepted_message_that_history_has_lost_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &[]);
    story.tell(Fact::Kept(entry("a1", "a1", "inbox", 2, "m2")));
    story.tell(Fact::Looked { device: device("a1"), stream: "inbox".into(), from: 1, to: 2 });
    story.breaks(Rule::Kept);
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &[]);
    story.tell(Fact::Kept(entry("a1", "a1", "inbox", 1, "m1")));
    story.tell(Fact::Looked { device: device("a1"), stream: "inbox".into(), from: 1, to: 1 });
    story.breaks(Rule::Kept);
}

#[test]
fn a_device_closed_for_good_and_one_that_never_became_quiet_are_found() {
    let mut story = Story::new();
    story.tell(Fact::Closed { device: device("b1"), why: "4011".into() }).breaks(Rule::Open);
    let report = check(&Story::new().events);
    assert!(!report.is_clean() && report.unfinished.len() == ALL.len());
}

#[test]
fn a_hole_on_a_connection_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).greet("b1", None, 1, 0).cover(Cover::Entry, 1, 1, "m1");
    story.cover(Cover::Skip, 2, 4, "").cover(Cover::Gap, 5, 4, "").cover(Cover::Gap, 5, 6, "").passes();
    let mut story = Story::new();
    story.whole("m1", 1, &[]).greet("b1", None, 1, 0).cover(Cover::Skip, 2, 4, "").breaks(Rule::Cover);
    let mut story = Story::new();
    story.whole("m1", 1, &[]).greet("b1", None, 1, 0).cover(Cover::Skip, 1, 1, "");
    story.cover(Cover::Entry, 1, 1, "m1").breaks(Rule::Cover);
}

#[test]
fn a_connection_that_begins_elsewhere_than_the_device_is_found() {
    Story::new().greet("b1", Some(4), 5, 9).passes();
    Story::new().greet("b1", Some(4), 6, 9).breaks(Rule::Start);
    Story::new().greet("b1", None, 2, 9).breaks(Rule::Start);
}

#[test]
fn more_under_way_than_the_window_is_found() {
    let three = |story: &mut Story, acknowledged: bool| {
        story.whole("m1", 1, &[]).whole("m2", 2, &[]).whole("m3", 3, &[]).greet("b1", None, 1, 3);
        story.cover(Cover::Entry, 1, 1, "m1").cover(Cover::Entry, 2, 2, "m2");
        if acknowledged {
            story.tell(Fact::Acknowledged { connection: 1, stream: "inbox".into(), seq: 1 });
        }
        story.cover(Cover::Entry, 3, 3, "m3");
    };
    let mut story = Story::new();
    three(&mut story, true);
    story.passes();
    let mut story = Story::new();
    three(&mut story, false);
    story.breaks(Rule::Bound);
}

#[test]
fn a_head_older_than_an_acknowledgement_is_found() {
    Story::new().whole("m1", 1, &[]).greet("a2", Some(0), 1, 0).breaks(Rule::Head);
}

#[test]
fn another_message_on_the_wire_than_before_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &[]).greet("b1", None, 1, 2).cover(Cover::Entry, 1, 1, "m1");
    story.greet("b2", None, 1, 2).cover(Cover::Entry, 1, 1, "m2");
    story.breaks(Rule::One);
}

#[test]
fn receipts_after_the_fact_pass() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).reach("a1", "m1", Stage::Delivered, "b1");
    story.mark("b1", 1).reach("a1", "m1", Stage::Read, "").reach("a2", "m1", Stage::Read, "");
    story.stand("m1", Some(Stage::Read));
    assert_eq!(story.passes().receipts, 4);
}

#[test]
fn a_receipt_before_the_fact_is_found() {
    let mut story = Story::new();
    story.send("a1", "m1", bob()).accept("a1", "m1", "inbox", 1);
    story.reach("a1", "m1", Stage::Delivered, "b1").whole("m2", 2, &[]);
    story.breaks(Rule::Reached);
    // By a device that had not got it yet, and by nobody who could.
    Story::new().whole("m1", 1, &["b1"]).reach("a1", "m1", Stage::Delivered, "b1").breaks(Rule::Reached);
    Story::new().whole("m1", 1, &[]).reach("a1", "m1", Stage::Read, "").breaks(Rule::Reached);
    Story::new()
        .whole("m1", 1, &[])
        .whole("m2", 2, &[])
        .mark("b1", 1)
        .reach("a1", "m2", Stage::Read, "")
        .breaks(Rule::Reached);
    Story::new().whole("m1", 1, &[]).reach("c1", "m1", Stage::Delivered, "b1").breaks(Rule::Reached);
}

#[test]
fn a_receipt_that_goes_back_is_found() {
    let story = |life: bool| {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).mark("b1", 1).reach("a1", "m1", Stage::Read, "");
        if life {
            story.life("a1", 1, false);
        }
        story.reach("a1", "m1", Stage::Delivered, "b2");
        story
    };
    story(true).passes();
    story(false).breaks(Rule::Reached);
}

#[test]
fn a_receipt_that_goes_back_is_none_of_a_message_long_forgotten() {
    let story = |between: u64| {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).mark("b1", 1).reach("a1", "m1", Stage::Read, "");
        for number in 0..between {
            let id = format!("x{number}");
            story.whole(&id, number + 2, &[]).reach("a1", &id, Stage::Delivered, "b1");
        }
        story.reach("a1", "m1", Stage::Delivered, "b2");
        story
    };
    story(200).passes();
    story(100).breaks(Rule::Reached);
}

#[test]
fn another_answer_about_a_message_than_what_became_of_it_is_found() {
    Story::new().whole("m1", 1, &[]).stand("m1", Some(Stage::Delivered)).passes();
    Story::new().whole("m1", 1, &[]).stand("m1", Some(Stage::Accepted)).breaks(Rule::Reached);
    Story::new().whole("m1", 1, &[]).stand("m1", Some(Stage::Read)).breaks(Rule::Reached);
    let looked = || {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).look("b1", &[(1, "m1")]);
        story
    };
    looked().stand("m1", None).breaks(Rule::Reached);
    // What may be gone a moment later may be unknown.
    looked().tell(Fact::HubForgets).stand("m1", None).passes();
    // Its own message, narrowed to nobody who is there, store-only: nobody got it.
    let mut story = Story::new();
    story.send("a1", "m1", Target::User("alice".into())).accept("a1", "m1", "inbox", 1);
    story.hand("a2", "a1", "inbox", 1, "m1").stand("m1", Some(Stage::Delivered)).passes();
    let mut story = Story::new();
    story.sending("a1", "m1", bob(), |sending| sending.store_only = true).accept("a1", "m1", "inbox", 1);
    story.stand("m1", Some(Stage::Delivered)).breaks(Rule::Reached);
}

#[test]
fn read_marks_that_go_forward_to_all_devices_pass() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &[]).mark("b1", 1).pass("b1", "b2", 3, 1);
    story.mark("b2", 2).pass("b2", "b1", 4, 2).look("b1", &[(1, "m1"), (2, "m2")]);
    story.count("b1", 2, 0).count("b2", 2, 0);
    assert_eq!(story.passes().marks, 2);
}

#[test]
fn read_marks_that_nobody_said_or_that_go_back_are_found() {
    let story = || {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).whole("m2", 2, &[]).mark("b1", 1).mark("b1", 2);
        story
    };
    story().pass("b1", "b2", 3, 1).pass("b1", "b2", 4, 2).passes();
    story().pass("b1", "b2", 3, 2).pass("b1", "b2", 4, 1).breaks(Rule::Marked);
    story().pass("b2", "b1", 3, 2).breaks(Rule::Marked);
    story().pass("b1", "b1", 3, 2).breaks(Rule::Marked);
    story().pass("b1", "b2", 3, 5).breaks(Rule::Marked);
}

#[test]
fn counts_that_differ_between_devices_or_from_the_history_are_found() {
    let story = |seq| {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).whole("m2", 2, &[]).mark("b1", seq).look("b1", &[(1, "m1"), (2, "m2")]);
        story
    };
    story(1).count("b1", 1, 1).count("b2", 1, 1).passes();
    story(1).count("b1", 1, 1).count("b2", 1, 0).breaks(Rule::Marked);
    story(1).count("b1", 1, 2).breaks(Rule::Marked);
    // What a living device said is in force, and nothing else.
    story(2).count("b1", 1, 1).breaks(Rule::Marked);
    story(2).count("b1", 0, 2).breaks(Rule::Marked);
    story(2).life("b1", 1, true).count("b1", 0, 2).passes();
}

#[test]
fn a_history_is_read_as_it_was_written_but_for_a_torn_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("one.jsonl");
    let writer = Writer::open(&path).expect("opened");
    for name in ALL {
        writer.write(Fact::Quiet { device: device(name) }).expect("written");
    }
    drop(writer);
    let whole = read_all(folder.path()).expect("read");
    assert_eq!(whole.len(), ALL.len());
    let mut bytes = std::fs::read(&path).expect("read");
    bytes.truncate(bytes.len() - 9);
    std::fs::write(&path, bytes).expect("written");
    let writer = Writer::open(&path).expect("opened");
    writer.write(Fact::HubStarted).expect("written");
    let torn = read_all(folder.path()).expect("read");
    assert_eq!((torn.len(), &torn[..ALL.len() - 1]), (ALL.len(), &whole[..ALL.len() - 1]));
}
