//! A send ends once and in order, and what was refused reaches nobody.

use wsc_tests::history::{Outcome, Rule, check};

use crate::story::{Story, bob};

#[test]
fn messages_of_a_device_in_another_order_are_found() {
    let mut story = Story::new();
    story.send("a1", "m1", bob()).send("a1", "m2", bob());
    story.accept("a1", "m2", "inbox", 1).accept("a1", "m1", "inbox", 2);
    for to in ["a2", "b1", "b2"] {
        story.hand(to, "a1", "inbox", 1, "m2").hand(to, "a1", "inbox", 2, "m1");
    }
    story.breaks(Rule::SendOrderKept);
}

#[test]
fn a_send_settled_twice_never_or_in_two_ways_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).accept("a1", "m1", "inbox", 1).breaks(Rule::SendSettledOnce);
    let mut story = Story::new();
    story.send("a1", "m1", bob());
    story.breaks(Rule::SendSettledOnce);
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("a1", 1, true).settle("a1", "m1", Outcome::Refused("no".into()));
    story.breaks(Rule::SendSettledOnce);
}

#[test]
fn a_process_that_was_killed_may_not_know_any_more_how_a_send_ended() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("a1", 1, true).settle("a1", "m1", Outcome::Unknown);
    let violations = check(&story.events).violations;
    assert!(violations.is_empty(), "{violations:#?}");
    // And one may hear it when it asks again.
    let mut story = Story::new();
    story.send("a1", "m1", bob()).settle("a1", "m1", Outcome::Unknown).life("a1", 1, true);
    story.accept("a1", "m1", "inbox", 1);
    for to in ["a2", "b1", "b2"] {
        story.hand(to, "a1", "inbox", 1, "m1");
    }
    let violations = check(&story.events).violations;
    assert!(violations.is_empty(), "{violations:#?}");
    // One that ended in order knows.
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("a1", 1, false).settle("a1", "m1", Outcome::Unknown);
    story.breaks(Rule::SendSettledOnce);
}

#[test]
fn a_refused_message_that_arrives_is_found() {
    let mut story = Story::new();
    story.send("a1", "m1", bob()).settle("a1", "m1", Outcome::Refused("no".into()));
    story.hand("b1", "a1", "inbox", 1, "m1").breaks(Rule::SendSettledOnce);
}
