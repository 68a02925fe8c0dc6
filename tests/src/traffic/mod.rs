//! Participants and their messages: two tenants with the same names, users with two devices each, random messages of
//! every kind. Never runs anything.

mod message;

pub(crate) use message::message;

use serde::{Deserialize, Serialize};
use wsc_core::backoff::Random;

use crate::history::Device;

/// The tenants. They use the same app, users, devices, groups and message ids.
pub(crate) const TENANTS: [&str; 2] = ["one", "two"];
/// Users who send much, in each tenant.
pub(crate) const SENDERS: [&str; 4] = ["s1", "s2", "s3", "s4"];
/// Users who mostly receive, in each tenant.
pub(crate) const RECEIVERS: [&str; 4] = ["r1", "r2", "r3", "r4"];
/// The group of everybody.
pub(crate) const TEAM: &str = "team";
/// The group of some.
pub(crate) const PAIR: &str = "pair";
/// The group that some join and leave.
pub(crate) const CHURN: &str = "churn";

/// One device and what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) device: Device,
    /// Messages a minute.
    pub(crate) rate: u64,
    /// Groups it is in from the start.
    pub(crate) groups: Vec<String>,
    /// Whether it joins and leaves [`CHURN`].
    pub(crate) churns: bool,
    /// Whether entries are acknowledged after they were written down.
    pub(crate) manual: bool,
    /// Streams whose history it asks for at the end.
    pub(crate) audits: Vec<String>,
}

impl Part {
    /// The users of its tenant.
    pub(crate) fn users() -> Vec<&'static str> {
        SENDERS.into_iter().chain(RECEIVERS).collect()
    }

    /// Streams it reads.
    pub(crate) fn streams(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|group| format!("group:{group}"));
        let churn =
            Some(format!("group:{CHURN}")).filter(|_| !self.groups.iter().any(|group| group == CHURN));
        ["inbox", "broadcast"].map(str::to_owned).into_iter().chain(groups).chain(churn).collect()
    }
}

/// One of some.
pub(crate) fn any<T: Copy>(of: &[T], random: &mut Random) -> T {
    of[usize::try_from(random.up_to(of.len() as u64 - 1)).unwrap_or(0)]
}
