//! A shop that talks to its customers: a hub inside an axum application, with rules of its own for what they write.
//!
//! ```sh
//! cargo run -p basic-server
//! ```
//!
//! Then open <http://127.0.0.1:8081> (the hub's page, served by this application), and from another terminal:
//!
//! ```sh
//! curl -X PUT  http://127.0.0.1:8081/groups/news/alice           # alice is a member of a group
//! curl -X POST http://127.0.0.1:8081/groups/news -d 'new shoes'  # to the group
//! curl -X POST http://127.0.0.1:8081/customers/alice -d 'your order has left'   # to a user; answers how far it got
//! ```
//!
//! It knows nothing of frames: the hub does that. Everything is in memory, and there is no authentication: it listens on
//! this machine only. An application gives the builder `.keys(…)` and an `EmbeddedStore`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::{post, put};
use tokio::net::TcpListener;
use wsc_server::{
    ErrorCode, FailureKind, GroupKey, Hub, MemoryStore, Message, Recipient, Scope, SendError, Sender,
    Settings, UserKey, Verdict,
};

/// How long a request waits for the customer's device.
const PATIENCE: Duration = Duration::from_secs(3);

type Answer = Result<String, (StatusCode, String)>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever tries it wants to see what happens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = hub()?;
    let listener = TcpListener::bind("127.0.0.1:8081").await?;
    println!("open http://{}; Ctrl-C ends it", listener.local_addr()?);
    let ending = hub.clone();
    let application = application(hub).into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, application) => served?,
        asked = tokio::signal::ctrl_c() => asked?,
    }
    // Everybody is told, and what is under way is flushed.
    ending.drain().await;
    Ok(())
}

/// The hub with the shop's rules.
#[expect(clippy::print_stdout, reason = "whoever tries it wants to see what happens")]
fn hub() -> Result<Hub, wsc_server::StartError> {
    let settings = Settings::default();
    Hub::builder(MemoryStore::new(settings.retention))
        .settings(settings)
        .on_connect(|identity| {
            println!("{} connects", identity.user.user);
            if &*identity.user.user == "mallory" { Err("not welcome here".to_owned()) } else { Ok(()) }
        })
        .on_message(|sender, message| {
            let verdict = judge(sender, message);
            // Here an application may ask a database: the connection waits, so that order is kept.
            Box::pin(async move { verdict })
        })
        .on_disconnect(|identity, _, device| println!("{} is gone from {device}", identity.user.user))
        .on_failure(FailureKind::UserOffline, |failure| println!("is offline: {failure:?}"))
        .start()
}

/// What becomes of a customer's message: routed as it is, rewritten, refused, or the shop's own.
fn judge(sender: &Sender, mut message: Message<'static>) -> Verdict {
    if message.content.contains("buy pills") {
        return Verdict::Refuse(ErrorCode::Filtered, "no advertising".to_owned());
    }
    let names_nobody = message.receiver.is_empty() && message.group_ids.is_empty();
    if names_nobody && message.broadcast_type.is_empty() {
        // For the application: it has it now, and answers with an acknowledgement.
        return Verdict::Handled;
    }
    if message.content.contains("damn") {
        message.content = message.content.replace("damn", "d***").into();
    }
    message.sender_name = format!("{} ({})", sender.identity.user.user, sender.identity.user_type).into();
    Verdict::Route(Box::new(message))
}

/// The shop's routes; everything else is the hub's: its socket at `/ws`, its page at `/`, `/healthz`, `/readyz`.
fn application(hub: Hub) -> Router {
    Router::new()
        .route("/customers/{user}", post(write_to_customer))
        .route("/groups/{group}", post(write_to_group))
        .route("/groups/{group}/{user}", put(join).delete(leave))
        .fallback(to_hub)
        .with_state(hub)
}

async fn to_hub(
    State(hub): State<Hub>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    hub.answer(request, Some(remote)).await.map(Body::new)
}

/// Sends to a user, and waits a little for a device to take it.
async fn write_to_customer(State(hub): State<Hub>, Path(user): Path<String>, text: String) -> Answer {
    let customer = Recipient::User(UserKey::new(&Scope::default(), &user));
    let mut sent = hub.send(&customer, Message::to_user("", text)).await.map_err(|error| failed(&error))?;
    // Stored by now, whatever happens.
    let stage = match tokio::time::timeout(PATIENCE, sent.delivered()).await {
        Ok(()) => "delivered",
        Err(_) => "accepted; delivered when a device of the customer comes",
    };
    Ok(format!("message {} of {user}: {stage}\n", sent.seq))
}

async fn write_to_group(State(hub): State<Hub>, Path(group): Path<String>, text: String) -> Answer {
    let key = GroupKey::new(&Scope::default(), &group);
    let sent = hub.send(&Recipient::Group(key.clone()), Message::to_group("", text)).await;
    let sent = sent.map_err(|error| failed(&error))?;
    let members = hub.members(&key, None, 1).await.map_err(|error| failed(&error.into()))?;
    Ok(format!("message {} of {group}, for {} members\n", sent.seq, members.total))
}

async fn join(State(hub): State<Hub>, Path((group, user)): Path<(String, String)>) -> Answer {
    let joined = hub.join(&GroupKey::new(&Scope::default(), &group), &user).await;
    let new = joined.map_err(|error| failed(&error.into()))?;
    Ok(format!("{user} {} {group}\n", if new { "joined" } else { "was in" }))
}

async fn leave(State(hub): State<Hub>, Path((group, user)): Path<(String, String)>) -> Answer {
    let left = hub.remove(&GroupKey::new(&Scope::default(), &group), &user).await;
    let was = left.map_err(|error| failed(&error.into()))?;
    Ok(format!("{user} {} {group}\n", if was { "left" } else { "was not in" }))
}

/// Whose fault it is, as a status.
fn failed(error: &SendError) -> (StatusCode, String) {
    let status = match error {
        SendError::Field(_) => StatusCode::BAD_REQUEST,
        SendError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        SendError::NoGroup => StatusCode::NOT_FOUND,
        SendError::Conflict => StatusCode::CONFLICT,
        SendError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{error}\n"))
}

#[cfg(test)]
mod tests;
