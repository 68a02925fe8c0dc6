//! What a driver needs from the side that uses it: the handle of a Rust program, or a session of another language. Never
//! sees a socket or a file.

use std::future::Future;
use std::io;

use tokio::sync::mpsc;
use wsc_core::client::{self as core, Event, Generation, SendId, Sync};
use wsc_core::{CloseCode, StreamName, Timestamp};

use crate::builder::TokenFuture;

/// Where a driver's commands come from.
pub(crate) trait Commands: Send + 'static {
    type Command: Send + 'static;

    /// Waits for commands; 0: nobody can give any more.
    fn recv_many(
        &mut self,
        batch: &mut Vec<Self::Command>,
        limit: usize,
    ) -> impl Future<Output = usize> + Send;
}

impl<T: Send + 'static> Commands for mpsc::Receiver<T> {
    type Command = T;

    fn recv_many(&mut self, batch: &mut Vec<T>, limit: usize) -> impl Future<Output = usize> + Send {
        Self::recv_many(self, batch, limit)
    }
}

impl<T: Send + 'static> Commands for mpsc::UnboundedReceiver<T> {
    type Command = T;

    fn recv_many(&mut self, batch: &mut Vec<T>, limit: usize) -> impl Future<Output = usize> + Send {
        Self::recv_many(self, batch, limit)
    }
}

/// Executes commands on the machine, and takes its events.
pub(crate) trait Frontend: Send + 'static {
    type Commands: Commands;

    /// Executes a command. True: the client is to be closed.
    fn execute(
        &mut self,
        machine: &mut core::Client,
        now: Timestamp,
        command: <Self::Commands as Commands>::Command,
    ) -> bool;

    /// Something happened.
    fn on_event(&mut self, machine: &mut core::Client, now: Timestamp, event: Event);

    /// How far sends and streams are.
    fn on_sync(&mut self, sync: Sync);

    /// A token is wanted; from here, or from a later command.
    fn token(&mut self) -> Option<TokenFuture>;

    /// All sends up to this one are on the disk.
    fn stored(&mut self, up_to: SendId);

    /// Nothing can be saved any more: what is not saved is not sent.
    fn unsaved(&mut self, machine: &mut core::Client, now: Timestamp, why: io::Error);

    /// A socket did not open, or is gone.
    fn on_socket_lost(&mut self, connected: bool, code: Option<CloseCode>, reason: &str);

    /// Whether too much waits to be taken: the socket should not be read just now.
    fn is_full(&self) -> bool;

    /// What the application acknowledged since the last call.
    fn take_acknowledged(&mut self) -> Vec<(StreamName<'static>, Generation, u64)>;

    /// Lets go of what nobody read for long.
    fn sweep(&mut self);

    /// From here on nothing more is handed over: it could not be stored.
    fn finish(&mut self);

    /// The end.
    fn end(self);
}
