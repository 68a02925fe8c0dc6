//! What is accepted reaches every device it is meant for, or lies in a gap that the device got.

use wsc_tests::history::{Fact, Outcome, Rule, Target, check};

use crate::story::{ALL, JOINED, Story, bob, device, membership, missed, team};

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
fn a_device_closed_for_good_and_one_that_never_became_quiet_are_found() {
    let mut story = Story::new();
    story.tell(Fact::Closed { device: device("b1"), why: "4011".into() }).breaks(Rule::NotClosedForGood);
    let report = check(&Story::new().events);
    assert!(!report.is_clean() && report.unfinished.len() == ALL.len());
}
