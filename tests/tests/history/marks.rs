//! What a user has read: said by one of his devices, going forward, equal on all.

use wsc_tests::history::{Fact, Rule};

use crate::story::{Story, device};

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
    story().pass("b1", "b2", 3, 2).pass("b1", "b2", 4, 1).breaks(Rule::ReadMarksAgree);
    story().pass("b2", "b1", 3, 2).breaks(Rule::ReadMarksAgree);
    story().pass("b1", "b1", 3, 2).breaks(Rule::ReadMarksAgree);
    story().pass("b1", "b2", 3, 5).breaks(Rule::ReadMarksAgree);
}

#[test]
fn counts_that_differ_between_devices_or_from_the_history_are_found() {
    let story = |seq| {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).whole("m2", 2, &[]).mark("b1", seq).look("b1", &[(1, "m1"), (2, "m2")]);
        story
    };
    story(1).count("b1", 1, 1).count("b2", 1, 1).passes();
    story(1).count("b1", 1, 1).count("b2", 1, 0).breaks(Rule::ReadMarksAgree);
    story(1).count("b1", 1, 2).breaks(Rule::ReadMarksAgree);
    // What a device said is in force, and nothing else.
    story(2).count("b1", 1, 1).breaks(Rule::ReadMarksAgree);
    story(2).count("b1", 0, 2).breaks(Rule::ReadMarksAgree);
}

#[test]
fn a_read_mark_forgotten_at_a_restart_is_found() {
    let story = || {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).whole("m2", 2, &[]).look("b1", &[(1, "m1"), (2, "m2")]).mark("b1", 2);
        story
    };
    story().life("b1", 1, false).count("b1", 0, 2).breaks(Rule::ReadMarksAgree);
    story().wait(10).life("b1", 1, true).count("b1", 0, 2).breaks(Rule::ReadMarksAgree);
    // Killed before it was stored, or stored nowhere any more.
    story().life("b1", 1, true).count("b1", 0, 2).passes();
    story().tell(Fact::Wiped { device: device("b1") }).count("b1", 0, 2).passes();
}
