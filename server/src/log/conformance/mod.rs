//! The conformance suite: what every store has to do, as checks that run against any of them. Each check expects an empty
//! store made with [`retention`] and panics where the store is wrong. Needs the feature `testing`; a hub never contains it.

#![allow(missing_docs, reason = "the names of the checks are sentences")]

mod append;
mod attach;
mod claims;
mod conversations;
mod devices;
mod members;
mod progress;
mod retain;
mod tips;
mod wrapped;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::append::*;
pub use self::attach::*;
pub use self::claims::*;
pub use self::conversations::*;
pub use self::devices::*;
pub use self::members::*;
pub use self::progress::*;
pub use self::retain::*;
pub use self::tips::*;
pub use self::wrapped::{Between, Read, Wrapped};
pub use self::writers::*;
use super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::store::{
    Answer, Append, Appended, Attach, ClaimChange, Delivered, DeviceWrite, Flags, Join, JoinBy, Joined,
    KnownEpochs, Opened, OpenedStream, Page, RequestId, Retention, Store, Target, Tip, Write, Written,
};

/// When the checks begin, in milliseconds.
pub const START: u64 = 1_000_000_000;

/// The retention the checks count on.
pub fn retention() -> Retention {
    Retention {
        age: Duration::from_secs(10),
        inbox_entries: 5,
        group_entries: 4,
        broadcast_entries: 3,
        dedupe: Duration::from_secs(5),
        device: Duration::from_secs(20),
    }
}

/// Makes a test of every check: `conformance!(|| store)`. The expression is called with nothing and gives a value that
/// dereferences to a `Store`. A store that writes a message to its two streams in two steps also says how to cut it
/// between them: `conformance!(|| store, cut: Some(|store, on| ..))`, with a [`Cut`](crate::log::conformance::Cut).
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!($make, cut: None);
    };
    ($make:expr, cut: $cut:expr) => {
        $crate::conformance!($make;
            a_message_to_a_user_takes_a_position_in_both_inboxes,
            a_message_to_oneself_takes_one_position,
            an_application_without_inbox_gets_no_copy,
            groups_and_broadcast_take_one_position,
            an_entry_is_read_as_it_was_written,
            the_same_again_is_answered_with_the_first_position,
            the_same_again_within_one_batch_is_stored_once,
            the_same_id_with_other_content_is_a_conflict,
            the_same_id_to_another_target_is_another_message,
            an_id_is_new_again_after_its_time,
            without_dedupe_every_append_is_stored,
            ids_in_any_order_are_recognised,
            pages_obey_limits_in_both_directions,
            headers_have_no_bodies,
            scopes_do_not_see_each_other,
            names_with_any_bytes_stay_apart,
            find_tells_where_a_message_went,
            a_group_message_needs_membership_when_asked_for,
            an_id_too_long_is_refused_alone_or_stored,
            a_join_starts_at_the_present_head,
            an_older_token_cannot_undo_a_leave,
            a_removal_beats_requests_with_older_tokens,
            a_removal_counts_even_of_one_who_is_no_member,
            a_user_is_in_no_more_groups_than_allowed,
            disband_ends_all_memberships,
            two_requests_in_one_millisecond_are_two,
            members_come_in_order_and_in_pages,
            broadcast_starts_where_the_user_was_first_seen,
            a_read_mark_only_moves_forward,
            a_device_keeps_its_places_and_they_never_fall,
            a_read_mark_waits_until_it_is_passed_on,
            what_was_delivered_is_told_once_and_not_after_it_was_read,
            what_was_delivered_in_a_group_is_forgotten_with_the_membership,
            the_longest_unseen_device_makes_room,
            a_connected_device_makes_no_room,
            a_new_epoch_distrusts_what_clients_name_in_the_last,
            forgotten_streams_are_gone_from_the_device,
            positions_of_an_epoch_that_has_ended_are_left_out,
            the_newest_sight_of_a_user_counts,
            too_many_entries_go_and_the_head_stays,
            old_entries_go_and_positions_are_never_used_again,
            a_body_lives_until_both_inboxes_let_it_go,
            a_trimmed_message_is_still_recognised_within_the_window,
            devices_unseen_for_long_go,
            a_removal_is_forgotten_after_its_time,
            maintenance_comes_to_an_end,
            after_closing_everything_fails,
            tips_say_where_streams_stand,
            versions_count_what_changes_beside_the_entries,
            pages_and_openings_stand_where_the_tip_does,
            an_epoch_begins_between_the_writes_around_it,
            an_attach_joins_and_places_the_device,
            an_attach_goes_on_where_the_device_says,
            a_device_ahead_of_the_store_is_not_attached,
            of_an_ephemeral_device_nothing_is_kept,
            an_attach_reads_only_the_groups_it_wants_and_makes_room,
            an_attach_sees_the_writes_before_it,
            the_newest_claim_of_a_device_counts,
            a_claim_ends_when_it_is_released,
            a_connect_that_was_sent_before_the_present_one_is_overtaken,
            connections_that_share_a_device_claim_for_themselves,
            an_attach_takes_a_claim,
            a_kick_ends_the_claims_there_are,
            people_are_described_in_the_order_asked,
            users_with_a_claim_are_listed_in_order,
            hubs_that_give_signs_of_life_are_alive,
            versions_of_inboxes_do_not_touch_others,
            conversations_show_what_is_last_and_what_is_unread,
            of_a_group_counts_what_came_since_the_user_joined,
            what_has_expired_or_gone_does_not_count,
            of_a_group_the_newest_ten_thousand_entries_are_counted,
            conversations_go_on_from_what_was_counted_before,
            two_hubs_give_each_message_one_position,
            two_hubs_change_memberships_in_one_order,
            a_batch_repeated_after_any_part_of_it_changes_nothing_twice,
        );
        #[test]
        fn a_message_cut_between_its_streams_is_completed_when_sent_again() {
            use $crate::log::conformance as checks;
            let store = $make();
            let check = checks::a_message_cut_between_its_streams_is_completed_when_sent_again;
            checks::run(check(&store, $cut));
        }
    };
    ($make:expr; $($check:ident),+ $(,)?) => {
        $(
            #[test]
            fn $check() {
                let store = $make();
                $crate::log::conformance::run($crate::log::conformance::$check(&*store));
            }
        )+
    };
}

/// Runs a check to its end on this thread.
pub fn run<F: Future>(check: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(check)
}

pub fn scope() -> Scope {
    Scope::default()
}

pub fn user(id: &str) -> UserKey {
    UserKey::new(&scope(), id)
}

pub fn group(id: &str) -> GroupKey {
    GroupKey::new(&scope(), id)
}

pub fn inbox(id: &str) -> StreamKey {
    StreamKey::Inbox(user(id))
}

/// A message with defaults: deduplicated, copied to the sender, membership not needed.
pub fn message(sender: &str, target: Target, id: &str, now: u64) -> Append {
    let mut digest = [0; 16];
    for (at, byte) in id.bytes().enumerate() {
        digest[at % 16] ^= byte;
    }
    Append {
        target,
        sender: sender.into(),
        device: "d1".into(),
        copy_to_sender: true,
        require_member: false,
        message_id: id.into(),
        dedupe: true,
        digest,
        body: Bytes::from(format!("body of {id}")),
        flags: Flags::default(),
        only_device: "".into(),
        expires_at: 0,
        passes_on: None,
        now,
    }
}

pub fn to_user(sender: &str, receiver: &str, id: &str, now: u64) -> Append {
    message(sender, Target::User(user(receiver)), id, now)
}

pub fn to_group(sender: &str, to: &str, id: &str, now: u64) -> Append {
    message(sender, Target::Group(group(to)), id, now)
}

pub async fn one(store: &dyn Store, write: Write) -> Written {
    written(store, &[write]).await.remove(0)
}

/// The answers to writes, which are made in this order.
pub async fn answers(store: &dyn Store, writes: &[Write]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(writes.len());
    let lane = |write: &Write| store.lane(&write.stream());
    for batch in writes.chunk_by(|one, other| lane(one) == lane(other)) {
        assert!(lane(&batch[0]) < store.lanes(), "a lane that is not there");
        answers.extend(store.write(lane(&batch[0]), batch).await);
    }
    assert_eq!(answers.len(), writes.len(), "one answer for each write");
    answers
}

/// The answers to writes that can be made.
pub async fn written(store: &dyn Store, writes: &[Write]) -> Vec<Written> {
    answers(store, writes).await.into_iter().collect::<Result<_, _>>().expect("a write")
}

pub async fn append(store: &dyn Store, append: Append) -> Appended {
    match one(store, Write::Append(append)).await {
        Written::Append(appended) => appended,
        other => panic!("{other:?} answers an append"),
    }
}

/// Where the membership that a join began starts.
pub fn joined_at(joined: &Joined) -> Option<u64> {
    match joined {
        Joined::New { head, .. } => Some(*head),
        Joined::Already | Joined::Refused | Joined::TooMany => None,
    }
}

pub async fn tip(store: &dyn Store, stream: &StreamKey) -> Tip {
    store.tips(std::slice::from_ref(stream)).await.expect("a tip").remove(0)
}

/// The present epoch of all streams, for stores that have one.
pub async fn epoch(store: &dyn Store) -> Arc<str> {
    tip(store, &inbox("anybody")).await.epoch
}

pub async fn join(store: &dyn Store, to: &str, who: &str, by: JoinBy, now: u64) -> Joined {
    let request = RequestId::new();
    let join = Join { group: group(to), user: who.into(), by, max_groups: 1_000, request, now };
    match one(store, Write::Join(join)).await {
        Written::Join(joined) => joined,
        other => panic!("{other:?} answers a join"),
    }
}

pub async fn leave(store: &dyn Store, from: &str, who: &str, removed: bool, now: u64) -> bool {
    match one(
        store,
        Write::Leave { group: group(from), user: who.into(), removed, request: RequestId::new(), now },
    )
    .await
    {
        Written::Leave(version) => version.is_some(),
        other => panic!("{other:?} answers a leave"),
    }
}

pub async fn device(store: &dyn Store, write: DeviceWrite) {
    assert_eq!(one(store, Write::Device(write)).await, Written::Device { turn: 0 });
}

pub fn seen(who: &str, device: &str, now: u64) -> DeviceWrite {
    DeviceWrite {
        user: user(who),
        device: device.into(),
        cursors: Vec::new(),
        epochs: KnownEpochs::default(),
        forget: Vec::new(),
        attempts: 0,
        now,
        visible: now,
        max_devices: 16,
        connected: Vec::new(),
        claim: ClaimChange::Keep,
    }
}

pub fn delivered(to: &str, ranges: &[(StreamKey, u64, u64)], asked: &[(u64, &str)]) -> Write {
    let asked = asked.iter().map(|(seq, sender)| (*seq, Arc::from(*sender))).collect();
    Write::Delivered(Delivered {
        user: user(to),
        ranges: ranges.to_vec(),
        asked,
        epochs: KnownEpochs::default(),
    })
}

/// An attach with defaults: of all groups, from the user's start.
pub fn attach(who: &str, device: &str, now: u64) -> Attach {
    Attach {
        user: user(who),
        device: device.into(),
        joins: Vec::new(),
        cursors: Vec::new(),
        groups: None,
        max_streams: 100,
        at_head: false,
        begins_anew: false,
        delivered: None,
        now,
        visible: now,
        max_devices: 16,
        connected: Vec::new(),
        claim: ClaimChange::Keep,
    }
}

pub async fn all(store: &dyn Store, stream: &StreamKey) -> Page {
    store.read(stream, 0, 1_000_000, usize::MAX).await.expect("a read")
}

pub fn seqs(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.seq).collect()
}

pub async fn open(store: &dyn Store, who: &str, device: Option<&str>) -> Opened {
    store.open(&user(who), device).await.expect("an opening")
}

pub fn opened<'a>(opened: &'a Opened, stream: &StreamKey) -> Option<&'a OpenedStream> {
    opened.streams.iter().find(|opened| opened.stream == *stream)
}

pub async fn maintain(store: &dyn Store, now: u64) {
    for _ in 0..1_000 {
        if !store.maintain(now).await.expect("maintenance") {
            return;
        }
    }
    panic!("maintenance does not come to an end");
}

pub fn ids(ids: &[&str]) -> Vec<Arc<str>> {
    ids.iter().map(|id| Arc::from(*id)).collect()
}
