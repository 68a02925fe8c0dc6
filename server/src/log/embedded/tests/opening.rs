//! Opening: what is refused and how, what a clean end keeps.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::super::conformance::{START, all, append, inbox, one, open, run, to_user};
use super::super::super::store::{Appended, Durability, Earlier, Store, Write};
use super::super::{EmbeddedOptions, EmbeddedStore, FORMAT, OpenError};
use super::{copy, options};

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
        lineage.iter().map(|earlier| (earlier.epoch.clone(), earlier.survived)).collect::<Vec<_>>(),
        [(epoch, 1)]
    );
}

/// What an operator does with a directory while no hub runs, or while one does.
#[cfg(unix)]
#[test]
fn a_copy_begins_a_new_epoch_by_itself_however_it_was_put_back() {
    type PutBack = fn(&Path, &Path);
    let put_back: [(&str, PutBack); 4] = [
        ("the copy is opened where it is", |_, _| {}),
        ("over the files", |copied, path| copy(copied, path)),
        ("in place of the directory", |copied, path| {
            fs::remove_dir_all(path).unwrap();
            copy(copied, path);
        }),
        ("moved to the place", |copied, path| {
            fs::remove_dir_all(path).unwrap();
            fs::rename(copied, path).unwrap();
        }),
    ];
    for (how, put_back) in put_back {
        for killed in [false, true] {
            let directory = TempDir::new().unwrap();
            let (path, copied) = (directory.path().join("store"), directory.path().join("copy"));
            let durable = || EmbeddedOptions { durability: Durability::Fsync, ..options() };
            let store = EmbeddedStore::open(&path, durable()).unwrap();
            let epoch = store.epoch();
            run(append(&store, to_user("ann", "bob", "a", START)));
            run(store.close()).unwrap();
            copy(&path, &copied);
            // What happens after the copy is made.
            let store = EmbeddedStore::open(&path, durable()).unwrap();
            assert_eq!(store.epoch(), epoch, "{how}: the original goes on");
            run(append(&store, to_user("ann", "bob", "b", START)));
            if killed {
                drop(store);
            } else {
                run(store.close()).unwrap();
            }
            put_back(&copied, &path);
            let opened = if how.starts_with("the copy") { &copied } else { &path };
            let store = EmbeddedStore::open(opened, durable()).unwrap();
            assert_ne!(store.epoch(), epoch, "{how}, killed: {killed}");
            let lineage = run(open(&store, "bob", None)).streams.remove(0).lineage;
            assert_eq!(lineage, [Earlier { epoch, survived: 1, is_proven: true }], "{how}");
            // It is no copy of anything any more.
            let epoch = store.epoch();
            run(store.close()).unwrap();
            assert_eq!(EmbeddedStore::open(opened, durable()).unwrap().epoch(), epoch, "{how}");
        }
    }
}

#[test]
fn a_distrusted_epoch_stays_so() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    let epoch = store.epoch();
    run(append(&store, to_user("ann", "bob", "a", START)));
    let begin = Write::BeginEpoch { stream: inbox("bob"), ended: epoch.clone() };
    run(one(&store, begin));
    let present = store.epoch();
    for _ in 0..2 {
        let lineage = run(open(&store, "bob", None)).streams.remove(0).lineage;
        assert_eq!(lineage, [Earlier { epoch: epoch.clone(), survived: 1, is_proven: false }]);
        run(append(&store, to_user("ann", "bob", "b", START)));
    }
    run(store.close()).unwrap();
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    assert_eq!(store.epoch(), present);
    let lineage = run(open(&store, "bob", None)).streams.remove(0).lineage;
    assert_eq!(lineage, [Earlier { epoch, survived: 1, is_proven: false }]);
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
