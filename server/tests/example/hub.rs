// A hub in this process, for the examples in the documentation of the crate.

use std::error::Error;
use std::time::Duration;

use wsc_client::{Builder, Client};
use wsc_server::{Hub, MemoryStore};

/// A user's settings for a client of a hub, which is served from now on.
#[allow(dead_code)]
pub(crate) async fn serve(hub: &Hub) -> Result<impl Fn(&str) -> Builder, Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("ws://{}", listener.local_addr()?);
    tokio::spawn(wsc_server::http::serve(listener, hub.clone()));
    Ok(move |user: &str| Client::builder(&address).user(user).device(format!("{user}-1")))
}

/// Runs an example with a hub without authentication, and bob, who is connected.
#[allow(dead_code)]
pub(crate) fn run(example: impl AsyncFnOnce(Hub, Client) -> Result<(), Box<dyn Error>>) {
    block_on(async {
        let hub = Hub::builder(MemoryStore::new(Default::default())).start()?;
        let bob = serve(&hub).await?("bob").connect().await?;
        bob.connected().await?;
        example(hub, bob).await
    });
}

/// Runs an example that starts its own hub, or has no need of one.
#[allow(dead_code)]
pub(crate) fn block_on(example: impl Future<Output = Result<(), Box<dyn Error>>>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let example = async { tokio::time::timeout(Duration::from_secs(30), example).await.expect("in time") };
    runtime.block_on(example).expect("the example does what it says");
}
