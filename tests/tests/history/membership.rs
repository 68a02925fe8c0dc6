//! Who is in a group gets what is sent to it, and nobody else.

use wsc_tests::history::Rule;

use crate::story::{JOINED, JOINING, LEAVING, LEFT, Story, membership, team};

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
    story.hand("c1", "a1", "group:team", 1, "m1").breaks(Rule::SenderAuthentic);
}
