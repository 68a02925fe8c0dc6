//! How often a user who types says so. Knows nothing of who else types.

use std::collections::HashMap;

use wsc_core::Timestamp;
use wsc_core::limits::TYPING_MS;

use crate::conversation::Conversation;

/// When this user last said so, per conversation.
#[derive(Debug, Default)]
pub(crate) struct Typing(HashMap<Conversation, Timestamp>);

impl Typing {
    /// Whether the others should be told again; the caller tells them then.
    pub(crate) fn is_due(&mut self, now: Timestamp, conversation: &Conversation) -> bool {
        self.0.retain(|_, at| at.saturating_add(TYPING_MS) > now);
        let is_due = !self.0.contains_key(conversation);
        if is_due {
            self.0.insert(conversation.clone(), now);
        }
        is_due
    }

    /// A message went there: the others forget with it that its sender typed.
    pub(crate) fn reset(&mut self, conversation: &Conversation) {
        self.0.remove(conversation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_is_told_once_in_two_seconds_per_conversation_and_at_once_after_a_message() {
        let (bob, team) = (Conversation::user("bob"), Conversation::group("team"));
        let mut typing = Typing::default();
        assert!(typing.is_due(1000, &bob) && typing.is_due(1000, &team));
        assert!(!typing.is_due(2999, &bob) && !typing.is_due(2999, &team) && typing.is_due(3000, &bob));
        typing.reset(&bob);
        assert!(typing.is_due(3001, &bob));
    }
}
