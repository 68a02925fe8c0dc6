//! Who takes part: two tenants with the same names, users with two devices each, processes that hold the devices.
//! Never runs anything.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::history::Device;

/// The tenants. They use the same app, users, devices, groups and message ids.
const TENANTS: [&str; 2] = ["one", "two"];
/// Users who send much, in each tenant.
const SENDERS: [&str; 4] = ["s1", "s2", "s3", "s4"];
/// Users who mostly receive, in each tenant.
const RECEIVERS: [&str; 4] = ["r1", "r2", "r3", "r4"];
/// The group of everybody.
pub(super) const TEAM: &str = "team";
/// The group of some.
pub(super) const PAIR: &str = "pair";
/// The group that some join and leave.
pub(super) const CHURN: &str = "churn";

/// One device and what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) device: Device,
    /// Messages a minute.
    pub(super) rate: u64,
    /// Groups it is in from the start.
    pub(super) groups: Vec<String>,
    /// Whether it joins and leaves [`CHURN`].
    pub(super) churns: bool,
    /// Whether entries are acknowledged after they were written down.
    pub(super) manual: bool,
    /// Streams whose history it asks for at the end.
    pub(super) audits: Vec<String>,
}

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

impl Part {
    /// The users of its tenant.
    pub(super) fn users() -> Vec<&'static str> {
        SENDERS.into_iter().chain(RECEIVERS).collect()
    }

    /// Streams it reads.
    pub(super) fn streams(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|group| format!("group:{group}"));
        let churn =
            Some(format!("group:{CHURN}")).filter(|_| !self.groups.iter().any(|group| group == CHURN));
        ["inbox", "broadcast"].map(str::to_owned).into_iter().chain(groups).chain(churn).collect()
    }
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
