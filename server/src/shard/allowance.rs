//! What a user may still send: per second, and to how many new receivers per hour. It belongs to the user, not to a
//! connection: who connects again finds what was left. Never decides what happens to a message that must wait.

use std::collections::{HashMap, HashSet};

use wsc_core::budget::Budget;

use crate::Settings;
use crate::clock::Tick;
use crate::log::key::UserKey;

const HOUR_MS: u64 = 3_600_000;

/// One user's budgets on this hub.
pub(crate) struct Allowance {
    sends: Budget,
    bytes: Budget,
    /// Made at the first contact: most users write to nobody.
    contacts: Option<Box<Contacts>>,
}

/// Receivers written to, as hashes, since an hour began.
struct Contacts {
    known: HashSet<u64>,
    since: Tick,
}

impl Allowance {
    pub(crate) fn new(settings: &Settings, now: Tick) -> Self {
        Self {
            sends: Budget::new(settings.limits.sends, now.ms()),
            bytes: Budget::new(settings.limits.send_bytes, now.ms()),
            contacts: None,
        }
    }

    /// Pays for one message from all budgets, or from none: then it says in how many milliseconds to try again.
    pub(crate) fn spend(
        &mut self,
        bytes: u64,
        receiver: Option<&str>,
        first_contacts: u32,
        now: Tick,
    ) -> Result<(), u64> {
        let contact =
            receiver.filter(|_| first_contacts > 0).map(|id| xxhash_rust::xxh3::xxh3_64(id.as_bytes()));
        let contact_wait =
            contact.map_or(0, |contact| self.contact_wait(contact, first_contacts as usize, now));
        let wait = self.sends.wait(1, now.ms()).max(self.bytes.wait(bytes, now.ms())).max(contact_wait);
        if wait > 0 {
            return Err(wait);
        }
        self.sends.take(1, now.ms())?;
        self.bytes.take(bytes, now.ms())?;
        if let Some(contact) = contact {
            let fresh = || Box::new(Contacts { known: HashSet::new(), since: now });
            self.contacts.get_or_insert_with(fresh).known.insert(contact);
        }
        Ok(())
    }

    /// How long until a receiver may be written to for the first time; 0: now.
    fn contact_wait(&mut self, contact: u64, most: usize, now: Tick) -> u64 {
        if self.contacts.as_ref().is_some_and(|contacts| now >= contacts.since.after(HOUR_MS)) {
            self.contacts = None;
        }
        match &self.contacts {
            Some(contacts) if contacts.known.len() >= most && !contacts.known.contains(&contact) => {
                contacts.since.after(HOUR_MS).since(now)
            }
            _ => 0,
        }
    }

    /// From when on it is like a new one.
    fn whole_at(&self) -> Tick {
        let hour =
            self.contacts.as_ref().map_or_else(Tick::default, |contacts| contacts.since.after(HOUR_MS));
        hour.max(Tick::from_ms(self.sends.full_at().max(self.bytes.full_at())))
    }
}

/// The allowances of users who have no connection, while they differ from new ones.
#[derive(Default)]
pub(crate) struct Resting {
    users: HashMap<UserKey, Allowance>,
    /// With so many it is time to forget those that are whole again.
    sweep_at: usize,
}

/// Fewer than this are not worth a sweep.
const SWEPT: usize = 1024;

impl Resting {
    /// Keeps what a user who leaves has left.
    pub(crate) fn keep(&mut self, user: &UserKey, allowance: Allowance, now: Tick) {
        if allowance.whole_at() <= now {
            return;
        }
        if self.users.len() >= self.sweep_at {
            self.users.retain(|_, allowance| allowance.whole_at() > now);
            self.sweep_at = SWEPT.max(2 * self.users.len());
        }
        self.users.insert(user.clone(), allowance);
    }

    /// Gives a user who comes what was left, or a new one.
    pub(crate) fn take(&mut self, user: &UserKey, settings: &Settings, now: Tick) -> Allowance {
        self.users.remove(user).unwrap_or_else(|| Allowance::new(settings, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::Scope;

    const fn at(ms: u64) -> Tick {
        Tick::from_ms(ms)
    }

    fn settings() -> Settings {
        let mut settings = Settings::default();
        (settings.limits.sends, settings.limits.send_bytes) = (10, 1000);
        settings
    }

    #[test]
    fn who_must_wait_for_one_budget_pays_from_none() {
        let mut allowance = Allowance::new(&settings(), at(0));
        assert_eq!(allowance.spend(1000, Some("a"), 2, at(0)), Ok(()));
        // The bytes are spent; trying again and again costs neither sends nor contacts.
        for _ in 0..100 {
            assert_eq!(allowance.spend(500, Some("b"), 2, at(0)), Err(500));
        }
        assert_eq!(allowance.spend(500, Some("b"), 2, at(500)), Ok(()));
        assert_eq!(allowance.spend(0, Some("c"), 2, at(600)), Err(HOUR_MS - 600));
        for _ in 0..10 {
            assert_eq!(allowance.spend(0, Some("a"), 2, at(1500)), Ok(()));
        }
    }

    #[test]
    fn who_leaves_and_comes_back_finds_what_was_left_until_it_is_whole_again() {
        let (mut resting, user) = (Resting::default(), UserKey::new(&Scope::default(), "bot"));
        let mut allowance = resting.take(&user, &settings(), at(5));
        assert_eq!(allowance.spend(1, Some("a"), 1, at(5)), Ok(()));
        resting.keep(&user, allowance, at(5));
        let mut allowance = resting.take(&user, &settings(), at(100_000));
        assert_eq!(allowance.spend(1, Some("b"), 1, at(100_000)), Err(HOUR_MS - 99_995));
        assert_eq!(allowance.spend(1, Some("a"), 1, at(100_000)), Ok(()));
        resting.keep(&user, allowance, at(HOUR_MS + 5));
        assert_eq!(
            resting.take(&user, &settings(), at(HOUR_MS + 5)).spend(1, Some("b"), 1, at(HOUR_MS + 5)),
            Ok(())
        );
    }

    #[test]
    fn whole_allowances_are_not_kept_for_ever() {
        let mut resting = Resting::default();
        for number in 0..100_000_u64 {
            let user = UserKey::new(&Scope::default(), &number.to_string());
            let mut allowance = resting.take(&user, &settings(), at(number * 10));
            assert_eq!(allowance.spend(100, None, 0, at(number * 10)), Ok(()));
            resting.keep(&user, allowance, at(number * 10));
        }
        assert!(resting.users.len() < 2 * SWEPT, "{}", resting.users.len());
    }
}
