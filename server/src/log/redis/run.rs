//! Making items: as many of one partition in one call as it takes, one call after the other.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use redis::{Value, from_redis_value};

use super::super::store::StoreError;
use super::Inner;
use super::connection::Refusal;
use super::items::{Item, More};
use super::record::damaged;
use super::script::{Args, Script};

/// Maximum of items in one call, and about how many bytes: a script keeps everybody else waiting.
const ITEMS: usize = 256;
const BYTES: usize = 256 * 1024;

/// What an item answered: mostly one text.
pub(super) type Reply = Vec<String>;

impl Inner {
    /// The arguments before the first item.
    fn arguments(&self, carry: &str) -> Args {
        let span = u64::try_from(self.retention.dedupe.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 50);
        let mut args = Args::default();
        args.put("PUBLISH").number(span).number(2 * span + 60_000);
        args.number(self.retention.inbox_entries).number(self.retention.group_entries);
        args.number(self.retention.broadcast_entries).put(carry);
        args
    }

    /// Makes items in order. Those that could not be made stay in the queue.
    pub(super) async fn run<'a>(
        &self,
        queue: &mut VecDeque<Item<'a>>,
        replies: &mut [Vec<Reply>],
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let mut carry = String::new();
        // Which write's positions were brought over from an earlier epoch.
        let mut carried = None;
        while let Some(first) = queue.front() {
            let partition = first.partition;
            let is_second = matches!(first.more, More::Copy { .. }) && !replies[first.of].is_empty();
            let (args, count) = self.call(queue, &carry);
            let made = match is_second && self.is_cut.load(Ordering::Relaxed) {
                true => Err(Refusal::Not(StoreError::Unavailable("cut off".into()))),
                false => self.link.make(Script::Write, partition, &args, deadline).await,
            };
            let made = match made {
                Err(refusal) if is_second => match refusal.error() {
                    // It stands at its target. Later ones go on, if they can.
                    StoreError::Unavailable(_) => {
                        if let Some(item) = queue.pop_front() {
                            replies[item.of].push(vec!["?".to_owned()]);
                        }
                        continue;
                    }
                    error => return Err(Refusal::Perhaps(error)),
                },
                other => other?,
            };
            let made = outputs(made).map_err(Refusal::Perhaps)?;
            if made.is_empty() || made.len() > count {
                return Err(Refusal::Perhaps(damaged("the answer of a script")));
            }
            let mut last = None;
            for reply in made {
                carry = reply.first().cloned().unwrap_or_default();
                if let Some(item) = queue.pop_front() {
                    replies[item.of].push(reply);
                    last = Some(item);
                }
            }
            let Some(item) = last else { continue };
            match item.more {
                More::Delivered(delivered) if carry == "!" => {
                    let of = item.of;
                    replies[of].pop();
                    queue.push_front(item);
                    if carried == Some(of) {
                        // Kept in an epoch that this hub does not know.
                        return Err(Refusal::Not(StoreError::Epoch));
                    }
                    carried = Some(of);
                    self.carry_over(delivered, deadline).await?;
                }
                More::Device(write) if carry.ends_with(":1") => self.make_room(write, deadline).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The next call: as many items of one partition as it takes.
    fn call(&self, queue: &VecDeque<Item<'_>>, carry: &str) -> (Args, usize) {
        let mut args = self.arguments(carry);
        let mut count = 0;
        let mut partition = None;
        for item in queue {
            if *partition.get_or_insert(item.partition) != item.partition
                || count == ITEMS
                || (count > 0 && args.len() > BYTES)
            {
                break;
            }
            args.extend(&item.args);
            if let More::Copy { record, body } = &item.more {
                if count == 0 {
                    args.flag(false).put(record).put(body);
                } else {
                    args.flag(true).put("").put("");
                }
            }
            count += 1;
        }
        (args, count)
    }
}

/// What a script answered for each item.
fn outputs(value: Value) -> Result<Vec<Reply>, StoreError> {
    let Value::Array(items) = value else { return Err(damaged("the answer of a script")) };
    let text =
        |value: Value| from_redis_value::<String>(value).map_err(|_| damaged("the answer of a script"));
    let reply = |value: Value| match value {
        Value::Array(parts) => parts.into_iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    };
    items.into_iter().map(reply).collect()
}
