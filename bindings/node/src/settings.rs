//! The settings of a session, as JavaScript gives them.

use napi_derive::napi;
use wsc_client::{Builder, Client};
use wsc_core::limits;

/// What a client is told. Absent: as by default.
#[napi(object, object_to_js = false)]
pub struct Settings {
    /// The addresses of the hub's WebSocket.
    pub urls: Vec<String>,
    /// The client's name and version, told to the hub.
    pub client: String,
    /// A token that does not change.
    pub token: Option<String>,
    /// Whether tokens are asked for.
    pub asks: Option<bool>,
    /// Who to be, where the hub runs without authentication.
    pub user: Option<String>,
    /// The user's type, without authentication.
    pub user_type: Option<String>,
    /// The application, without authentication.
    pub app: Option<String>,
    /// The namespace, without authentication.
    pub namespace: Option<String>,
    /// This installation's id.
    pub device: Option<String>,
    /// The groups to read.
    pub groups: Option<Vec<String>>,
    /// A new device begins at the heads.
    pub start_at_head: Option<bool>,
    /// Authorities that are trusted beside the usual ones, as PEM.
    pub ca: Option<String>,
    /// The outbox file; absent: memory.
    pub outbox: Option<String>,
    /// Unsettled sends kept at most.
    pub outbox_count: Option<u32>,
    /// In bytes.
    pub outbox_bytes: Option<u32>,
}

impl Settings {
    pub(crate) fn builder(self) -> Builder {
        type Setting = fn(Builder, String) -> Builder;
        let texts: [(Option<String>, Setting); 8] = [
            (self.token, Builder::token),
            (self.user, Builder::user),
            (self.user_type, Builder::user_type),
            (self.app, Builder::app),
            (self.namespace, Builder::namespace),
            (self.device, Builder::device),
            (self.ca, Builder::authorities),
            (self.outbox, Builder::outbox),
        ];
        let mut builder = Client::builder(self.urls).name(self.client);
        for (text, set) in texts {
            if let Some(text) = text {
                builder = set(builder, text);
            }
        }
        if let Some(groups) = self.groups {
            builder = builder.groups(groups);
        }
        if self.asks == Some(true) {
            builder = builder.asks_for_tokens();
        }
        if self.start_at_head == Some(true) {
            builder = builder.start_at_head();
        }
        let count =
            self.outbox_count.filter(|count| *count > 0).map_or(limits::OUTBOX_COUNT, |count| count as usize);
        let bytes =
            self.outbox_bytes.filter(|bytes| *bytes > 0).map_or(limits::OUTBOX_BYTES, |bytes| bytes as usize);
        builder.outbox_limits(count, bytes)
    }
}
