//! The end of a claim, by which other hubs know of a connection.

use std::rc::Rc;
use std::time::Duration;

use super::{Subject, Turn};
use crate::log::Outcome;
use crate::log::store::{ClaimChange, DeviceWrite, KnownEpochs, StoreError, Write};
use crate::shard::hint::Hint;
use crate::shard::letter::{Asked, Claimed, ReplyTo};

/// Before a claim is released again that could not be.
const RELEASE_AGAIN: Duration = Duration::from_secs(1);

impl Turn<'_> {
    /// A claim has ended.
    pub(super) fn release(&mut self, claimed: Claimed) {
        if claimed.turn == 0 {
            return;
        }
        let Claimed { user, connection, turn } = claimed.clone();
        let write = DeviceWrite {
            visible: self.cx.node().presence.seen_at(&user),
            user,
            device: "".into(),
            cursors: Vec::new(),
            epochs: KnownEpochs::default(),
            forget: Vec::new(),
            attempts: 0,
            now: self.cx.wall.ms(),
            max_devices: self.cx.node().settings.limits.devices,
            connected: Vec::new(),
            claim: ClaimChange::Release { turn, connection },
        };
        let reply = ReplyTo::Shard(self.cx.shard.id, Asked::Release(claimed));
        self.cx.write(Write::Device(write), reply);
    }

    /// The log has answered about a claim that ended. As long as it could not, it is tried again: the user would seem to be
    /// connected as long as this hub lives.
    pub(super) fn released(&mut self, claimed: Claimed, outcome: &Outcome) {
        match outcome {
            Ok(_) => self.cx.node().router.tell(Hint::Presence(claimed.user), None),
            Err(StoreError::Unavailable(_) | StoreError::Epoch) => {
                let shard = Rc::clone(&self.cx.shard);
                self.cx.spawn_detached(async move {
                    tokio::time::sleep(RELEASE_AGAIN).await;
                    shard.step(Subject::Nobody, move |turn| turn.release(claimed));
                });
            }
            Err(_) => {}
        }
    }
}
