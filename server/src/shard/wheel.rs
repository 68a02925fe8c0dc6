//! One timer wheel per shard: seconds as slots, connections in them. A connection stands in one slot that counts; an
//! earlier deadline adds a second entry and the later one is ignored when its time comes.

use crate::clock::Tick;
use crate::net::id::ConnectionId;

const SLOTS: usize = 64;

/// The wheel.
pub(crate) struct Wheel {
    slots: Vec<Vec<ConnectionId>>,
    second: u64,
}

impl Wheel {
    pub(crate) fn new(now: Tick) -> Self {
        Self { slots: vec![Vec::new(); SLOTS], second: now.ms() / 1000 }
    }

    /// Puts a connection in the slot of a deadline and returns the second it will be taken out at. One further away
    /// than the wheel reaches is taken out at its end, to be put in again.
    pub(crate) fn insert(&mut self, id: ConnectionId, deadline: Tick) -> u64 {
        let second = (deadline.ms() / 1000 + 1).clamp(self.second + 1, self.second + SLOTS as u64 - 1);
        self.slots[slot(second)].push(id);
        second
    }

    /// Takes out who is due up to now, with the second each was put in for.
    pub(crate) fn advance(&mut self, now: Tick, mut due: impl FnMut(ConnectionId, u64)) {
        let end = now.ms() / 1000;
        while self.second < end {
            self.second += 1;
            for id in std::mem::take(&mut self.slots[slot(self.second)]) {
                due(id, self.second);
            }
        }
    }
}

fn slot(second: u64) -> usize {
    usize::try_from(second % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_taken_out_once_not_before_the_deadline_and_not_a_second_late() {
        let mut wheel = Wheel::new(Tick::from_ms(5_000));
        for deadline in [5_000, 5_999, 6_000, 20_500, 500_000] {
            wheel.insert(ConnectionId { slot: deadline, generation: 0 }, Tick::from_ms(u64::from(deadline)));
        }
        let mut seen = Vec::new();
        for second in 5..=80 {
            wheel.advance(Tick::from_ms(second * 1000), |id, at| {
                assert_eq!(at, second);
                seen.push((id.slot, second));
            });
        }
        assert_eq!(seen, [(5_000, 6), (5_999, 6), (6_000, 7), (20_500, 21), (500_000, 68)]);
    }
}
