//! Several addresses, with real hubs behind them that stop without a word.
#![allow(missing_docs, reason = "tests")]

mod hub;

use std::net::TcpListener;
use std::time::Duration;

use hub::soon;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use wsc_client::{BuildError, Client, State};
use wsc_server::{MemoryStore, Settings};

/// A hub on threads of its own. Its sockets break when it is dropped.
struct Hub {
    address: String,
    runtime: Option<Runtime>,
}

impl Hub {
    async fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let started = runtime.spawn(async {
            let settings = Settings::default();
            let hub = wsc_server::Hub::builder(MemoryStore::new(settings.retention)).settings(settings);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = format!("ws://{}", listener.local_addr().expect("an address"));
            tokio::spawn(wsc_server::http::serve(listener, hub.start().expect("a hub")));
            address
        });
        Self { address: started.await.expect("it starts"), runtime: Some(runtime) }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.runtime.take().expect("it runs").shutdown_background();
    }
}

/// An address that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("ws://{}", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn an_address_where_nobody_is_costs_no_more_than_a_short_wait() {
    let (hub, nobody) = (Hub::start().await, nobody());
    // Both begin with either.
    for _ in 0..8 {
        let client = Client::builder([&nobody, &hub.address]).user("alice").connect().await.expect("built");
        let connected = timeout(Duration::from_secs(2), client.connected()).await;
        connected.expect("at once").expect("connected");
        assert_eq!(client.address(), hub.address);
        client.close().await;
    }
}

#[tokio::test]
async fn a_client_whose_hub_is_gone_goes_on_at_the_other() {
    let mut hubs = vec![Hub::start().await, Hub::start().await];
    let addresses: Vec<_> = hubs.iter().map(|hub| hub.address.clone()).collect();
    let client = Client::builder(addresses).user("alice").connect().await.expect("built");
    soon(client.connected()).await.expect("connected");
    let at = client.address().to_owned();
    hubs.retain(|hub| hub.address != at);
    let mut states = client.states();
    soon(states.wait_for(|state| *state != State::Connected)).await.expect("it lives");
    timeout(Duration::from_secs(3), client.connected()).await.expect("soon").expect("connected");
    assert_eq!([client.address()], [hubs[0].address.as_str()]);
}

#[tokio::test]
async fn clients_spread_over_the_addresses() {
    let hubs = [Hub::start().await, Hub::start().await];
    let mut seen = Vec::new();
    while !hubs.iter().all(|hub| seen.contains(&hub.address)) {
        let client = Client::builder(hubs.each_ref().map(|hub| &hub.address))
            .user("alice")
            .connect()
            .await
            .expect("built");
        soon(client.connected()).await.expect("connected");
        seen.push(client.address().to_owned());
        assert!(seen.len() < 100, "{seen:?}");
        client.close().await;
    }
}

#[tokio::test]
async fn a_wrong_address_among_several_is_named() {
    let wrong = |addresses: Vec<&str>| Client::builder(addresses).user("alice").build();
    let error = wrong(vec!["ws://h", "ftp://h"]).await.expect_err("refused");
    assert!(matches!(&error, BuildError::Address(address) if address == "ftp://h"));
    assert!(error.to_string().contains("`ftp://h`"));
    assert!(matches!(wrong(vec![]).await, Err(BuildError::NoAddress)));
    // As often as one likes.
    assert!(wrong(vec!["ws://h", "ws://h/", "http://h/ws"]).await.is_ok());
}
