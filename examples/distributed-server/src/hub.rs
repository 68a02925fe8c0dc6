//! One of several hubs over the same Redis, embedded in an application. Any of them may die at any time: what was accepted
//! lies in Redis, and the users connect to another one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::post;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wsc_server::log::redis::{RedisOptions, RedisStore};
use wsc_server::{Message, Recipient, RedisBroker, Scope, Settings, UserKey};

/// How often it is looked at who is connected here.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(crate) struct Hub {
    /// Name of the hub, `node_id` in what clients are told.
    #[arg(long)]
    name: String,
    /// The Redis that the hubs share.
    #[arg(long, value_name = "URL")]
    redis: String,
    /// Port to listen on; 0: any free one.
    #[arg(long)]
    port: u16,
}

impl Hub {
    #[expect(clippy::print_stdout, reason = "read by the process that started this one")]
    pub(crate) async fn run(self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        let address = listener.local_addr()?;
        let hub = self.start().await?;
        println!("listening {}", address.port());
        tokio::spawn(report(hub.clone()));
        let application = application(hub.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::select! {
            served = axum::serve(listener, application) => served?,
            _ = end_of_input() => {}
        }
        // Everybody is told to go to another hub, and what is under way is flushed.
        hub.drain().await;
        Ok(())
    }

    /// All that makes it one of several: a store that they share, and a broker through which they tell each other at once.
    async fn start(self) -> Result<wsc_server::Hub> {
        let mut settings = Settings::default();
        settings.node_id = self.name;
        let options = RedisOptions {
            url: self.redis,
            retention: settings.retention,
            durability: settings.durability,
            patience: settings.peer.stall,
            ..RedisOptions::default()
        };
        // Connecting blocks.
        let store = tokio::task::spawn_blocking(|| RedisStore::open(options)).await??;
        let broker = RedisBroker::new(&store)?;
        Ok(wsc_server::Hub::builder(store).broker(broker).settings(settings).start()?)
    }
}

/// The application's own route; everything else is the hub's: its socket at `/ws`, its page at `/`, `/healthz`, `/readyz`.
fn application(hub: wsc_server::Hub) -> Router {
    Router::new().route("/users/{user}", post(write_to_user)).fallback(to_hub).with_state(hub)
}

/// Sends to a user, whichever hub he is on: what a hub is told to do holds for all of them.
async fn write_to_user(
    State(hub): State<wsc_server::Hub>,
    Path(user): Path<String>,
    text: String,
) -> Result<String, (StatusCode, String)> {
    let to = Recipient::User(UserKey::new(&Scope::default(), &user));
    match hub.send(&to, Message::to_user("", text)).await {
        Ok(sent) => Ok(format!("accepted by {}: message {} of {user}\n", hub.node_id(), sent.seq)),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))),
    }
}

async fn to_hub(
    State(hub): State<wsc_server::Hub>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    hub.answer(request, Some(remote)).await.map(Body::new)
}

/// Prints who is connected to this hub, whenever that changes, for the page. `find_connections` asks this hub alone.
#[expect(clippy::print_stdout, reason = "read by the process that started this one")]
async fn report(hub: wsc_server::Hub) {
    let mut before = Vec::new();
    loop {
        let connections = hub.find_connections(|_| true).await;
        let mut users: Vec<_> = connections.into_iter().map(|connection| connection.user.user).collect();
        users.sort_unstable();
        if users != before {
            println!("users {}", users.join(" "));
            before = users;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The process that started this one has ended, or wants this one to.
async fn end_of_input() {
    let (end, ended) = oneshot::channel::<()>();
    // A thread of its own, which nobody waits for.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(end);
    });
    let _ = ended.await;
}
