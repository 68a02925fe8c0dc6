//! Opening: what is refused and how, what a clean end keeps.

use std::fs;

use tempfile::TempDir;

use super::super::super::conformance::{START, all, append, inbox, open, run, to_user};
use super::super::super::store::{Appended, Durability, Store};
use super::super::{EmbeddedOptions, EmbeddedStore, FORMAT, OpenError};
use super::options;

#[test]
fn a_reopened_store_has_everything_in_the_same_epoch() {
    let directory = TempDir::new().unwrap();
    for durability in [Durability::Fsync, Durability::Os, Durability::Memory] {
        let path = directory.path().join(format!("{durability:?}"));
        let options = || EmbeddedOptions { durability, ..options() };
        let store = EmbeddedStore::open(&path, options()).unwrap();
        let epoch = store.epoch();
        run(append(&store, to_user("ann", "bob", "a", START)));
        run(store.close()).unwrap();
        let store = EmbeddedStore::open(&path, options()).unwrap();
        assert_eq!(store.epoch(), epoch);
        assert_eq!(run(all(&store, &inbox("bob"))).entries[0].body, "body of a");
        let again = run(append(&store, to_user("ann", "bob", "a", START)));
        assert_eq!(again, Appended::Duplicate { seq: 1, own_seq: Some(1), create_at: START });
        assert_eq!(run(open(&store, "bob", None)).streams[0].lineage, []);
    }
}

#[test]
fn a_restored_copy_begins_a_new_epoch() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    let epoch = store.epoch();
    run(append(&store, to_user("ann", "bob", "a", START)));
    run(store.close()).unwrap();
    let store =
        EmbeddedStore::open(directory.path(), EmbeddedOptions { restored: true, ..options() }).unwrap();
    assert_ne!(store.epoch(), epoch);
    let lineage = run(open(&store, "bob", None)).streams.remove(0).lineage;
    assert_eq!(
        lineage.iter().map(|cursor| (cursor.epoch.clone(), cursor.seq)).collect::<Vec<_>>(),
        [(epoch, 1)]
    );
}

#[test]
fn a_directory_is_open_only_once() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    assert!(matches!(EmbeddedStore::open(directory.path(), options()), Err(OpenError::InUse(_))));
    run(store.close()).unwrap();
    // Closed, though not dropped: free.
    EmbeddedStore::open(directory.path(), options()).unwrap();
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "hello").unwrap();
    assert!(matches!(EmbeddedStore::open(&file, options()), Err(OpenError::NotADirectory(_))));
    assert!(matches!(EmbeddedStore::open(file.join("below"), options()), Err(OpenError::NotADirectory(_))));
    assert!(matches!(EmbeddedStore::open(directory.path(), options()), Err(OpenError::Foreign(_))));
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["file"]);
}

#[test]
fn markers_that_do_not_fit_are_refused() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    run(store.close()).unwrap();
    let marker = directory.path().join("wsc-store");
    let text = fs::read_to_string(&marker).unwrap();
    for damaged in
        [String::new(), "hello".to_owned(), text.replace("closed 0", "closed 1"), text[1..].to_owned()]
    {
        fs::write(&marker, &damaged).unwrap();
        let opened = EmbeddedStore::open(directory.path(), options());
        assert!(matches!(opened, Err(OpenError::DamagedMarker(_))), "{damaged:?}");
    }
    let newer = FORMAT + 1;
    fs::write(&marker, text.replace(&format!("format {FORMAT}"), &format!("format {newer}"))).unwrap();
    let error = EmbeddedStore::open(directory.path(), options()).err();
    assert!(matches!(error, Some(OpenError::Newer { found, .. }) if found == newer), "{error:?}");
    fs::write(&marker, &text).unwrap();
    fs::remove_dir_all(directory.path().join("data")).unwrap();
    assert!(matches!(EmbeddedStore::open(directory.path(), options()), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_first_start_that_was_cut_off_can_be_repeated() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("lock"), "").unwrap();
    fs::write(directory.path().join("wsc-store.next"), "wsc st").unwrap();
    drop(EmbeddedStore::open(directory.path(), options()).unwrap());
}

#[cfg(unix)]
#[test]
fn a_directory_without_permission_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
    match EmbeddedStore::open(directory.path().join("store"), options()) {
        Err(OpenError::NoPermission { .. }) => {}
        // The administrator may write everywhere.
        Ok(_) if fs::write(directory.path().join("probe"), "").is_ok() => {}
        other => panic!("{other:?}"),
    }
}
