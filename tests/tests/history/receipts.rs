//! How far a message got: after the fact, never less than before.

use wsc_tests::history::{Fact, Rule, Stage, Target};

use crate::story::{Story, bob};

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
    story.breaks(Rule::ReceiptsTrue);
    // By a device that had not got it yet, and by nobody who could.
    Story::new().whole("m1", 1, &["b1"]).reach("a1", "m1", Stage::Delivered, "b1").breaks(Rule::ReceiptsTrue);
    Story::new().whole("m1", 1, &[]).reach("a1", "m1", Stage::Read, "").breaks(Rule::ReceiptsTrue);
    Story::new()
        .whole("m1", 1, &[])
        .whole("m2", 2, &[])
        .mark("b1", 1)
        .reach("a1", "m2", Stage::Read, "")
        .breaks(Rule::ReceiptsTrue);
    Story::new().whole("m1", 1, &[]).reach("c1", "m1", Stage::Delivered, "b1").breaks(Rule::ReceiptsTrue);
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
    story(false).breaks(Rule::ReceiptsTrue);
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
    story(100).breaks(Rule::ReceiptsTrue);
}

#[test]
fn another_answer_about_a_message_than_what_became_of_it_is_found() {
    Story::new().whole("m1", 1, &[]).stand("m1", Some(Stage::Delivered)).passes();
    Story::new().whole("m1", 1, &[]).stand("m1", Some(Stage::Accepted)).breaks(Rule::ReceiptsTrue);
    Story::new().whole("m1", 1, &[]).stand("m1", Some(Stage::Read)).breaks(Rule::ReceiptsTrue);
    let looked = || {
        let mut story = Story::new();
        story.whole("m1", 1, &[]).look("b1", &[(1, "m1")]);
        story
    };
    looked().stand("m1", None).breaks(Rule::ReceiptsTrue);
    // What may be gone a moment later may be unknown.
    looked().tell(Fact::HubForgets).stand("m1", None).passes();
    // Its own message, narrowed to nobody who is there, store-only: nobody got it.
    let mut story = Story::new();
    story.send("a1", "m1", Target::User("alice".into())).accept("a1", "m1", "inbox", 1);
    story.hand("a2", "a1", "inbox", 1, "m1").stand("m1", Some(Stage::Delivered)).passes();
    let mut story = Story::new();
    story.sending("a1", "m1", bob(), |sending| sending.store_only = true).accept("a1", "m1", "inbox", 1);
    story.stand("m1", Some(Stage::Delivered)).breaks(Rule::ReceiptsTrue);
}
