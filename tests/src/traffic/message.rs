//! Random messages of every kind, each with all that must not be altered in its digest. Never sends one.

use wsc_core::Message;
use wsc_core::backoff::Random;

use super::{CHURN, Part, any};
use crate::history::{Sending, Target, digest};

/// What a device says next.
pub(crate) fn message(
    part: &Part,
    life: u32,
    number: u64,
    random: &mut Random,
) -> (Message<'static>, Sending) {
    let target = target(part, random);
    let Part { device, .. } = part;
    // The same ids in both tenants and for all users.
    let message_id = format!("{}-{life}-{number}", device.device);
    let most = size(random.next());
    let words = "x".repeat(usize::try_from(random.up_to(most)).unwrap_or(0));
    let content = format!("{device} {message_id} {words}");
    let mut message = match &target {
        Target::User(user) => Message::to_user(user.clone(), content),
        Target::Device(user, name) => {
            Message { receiver_client: name.clone().into(), ..Message::to_user(user.clone(), content) }
        }
        Target::Group(group) => Message::to_group(group.clone(), content),
        Target::Everybody => Message::to_everybody(content),
    };
    message.message_id = message_id.clone().into();
    match random.up_to(99) {
        0..=14 => {
            let mut bytes = std::mem::take(&mut message.content).into_owned().into_bytes();
            bytes.extend(random.next().to_le_bytes());
            (message.message_type, message.payload) = ("file".into(), Some(bytes.into()));
        }
        15..=24 => message.data = format!("{{ \"n\" : {number}, \"of\":\"{device}\", \"π\":[ ] }}").into(),
        _ => {}
    }
    let (mut store_only, mut volatile, mut expires) = (false, false, false);
    match random.up_to(99) {
        0 => (message.skip_send_to_client, store_only) = (true, true),
        1..=2 => (message.volatile, volatile) = (true, true),
        3 => (message.expires_in_ms, expires) = (Some(20 + random.up_to(3000)), true),
        4..=20 => message.require_ack = true,
        _ => {}
    }
    let payload = message.payload.as_deref();
    let digest = digest(&message.message_type, &message.content, &message.data, payload);
    let number = u64::from(life) << 32 | number;
    let device = device.clone();
    let receipts = message.require_ack;
    let sending =
        Sending { device, number, message_id, target, digest, expires, store_only, volatile, receipts };
    (message, sending)
}

/// Mostly short, seldom long.
fn size(random: u64) -> u64 {
    match random % 100 {
        0 => 20_000,
        1..=9 => 2000,
        _ => 100,
    }
}

fn target(part: &Part, random: &mut Random) -> Target {
    let users = Part::users();
    let groups: Vec<_> = part.groups.iter().filter(|group| *group != CHURN).collect();
    match random.up_to(199) {
        0 => Target::Everybody,
        1..=8 => Target::User(part.device.user.clone()),
        9..=20 => Target::Device(any(&users, random).to_owned(), any(&["d1", "d2"], random).to_owned()),
        21..=27 if part.groups.iter().any(|group| group == CHURN) => Target::Group(CHURN.to_owned()),
        28..=59 if !groups.is_empty() => Target::Group(any(&groups, random).clone()),
        _ => Target::User(any(&users, random).to_owned()),
    }
}
