//! How JavaScript says what a session is to be like. Never checks it: the machine does.

use alloc::string::String;
use alloc::vec::Vec;
use core::array;

use wsc_core::client::bridge::Flag;
use wsc_core::client::{Config, Identity, Owner, Storage};

/// The settings as text, one in a line, for no name or token has a line break in it, and as numbers. Empty or 0: as the
/// machine has it.
///
/// Lines: the user the client is of, if known; client's name, device, token, user, user's type, application, namespace;
/// then the groups to read, if not all. `flags`: [`Flag`]. `storage`: [`Storage`]. `limits` are maxima: sends saved, their
/// bytes, sends under way, receipts waited for. `addresses`: how many the hub has.
pub(crate) fn config(
    lines: &str,
    flags: u32,
    storage: u32,
    limits: [u32; 4],
    addresses: u32,
) -> (Owner, Config) {
    let mut lines = lines.split('\n').map(String::from);
    let [user, client, device_id, token, user_id, user_type, app_id, namespace] =
        array::from_fn(|_| lines.next().unwrap_or_default());
    let mut config = Config {
        client,
        device_id,
        token: Some(token).filter(|token| !token.is_empty()),
        identity: Identity { user_id, user_type, app_id, namespace, groups: Vec::new() },
        token_provider: has(flags, Flag::TokenProvider),
        groups: has(flags, Flag::ChosenGroups).then(|| lines.collect()),
        start_at_head: has(flags, Flag::StartAtHead),
        auto_acknowledge: has(flags, Flag::AutoAcknowledge),
        storage: match storage {
            0 => Storage::None,
            1 => Storage::Behind,
            _ => Storage::Durable,
        },
        ..Config::default()
    };
    let Config { outbox_count, outbox_bytes, flight_count, receipts, .. } = &mut config;
    for (limit, wanted) in [outbox_count, outbox_bytes, flight_count, receipts].into_iter().zip(limits) {
        if wanted > 0 {
            *limit = wanted as usize;
        }
    }
    config.growth = config.growth.spread(addresses);
    (Owner::from_text(user), config)
}

pub(crate) const fn has(flags: u32, flag: Flag) -> bool {
    flags & flag as u32 != 0
}
