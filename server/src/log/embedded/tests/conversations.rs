//! Indexes of streams: one that lies is not believed.

use tempfile::TempDir;

use super::super::super::conformance::{START, append, inbox, run, to_user, user};
use super::super::super::index::{Index, Mark, Name};
use super::super::super::store::{Conversation, Retention, Store, Summary};
use super::super::conversations::IndexRecord;
use super::super::engine::Engine;
use super::super::marker::{Directory, Found};
use super::super::record::Record;
use super::super::{EmbeddedStore, layout};
use super::options;

#[test]
fn an_index_of_another_generation_or_of_more_than_there_is_is_made_anew() {
    for (of_another, upto) in [(true, 5), (false, 9)] {
        let directory = TempDir::new().unwrap();
        let store = EmbeddedStore::open(directory.path(), options()).unwrap();
        for n in 1..=5 {
            run(append(&store, to_user("bob", "ann", &format!("m{n}"), START)));
        }
        run(store.close()).unwrap();

        let Found { directory: marked, epochs, .. } = Directory::open(directory.path()).unwrap();
        let generation = epochs.present() + u64::from(of_another);
        let engine = Engine::open(&marked.data(), 1 << 20, epochs, Retention::default()).unwrap();
        let number = engine.view().number(&inbox("ann")).unwrap().unwrap();
        let names = vec![Name { name: "mallory".into(), last: upto, at: START }];
        let marks = (0..upto).filter_map(|_| Mark::from_number(1, 1)).collect();
        let index = Index::stored(0, names, marks, std::collections::VecDeque::new());
        let lie = IndexRecord { generation, index }.encode();
        engine.state.insert(layout::numbered(layout::INDEX, number), lie).unwrap();
        engine.database.persist(fjall::PersistMode::SyncAll).unwrap();
        drop((engine, marked));

        let store = EmbeddedStore::open(directory.path(), options()).unwrap();
        let found = run(store.conversations(&user("ann"), START)).unwrap();
        let conversation = Conversation::Peer("bob".into());
        let truth = Summary { conversation, last: 5, at: START, read: 0, unread: 5 };
        assert_eq!(found, [truth], "of another: {of_another}, up to {upto}");
    }
}
