//! What an application may decide: who connects, what becomes of a message; and what it hears.
//!
//! A hook that panics costs one connection's message, never the process: it is caught and logged.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use wsc_core::{ErrorCode, Message};

use crate::admission::identity::Identity;

/// Who sent a message.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The authenticated user.
    pub identity: Identity,
    /// The device.
    pub device: Arc<str>,
    /// The connection.
    pub connection_id: Arc<str>,
}

/// What becomes of a message.
#[derive(Debug)]
pub enum Verdict {
    /// The hub sends it to its target; it may have been rewritten.
    Route(Box<Message<'static>>),
    /// The application has taken it; the sender gets an `ack` without a position.
    Handled,
    /// It is refused; [`ErrorCode::Filtered`] is the usual code.
    Refuse(ErrorCode, String),
}

/// A future a hook returns.
pub type HookFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

type OnConnect = dyn Fn(&Identity) -> Result<(), String> + Send + Sync;
type OnMessage = dyn Fn(&Sender, Message<'static>) -> HookFuture<'static, Verdict> + Send + Sync;
type OnDisconnect = dyn Fn(&Identity, &str, &str) + Send + Sync;

/// The hooks of a hub.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) on_connect: Option<Box<OnConnect>>,
    pub(crate) on_message: Option<Box<OnMessage>>,
    pub(crate) on_disconnect: Option<Box<OnDisconnect>>,
    /// Messages are sent back and not understood.
    #[cfg(feature = "echo")]
    pub(crate) echo: bool,
}

impl Hooks {
    /// Whether a device may connect; else why not.
    pub(crate) fn connect(&self, identity: &Identity) -> Result<(), String> {
        let Some(hook) = &self.on_connect else { return Ok(()) };
        guarded(|| hook(identity)).unwrap_or_else(|| Err("the application failed".to_owned()))
    }

    pub(crate) async fn message(&self, sender: &Sender, message: Message<'static>) -> Verdict {
        let failed = || Verdict::Refuse(ErrorCode::Filtered, "the application failed".to_owned());
        let Some(hook) = &self.on_message else { return Verdict::Route(Box::new(message)) };
        let Some(mut decision) = guarded(|| hook(sender, message)) else { return failed() };
        std::future::poll_fn(move |context| match guarded(|| decision.as_mut().poll(context)) {
            Some(poll) => poll,
            None => std::task::Poll::Ready(failed()),
        })
        .await
    }

    pub(crate) fn disconnected(&self, identity: &Rc<Identity>, connection_id: &str, device: &str) {
        if let Some(hook) = &self.on_disconnect {
            guarded(|| hook(identity, connection_id, device));
        }
    }
}

/// Runs a hook; `None` when it panicked.
pub(crate) fn guarded<T>(hook: impl FnOnce() -> T) -> Option<T> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(hook));
    if result.is_err() {
        tracing::error!("a hook of the application panicked");
    }
    result.ok()
}
