// A hub in this process with two users, for the examples in the documentation of the crate.

use std::error::Error;
use std::time::Duration;

use wsc_client::{Builder, Client};
use wsc_server::{Hub, MemoryStore, Settings};

/// The address of a new hub without authentication, which trusts its users.
#[allow(dead_code)]
pub(crate) async fn start() -> Result<String, Box<dyn Error>> {
    let settings = Settings::default();
    let hub = Hub::builder(MemoryStore::new(settings.retention)).settings(settings).start()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("ws://{}", listener.local_addr()?);
    tokio::spawn(wsc_server::http::serve(listener, hub));
    Ok(address)
}

/// A user's settings.
#[allow(dead_code)]
pub(crate) fn user(address: &str, user: &str) -> Builder {
    Client::builder(address).user(user).device(format!("{user}-1"))
}

/// Runs an example with alice and bob, both connected.
#[allow(dead_code)]
pub(crate) fn run(example: impl AsyncFnOnce(Client, Client) -> Result<(), Box<dyn Error>>) {
    block_on(async {
        let address = start().await?;
        let alice = user(&address, "alice").connect().await?;
        let bob = user(&address, "bob").connect().await?;
        alice.connected().await?;
        bob.connected().await?;
        example(alice, bob).await
    });
}

/// Runs an example that has no need of a hub, or starts its own.
#[allow(dead_code)]
pub(crate) fn block_on(example: impl Future<Output = Result<(), Box<dyn Error>>>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let example = async { tokio::time::timeout(Duration::from_secs(30), example).await.expect("in time") };
    runtime.block_on(example).expect("the example does what it says");
}
