//! What a bare connection has sent: each (target, id) counts once, as long as ids are remembered. It keeps hashes, the
//! newest [`KEPT`] of them, and never the messages.

use std::collections::{HashMap, VecDeque};

use wsc_core::Message;
use wsc_core::message::Destination;
use xxhash_rust::xxh3::Xxh3;

use crate::log::store::{Milliseconds, Target};

/// Messages remembered on a connection: about 1.5 MiB when all are there.
pub(crate) const KEPT: usize = 16 * 1024;

/// A message of one connection: a hash of its target and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u64; 2]);

impl Key {
    /// The key of a message as its sender wrote it.
    pub(crate) fn of_message(message: &Message<'_>) -> Self {
        match message.destination() {
            Ok(Destination::User(user)) => Self::of_parts("user", user, &message.message_id),
            Ok(Destination::Group(group)) => Self::of_parts("group", group, &message.message_id),
            Ok(Destination::Broadcast) => Self::of_parts("broadcast", "", &message.message_id),
            // It goes to the application, or nowhere.
            Ok(Destination::Application) | Err(_) => Self::of_parts("", "", &message.message_id),
        }
    }

    /// The key of a message that goes to a target.
    pub(crate) fn of(target: &Target, message_id: &str) -> Self {
        match target {
            Target::User(user) => Self::of_parts("user", &user.user, message_id),
            Target::Group(group) => Self::of_parts("group", &group.group, message_id),
            Target::Broadcast(_) => Self::of_parts("broadcast", "", message_id),
        }
    }

    fn of_parts(kind: &str, target: &str, message_id: &str) -> Self {
        let mut hash = Xxh3::new();
        for part in [kind, target, message_id] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let hash = hash.digest128();
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of a hash")]
        Self([hash as u64, (hash >> 64) as u64])
    }
}

/// What a message is to those sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// Not sent before.
    First,
    /// The same again.
    Same,
    /// Its id stood for other content.
    Conflict,
}

/// The messages a connection has sent.
#[derive(Default)]
pub(crate) struct Own {
    /// The hash of the content, and when it was remembered.
    sent: HashMap<Key, (u64, Milliseconds)>,
    order: VecDeque<(Key, Milliseconds)>,
}

impl Own {
    /// Remembers a message, unless it was sent within `keep_ms`.
    pub(crate) fn remember(
        &mut self,
        key: Key,
        digest: [u8; 16],
        now: Milliseconds,
        keep_ms: Milliseconds,
    ) -> Repetition {
        let content = u64::from_le_bytes(*digest.first_chunk().unwrap_or(&[0; 8]));
        self.expire(now, keep_ms);
        match self.sent.get(&key) {
            Some((before, _)) if *before == content => return Repetition::Same,
            Some(_) => return Repetition::Conflict,
            None => {}
        }
        self.sent.insert(key, (content, now));
        self.order.push_back((key, now));
        Repetition::First
    }

    /// Whether a message was sent on this connection.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.sent.contains_key(key)
    }

    /// The message was refused: it may be sent again.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.sent.remove(key);
    }

    fn expire(&mut self, now: Milliseconds, keep_ms: Milliseconds) {
        let old = |at: Milliseconds| now.saturating_sub(at) >= keep_ms;
        while self.order.len() >= KEPT || self.order.front().is_some_and(|(_, at)| old(*at)) {
            let Some((key, at)) = self.order.pop_front() else { return };
            // One that was forgotten and sent again stands further back.
            if self.sent.get(&key).is_some_and(|(_, kept)| *kept == at) {
                self.sent.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn key(to: &str, id: &str) -> Key {
        Key::of_message(&Message { message_id: id.into(), ..Message::to_user(to.to_owned(), "") })
    }

    #[test]
    fn a_message_counts_once_for_its_target_and_content_until_its_id_is_forgotten() {
        let mut own = Own::default();
        let mut remember = |to, id, content, now| own.remember(key(to, id), [content; 16], now, DAY_MS);
        assert_eq!(remember("bob", "1", 1, 0), Repetition::First);
        assert_eq!(remember("bob", "1", 1, DAY_MS - 1), Repetition::Same);
        assert_eq!(remember("bob", "1", 2, DAY_MS - 1), Repetition::Conflict);
        assert_eq!(remember("carol", "1", 2, DAY_MS - 1), Repetition::First);
        assert_eq!(remember("bob", "1", 2, DAY_MS), Repetition::First);
        assert_eq!(remember("carol", "1", 2, DAY_MS), Repetition::Same);
    }

    #[test]
    fn the_newest_are_kept_and_no_more() {
        let mut own = Own::default();
        for number in 0..2 * KEPT {
            let key = key("bob", &number.to_string());
            assert_eq!(own.remember(key, [0; 16], number as u64, DAY_MS), Repetition::First);
            // Refused and sent again: this must not let it grow, nor take the newer one with the older.
            own.forget(&key);
            assert_eq!(own.remember(key, [0; 16], number as u64 + 1, DAY_MS), Repetition::First);
            assert!(own.sent.len() <= KEPT && own.order.len() <= KEPT);
        }
        assert!(own.contains(&key("bob", &(2 * KEPT - 1).to_string())));
        assert!(!own.contains(&key("bob", "0")));
    }

    #[test]
    fn a_message_and_the_target_it_goes_to_have_one_key() {
        let scope = crate::Scope::default();
        let user = Target::User(crate::UserKey::new(&scope, "x"));
        let group = Target::Group(crate::GroupKey::new(&scope, "x"));
        let message =
            |message: Message<'static>| Key::of_message(&Message { message_id: "1".into(), ..message });
        assert_eq!(message(Message::to_user("x", "")), Key::of(&user, "1"));
        assert_eq!(message(Message::to_group("x", "")), Key::of(&group, "1"));
        assert_eq!(message(Message::to_everybody("")), Key::of(&Target::Broadcast(scope), "1"));
        assert_ne!(Key::of(&user, "1"), Key::of(&group, "1"));
    }
}
