//! Which of several addresses a link is for, seen by a driver that has three.

use wsc_core::client::Config;

use crate::harness::{Harness, connected, inbox};

impl Harness {
    /// Waits for the next link: how far its address is behind the one before.
    fn steps(&mut self, from: u32) -> u32 {
        while self.opened().is_none() {
            let wait = self.client.poll_timeout().expect("it tries again") - self.now;
            self.pass(wait);
        }
        self.client.address().wrapping_sub(from)
    }

    /// Connected; the number of its address.
    fn at(&self) -> u32 {
        self.client.address()
    }
}

#[test]
fn an_attempt_that_failed_is_followed_by_one_at_the_next_address() {
    let mut harness = Harness::new(Config::default());
    harness.client.connect(harness.now);
    harness.drain();
    harness.clear();
    for _ in 0..4 {
        let at = harness.at();
        harness.close(None, "refused");
        assert_eq!(harness.steps(at), 1);
    }
    // The hub refuses, before `connected`; and one that does not answer.
    let at = harness.at();
    harness.close(1013, "");
    assert_eq!(harness.steps(at), 1);
    let at = harness.at();
    harness.pass(15_000);
    assert_eq!(harness.steps(at), 1);
}

#[test]
fn a_connection_that_is_lost_is_tried_at_its_address_first_and_then_at_the_next() {
    let mut harness = Harness::live(Config::default());
    let at = harness.at();
    for _ in 0..3 {
        harness.close(None, "reset");
        assert_eq!(harness.steps(at), 0);
        harness.handle(|client, now| client.handle_open(now, client.link()));
        harness.text(&connected(&inbox("e1", 1, 0)));
        harness.clear();
    }
    harness.close(None, "reset");
    assert_eq!(harness.steps(at), 0);
    harness.close(None, "refused");
    assert_eq!(harness.steps(at), 1);
}

#[test]
fn a_hub_that_closes_drains_or_falls_silent_is_left_for_the_next_address() {
    for code in [1001, 1013] {
        let mut harness = Harness::live(Config::default());
        let at = harness.at();
        harness.close(code, "retry_after_ms=70000");
        assert_eq!(harness.steps(at), 1, "{code}");
    }
    let mut harness = Harness::live(Config::default());
    let at = harness.at();
    harness.text(
        r#"{"message_type":"server_status","data":{"draining":true,"reconnect_after_ms":2000,"jitter_ms":0}}"#,
    );
    harness.pass(2_000);
    assert_eq!(harness.closed_with(), Some(1000));
    assert_eq!(harness.at().wrapping_sub(at), 1);
    let mut harness = Harness::live(Config::default());
    let at = harness.at();
    // A ping, and no answer to it.
    harness.pass(35_000);
    assert_eq!(harness.closed_with(), Some(4012));
    assert_eq!(harness.steps(at), 1);
}
