//! What becomes of one sent message.

use tokio::sync::watch;
use wsc_core::StreamName;
use wsc_core::client::{Outcome, SendId, Stage};

use crate::error::ReceiptError;

/// How far a send is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) stage: Option<Stage>,
    pub(crate) unfollowed: bool,
}

/// Where a message was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The stream, as the sender names it; `None` for a volatile message.
    pub stream: Option<StreamName<'static>>,
    /// The position in it; 0 for a volatile message.
    pub position: u64,
    /// Whether it had been accepted before.
    pub duplicate: bool,
    /// When, RFC 3339.
    pub create_at: String,
}

/// What becomes of one sent message. Dropping it changes nothing: the message is sent all the same.
///
/// ```
/// use wsc_client::Message;
/// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
/// # hub::run(async |alice, bob| {
/// # let mut inbox = bob.inbox().messages();
/// let receipt = alice.send(Message { require_ack: true, ..Message::to_user("bob", "hello") }).await?;
/// println!("{} is saved here", receipt.message_id());
/// receipt.accepted().await?;
/// # futures_util::StreamExt::next(&mut inbox).await;
/// receipt.delivered().await?;
/// # bob.mark_read("user:alice", 1).await?;
/// receipt.read().await?;
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Receipt {
    pub(crate) send: SendId,
    pub(crate) message_id: String,
    pub(crate) progress: watch::Receiver<Progress>,
}

impl Receipt {
    /// The message's id.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let message = Message { message_id: "order-7".into(), ..Message::to_user("bob", "hello") };
    /// assert_eq!(alice.send(message).await?.message_id(), "order-7");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// Waits until the hub stored the message.
    ///
    /// # Errors
    /// The message ended without being stored, or nobody knows.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let stored = alice.send(Message::to_user("bob", "hello")).await?.accepted().await?;
    /// assert_eq!((stored.position, stored.duplicate), (1, false));
    /// # Ok(()) });
    /// ```
    pub async fn accepted(&self) -> Result<Accepted, ReceiptError> {
        let mut progress = self.progress.clone();
        let settled = progress.wait_for(|progress| progress.outcome.is_some()).await;
        let outcome = settled.map_err(|_| ReceiptError::Closed)?.outcome.clone();
        match outcome {
            Some(Outcome::Accepted { stream, position, duplicate, create_at }) => {
                Ok(Accepted { stream, position, duplicate, create_at })
            }
            Some(Outcome::Sent) => {
                Ok(Accepted { stream: None, position: 0, duplicate: false, create_at: String::new() })
            }
            Some(Outcome::Refused { code, reason, .. }) => Err(ReceiptError::Refused { code, reason }),
            Some(Outcome::Unknown) => Err(ReceiptError::Unknown),
            Some(Outcome::Expired) => Err(ReceiptError::Expired),
            Some(Outcome::Cancelled) => Err(ReceiptError::Cancelled),
            Some(Outcome::Dropped) => Err(ReceiptError::Dropped),
            None => Err(ReceiptError::Closed),
        }
    }

    /// Waits until a device of the receiver acknowledged the message; for messages to a user with `require_ack`.
    ///
    /// # Errors
    /// As [`Receipt::accepted`], or the receipts are not followed.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut inbox = bob.inbox().messages();
    /// let message = Message { require_ack: true, ..Message::to_user("bob", "hello") };
    /// let receipt = alice.send(message).await?;
    /// inbox.next().await;
    /// receipt.delivered().await?;
    /// # Ok(()) });
    /// ```
    pub async fn delivered(&self) -> Result<(), ReceiptError> {
        self.reached(Stage::Delivered).await
    }

    /// Waits until the receiver has read the message; for messages to a user with `require_ack`.
    ///
    /// # Errors
    /// As [`Receipt::accepted`], or the receipts are not followed.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let message = Message { require_ack: true, ..Message::to_user("bob", "hello") };
    /// let receipt = alice.send(message).await?;
    /// let position = receipt.accepted().await?.position;
    /// bob.mark_read("user:alice", position).await?;
    /// receipt.read().await?;
    /// # Ok(()) });
    /// ```
    pub async fn read(&self) -> Result<(), ReceiptError> {
        self.reached(Stage::Read).await
    }

    /// How far it is known to be; `None`: not accepted yet.
    ///
    /// ```
    /// use wsc_client::{Message, Stage};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let receipt = alice.send(Message::to_user("bob", "hello")).await?;
    /// receipt.accepted().await?;
    /// assert_eq!(receipt.stage(), Some(Stage::Accepted));
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.progress.borrow().stage
    }

    async fn reached(&self, stage: Stage) -> Result<(), ReceiptError> {
        self.accepted().await?;
        let mut progress = self.progress.clone();
        let found = progress.wait_for(|progress| progress.stage >= Some(stage) || progress.unfollowed).await;
        let found = found.map_err(|_| ReceiptError::Closed)?;
        if found.stage >= Some(stage) { Ok(()) } else { Err(ReceiptError::NotFollowed) }
    }
}
