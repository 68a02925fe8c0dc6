//! What is flushed before it is answered, and what need not be.

use tempfile::TempDir;

use super::super::super::conformance::{START, attach, group, retention, to_user};
use super::super::super::store::{Attach, Join, JoinBy, RequestId, Write};
use super::super::engine::Engine;
use super::super::marker::{Directory, Found};
use super::super::work::{Memory, Work};

#[test]
fn an_attach_is_flushed_when_more_changes_than_when_the_device_was_last_seen() {
    let directory = TempDir::new().unwrap();
    let Found { directory: marked, epochs, .. } = Directory::open(directory.path()).unwrap();
    let engine = Engine::open(&marked.data(), 1 << 20, epochs, retention()).unwrap();
    let mut memory = Memory::load(&engine, 4).unwrap();
    let mut flushes = |write: Write| {
        let mut work = Work::new(&engine, &mut memory);
        work.apply(&write).unwrap();
        let must_flush = work.must_flush;
        work.commit(None).unwrap();
        must_flush
    };
    let again = |device: &str, now| Write::Attach(Box::new(attach("ann", device, now)));
    assert!(flushes(again("", START)), "a new user");
    assert!(!flushes(again("", START + 1)), "nothing is kept of the device");
    assert!(flushes(again("d1", START)), "a new device");
    assert!(!flushes(again("d1", START + 1)), "it was seen again");
    assert!(flushes(Write::Append(to_user("bob", "ann", "m", START))), "a message");
    assert!(!flushes(again("d1", START + 2)), "it stands where it stood");
    let by = JoinBy::Application;
    let join = Join {
        group: group("team"),
        user: "ann".into(),
        by,
        max_groups: 9,
        request: RequestId(1),
        now: START,
    };
    let joining = Attach { joins: vec![join], ..attach("ann", "d1", START + 3) };
    assert!(flushes(Write::Attach(Box::new(joining))), "a membership");
}
