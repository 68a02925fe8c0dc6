//! Any life of a store: writes by chance, and a look at everything a store can be asked, beside the memory store. No part of
//! a running hub.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use wsc_core::kind::UserStatus;

use super::conformance as make;
use super::conformance::START;
use super::key::{Scope, StreamKey};
use super::memory::State;
use super::store::{
    Append, Attach, ClaimChange, Conversation, Cursor, Delivered, Device, DeviceWrite, Flags, InboxDelivered,
    Join, JoinBy, KnownEpochs, Opened, Page, RequestId, Store, Target, Write,
};

const USERS: [&str; 4] = ["ann", "bob", "cid", "a\0"];
const GROUPS: [&str; 2] = ["team", "a"];

fn user() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&USERS[..])
}

fn group() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&GROUPS[..])
}

fn stream() -> impl Strategy<Value = StreamKey> {
    prop_oneof![
        user().prop_map(make::inbox),
        group().prop_map(|id| StreamKey::Group(make::group(id))),
        Just(StreamKey::Broadcast(Scope::default())),
    ]
}

fn by() -> impl Strategy<Value = JoinBy> {
    prop_oneof![
        (0..90_u64).prop_map(|at| JoinBy::Claim { issued_at: START / 1000 + at }),
        (0..90_u64).prop_map(|at| JoinBy::Request { issued_at: START / 1000 + at }),
        Just(JoinBy::Application),
    ]
}

fn append() -> impl Strategy<Value = Write> {
    let target = prop_oneof![
        3 => user().prop_map(|id| Target::User(make::user(id))),
        2 => group().prop_map(|id| Target::Group(make::group(id))),
        1 => Just(Target::Broadcast(Scope::default())),
    ];
    (user(), target, 0..12_u8, any::<[bool; 4]>(), 0..20_u8).prop_map(
        |(sender, target, id, [copy, member, expires, internal], odd)| {
            Write::Append(Append {
                copy_to_sender: copy || odd > 2,
                require_member: member,
                dedupe: odd != 0,
                // Until the time of the batch is known: how long it lives.
                expires_at: if expires { u64::from(odd) * 300 } else { 0 },
                flags: Flags::default().with(Flags::INTERNAL, internal && odd > 15),
                digest: [u8::from(odd == 1); 16],
                ..make::message(
                    sender,
                    target,
                    &"i".repeat(1 + usize::from(id) % 3).replace('i', &id.to_string()),
                    0,
                )
            })
        },
    )
}

/// A write, as it is before its time is known: see [`at`].
pub(super) fn write() -> impl Strategy<Value = Write> {
    let places = || prop::collection::vec((stream(), 0..9_u64), 0..3);
    prop_oneof![
        8 => append(),
        3 => attach(),
        1 => (user(), prop::option::of(0..4_u8)).prop_map(|(id, device)| Write::Kick {
            user: make::user(id), request: RequestId(0), device: device.map(|id| id.to_string().into()), reason: "".into(), now: 0,
        }),
        1 => (user(), any::<bool>()).prop_map(|(id, busy)| Write::Status {
            user: make::user(id), status: if busy { UserStatus::Busy } else { UserStatus::Online },
        }),
        1 => user().prop_map(|id| Write::See { user: make::user(id), visible: 0 }),
        3 => (group(), user(), by(), 1..3_usize, 1..4_u64).prop_map(|(id, user, by, max_groups, request)| {
            Write::Join(Join { group: make::group(id), user: user.into(), by, max_groups, request: RequestId(request), now: 0 })
        }),
        2 => (group(), user(), any::<bool>(), 1..4_u64).prop_map(|(id, user, removed, request)| {
            Write::Leave { group: make::group(id), user: user.into(), removed, request: RequestId(request), now: 0 }
        }),
        1 => (group(), 1..4_u64).prop_map(|(id, request)| Write::Disband {
            group: make::group(id), request: RequestId(request), now: 0,
        }),
        1 => (user(), user(), any::<bool>(), 0..9_u64).prop_map(|(user, other, peer, seq)| {
            let conversation = if peer { Conversation::Peer(other.into()) } else { Conversation::Group(other.into()) };
            Write::Mark { user: make::user(user), device: "d1".into(), conversation, seq }
        }),
        1 => (user(), user(), any::<bool>(), 0..9_u64).prop_map(|(user, other, peer, seq)| {
            let conversation = if peer { Conversation::Peer(other.into()) } else { Conversation::Group(other.into()) };
            let passes_on = Some(Box::new((conversation, seq)));
            Write::Append(Append { passes_on, dedupe: false, ..make::to_user(user, user, "mark", 0) })
        }),
        2 => (user(), prop::collection::vec((stream(), 0..9_u64, 0..9_u64), 0..3), prop::collection::vec((0..9_u64, user()), 0..3), epochs()).prop_map(
            |(user, ranges, asked, epochs)| {
                let asked = asked.into_iter().map(|(seq, sender)| (seq, sender.into())).collect();
                Write::Delivered(Delivered { user: make::user(user), ranges, asked, epochs })
            }
        ),
        3 => (user(), 0..4_u8, places(), prop::collection::vec(0..4_u8, 0..3), prop::collection::vec(stream(), 0..2), 0..3_u32, claim(), epochs()).prop_map(
            |(user, device, cursors, connected, forget, attempts, claim, epochs)| {
                let connected = connected.iter().map(|id| id.to_string().into()).collect();
                Write::Device(DeviceWrite {
                    cursors, connected, forget, attempts, claim, epochs, max_devices: 3,
                    ..make::seen(user, &device.to_string(), 0)
                })
            }
        ),
    ]
}

/// Nearly always the present ones, as a hub knows them.
fn epochs() -> impl Strategy<Value = KnownEpochs> {
    let named = (stream(), prop::bool::weighted(0.7));
    let epoch = |is_present: bool| Arc::from(if is_present { PRESENT } else { "another" });
    prop::collection::vec(named.prop_map(move |(stream, is_present)| (stream, epoch(is_present))), 0..3)
        .prop_map(KnownEpochs)
}

fn claim() -> impl Strategy<Value = ClaimChange> {
    prop_oneof![
        4 => Just(ClaimChange::Keep),
        2 => (1..3_u8, 0..3_u8, any::<bool>(), 0..4_u64).prop_map(|(hub, connection, is_exclusive, sent)| {
            ClaimChange::Take {
                incarnation: u128::from(hub),
                connection: connection.to_string().into(),
                is_exclusive,
                sent_ms: sent * 40_000,
            }
        }),
        2 => (0..6_u64, 0..3_u8).prop_map(|(turn, connection)| ClaimChange::Release {
            turn,
            connection: connection.to_string().into(),
        }),
    ]
}

fn attach() -> impl Strategy<Value = Write> {
    let cursors = prop::collection::vec((stream(), any::<bool>(), 0..9_u64), 0..3);
    let joins = prop::collection::vec((group(), by(), 1..3_usize), 0..3);
    let delivered = prop::option::of((0..5_u64, 5..9_u64));
    (user(), 0..4_u8, joins, cursors, delivered, any::<bool>(), claim()).prop_map(
        |(user, device, joins, cursors, delivered, at_head, claim)| {
            let join = |(id, by, max_groups): (&str, JoinBy, usize)| Join {
                group: make::group(id),
                user: user.into(),
                by,
                max_groups,
                request: RequestId(4),
                now: 0,
            };
            let cursor = |(stream, present, seq): (StreamKey, bool, u64)| {
                (stream, Cursor { epoch: if present { PRESENT } else { "another" }.into(), seq })
            };
            let delivered = delivered.map(|(after, to)| InboxDelivered {
                epoch: PRESENT.into(),
                after,
                to,
                ranges: vec![(after, after + 1), (to - 1, to)],
            });
            let device = if device == 0 { String::new() } else { device.to_string() };
            Write::Attach(Box::new(Attach {
                joins: joins.into_iter().map(join).collect(),
                cursors: cursors.into_iter().map(cursor).collect(),
                delivered,
                at_head,
                claim,
                max_devices: 3,
                ..make::attach(user, &device, 0)
            }))
        },
    )
}

/// Stands for the present epoch in what is generated.
const PRESENT: &str = "present";

/// A write at a time, in an epoch.
pub(super) fn at(write: &mut Write, time: u64, present: &Arc<str>) {
    let named = |epoch: &mut Arc<str>| {
        if **epoch == *PRESENT {
            epoch.clone_from(present);
        }
    };
    match write {
        Write::Attach(attach) => {
            (attach.now, attach.visible) = (time, time / 700);
            attach.joins.iter_mut().for_each(|join| join.now = time);
            attach.cursors.iter_mut().for_each(|(_, cursor)| named(&mut cursor.epoch));
            attach.delivered.iter_mut().for_each(|delivered| named(&mut delivered.epoch));
        }
        Write::Append(Append { now, expires_at, .. }) => {
            *now = time;
            if *expires_at > 0 {
                *expires_at += time;
            }
        }
        Write::Join(Join { now, .. })
        | Write::Leave { now, .. }
        | Write::Disband { now, .. }
        | Write::Kick { now, .. } => *now = time,
        Write::BeginEpoch { .. } | Write::Status { .. } => {}
        Write::Device(write) => {
            (write.now, write.visible) = (time, time / 1000);
            write.epochs.0.iter_mut().for_each(|(_, epoch)| named(epoch));
        }
        Write::Delivered(write) => write.epochs.0.iter_mut().for_each(|(_, epoch)| named(epoch)),
        Write::See { visible, .. } => *visible = time / 500,
        Write::Mark { .. } => {}
    }
}

/// Everything that both can be asked.
pub(super) async fn compare(store: &dyn Store, model: &State, now: u64) -> TestCaseResult {
    let mut streams: Vec<StreamKey> = USERS.iter().map(|id| make::inbox(id)).collect();
    streams.extend(GROUPS.iter().map(|id| StreamKey::Group(make::group(id))));
    streams.push(StreamKey::Broadcast(Scope::default()));
    for stream in &streams {
        for (from, limit, bytes) in [(0, 100, usize::MAX), (3, 2, usize::MAX), (2, 9, 25), (9, 9, 9)] {
            let page = store.read(stream, from, limit, bytes).await.unwrap();
            prop_assert_eq!(page, model.read(stream, from, limit, bytes));
            let page: Page = store.read_back(stream, from, limit, bytes).await.unwrap();
            prop_assert_eq!(page, model.read_back(stream, from, limit, bytes));
            let page = store.headers(stream, from, limit).await.unwrap();
            prop_assert_eq!(page, model.headers(stream, from, limit));
        }
    }
    for id in USERS {
        let user = make::user(id);
        let opened: Opened = store.open(&user, Some("1")).await.unwrap();
        prop_assert_eq!(opened, model.open(&user, Some("1")));
        let by_name = |mut list: Vec<Device>| {
            list.sort_by(|a, b| a.device.cmp(&b.device));
            list
        };
        prop_assert_eq!(by_name(store.devices(&user).await.unwrap()), by_name(model.devices(&user)));
        prop_assert_eq!(store.last_seen(&user).await.unwrap(), model.last_seen(&user));
        let mut conversations = store.conversations(&user, now).await.unwrap();
        conversations.sort();
        prop_assert_eq!(conversations, model.conversations(&user, now));
        prop_assert_eq!(store.people(std::slice::from_ref(&user)).await.unwrap(), [model.person(&user)]);
        let mut marks = store.marks(&user).await.unwrap();
        marks.sort();
        prop_assert_eq!(marks, model.marks(&user));
        for stream in &streams {
            let delivered = store.delivered(&user, stream).await.unwrap();
            prop_assert_eq!(delivered, model.delivered(&user, stream));
        }
    }
    let tips: Vec<_> = streams.iter().map(|stream| model.tip(stream)).collect();
    prop_assert_eq!(store.tips(&streams).await.unwrap(), tips);
    let mut waiting = store.waiting_marks(100).await.unwrap();
    waiting.sort();
    prop_assert_eq!(waiting, model.waiting_marks(100));
    for group in GROUPS {
        let group = make::group(group);
        let users = USERS.map(Arc::from);
        let memberships = users.iter().map(|user| model.membership(&group, user)).collect::<Vec<_>>();
        prop_assert_eq!(store.memberships(&group, &users).await.unwrap(), memberships);
        prop_assert_eq!(store.member_count(&group).await.unwrap(), model.member_count(&group));
        for (after, limit) in [(None, 2), (Some("bob"), 9), (None, 0)] {
            prop_assert_eq!(
                store.members(&group, after, limit).await.unwrap(),
                model.members(&group, after, limit)
            );
        }
    }
    Ok(())
}
