//! Clients that say they are somebody else, or from elsewhere: tokens, senders, acknowledgements, tenants.

use std::time::Duration;

use serde_json::{Value, json};
use wsc_server::token::{Claims, Keys};
use wsc_server::{Hub, MemoryStore, Recipient, Scope, Settings, UserKey};

use crate::support::process::Process;
use crate::support::{Client, PATIENCE, Server};

const SECRET: &[u8] = b"a secret of this test";

async fn guarded() -> Server {
    let mut settings = Settings::default();
    settings.shards = 2;
    let store = MemoryStore::new(settings.retention);
    Server::over(Hub::builder(store).settings(settings).keys(Keys::new(SECRET, []))).await
}

fn claims(user: &str) -> Claims {
    Claims { uid: user.to_owned(), exp: 4_000_000_000, iat: 1_700_000_000, ..Claims::default() }
}

fn token(claims: &Claims) -> String {
    claims.sign(SECRET).unwrap()
}

async fn connect(server: &Server, claims: &Claims) -> Client {
    server.connect_with("ignored", "d", json!({"token": token(claims)})).await
}

fn with(user: &str, capabilities: &[&str]) -> Claims {
    Claims { cap: Some(capabilities.iter().map(|name| (*name).to_owned()).collect()), ..claims(user) }
}

#[tokio::test]
async fn row_14_a_token_that_ends_ends_the_connection_unless_it_is_refreshed() {
    let server = guarded().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let short = Claims { exp: now + 2, ..claims("alice") };
    let on = async |device: &str, claims: &Claims| {
        server.connect_with("ignored", device, json!({"token": token(claims)})).await
    };
    let (mut first, mut second) = (on("a1", &short).await, on("a2", &short).await);
    let refresh =
        |claims: &Claims| json!({"message_type": "refresh", "message_id": "r", "token": token(claims)});
    assert_eq!(second.ask(refresh(&claims("alice"))).await["message_type"], "ack");
    // A fresh token that ends earlier counts too.
    let mut third = on("a3", &claims("alice")).await;
    assert_eq!(third.ask(refresh(&short)).await["message_type"], "ack");
    assert_eq!(first.closed().await.unwrap().0, 4002);
    assert_eq!(third.closed().await.unwrap().0, 4002);
    // Another user's token changes nothing.
    assert_eq!(second.ask(refresh(&claims("bob"))).await["code"], 80304);
    assert_eq!(
        second.ask(json!({"message_type": "health_check", "message_id": "h"})).await["message_type"],
        "health_response"
    );
    second.silence().await;
}

#[tokio::test]
async fn row_14_a_token_from_before_a_removal_does_not_join_again() {
    let server = guarded().await;
    let member = Claims { gid: "team".to_owned(), ..claims("alice") };
    let mut alice = connect(&server, &member).await;
    assert!(alice.connected["streams"]["group:team"].is_object());
    let group = wsc_server::GroupKey::new(&Scope::default(), "team");
    assert!(server.hub.remove(&group, "alice").await.unwrap());
    assert_eq!(alice.hear_type("group_changed").await["data"]["action"], "removed");
    let mut alice = connect(&server, &member).await;
    assert!(alice.connected["streams"]["group:team"].is_null());
    let join = json!({"message_type": "group_join", "message_id": "j", "group_ids": ["team"]});
    assert_eq!(alice.ask(join).await["code"], 80303);
    let newer = Claims { iat: 3_999_999_999, ..member };
    let alice = connect(&server, &newer).await;
    assert!(alice.connected["streams"]["group:team"].is_object());
}

#[tokio::test]
async fn row_14_tokens_are_never_logged() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let file = format!("secret_file={}", secret.display());
    let hub = Process::start(&[&file, "log_level=trace"]);
    let protocol = ("sec-websocket-protocol", "wsc.v1");
    let good = token(&claims("alice"));
    let expired = token(&Claims { exp: 1000, ..claims("alice") });
    for token in [good.as_str(), &expired, "nonsense.nonsense.nonsense"] {
        let bearer = format!("Bearer {token}");
        let _refused_or_not = hub.request(&format!("/ws?token={token}"), &[protocol]).await;
        let _refused_or_not = hub.request("/ws", &[protocol, ("authorization", &bearer)]).await;
        let mut client = hub.socket().await;
        client
            .say(&json!({"message_type": "connect", "protocol": 1, "device_id": "d", "token": token}))
            .await;
        client.packet().await;
        let refresh = json!({"message_type": "refresh", "message_id": "r", "token": token});
        let mut client = hub.connect_with("ignored", "d", json!({"token": good})).await;
        client.say(&refresh).await;
        client.packet().await;
    }
    let log = hub.log();
    assert!(log.contains("the token is not a valid JWT"), "{log}");
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for (what, part) in [
        ("a good token", signature(&good)),
        ("an expired token", signature(&expired)),
        ("a wrong token", "nonsense".to_owned()),
        ("the secret", String::from_utf8(SECRET.to_vec()).unwrap()),
    ] {
        let line = log.lines().find(|line| line.contains(&part));
        assert_eq!(line, None, "{what}");
    }
}

#[tokio::test]
async fn row_15_the_client_s_word_about_the_sender_counts_for_nothing() {
    let server = guarded().await;
    let mut bob = connect(&server, &with("bob", &[])).await;
    let mut mallory = connect(&server, &with("mallory", &["send"])).await;
    for (id, volatile) in [("1", false), ("2", true)] {
        mallory
            .say(&json!({"message_type": "text", "message_id": id, "receiver": "bob", "volatile": volatile,
                "sender": "alice", "sender_type": "admin", "sender_client": "a1", "stream": "broadcast",
                "seq_no": 77, "source": "history", "observed": true, "request_id": "r",
                "create_at": "1999-01-01T00:00:00Z"}))
            .await;
        let got = bob.message().await;
        assert_eq!((&got["sender"], &got["sender_client"]), (&json!("mallory"), &json!("d")), "{got}");
        assert_eq!(got["sender_type"], "visitor");
        assert!(got["observed"].is_null() && got["request_id"].is_null() && got["source"].is_null(), "{got}");
        assert_ne!(got["seq_no"], 77);
        assert_eq!(got["stream"], if volatile { Value::Null } else { json!("inbox") });
        assert!(!got["create_at"].as_str().unwrap().starts_with("1999"));
    }
    // Without the right nothing is sent, volatile or not, and no group is joined by asking.
    for volatile in [false, true] {
        let message =
            json!({"message_type": "text", "message_id": "3", "receiver": "mallory", "volatile": volatile});
        assert_eq!(bob.send(message).await["code"], 80303);
    }
    let join = json!({"message_type": "group_join", "message_id": "j", "group_ids": ["team"]});
    assert_eq!(bob.ask(join).await["code"], 80303);
}

#[tokio::test]
async fn row_15_another_message_with_the_same_id_does_not_stand_for_one_of_the_application() {
    let server = guarded().await;
    let bob = UserKey::new(&Scope::default(), "bob");
    let message = wsc_server::Message { message_id: "m".into(), ..wsc_server::Message::to_user("", "hello") };
    let mut sent = server.hub.send(&Recipient::User(bob), message).await.unwrap();
    let mut mallory = connect(&server, &with("mallory", &["send"])).await;
    let mut eve = connect(&server, &with("eve", &["send"])).await;
    mallory
        .send(json!({"message_type": "text", "message_id": "m", "receiver": "eve", "require_ack": true}))
        .await;
    eve.message().await;
    eve.acknowledge("inbox", 1).await;
    mallory.hear_type("delivered").await;
    let told = tokio::time::timeout(Duration::from_millis(200), sent.delivered()).await;
    assert!(told.is_err(), "bob has no device, and yet it was delivered");
}

#[tokio::test]
async fn row_15_nobody_acknowledges_or_asks_after_what_is_another_s() {
    let server = guarded().await;
    let mut alice = connect(&server, &Claims { gid: "team".to_owned(), ..claims("alice") }).await;
    let mut bob = connect(&server, &Claims { gid: "team".to_owned(), ..claims("bob") }).await;
    let mut mallory = connect(&server, &claims("mallory")).await;
    alice
        .send(json!({"message_type": "text", "message_id": "1", "receiver": "bob", "require_ack": true}))
        .await;
    alice
        .send(json!({"message_type": "text", "message_id": "2", "group_ids": ["team"], "require_ack": true}))
        .await;
    // A stream that is not read here is as good as none; one's own inbox has nothing to acknowledge yet.
    mallory.acknowledge("group:team", 1).await;
    for request in [
        json!({"message_type": "read", "message_id": "r", "stream": "group:team", "seq_no": 1}),
        json!({"message_type": "read", "message_id": "r", "stream": "inbox", "peer": "alice", "seq_no": 1}),
        json!({"message_type": "fetch", "message_id": "r", "stream": "group:team"}),
        json!({"message_type": "group_members", "message_id": "r", "data": {"group_id": "team"}}),
    ] {
        assert_eq!(mallory.ask(request.clone()).await["message_type"], "error", "{request}");
    }
    let receipts =
        json!({"message_type": "receipts", "message_id": "r", "data": {"message_ids": ["1", "2"]}});
    let told = mallory.ask(receipts).await;
    assert!(!told.to_string().contains("bob") && !told.to_string().contains("\"delivered\":1"), "{told}");
    mallory.acknowledge("inbox", 1).await;
    assert_eq!(mallory.closed().await.unwrap().0, 4011);
    alice.silence().await;
    // Whom it is for may.
    assert_eq!(bob.message().await["message_id"], "1");
    bob.acknowledge("inbox", 1).await;
    tokio::time::timeout(PATIENCE, alice.hear_type("delivered")).await.unwrap();
}

#[tokio::test]
async fn row_16_nothing_crosses_from_one_tenant_to_another() {
    let server = Server::start().await;
    let of = async |user: &str, app: &str, namespace: &str| {
        let more = json!({"app_id": app, "namespace": namespace, "group_id": "team"});
        server.connect_with(user, "d", more).await
    };
    let mut alice = of("alice", "one", "n").await;
    let mut bob = of("bob", "one", "n").await;
    // Tenants whose names, put together carelessly, are the same.
    let mut others = Vec::new();
    for (app, namespace) in
        [("two", "n"), ("one", "m"), ("on", "en"), ("one/n", ""), ("one", "n/"), ("ONE", "n")]
    {
        let mut other = of("bob", app, namespace).await;
        let watch =
            json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": ["alice", "bob"]}});
        other.ask(watch).await;
        other.ask(json!({"message_type": "observe", "message_id": "o", "data": {"group_id": "team"}})).await;
        others.push(other);
    }
    let message = |id: &str, more: Value| {
        let mut message =
            json!({"message_type": "text", "message_id": id, "content": "hello", "require_ack": true});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    for (id, target) in [
        ("1", json!({"receiver": "bob"})),
        ("2", json!({"group_ids": ["team"]})),
        ("3", json!({"broadcast_type": "global"})),
        ("4", json!({"receiver": "bob", "volatile": true})),
        ("5", json!({"group_ids": ["team"], "volatile": true})),
    ] {
        assert_eq!(alice.send(message(id, target)).await["status"], "accepted", "{id}");
    }
    let mut heard: Vec<Value> = Vec::new();
    while heard.len() < 5 {
        heard.push(bob.message().await["message_id"].clone());
    }
    heard.sort_by_key(ToString::to_string);
    assert_eq!(heard, ["1", "2", "3", "4", "5"]);
    alice.say(&json!({"message_type": "group_leave", "message_id": "l", "group_ids": ["team"]})).await;
    drop(alice);
    for other in &mut others {
        other.silence().await;
        for stream in ["inbox", "group:team", "broadcast"] {
            let answer =
                other.ask(json!({"message_type": "fetch", "message_id": "f", "stream": stream})).await;
            assert_eq!(answer["data"]["head"].as_u64().unwrap_or(0), 0, "{answer}");
        }
        let members =
            json!({"message_type": "group_members", "message_id": "m", "data": {"group_id": "team"}});
        let answer = other.ask(members).await;
        assert!(!answer.to_string().contains("alice"), "{answer}");
        let receipts = json!({"message_type": "receipts", "message_id": "r", "data": {"message_ids": ["1"]}});
        let answer = other.ask(receipts).await;
        assert!(!answer.to_string().contains("\"delivered\":1"), "{answer}");
        // The same id is a message of its own.
        let sent = other.send(message("1", json!({"receiver": "carol"}))).await;
        assert!(sent["seq_no"] == 1 && sent["duplicate"] != true, "{sent}");
    }
}
