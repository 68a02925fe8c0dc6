//! Decides whether a history kept the promise. Knows only what was written down: what no device, page or wire saw
//! cannot be judged. Never changes a history, and reads no clock.
//!
//! The rules are those of the protocol, section 10, and the promise itself. A fault comes with the facts around it.

mod delivery;
mod devices;
mod index;
mod marks;
mod membership;
mod order;
mod receipts;
mod sends;
mod streams;
mod wire;

use std::collections::BTreeMap;
use std::fmt;

use self::index::{Index, Key};
use super::{Device, Event};

/// Faults kept per rule; more are only counted.
const KEPT: usize = 5;
/// Facts of a timeline.
const TIMELINE: usize = 16;

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// 1: a connection covers the positions of a stream without a hole, once, in order.
    NoHoles,
    /// 2: a position never holds another message.
    PositionImmutable,
    /// 3: an accepted message stays at its position.
    AcceptedKept,
    /// 4: a message has one position in a stream.
    OnePositionPerMessage,
    /// 5: a device's messages to one target rise in the order sent.
    SendOrderKept,
    /// 6: a send ends once.
    SendSettledOnce,
    /// 7: a connection starts at the cursor of the device.
    StartsAtCursor,
    /// 8: unacknowledged entries never exceed the window.
    WithinWindow,
    /// 9: senders are authentic; nothing crosses a tenant or reaches a device that it is not meant for.
    SenderAuthentic,
    /// An accepted message reaches each device it is meant for, or lies in a gap.
    Delivered,
    /// A device gets a stream in order, each entry once.
    DeliveredInOrder,
    /// What a device gets was sent, unchanged.
    ContentAuthentic,
    /// `head` is never older than an acknowledgement.
    HeadCurrent,
    /// A receipt follows its fact and never goes back; the stages asked for at the end agree with the facts.
    ReceiptsTrue,
    /// Read marks are the user's own, go forward, and are the same on all devices.
    ReadMarksAgree,
    /// No device is closed for good without a reason to.
    NotClosedForGood,
}

/// One fault, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was broken.
    pub rule: Rule,
    /// How.
    pub what: String,
    /// What was written down about the message, or else the device.
    pub timeline: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)?;
        self.timeline.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// What a history came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The faults, at most a few of each rule.
    pub violations: Vec<Violation>,
    /// All faults by rule.
    pub faults: BTreeMap<Rule, u64>,
    /// Devices that were not quiet at the end: what they should have got cannot be judged.
    pub unfinished: Vec<Device>,
    /// Messages given to outboxes.
    pub sent: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Refused.
    pub refused: u64,
    /// Sent, and never answered.
    pub unknown: u64,
    /// Never sent, because their life ended.
    pub expired: u64,
    /// Settled in a process that was killed before it could say how.
    pub untold: u64,
    /// Entries handed to applications.
    pub handed: u64,
    /// Of these, again after a process was killed before its cursor was stored.
    pub repeated: u64,
    /// Gaps handed to applications.
    pub gaps: u64,
    /// Receipts, those asked for at the end included.
    pub receipts: u64,
    /// Read marks said by applications.
    pub marks: u64,
    /// Entries found in histories at the end.
    pub kept: u64,
    /// Ranges covered on connections.
    pub covered: u64,
    /// How often a stream began another numbering.
    pub epochs: u64,
}

impl Report {
    /// Whether no rule was broken and every device was judged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.unfinished.is_empty()
    }
}

/// Gathers faults.
struct Faults<'h> {
    events: &'h [Event],
    report: Report,
}

impl Faults<'_> {
    /// A fault about a message, a device, or both.
    fn add(&mut self, rule: Rule, device: Option<&Device>, key: Option<Key<'_>>, what: String) {
        let count = self.report.faults.entry(rule).or_default();
        *count += 1;
        if *count <= KEPT as u64 {
            let timeline = self.timeline(device, key);
            self.report.violations.push(Violation { rule, what, timeline });
        }
    }

    fn timeline(&self, device: Option<&Device>, key: Option<Key<'_>>) -> Vec<String> {
        let about = |event: &&Event| match key {
            Some(key) => event.fact.is_about(key.tenant, key.user, key.id),
            None => device.is_some() && event.fact.device() == device,
        };
        let mut found: Vec<_> = self.events.iter().filter(about).collect();
        // Of a device what came last, of a message what concerns the device first.
        if key.is_none() {
            found.drain(..found.len().saturating_sub(TIMELINE));
        } else if let Some(device) = device {
            found.sort_by_key(|event| match event.fact.device() {
                Some(of) if of == device => 0,
                Some(_) => 1,
                None => 2,
            });
        }
        found.truncate(TIMELINE);
        found.sort_by_key(|event| event.at);
        let begin = self.events.first().map_or(0, |event| event.at);
        let seconds = |at: u64| (at - begin) as f64 / 1e6;
        found.iter().map(|event| format!("{:10.4} s  {:?}", seconds(event.at), event.fact)).collect()
    }
}

/// Checks a history, whose events are in the order of time.
#[must_use]
pub fn check(events: &[Event]) -> Report {
    let mut faults = Faults { events, report: Report::default() };
    let index = Index::new(events, &mut faults);
    sends::check(&index, &mut faults);
    let places = streams::check(&index, &mut faults);
    devices::check(&index, &mut faults);
    delivery::check(&index, &places, &mut faults);
    order::check(&index, &places, &mut faults);
    receipts::check(&index, &places, &mut faults);
    marks::check(&index, &mut faults);
    wire::check(&index, &places, &mut faults);
    faults.report
}
