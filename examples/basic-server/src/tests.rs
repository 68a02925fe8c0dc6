//! The shop with a customer at the other end of a real socket.

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wsc_client::{Client, Messages, ReceiptError};

use super::*;

async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let application = application(hub().unwrap()).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, application).await });
    address
}

async fn customer(address: SocketAddr, user: &str) -> Client {
    let client =
        Client::builder(format!("ws://{address}")).user(user).device("phone").connect().await.unwrap();
    tokio::time::timeout(PATIENCE, client.connected()).await.unwrap().unwrap();
    client
}

async fn next(messages: &mut Messages) -> Message<'static> {
    let delivery = tokio::time::timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
    delivery.message().unwrap().clone()
}

async fn http(address: SocketAddr, request: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head =
        format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn messages_are_routed_rewritten_refused_or_the_shop_s_own() {
    let address = start().await;
    let (alice, bob) = (customer(address, "alice").await, customer(address, "bob").await);
    let mut inbox = bob.inbox().messages();
    let send = |text: &'static str, to: &'static str| {
        let alice = alice.clone();
        async move { alice.send(Message::to_user(to, text)).await.unwrap().accepted().await }
    };
    send("hello", "bob").await.unwrap();
    send("damn good", "bob").await.unwrap();
    let refused = send("buy pills", "bob").await.unwrap_err();
    assert!(matches!(refused, ReceiptError::Refused { code: ErrorCode::Filtered, .. }));
    let first = next(&mut inbox).await;
    assert_eq!((first.content.as_ref(), first.sender_name.as_ref()), ("hello", "alice (visitor)"));
    assert_eq!(next(&mut inbox).await.content, "d*** good");
    let own = Message { receiver: "".into(), ..Message::to_user("", "where is my order?") };
    assert_eq!(alice.send(own).await.unwrap().accepted().await.unwrap().position, 0);
}

#[tokio::test]
async fn the_shop_writes_to_customers_and_groups_and_hears_how_far_it_got() {
    let address = start().await;
    let alice = customer(address, "alice").await;
    let (mut inbox, mut news) = (alice.inbox().messages(), alice.group("news").messages());
    // Delivered is what the application took, so it takes at the same time.
    let (answer, message) =
        tokio::join!(http(address, "POST /customers/alice", "it has left"), next(&mut inbox));
    assert!(answer.contains("message 1 of alice: delivered"), "{answer}");
    assert_eq!(message.content, "it has left");
    assert!(http(address, "PUT /groups/news/alice", "").await.contains("alice joined news"));
    let answer = http(address, "POST /groups/news", "new shoes").await;
    assert!(answer.contains("message 1 of news, for 1 members"), "{answer}");
    assert_eq!(next(&mut news).await.content, "new shoes");
    assert!(http(address, "DELETE /groups/news/alice", "").await.contains("alice left news"));
    assert!(http(address, "GET /healthz", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_is_not_welcome_cannot_connect() {
    let address = start().await;
    let mallory = Client::builder(format!("ws://{address}")).user("mallory").connect().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, mallory.connected()).await.unwrap().is_err());
}
