//! Which processes there are and which devices each holds. Never runs anything.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::history::Device;
use crate::traffic::{CHURN, PAIR, Part, SENDERS, TEAM, TENANTS};

/// One process and its devices.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Crowd {
    pub(super) address: String,
    pub(super) folder: PathBuf,
    pub(super) seed: u64,
    /// Counts its processes, one after the other.
    pub(super) life: u32,
    pub(super) parts: Vec<Part>,
}

/// The processes. The first is never killed; of the users in the others each has its two devices in two of them.
pub(super) fn crowds(address: &str, folder: &std::path::Path, seed: u64) -> Vec<Crowd> {
    let mut crowds: Vec<Crowd> = (0..3)
        .map(|number| Crowd {
            address: address.to_owned(),
            folder: folder.to_owned(),
            seed: seed.wrapping_add(number),
            life: 0,
            parts: Vec::new(),
        })
        .collect();
    for tenant in TENANTS {
        for user in Part::users() {
            for device in ["d1", "d2"] {
                let sends = SENDERS.contains(&user);
                let steady = ["s1", "r1"].contains(&user);
                let mut groups = vec![TEAM.to_owned()];
                if ["s1", "s2", "r1", "r3"].contains(&user) {
                    groups.push(PAIR.to_owned());
                }
                if sends {
                    groups.push(CHURN.to_owned());
                }
                // Of entries narrowed to a device only that one sees the history.
                let mut audits = vec!["inbox".to_owned()];
                if (user, device) == ("s1", "d1") {
                    audits.extend(["broadcast".to_owned()]);
                    audits.extend(groups.iter().map(|group| format!("group:{group}")));
                }
                let part = Part {
                    device: Device::new(tenant, user, device),
                    rate: if sends { 1800 } else { 90 },
                    churns: ["r3", "r4"].contains(&user) && device == "d1",
                    manual: !steady || device == "d2",
                    groups,
                    audits,
                };
                let crowd = if steady { 0 } else { 1 + usize::from(device == "d2") };
                crowds[crowd].parts.push(part);
            }
        }
    }
    crowds
}
