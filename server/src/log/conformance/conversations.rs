//! Checks of lists of conversations. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{Conversation, Flags, JoinBy, Store, Summary, Target, Write};
use super::*;

async fn conversations(store: &dyn Store, who: &str, now: u64) -> Vec<(String, u64, u64, u64, u64)> {
    let mut found = store.conversations(&user(who), now).await.expect("conversations");
    found.sort();
    let shown = found.into_iter().map(|Summary { conversation, last, at, read, unread }| {
        let (Conversation::Peer(id) | Conversation::Group(id)) = &conversation;
        (id.to_string(), last, at - at.min(START), read, unread)
    });
    shown.collect()
}

fn shown(id: &str, last: u64, at: u64, read: u64, unread: u64) -> (String, u64, u64, u64, u64) {
    (id.to_owned(), last, at, read, unread)
}

fn mark(conversation: Conversation, seq: u64) -> Write {
    Write::Mark { user: user("ann"), device: "d1".into(), conversation, seq }
}

pub async fn conversations_show_what_is_last_and_what_is_unread(store: &dyn Store) {
    assert_eq!(conversations(store, "ann", START).await, []);
    append(store, to_user("bob", "ann", "1", START + 1)).await;
    append(store, to_user("ann", "cid", "2", START + 2)).await;
    append(store, to_user("bob", "ann", "3", START + 3)).await;
    append(store, to_user("ann", "ann", "4", START + 4)).await;
    let expected = [shown("ann", 4, 4, 0, 0), shown("bob", 3, 3, 0, 2), shown("cid", 2, 2, 0, 0)];
    assert_eq!(conversations(store, "ann", START).await, expected);
    one(store, mark(Conversation::Peer("bob".into()), 1)).await;
    assert_eq!(conversations(store, "ann", START).await[1], shown("bob", 3, 3, 1, 1));
    append(store, to_user("bob", "ann", "5", START + 5)).await;
    assert_eq!(conversations(store, "ann", START).await[1], shown("bob", 5, 5, 1, 2));
    one(store, mark(Conversation::Peer("bob".into()), 5)).await;
    assert_eq!(conversations(store, "ann", START).await[1], shown("bob", 5, 5, 5, 0));
    assert_eq!(conversations(store, "bob", START).await, [shown("ann", 3, 5, 0, 0)]);
}

pub async fn of_a_group_counts_what_came_since_the_user_joined(store: &dyn Store) {
    let send =
        async |id: &str, sender: &str, at| append(store, to_group(sender, "team", id, START + at)).await;
    send("1", "bob", 1).await;
    join(store, "empty", "ann", JoinBy::Application, START).await;
    join(store, "team", "ann", JoinBy::Application, START).await;
    let expected = [shown("empty", 0, 0, 0, 0), shown("team", 1, 1, 0, 0)];
    assert_eq!(conversations(store, "ann", START).await, expected);
    send("2", "bob", 2).await;
    send("3", "ann", 3).await;
    assert_eq!(conversations(store, "ann", START).await[1], shown("team", 3, 3, 0, 1));
    one(store, mark(Conversation::Group("team".into()), 3)).await;
    assert_eq!(conversations(store, "ann", START).await[1], shown("team", 3, 3, 3, 0));
    leave(store, "team", "ann", false, START + 4).await;
    assert_eq!(conversations(store, "ann", START).await, [shown("empty", 0, 0, 0, 0)]);
}

pub async fn what_has_expired_or_gone_does_not_count(store: &dyn Store) {
    let expiring = |id: &str, at, expires_at| Append {
        expires_at: START + expires_at,
        ..to_user("bob", "ann", id, START + at)
    };
    append(store, to_user("bob", "ann", "1", START + 1)).await;
    append(store, expiring("2", 2, 100)).await;
    append(store, Append { sender: "cid".into(), ..expiring("3", 3, 200) }).await;
    let internal = Append { flags: Flags::INTERNAL, ..to_user("ann", "ann", "4", START + 4) };
    append(store, internal).await;
    let both = [shown("bob", 2, 2, 0, 2), shown("cid", 3, 3, 0, 1)];
    assert_eq!(conversations(store, "ann", START + 99).await, both);
    let later = [shown("bob", 1, 1, 0, 1), shown("cid", 3, 3, 0, 1)];
    assert_eq!(conversations(store, "ann", START + 100).await, later);
    assert_eq!(conversations(store, "ann", START + 200).await, [shown("bob", 1, 1, 0, 1)]);
    // Five are kept.
    for n in 5..=8 {
        append(store, to_user("dan", "ann", &n.to_string(), START + n)).await;
    }
    maintain(store, START + 8).await;
    assert_eq!(conversations(store, "ann", START + 200).await, [shown("dan", 8, 8, 0, 4)]);
    maintain(store, START + 90_000).await;
    assert_eq!(conversations(store, "ann", START + 90_000).await, []);
}

pub async fn conversations_go_on_from_what_was_counted_before(store: &dyn Store) {
    join(store, "team", "ann", JoinBy::Application, START).await;
    for round in 1..=3_u64 {
        let writes = (0..700_u64).flat_map(|n| {
            let id = format!("{round}-{n}");
            let sender = format!("u{}", n % 70);
            let to_ann = Write::Append(to_user(&sender, "ann", &id, START + round));
            [to_ann, Write::Append(message(&sender, Target::Group(group("team")), &id, START + round))]
        });
        written(store, &writes.collect::<Vec<_>>()).await;
        let found = conversations(store, "ann", START).await;
        assert_eq!(found.len(), 71);
        assert!(found[..70].iter().all(|(_, _, at, _, unread)| (*at, *unread) == (round, 10 * round)));
        assert_eq!(found[70], shown("team", 700 * round, round, 0, 700 * round));
    }
    one(store, mark(Conversation::Peer("u7".into()), 1_400)).await;
    one(store, mark(Conversation::Group("team".into()), 1_400)).await;
    maintain(store, START + 3).await;
    let (inbox, team) = (inbox("ann"), StreamKey::Group(group("team")));
    assert_eq!((all(store, &inbox).await.entries.len(), all(store, &team).await.entries.len()), (5, 4));
    let found = conversations(store, "ann", START).await;
    let names: Vec<&str> = found.iter().map(|(id, ..)| &**id).collect();
    assert_eq!(names, ["u65", "u66", "u67", "u68", "u69", "team"]);
    assert!(found[..5].iter().all(|(.., unread)| *unread == 1), "{found:?}");
    assert_eq!(found[5], shown("team", 2_100, 3, 1_400, 4));
}

pub async fn of_a_group_the_newest_ten_thousand_entries_are_counted(store: &dyn Store) {
    join(store, "team", "ann", JoinBy::Application, START).await;
    for thousand in 0..10 {
        let send = |n| Write::Append(to_group("bob", "team", &format!("{thousand}-{n}"), START + 1));
        written(store, &(0..1_010).map(send).collect::<Vec<_>>()).await;
    }
    assert_eq!(conversations(store, "ann", START).await, [shown("team", 10_100, 1, 0, 10_000)]);
}
