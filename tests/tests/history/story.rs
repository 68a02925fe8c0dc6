//! A history written by hand.

use std::collections::BTreeMap;

use wsc_tests::history::{
    Cover, Device, Entry, Event, Fact, Mark, Outcome, Report, Rule, Sending, Stage, Target, check, digest,
};

/// A history by hand: alice (a1, a2), bob (b1, b2) and carol (c1) in one tenant, a namesake of bob in another.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) events: Vec<Event>,
    number: u64,
}

pub(crate) fn device(name: &str) -> Device {
    match name {
        "other" => Device::new("two", "bob", "b1"),
        _ => {
            let user = match &name[..1] {
                "a" => "alice",
                "b" => "bob",
                _ => "carol",
            };
            Device::new("one", user, name)
        }
    }
}

pub(crate) fn sum(id: &str) -> String {
    digest("text", id, "", None)
}

pub(crate) fn entry(to: &str, from: &str, stream: &str, seq: u64, id: &str) -> Entry {
    let (sender, to) = (device(from), device(to));
    Entry {
        device: to,
        stream: stream.into(),
        epoch: String::new(),
        seq,
        message_id: id.into(),
        sender: sender.user,
        sender_device: sender.device,
        digest: sum(id),
    }
}

pub(crate) const ALL: [&str; 6] = ["a1", "a2", "b1", "b2", "c1", "other"];

impl Story {
    pub(crate) fn new() -> Self {
        let mut story = Self::default();
        for name in ALL {
            story.tell(Fact::Started { device: device(name), life: 0 });
            story.tell(Fact::Connected { device: device(name) });
        }
        story
    }

    pub(crate) fn tell(&mut self, fact: Fact) -> &mut Self {
        let at = self.events.last().map_or(1, |event| event.at) + 1000;
        self.events.push(Event { at, fact });
        self
    }

    pub(crate) fn wait(&mut self, seconds: u64) -> &mut Self {
        let at = self.events.last().map_or(1, |event| event.at) + seconds * 1_000_000;
        self.events.push(Event { at, fact: Fact::HubStarted });
        self
    }

    pub(crate) fn send(&mut self, from: &str, id: &str, target: Target) -> &mut Self {
        self.number += 1;
        let number = self.number;
        self.sending(from, id, target, |sending| sending.number = number)
    }

    pub(crate) fn sending(
        &mut self,
        from: &str,
        id: &str,
        target: Target,
        change: impl FnOnce(&mut Sending),
    ) -> &mut Self {
        let mut sending = Sending {
            device: device(from),
            number: self.number,
            message_id: id.into(),
            target,
            digest: sum(id),
            expires: false,
            store_only: false,
            volatile: false,
            receipts: true,
        };
        change(&mut sending);
        self.tell(Fact::Sending(sending));
        self.tell(Fact::Taken { device: device(from), message_id: id.into() })
    }

    pub(crate) fn settle(&mut self, from: &str, id: &str, outcome: Outcome) -> &mut Self {
        self.tell(Fact::Settled { device: device(from), message_id: id.into(), outcome })
    }

    pub(crate) fn accept(&mut self, from: &str, id: &str, stream: &str, seq: u64) -> &mut Self {
        self.settle(from, id, Outcome::Accepted { stream: stream.into(), seq })
    }

    pub(crate) fn hand(&mut self, to: &str, from: &str, stream: &str, seq: u64, id: &str) -> &mut Self {
        self.tell(Fact::Handed(entry(to, from, stream, seq, id)))
    }

    /// `id` from a1 to bob, accepted, on all devices but those left out.
    pub(crate) fn whole(&mut self, id: &str, seq: u64, without: &[&str]) -> &mut Self {
        self.send("a1", id, Target::User("bob".into())).accept("a1", id, "inbox", seq);
        for to in ["a2", "b1", "b2"].into_iter().filter(|to| !without.contains(to)) {
            self.hand(to, "a1", "inbox", seq, id);
        }
        self
    }

    pub(crate) fn life(&mut self, name: &str, life: u32, killed: bool) -> &mut Self {
        let device = device(name);
        self.tell(if killed {
            Fact::Killed { device: device.clone() }
        } else {
            Fact::Stopped { device: device.clone() }
        });
        self.tell(Fact::Started { device, life })
    }

    pub(crate) fn greet(&mut self, name: &str, cursor: Option<u64>, from: u64, head: u64) -> &mut Self {
        let cursors = cursor.map(|seq| ("inbox".to_owned(), ("e1".to_owned(), seq))).into_iter().collect();
        self.tell(Fact::Hello { connection: 1, device: device(name), cursors });
        let streams = BTreeMap::from([("inbox".to_owned(), ("e1".to_owned(), from, head))]);
        self.tell(Fact::Greeted { connection: 1, window: 2, streams })
    }

    pub(crate) fn cover(&mut self, by: Cover, from: u64, to: u64, id: &str) -> &mut Self {
        self.tell(Fact::Covered {
            connection: 1,
            stream: "inbox".into(),
            from,
            to,
            by,
            message_id: id.into(),
            sender: "alice".into(),
        })
    }

    /// A device of alice learned the stage of `id`, by bob's device `by`.
    pub(crate) fn reach(&mut self, name: &str, id: &str, stage: Stage, by: &str) -> &mut Self {
        let (device, by, receiver) = (device(name), by.to_owned(), "bob".to_owned());
        self.tell(Fact::Reached { device, message_id: id.into(), stage, receiver, by })
    }

    /// a1 asked how far `id` got.
    pub(crate) fn stand(&mut self, id: &str, stage: Option<Stage>) -> &mut Self {
        self.tell(Fact::Stood { device: device("a1"), message_id: id.into(), stage })
    }

    /// a device of bob says that what alice wrote was read.
    pub(crate) fn mark(&mut self, name: &str, seq: u64) -> &mut Self {
        self.tell(Fact::Marking { device: device(name), mark: of_alice(seq) })
    }

    /// What one device of bob read is handed to another, at a position of his inbox.
    pub(crate) fn pass(&mut self, from: &str, to: &str, at: u64, seq: u64) -> &mut Self {
        self.tell(Fact::Marked {
            entry: entry(to, from, "inbox", at, &format!("mark{at}")),
            mark: of_alice(seq),
        })
    }

    pub(crate) fn count(&mut self, name: &str, seq: u64, unread: u64) -> &mut Self {
        self.tell(Fact::Counted { device: device(name), mark: of_alice(seq), unread })
    }

    /// Bob's device looks at all of his inbox, which holds these messages of a1.
    pub(crate) fn look(&mut self, name: &str, ids: &[(u64, &str)]) -> &mut Self {
        for (seq, id) in ids {
            self.tell(Fact::Kept(entry(name, "a1", "inbox", *seq, id)));
        }
        let to = ids.last().map_or(0, |(seq, _)| *seq);
        self.tell(Fact::Looked { device: device(name), stream: "inbox".into(), from: 1, to })
    }

    pub(crate) fn report(&mut self) -> Report {
        for name in ALL {
            self.tell(Fact::Quiet { device: device(name) });
        }
        check(&self.events)
    }

    #[track_caller]
    pub(crate) fn passes(&mut self) -> Report {
        let report = self.report();
        assert!(report.is_clean(), "{:?} {:#?}", report.unfinished, report.violations);
        report
    }

    #[track_caller]
    pub(crate) fn breaks(&mut self, rule: Rule) {
        let report = self.report();
        assert!(report.faults.contains_key(&rule), "{:?}", report.faults);
        let found = report.violations.iter().find(|found| found.rule == rule).expect("explained");
        assert!(!found.what.is_empty() && !found.timeline.is_empty() && found.timeline.len() <= 16);
    }
}

pub(crate) fn of_alice(seq: u64) -> Mark {
    Mark { stream: "inbox".into(), peer: "alice".into(), seq }
}

pub(crate) fn bob() -> Target {
    Target::User("bob".into())
}

pub(crate) fn team() -> Target {
    Target::Group("team".into())
}

pub(crate) fn missed(name: &str, from: u64, to: u64) -> Fact {
    Fact::Missed { device: device(name), stream: "inbox".into(), from, to, reason: "trimmed".into() }
}

pub(crate) fn membership(name: &str, step: fn(Device, String) -> Fact) -> Fact {
    step(device(name), "team".into())
}

pub(crate) const JOINING: fn(Device, String) -> Fact = |device, group| Fact::Joining { device, group };
pub(crate) const JOINED: fn(Device, String) -> Fact = |device, group| Fact::Joined { device, group };
pub(crate) const LEAVING: fn(Device, String) -> Fact = |device, group| Fact::Leaving { device, group };
pub(crate) const LEFT: fn(Device, String) -> Fact = |device, group| Fact::Left { device, group };
