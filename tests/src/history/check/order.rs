//! 5: a device's messages to one target stand in the order in which it sent them, over all its lives.

use std::collections::BTreeMap;

use super::index::{Index, Key, Log};
use super::streams::Places;
use super::{Faults, Rule};
use crate::history::{Device, Target};

/// The last of a device's messages to a target: its number and position.
type Last<'h> = BTreeMap<(Log<'h>, &'h Device, &'h Target), (u64, u64, Key<'h>)>;

pub(super) fn check<'h>(index: &Index<'h>, places: &Places<'h>, faults: &mut Faults<'_>) {
    let mut sends: Vec<_> = index.messages.values().filter(|sent| !sent.sending.volatile).collect();
    sends.sort_by_key(|sent| (&sent.sending.device, sent.sending.number));
    let mut last: Last<'h> = BTreeMap::new();
    let groups: BTreeMap<&str, String> = sends
        .iter()
        .filter_map(|sent| match &sent.sending.target {
            Target::Group(group) => Some((group.as_str(), format!("group:{group}"))),
            _ => None,
        })
        .collect();
    // Names of streams that live as long as the history: those devices and pages used.
    let names: BTreeMap<&str, &'h str> =
        index.met.iter().map(|met| (met.entry.stream.as_str(), met.entry.stream.as_str())).collect();
    for sent in sends {
        let (sending, key) = (sent.sending, sent.key());
        let device = &sending.device;
        let logs = match &sending.target {
            Target::User(user) | Target::Device(user, _) => {
                let own = Log::inbox(&device.tenant, &device.user);
                [Some(Log::inbox(&device.tenant, user)), Some(own).filter(|_| *user != device.user)]
            }
            Target::Group(group) => {
                let name = groups.get(group.as_str()).and_then(|name| names.get(name.as_str()));
                [name.map(|stream| Log { tenant: &device.tenant, user: "", stream }), None]
            }
            Target::Everybody => [Some(Log { tenant: &device.tenant, user: "", stream: "broadcast" }), None],
        };
        for log in logs.into_iter().flatten() {
            let Some(seq) = places.position(log, key) else { continue };
            let place = (log, device, &sending.target);
            if let Some((number, before, other)) = last.get(&place)
                && *before > seq
            {
                let what = format!(
                    "{device} sent {} (number {number}) before {} (number {}), but they are at {before} and {seq} \
                     of {log}",
                    other.id, key.id, sending.number
                );
                faults.add(Rule::SendOrderKept, Some(device), Some(key), what);
            }
            last.insert(place, (sending.number, seq, key));
        }
    }
}
