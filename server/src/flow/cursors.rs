//! Positions of connected devices: as they are now, and on their way to the log.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::CloseCode;

use super::node::Node;
use super::{Context, Turn};
use crate::log::Outcome;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{ClaimChange, Delivered, DeviceWrite, KnownEpochs, StoreError, Write};
use crate::net::id::ConnectionId;
use crate::shard::connection::Connection;
use crate::shard::letter::{Asked, Letter, PositionsQuery, Range, ReplyTo};
use crate::shard::state::State;
use crate::shard::subscription::Stream;

/// Has what the connected devices of some users acknowledged written to the log, where it is not.
pub(super) async fn keep(node: &Node, users: &[UserKey]) {
    at_home(node, users, true).await;
}

/// What connected devices of some users acknowledged and the log does not know yet, by user; nothing is written for it.
/// When it returns, what devices that are gone left is in the store.
pub(super) async fn of_connected(node: &Node, users: &[UserKey]) -> HashMap<UserKey, Vec<Range>> {
    at_home(node, users, false).await
}

/// Asks the shards that hold the users' connections, and waits until what they left for the log is written.
async fn at_home(node: &Node, users: &[UserKey], write: bool) -> HashMap<UserKey, Vec<Range>> {
    let shards = &node.router.shards;
    let mut by_shard: Vec<Vec<UserKey>> = vec![Vec::new(); shards.len()];
    for user in users {
        by_shard[shards.home(user)].push(user.clone());
    }
    let mut waits = Vec::new();
    for (shard, users) in by_shard.into_iter().enumerate().filter(|(_, users)| !users.is_empty()) {
        let (answer, wait) = oneshot::channel();
        shards.send(shard, Letter::Positions(PositionsQuery { users, write, answer }));
        waits.push(wait);
    }
    let mut all = HashMap::with_capacity(users.len());
    for wait in waits {
        all.extend(wait.await.unwrap_or_default());
    }
    node.log.settled().await;
    all
}

impl Turn<'_> {
    /// Answers a question for positions. What the turn left for the log is handed over before the answer.
    pub(super) fn positions(&mut self, query: PositionsQuery) {
        let PositionsQuery { users, write, answer } = query;
        let mut found = HashMap::with_capacity(users.len());
        for user in users {
            if write {
                for id in self.state.connections_of(&user) {
                    self.write_cursors(id, Vec::new());
                }
            } else {
                let ranges = self.undelivered(&user);
                found.insert(user, ranges);
            }
        }
        self.cx.submit();
        let _ = answer.send(found);
    }

    /// What connected devices of a user acknowledged and the log does not know yet.
    fn undelivered(&self, user: &UserKey) -> Vec<Range> {
        let mut found = Vec::new();
        for connection in self.state.of_user(user) {
            for (track, subscription) in connection.subscriptions.open() {
                let Some(track) = connection.peer.track(track) else { continue };
                let key = &self.state.streams.get(subscription.stream).key;
                let ranges = subscription.notes.delivered(track.acknowledged()).into_iter();
                found.extend(ranges.map(|(after, to)| (key.clone(), after, to)));
            }
        }
        found
    }

    /// Hands a connection's positions to the log, if they changed: what was delivered, and where its device stands.
    pub(super) fn write_cursors(&mut self, id: ConnectionId, forget: Vec<StreamKey>) {
        let Some(connection) = self.state.connections.get_mut(id) else { return };
        let changed = connection.cursor_changed.take().is_some();
        if connection.is_forgetful || !changed && forget.is_empty() {
            return;
        }
        let (user, device) = (connection.identity.user.clone(), Arc::clone(&connection.device));
        let connected = self.state.connected_devices(&user);
        let State { connections, streams, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        let cx = &mut *self.cx;
        connection.seen_at = cx.now;
        let (mut cursors, mut ranges, mut epochs) = (Vec::new(), Vec::new(), KnownEpochs::default());
        for (track, subscription) in connection.subscriptions.open_mut() {
            let Some(track) = connection.peer.track(track) else { continue };
            let Stream { key, standing, .. } = streams.get(subscription.stream);
            let at = track.acknowledged();
            epochs.0.extend(standing.iter().map(|standing| (key.clone(), Arc::clone(&standing.epoch))));
            cursors.push((key.clone(), at));
            // Nobody asks how far a broadcast got.
            if matches!(key, StreamKey::Broadcast(_)) {
                continue;
            }
            // Receipts were given when it was acknowledged.
            let (delivered, _) = subscription.notes.take_delivered(at);
            ranges.extend(delivered.into_iter().map(|(after, to)| (key.clone(), after, to)));
        }
        if !ranges.is_empty() {
            let delivered =
                Delivered { user: user.clone(), ranges, asked: Vec::new(), epochs: epochs.clone() };
            let reply = cx.reply_for(connection);
            cx.write(Write::Delivered(delivered), reply);
        }
        if connection.is_ephemeral {
            return;
        }
        let node = cx.node();
        let write = DeviceWrite {
            device,
            cursors,
            epochs,
            forget,
            attempts: connection.attempts,
            now: cx.wall.ms(),
            // Of an invisible user others learn when it last was visible.
            visible: node.presence.seen_at(&user),
            max_devices: node.settings.limits.devices,
            connected,
            claim: ClaimChange::Keep,
            user,
        };
        let reply = cx.reply_for(connection);
        cx.write(Write::Device(write), reply);
    }

    /// Whether what a connection acknowledged is kept. If not, it connects again and says it anew: what was delivered
    /// would be forgotten, because the position moves on.
    pub(super) fn kept(&mut self, id: ConnectionId, outcome: &Outcome) {
        let Some((connection, _)) = self.with(id) else { return };
        connection.keeping = connection.keeping.saturating_sub(1);
        if outcome.as_ref().is_err_and(StoreError::fails_the_lane) {
            connection.is_forgetful = true;
            self.close(id, CloseCode::TryAgainLater, "retry_after_ms=1000");
        }
    }
}

impl Context {
    /// Who hears what became of a connection's positions: where a hub is alone nobody, because a store that has failed
    /// takes nothing more.
    fn reply_for(&self, connection: &mut Connection) -> ReplyTo {
        if self.node().router.cluster.is_none() {
            return ReplyTo::Nobody;
        }
        connection.keeping += 1;
        ReplyTo::Shard(self.shard.id, Asked::Positions(connection.id))
    }
}
