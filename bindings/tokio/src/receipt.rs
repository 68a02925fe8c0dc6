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
pub struct Accepted {
    /// The stream, as the sender names it; `None` for a volatile message.
    pub stream: Option<StreamName<'static>>,
    /// The position; 0 for a volatile message.
    pub seq: u64,
    /// Whether it had been accepted before.
    pub duplicate: bool,
    /// When, RFC 3339.
    pub create_at: String,
}

/// What becomes of one sent message. Dropping it changes nothing: the message is sent all the same.
///
/// ```no_run
/// # async fn example(client: wsc_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use wsc_client::Message;
/// let receipt = client.send(Message { require_ack: true, ..Message::to_user("bob", "hello") }).await?;
/// println!("{} is saved here", receipt.message_id());
/// receipt.accepted().await?;
/// receipt.delivered().await?;
/// receipt.read().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Receipt {
    pub(crate) send: SendId,
    pub(crate) message_id: String,
    pub(crate) progress: watch::Receiver<Progress>,
}

impl Receipt {
    /// The message's id.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// Waits until the hub stored the message.
    pub async fn accepted(&self) -> Result<Accepted, ReceiptError> {
        let mut progress = self.progress.clone();
        let settled = progress.wait_for(|progress| progress.outcome.is_some()).await;
        let outcome = settled.map_err(|_| ReceiptError::Closed)?.outcome.clone();
        match outcome {
            Some(Outcome::Accepted { stream, seq, duplicate, create_at }) => {
                Ok(Accepted { stream, seq, duplicate, create_at })
            }
            Some(Outcome::Sent) => {
                Ok(Accepted { stream: None, seq: 0, duplicate: false, create_at: String::new() })
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
    pub async fn delivered(&self) -> Result<(), ReceiptError> {
        self.reached(Stage::Delivered).await
    }

    /// Waits until the receiver has read the message; for messages to a user with `require_ack`.
    pub async fn read(&self) -> Result<(), ReceiptError> {
        self.reached(Stage::Read).await
    }

    /// How far it is known to be; `None`: not accepted yet.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.progress.borrow().stage
    }

    async fn reached(&self, stage: Stage) -> Result<(), ReceiptError> {
        self.accepted().await?;
        let mut progress = self.progress.clone();
        let found = progress.wait_for(|progress| progress.stage >= Some(stage) || progress.unfollowed).await;
        let found = found.map_err(|_| ReceiptError::Closed)?;
        if found.stage >= Some(stage) { Ok(()) } else { Err(ReceiptError::Unfollowed) }
    }
}
