//! A hub that a test plays over a real socket on the loopback address.
#![allow(missing_docs, unreachable_pub, dead_code, reason = "tests share it, each a part")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use wsc_client::{Builder, Client, Delivery, Message};

pub struct Hub {
    pub listener: TcpListener,
}

pub struct Link {
    pub socket: WebSocketStream<TcpStream>,
}

impl Hub {
    pub async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a port") }
    }

    pub fn client(&self) -> Builder {
        Client::builder(format!("ws://{}", self.listener.local_addr().expect("an address"))).user("alice")
    }

    pub async fn accept(&self) -> Link {
        let (stream, _) = soon(self.listener.accept()).await.expect("a connection");
        #[allow(clippy::result_large_err, reason = "the type of the library")]
        let choose = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().path(), "/ws");
            let protocol = request.headers().get("sec-websocket-protocol").cloned().expect("a protocol");
            assert_eq!(protocol, "wsc.v1");
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let socket = soon(tokio_tungstenite::accept_hdr_async(stream, choose)).await.expect("a handshake");
        Link { socket }
    }

    /// Accepts, and greets; the `connect` frame.
    pub async fn greet(&self, from: u64, head: u64) -> (Link, String) {
        let mut link = self.accept().await;
        let connect = link.next().await;
        link.say(&format!(
            r#"{{"message_type":"connected","protocol":1,"user_id":"alice","heartbeat_ms":25000,"window":64,"ack_ms":20,
            "dedupe_ms":86400000,"limits":{{"frame":65536}},
            "streams":{{"inbox":{{"epoch":"e1","from":{from},"head":{head}}}}}}}"#
        ))
        .await;
        (link, connect)
    }
}

impl Link {
    pub async fn next(&mut self) -> String {
        match soon(self.socket.next()).await {
            Some(Ok(Frame::Text(text))) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.socket.send(Frame::text(text)).await.expect("sent");
    }

    pub async fn entry(&mut self, seq: u64) {
        self.say(&format!(
            r#"{{"message_type":"text","message_id":"i{seq}","sender":"bob","receiver":"alice","stream":"inbox","seq_no":{seq},"content":"c{seq}"}}"#
        ))
        .await;
    }

    pub async fn accept(&mut self, frame: &str, seq: u64) {
        let id = message_id(frame);
        self.say(&format!(
            r#"{{"message_type":"ack","message_id":"{id}","status":"accepted","stream":"inbox","seq_no":{seq}}}"#
        ))
        .await;
    }
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.expect("in time")
}

pub fn message_id(frame: &str) -> &str {
    let (_, rest) = frame.split_once(r#""message_id":""#).expect("an id");
    rest.split('"').next().expect("an id")
}

pub fn text(id: &'static str) -> Message<'static> {
    Message { message_id: id.into(), ..Message::to_user("bob", "x") }
}

pub fn content(delivery: Option<Delivery>) -> String {
    match delivery {
        Some(Delivery::Message(message)) => message.content.to_string(),
        other => panic!("{other:?}"),
    }
}
