//! The wsc client for Rust: reliable real-time messaging over one connection that heals itself.
//!
//! A message that was accepted is delivered to every device it is meant for, in order, handed over once, or the device
//! is told exactly what it missed. [`Client::send`] returns when the outbox has the message; with a file outbox it then
//! survives the process. [`Stream::messages`] gives a stream's messages in order, gaps included as values.
//!
//! "Once" holds as long as the device keeps its cursor: with [`Builder::outbox`] across restarts, in memory within one
//! process. This crate never holds protocol state of its own: that is [`wsc_core::client::Client`]; here are sockets,
//! clocks, files and streams.
//!
//! # Own certificate authority
//!
//! `wss://` trusts the authorities that Mozilla lists. [`Builder::authorities`] takes the text of a PEM file with the
//! certificates of others, which are trusted beside them; [`Builder::tls`] takes a configuration of rustls. A handshake
//! that fails is tried again; [`Notice::Disconnected`] says why it failed.
//!
//! # Example
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use wsc_client::{Client, Delivery, Message};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("ws://127.0.0.1:8080/ws").user("alice").outbox("alice.outbox").connect().await?;
//! let receipt = client.send(Message { require_ack: true, ..Message::to_user("bob", "hello") }).await?;
//! println!("stored at {:?}", receipt.accepted().await?.position);
//!
//! let mut inbox = client.inbox().messages();
//! while let Some(delivery) = inbox.next().await {
//!     match delivery {
//!         Delivery::Message(message) => println!("{}: {}", message.sender, message.content),
//!         Delivery::Gap(gap) => println!("missed {} to {}", gap.from, gap.to),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod addresses;
mod backlog;
mod builder;
mod client;
mod clock;
mod conversation;
mod deliveries;
mod delivery;
mod driver;
#[cfg(feature = "echo")]
mod echo;
mod error;
mod history;
mod notice;
mod owner;
mod presence;
mod receipt;
mod requests;
pub mod session;
mod storage;
mod stream;
mod transport;
mod typing;
mod upgrade;

/// The programs of the guide compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/rust.md")]
struct Guide;

pub use addresses::Addresses;
pub use builder::Builder;
pub use client::Client;
pub use conversation::{Conversation, ConversationState, Conversations, InvalidConversation};
pub use delivery::{Delivery, Entry, Messages, Missed};
#[cfg(feature = "echo")]
#[doc(hidden)]
pub use echo::echo;
pub use error::{BuildError, ClosedError, ReceiptError, RequestError, SendError};
pub use history::{History, Page};
pub use notice::{Feed, Notice};
pub use presence::{Presence, UserPresence};
pub use receipt::{Accepted, Receipt};
pub use requests::Answer;
/// The TLS library, for [`Builder::tls`].
#[cfg(feature = "tls")]
pub use rustls;
pub use stream::{Group, Stream};
pub use wsc_core::client::{Closed, Event, Fault, Gap, Outcome, Owner, Stage, State, Sync, TokenError};
pub use wsc_core::frame::{DecodeError, Frame, HubFrame, MemberPage, ReceiptOf};
pub use wsc_core::kind::UserStatus;
pub use wsc_core::{CloseCode, ErrorCode, Message, MessageType, StreamName};
