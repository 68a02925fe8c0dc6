//! Hubs, in this process and in ones of their own, and clients that speak the protocol by hand.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test file uses a part; a failed unwrap is a failed test; a test may say what it measured"
)]

pub mod ill;
#[cfg(feature = "command")]
pub mod process;
pub mod raw;

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use wsc_server::{Builder, Hub, MemoryStore, Settings};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A hub in this process, on a port of its own.
pub struct Server {
    pub hub: Hub,
    door: Door,
}

impl Deref for Server {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Server {
    /// A hub over memory with default settings and two shards.
    pub async fn start() -> Self {
        Self::with(|_| {}, |builder| builder).await
    }

    /// A hub over memory, changed settings and hooks.
    pub async fn with(change: impl FnOnce(&mut Settings), hooks: impl FnOnce(Builder) -> Builder) -> Self {
        let mut settings = Settings::default();
        settings.shards = 2;
        settings.presence.offline_after = Duration::from_millis(300);
        change(&mut settings);
        let store = MemoryStore::new(settings.retention);
        Self::over(hooks(Hub::builder(store).settings(settings))).await
    }

    pub async fn over(builder: Builder) -> Self {
        let hub = builder.start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(wsc_server::http::serve(listener, hub.clone()));
        Self { hub, door: Door { address } }
    }
}

/// Where a hub is reached.
#[derive(Clone, Copy)]
pub struct Door {
    pub address: SocketAddr,
}

impl Door {
    /// An open socket that has said nothing yet.
    pub async fn socket(&self) -> Client {
        self.request("/ws", &[("sec-websocket-protocol", "wsc.v1")]).await.unwrap()
    }

    pub async fn request(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, socket).await?;
        Ok(Client { socket, connected: Value::Null })
    }

    /// A connected device.
    pub async fn connect(&self, user: &str, device: &str) -> Client {
        self.connect_with(user, device, json!({})).await
    }

    /// A connected device whose `connect` frame says more.
    pub async fn connect_with(&self, user: &str, device: &str, more: Value) -> Client {
        let mut client = self.socket().await;
        let mut frame =
            json!({"message_type": "connect", "protocol": 1, "device_id": device, "user_id": user});
        frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.say(&frame).await;
        client.connected = client.hear().await;
        assert_eq!(client.connected["message_type"], "connected", "{}", client.connected);
        client
    }
}

/// One connection, frame by frame.
pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    pub connected: Value,
}

impl Client {
    pub async fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub async fn raw(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn socket_send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next packet.
    pub async fn packet(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the hub should say something")
    }

    /// The next text frame.
    pub async fn hear(&mut self) -> Value {
        loop {
            match self.packet().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a text frame, got {other:?}"),
            }
        }
    }

    /// The next text frame of a type; others are passed over.
    pub async fn hear_type(&mut self, message_type: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["message_type"] == message_type {
                return frame;
            }
        }
    }

    /// The next frame with a `sender`.
    pub async fn message(&mut self) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["sender"].is_string() {
                return frame;
            }
        }
    }

    /// The close code; everything before it is passed over.
    pub async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.packet().await {
                Some(Ok(Message::Close(frame))) => {
                    return frame
                        .map(|CloseFrame { code, reason }| (code.into(), reason.as_str().to_owned()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Nothing comes for a while.
    pub async fn silence(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(300), self.socket.next()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    /// Sends a text message to a user and waits for its `ack`.
    pub async fn send_to(&mut self, user: &str, id: &str, content: &str) -> Value {
        self.send(json!({"message_type": "text", "message_id": id, "receiver": user, "content": content}))
            .await
    }

    /// Sends a message and waits for its `ack` or `error`.
    pub async fn send(&mut self, message: Value) -> Value {
        let id = message["message_id"].clone();
        self.say(&message).await;
        loop {
            let frame = self.hear().await;
            if frame["message_id"] == id && frame["sender"].is_null() {
                return frame;
            }
        }
    }

    /// Sends a request and waits for the end of its answer.
    pub async fn ask(&mut self, request: Value) -> Value {
        let id = request["message_id"].clone();
        self.say(&request).await;
        loop {
            let frame = self.hear().await;
            if frame["request_id"] == id && frame["sender"].is_null() {
                return frame;
            }
        }
    }

    pub async fn acknowledge(&mut self, stream: &str, seq: u64) {
        self.say(&json!({"message_type": "ack", "stream": stream, "seq_no": seq})).await;
    }
}
