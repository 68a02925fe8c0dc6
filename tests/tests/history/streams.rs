//! A position is one message, a message has one position, and history keeps it.

use wsc_tests::history::{Fact, Rule};

use crate::story::{Story, device, entry};

#[test]
fn a_message_at_two_positions_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &["b2"]).hand("b2", "a1", "inbox", 2, "m1");
    story.breaks(Rule::OnePositionPerMessage);
}

#[test]
fn a_position_with_two_messages_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &["b2"]).hand("b2", "a1", "inbox", 1, "m2");
    story.breaks(Rule::PositionImmutable);
}

#[test]
fn an_accepted_message_that_history_has_lost_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &[]);
    story.tell(Fact::Kept(entry("a1", "a1", "inbox", 2, "m2")));
    story.tell(Fact::Looked { device: device("a1"), stream: "inbox".into(), from: 1, to: 2 });
    story.breaks(Rule::AcceptedKept);
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &[]);
    story.tell(Fact::Kept(entry("a1", "a1", "inbox", 1, "m1")));
    story.tell(Fact::Looked { device: device("a1"), stream: "inbox".into(), from: 1, to: 1 });
    story.breaks(Rule::AcceptedKept);
}
