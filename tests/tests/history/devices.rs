//! What a device is handed: rising, once, genuine, and meant for it.

use wsc_tests::history::{Entry, Fact, Rule, Target};

use crate::story::{Story, bob, entry, sum};

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
fn a_message_handed_over_twice_is_found() {
    Story::new().whole("m1", 1, &[]).hand("b1", "a1", "inbox", 1, "m1").breaks(Rule::DeliveredInOrder);
}

#[test]
fn positions_that_fall_are_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]).whole("m2", 2, &[]).hand("b1", "a1", "inbox", 1, "m1");
    story.breaks(Rule::DeliveredInOrder);
}

#[test]
fn the_same_again_after_an_orderly_restart_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).life("b1", 1, false).hand("b1", "a1", "inbox", 1, "m1");
    story.breaks(Rule::DeliveredInOrder);
}

#[test]
fn the_same_again_long_after_its_cursor_was_stored_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).wait(10).life("b1", 1, true).hand("b1", "a1", "inbox", 1, "m1");
    story.breaks(Rule::DeliveredInOrder);
}

#[test]
fn an_altered_message_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]);
    story.tell(Fact::Handed(Entry { digest: sum("else"), ..entry("b1", "a1", "inbox", 1, "m1") }));
    story.breaks(Rule::ContentAuthentic);
}

#[test]
fn an_invented_message_is_found() {
    Story::new().hand("b1", "a1", "inbox", 1, "never").breaks(Rule::ContentAuthentic);
}

#[test]
fn a_forged_sender_and_a_forged_device_are_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]).hand("b1", "c1", "inbox", 1, "m1");
    story.breaks(Rule::SenderAuthentic);
    let mut story = Story::new();
    story.whole("m1", 1, &["b1"]).hand("b1", "a2", "inbox", 1, "m1");
    story.breaks(Rule::SenderAuthentic);
}

#[test]
fn a_message_in_another_tenant_is_found() {
    Story::new().whole("m1", 1, &[]).hand("other", "a1", "inbox", 1, "m1").breaks(Rule::SenderAuthentic);
}

#[test]
fn a_message_at_somebody_else_or_at_its_own_device_is_found() {
    Story::new().whole("m1", 1, &[]).hand("c1", "a1", "inbox", 1, "m1").breaks(Rule::SenderAuthentic);
    Story::new().whole("m1", 1, &[]).hand("a1", "a1", "inbox", 1, "m1").breaks(Rule::SenderAuthentic);
}

#[test]
fn a_narrowed_or_store_only_message_on_a_device_it_is_not_for_is_found() {
    let mut story = Story::new();
    story.send("a1", "m1", Target::Device("bob".into(), "b1".into())).accept("a1", "m1", "inbox", 1);
    for to in ["a2", "b1", "b2"] {
        story.hand(to, "a1", "inbox", 1, "m1");
    }
    story.breaks(Rule::SenderAuthentic);
    let mut story = Story::new();
    story.sending("a1", "m1", bob(), |sending| sending.store_only = true).accept("a1", "m1", "inbox", 1);
    story.hand("b1", "a1", "inbox", 1, "m1").breaks(Rule::SenderAuthentic);
}
