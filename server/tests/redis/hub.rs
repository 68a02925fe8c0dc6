//! The command `wsc` over Redis: what it promises, and what it refuses.

use std::fs;
use std::net::TcpListener;

use serde_json::json;
use wsc_server::log::store::Durability;

use super::server::Redis;
use super::support::Client;
use super::support::process::{Process, wsc};

fn serve(redis: &Redis, more: &[&str]) -> Process {
    let url = redis.url();
    Process::with(&[&["--store", "redis", "--redis-url", &url], more].concat())
}

#[tokio::test]
async fn what_was_accepted_survives_the_hub_and_the_server() {
    let mut redis = Redis::durable();
    let hub = serve(&redis, &[]);
    let mut ann = hub.connect("ann", "a1").await;
    assert_eq!(ann.send_to("bob", "1", "one").await["message_type"], "ack");
    hub.kill();

    let hub = serve(&redis, &[]);
    let mut bob = hub.connect("bob", "b1").await;
    let first = bob.message().await;
    assert_eq!((&first["content"], &first["seq_no"]), (&json!("one"), &json!(1)));
    let epoch = bob.connected["streams"]["inbox"]["epoch"].clone();
    // The same again is known, and the next one comes at once.
    let mut ann = hub.connect("ann", "a1").await;
    let again = ann.send_to("bob", "1", "one").await;
    assert_eq!((&again["duplicate"], &again["seq_no"]), (&json!(true), &json!(1)));
    ann.send_to("bob", "2", "two").await;
    assert_eq!(bob.message().await["content"], "two");

    redis.kill();
    assert!(redis.launch());
    let third = ann.send_to("bob", "3", "three").await;
    assert_eq!((&third["message_type"], &third["seq_no"]), (&json!("ack"), &json!(3)));
    assert_eq!(bob.message().await["content"], "three");
    hub.end();
    let hub = serve(&redis, &[]);
    let bob = hub.connect("bob", "b1").await;
    assert_eq!(bob.connected["streams"]["inbox"]["epoch"], epoch, "a server that flushes always proves it");
}

/// Sends one message and reads it on the other side.
async fn across(from: &mut Client, to: &mut Client, name: &str, id: &str) {
    assert_eq!(from.send_to(name, id, id).await["message_type"], "ack");
    loop {
        let message = to.message().await;
        to.acknowledge("inbox", message["seq_no"].as_u64().unwrap()).await;
        if message["content"] == id && message["receiver"] == name {
            break;
        }
    }
}

async fn both(ann: &mut Client, bob: &mut Client, id: &str) {
    across(ann, bob, "bob", id).await;
    across(bob, ann, "ann", id).await;
}

#[tokio::test]
async fn two_hubs_over_one_server_are_one_even_after_their_connections_were_cut() {
    let mut redis = Redis::durable();
    let (here, there) = (serve(&redis, &[]), serve(&redis, &[]));
    let (mut ann, mut bob) = (here.connect("ann", "a1").await, there.connect("bob", "b1").await);
    both(&mut ann, &mut bob, "first").await;
    // What is stored nowhere comes across, too.
    ann.say(&json!({"message_type": "typing", "message_id": "t", "receiver": "bob"})).await;
    assert_eq!(bob.hear_type("typing").await["sender"], "ann");
    for kind in ["pubsub", "normal"] {
        redis.run(&["CLIENT", "KILL", "TYPE", kind]);
        both(&mut ann, &mut bob, kind).await;
    }
    redis.kill();
    assert!(redis.launch());
    both(&mut ann, &mut bob, "restarted").await;
    // The hub of one of them ends without a word, and its user goes on with the other.
    let epoch = bob.connected["streams"]["inbox"]["epoch"].clone();
    there.kill();
    let mut bob = here.connect("bob", "b1").await;
    assert_eq!(bob.connected["streams"]["inbox"]["epoch"], epoch);
    both(&mut ann, &mut bob, "moved").await;
}

/// What `wsc serve` says when it does not start.
fn refusal(arguments: &[&str]) -> String {
    let output = wsc(&[&["serve", "--listen", "127.0.0.1:0", "--store", "redis"], arguments].concat());
    let output = { output }.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_the_server_must_be_is_said_before_anything_is_accepted() {
    let redis = Redis::start();
    let url = redis.url();
    let said = refusal(&["--redis-url", &url]);
    assert!(said.contains("appendonly yes, appendfsync always"), "{said}");
    let said = refusal(&["--redis-url", &url, "--durability", "os"]);
    assert!(said.contains("appendfsync everysec"), "{said}");
    redis.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let said = refusal(&["--redis-url", &url, "--durability", "memory"]);
    assert!(said.contains("set maxmemory-policy noeviction"), "{said}");
    let said = refusal(&["--redis-url", "http://127.0.0.1"]);
    assert!(said.contains("redis://HOST:PORT"), "{said}");
    let said = refusal(&["--redis-url", "redis://127.0.0.1:1"]);
    assert!(said.contains("Redis cannot be reached"), "{said}");
}

#[tokio::test]
async fn a_user_with_the_rights_of_the_guide_and_a_password_from_a_file_is_enough() {
    let redis = Redis::durable();
    let rights = "on >secret ~wsc:* &wsc:* +@read +@write +@pubsub +@scripting -@dangerous +hello +auth +ping +time \
        +info +config|get -eval -function";
    let rule: Vec<&str> = ["ACL", "SETUSER", "wsc"].into_iter().chain(rights.split_whitespace()).collect();
    assert_eq!(redis.run(&rule), "+OK\r\n");
    redis.run(&["ACL", "SETUSER", "default", "off"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "wrong\n").unwrap();
    let password = format!("redis.password_file={}", file.display());
    let url = redis.url();
    let said = refusal(&["--redis-url", &url, "--set", "redis.user=wsc", "--set", &password]);
    assert!(said.contains("Redis refuses"), "{said}");
    fs::write(&file, "secret\n").unwrap();
    let hub = serve(&redis, &["--set", "redis.user=wsc", "--set", &password]);
    let mut ann = hub.connect("ann", "a1").await;
    let mut bob = hub.connect("bob", "b1").await;
    assert_eq!(ann.send_to("bob", "1", "one").await["message_type"], "ack");
    assert_eq!(bob.message().await["content"], "one");
    hub.end();
    // Everything else that the store asks for.
    let options = wsc_server::log::redis::RedisOptions {
        user: Some("wsc".to_owned()),
        password: Some("secret".to_owned()),
        durability: Durability::Fsync,
        ..super::options(&redis)
    };
    let store = wsc_server::RedisStore::open(options).unwrap();
    use wsc_server::log::store::Store as _;
    store.maintain(u64::from(u32::MAX)).await.unwrap();
    store.waiting_marks(9).await.unwrap();
    store.conversations(&wsc_server::UserKey::new(&wsc_server::Scope::default(), "ann"), 1).await.unwrap();
}

#[tokio::test]
async fn a_server_with_tls_is_reached_and_one_that_nobody_trusts_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tls = ["--tls-port", &port.to_string(), "--tls-auth-clients", "no"].map(str::to_owned);
    let files = ["--tls-cert-file", certificate.to_str().unwrap(), "--tls-key-file", key.to_str().unwrap()];
    let arguments: Vec<&str> = tls.iter().map(String::as_str).chain(files).collect();
    let _redis = Redis::with(&arguments);
    let url = format!("rediss://127.0.0.1:{port}");
    let arguments = ["--store", "redis", "--durability", "memory", "--redis-url", &url];
    let hub = Process::trusting(&certificate, &arguments);
    let (mut ann, mut bob) = (hub.connect("ann", "a1").await, hub.connect("bob", "b1").await);
    both(&mut ann, &mut bob, "1").await;
    let said = refusal(&["--durability", "memory", "--redis-url", &url]);
    assert!(said.contains("Redis cannot be reached"), "{said}");
}
