//! Receipts at the sender's hub, when receivers are on other hubs: they come beside the log, so one may overtake the
//! answer to the message that it is of, or an earlier one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::hint::Receipt;
use crate::log::key::UserKey;

/// How many stages are remembered that were told.
const REMEMBERED: usize = 4096;

/// What a shard remembers of its users' messages.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    /// Messages that the log has not answered, how often they are under way, and the receipts that wait for that.
    unanswered: HashMap<(UserKey, Arc<str>), (u32, Vec<Receipt>)>,
    /// Stages told: whether the message was read. A stage never goes back.
    told: HashMap<Told, bool>,
    order: VecDeque<Told>,
}

/// A sender, a receiver and a message.
type Told = (UserKey, Arc<str>, Arc<str>);

impl Stages {
    /// A message was handed to the log.
    pub(crate) fn begin(&mut self, sender: &UserKey, message_id: &Arc<str>) {
        self.unanswered.entry((sender.clone(), Arc::clone(message_id))).or_default().0 += 1;
    }

    /// The log has answered; the receipts that have waited for it.
    pub(crate) fn end(&mut self, sender: &UserKey, message_id: &Arc<str>) -> Vec<Receipt> {
        let key = (sender.clone(), Arc::clone(message_id));
        let Some((count, _)) = self.unanswered.get_mut(&key) else { return Vec::new() };
        *count -= 1;
        if *count > 0 {
            return Vec::new();
        }
        self.unanswered.remove(&key).map(|(_, receipts)| receipts).unwrap_or_default()
    }

    /// What of a receipt is to be told now: not what was told before, and not what the log has not answered yet.
    pub(crate) fn tell(&mut self, receipt: &Receipt) -> Option<Receipt> {
        let mut now = receipt.clone();
        now.message_ids.retain(|id| {
            if let Some((_, waiting)) = self.unanswered.get_mut(&(receipt.sender.clone(), Arc::clone(id))) {
                waiting.push(Receipt { message_ids: vec![Arc::clone(id)], ..receipt.clone() });
                return false;
            }
            self.remember(
                (receipt.sender.clone(), Arc::clone(&receipt.receiver), Arc::clone(id)),
                receipt.read,
            )
        });
        (!now.message_ids.is_empty()).then_some(now)
    }

    /// Whether this stage is a later one than was told.
    fn remember(&mut self, message: Told, read: bool) -> bool {
        if let Some(told) = self.told.get_mut(&message) {
            let is_later = read && !*told;
            *told |= read;
            return is_later;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        self.order.push_back(message.clone());
        self.told.insert(message, read);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::Scope;

    fn receipt(id: &str, read: bool) -> Receipt {
        let (sender, receiver, device) = (UserKey::new(&Scope::default(), "ann"), "bob".into(), "d1".into());
        Receipt { sender, receiver, device, message_ids: vec![id.into()], read }
    }

    #[test]
    fn a_receipt_waits_for_the_answer_and_a_stage_never_goes_back() {
        let (mut stages, ann) = (Stages::default(), UserKey::new(&Scope::default(), "ann"));
        let id: Arc<str> = "m1".into();
        stages.begin(&ann, &id);
        stages.begin(&ann, &id);
        assert_eq!(stages.tell(&receipt("m1", true)), None);
        assert_eq!(stages.end(&ann, &id), []);
        let waited = stages.end(&ann, &id);
        assert_eq!(waited, [receipt("m1", true)]);
        assert!(stages.tell(&waited[0]).is_some());
        assert_eq!(stages.tell(&receipt("m1", false)), None);
        assert_eq!(stages.tell(&receipt("m1", true)), None);
        assert!(stages.tell(&receipt("m2", false)).is_some());
        assert!(stages.tell(&receipt("m2", true)).is_some());
    }
}
