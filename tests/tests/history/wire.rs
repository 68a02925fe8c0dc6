//! What the hub says on a connection.

use wsc_tests::history::{Cover, Fact, Rule};

use crate::story::Story;

#[test]
fn a_hole_on_a_connection_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).greet("b1", None, 1, 0).cover(Cover::Entry, 1, 1, "m1");
    story.cover(Cover::Skip, 2, 4, "").cover(Cover::Gap, 5, 4, "").cover(Cover::Gap, 5, 6, "").passes();
    let mut story = Story::new();
    story.whole("m1", 1, &[]).greet("b1", None, 1, 0).cover(Cover::Skip, 2, 4, "").breaks(Rule::NoHoles);
    let mut story = Story::new();
    story.whole("m1", 1, &[]).greet("b1", None, 1, 0).cover(Cover::Skip, 1, 1, "");
    story.cover(Cover::Entry, 1, 1, "m1").breaks(Rule::NoHoles);
}

#[test]
fn a_connection_that_begins_elsewhere_than_the_device_is_found() {
    Story::new().greet("b1", Some(4), 5, 9).passes();
    Story::new().greet("b1", Some(4), 6, 9).breaks(Rule::StartsAtCursor);
    Story::new().greet("b1", None, 2, 9).breaks(Rule::StartsAtCursor);
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
    story.breaks(Rule::WithinWindow);
}

#[test]
fn a_head_older_than_an_acknowledgement_is_found() {
    Story::new().whole("m1", 1, &[]).greet("a2", Some(0), 1, 0).breaks(Rule::HeadCurrent);
}

#[test]
fn another_message_on_the_wire_than_before_is_found() {
    let mut story = Story::new();
    story.whole("m1", 1, &[]).whole("m2", 2, &[]).greet("b1", None, 1, 2).cover(Cover::Entry, 1, 1, "m1");
    story.greet("b2", None, 1, 2).cover(Cover::Entry, 1, 1, "m2");
    story.breaks(Rule::PositionImmutable);
}
