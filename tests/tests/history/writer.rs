//! Histories on disk.

use wsc_tests::history::{Fact, Writer, read_all};

use crate::story::{ALL, device};

#[test]
fn a_history_is_read_as_it_was_written_but_for_a_torn_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("one.jsonl");
    let writer = Writer::open(&path).expect("opened");
    for name in ALL {
        writer.write(Fact::Quiet { device: device(name) }).expect("written");
    }
    drop(writer);
    let whole = read_all(folder.path()).expect("read");
    assert_eq!(whole.len(), ALL.len());
    let mut bytes = std::fs::read(&path).expect("read");
    bytes.truncate(bytes.len() - 9);
    std::fs::write(&path, bytes).expect("written");
    let writer = Writer::open(&path).expect("opened");
    writer.write(Fact::HubStarted).expect("written");
    let torn = read_all(folder.path()).expect("read");
    assert_eq!((torn.len(), &torn[..ALL.len() - 1]), (ALL.len(), &whole[..ALL.len() - 1]));
}
