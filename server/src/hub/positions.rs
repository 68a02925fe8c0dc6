//! Positions of connected devices, brought to the log when somebody needs the truth now.

use tokio::sync::oneshot;

use super::node::Node;
use super::shard::Letter;
use super::state::State;
use crate::log::key::UserKey;
use crate::log::store::{StoreError, Write};

/// Has everything that a user's connected devices acknowledged written to the log.
pub(crate) async fn keep(node: &Node, user: &UserKey) -> Result<(), StoreError> {
    if !node.presence.is_connected(user) {
        return Ok(());
    }
    let (done, wait) = oneshot::channel();
    let whose = user.clone();
    let call = Letter::Call(Box::new(move |shard| {
        let mut state = shard.state.borrow_mut();
        for place in state.connections_of(&whose) {
            let State { connections, streams, .. } = &mut *state;
            shard.write_cursors(streams, &mut connections[place as usize], Vec::new());
        }
        shard.submit();
        let _ = done.send(());
    }));
    node.shards.send(node.shards.home(user), call);
    if wait.await.is_err() {
        return Ok(());
    }
    // Answered when everything handed over before it is made.
    node.log.write(Write::See { user: user.clone(), now: super::clock::wall() }).await.map(drop)
}
