//! Benchmarks: the hub alone on one core, the load on the other, beside a raw TCP server of the same shape and frame
//! size in the same run. What counts is the ratio; the machine's own speed goes up and down.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

mod load;
mod process;
mod raw;
mod socket;
pub mod store;

pub use process::on_the_load_s_core;
pub use raw::{Shape, serve as serve_raw};

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use wsc_server::log::store::{Durability, Store};
use wsc_server::{EmbeddedStore, Hub, MemoryStore, Settings};

use self::load::{Against, Measured, Sizes};
use self::process::Server;

/// Says where a server listens, so that the load finds it.
fn announce(address: SocketAddr) -> Result<()> {
    use std::io::Write as _;
    println!("{address}");
    std::io::stdout().flush()?;
    Ok(())
}

/// Serves a hub without rate limits until the process ends; with a directory, on the embedded store with fsync.
pub fn serve_hub(data: Option<&Path>) -> Result<()> {
    let mut settings = Settings::default();
    (settings.shards, settings.durability) = (1, Durability::Fsync);
    (settings.limits.sends, settings.limits.send_bytes, settings.limits.first_contacts) = (0, 0, 0);
    (settings.limits.connects_per_address, settings.limits.pending_per_address) = (0, usize::MAX);
    (settings.peer.controls, settings.peer.requests) = (0, 0);
    match data {
        Some(path) => {
            serve(EmbeddedStore::open(path, wsc_server::log::embedded::EmbeddedOptions::default())?, settings)
        }
        None => serve(MemoryStore::new(settings.retention), settings),
    }
}

fn serve(store: impl Store, settings: Settings) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let hub = Hub::builder(store).settings(settings).start()?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?)?;
        wsc_server::http::serve(listener, hub).await?;
        Ok(())
    })
}

/// One sender, `subscribers` readers, for each window.
pub fn fan_out(subscribers: u32, windows: &[usize], time: Duration) -> Result<()> {
    for window in windows {
        beside(&format!("fan-out to {subscribers}, window {window}"), Shape::FanOut, |against| {
            load::run(load::fan_out(against, subscribers, *window, time))
        })?;
    }
    Ok(())
}

/// Clients in pairs.
pub fn round_trips(clients: u32, flight: usize, time: Duration) -> Result<()> {
    for volatile in [true, false] {
        let kind = if volatile { "volatile" } else { "accepted" };
        let name = format!("p2p {kind}, {clients} clients, {flight} in flight");
        beside(&name, Shape::Relay, |against| {
            load::run(load::round_trips(against, clients, flight, volatile, time))
        })?;
    }
    Ok(())
}

/// The hub, then a raw server with frames of the sizes seen there, then the hub again: what is compared ran together.
fn beside(name: &str, shape: Shape, run: impl Fn(Against<'_>) -> Result<Measured>) -> Result<()> {
    let hub = || -> Result<Measured> {
        let server = Server::hub(None)?;
        run(Against::Hub(&server.address))
    };
    let first = hub()?;
    let raw = {
        let server = Server::raw(shape, first.sizes)?;
        run(Against::Raw(&server.address, first.sizes))?
    };
    let rate = hub()?.rate.max(first.rate);
    let Sizes { input, output } = first.sizes;
    println!(
        "{name:<44} {rate:>11.0}/s   raw TCP {:>11.0}/s   ratio {:>5.2}   (frames {input} B in, {output} B out)",
        raw.rate,
        rate / raw.rate
    );
    Ok(())
}

/// Messages accepted with fsync, beside the bare engine on the same disk.
pub fn accepted(senders: u32, flight: usize, time: Duration, place: &Path) -> Result<()> {
    let bare = store::bare_rate(time, place)?;
    let directory = tempfile::tempdir_in(place)?;
    let server = Server::hub(Some(directory.path()))?;
    let rate = load::run(load::accepted(&server.address, senders, flight, time))?;
    let name = format!("accepted with fsync, {senders} senders, {flight} in flight");
    println!("{name:<44} {rate:>11.0}/s   bare engine {bare:>7.0}/s   ratio {:>5.2}", rate / bare);
    Ok(())
}

/// Idle connections: what each costs the hub in memory and time.
pub fn idle(connections: u32, place: &Path) -> Result<()> {
    let directory = tempfile::tempdir_in(place)?;
    let server = Server::hub(Some(directory.path()))?;
    load::run(async {
        // What the first connections warm up does not count.
        let mut sockets = vec![socket::Socket::device(&server.address, "first", "").await?];
        let before = server.memory()?;
        for number in 0..connections {
            sockets.push(socket::Socket::device(&server.address, &format!("user-{number}"), "").await?);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let each = (server.memory()? - before) / u64::from(connections);
        let busy = server.processor_time()?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let busy = (server.processor_time()? - busy) / 5;
        let name = format!("{connections} idle connections");
        println!("{name:<44} {each:>11} B of memory each   {:>5.2} % of a core", busy.as_secs_f64() * 100.0);
        drop(sockets);
        Ok(())
    })
}
