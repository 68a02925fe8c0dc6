//! The socket of a device: opens a wire to the hub, carries frames between it and the machine. Never decides anything.

use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};
use wsc_core::CloseCode;
use wsc_core::client::Link;

use super::device::Device;

/// What the machine wants written.
pub(super) enum Out {
    Text(String),
    Binary(Vec<u8>),
    Close(CloseCode, &'static str),
}

/// Opens a socket and serves it until it ends or its device's life does.
pub(super) async fn run(device: Rc<Device>, life: u32, link: Link, mut outgoing: UnboundedReceiver<Out>) {
    let closed = |code: Option<u16>, reason: &str| {
        if device.lives(life) {
            device.closed(link, code, reason);
        }
    };
    let Some(end) = device.net.dial(&device.part).await else { return closed(None, "") };
    let Ok(mut request) = "ws://hub/ws".into_client_request() else { return };
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("wsc.v1"));
    let Ok((socket, _)) = client_async(request, end).await else { return closed(None, "") };
    device.thaw().await;
    if !device.lives(life) {
        return;
    }
    let (mut sink, mut stream) = socket.split();
    device.with(|client, now| client.handle_open(now, link));
    let frozen = Rc::clone(&device);
    let writing = async move {
        while let Some(out) = outgoing.recv().await {
            frozen.thaw().await;
            let frame = match out {
                Out::Text(text) => Frame::Text(text.into()),
                Out::Binary(bytes) => Frame::Binary(bytes.into()),
                Out::Close(code, reason) => {
                    let frame = CloseFrame {
                        code: WireCode::from(code.number()),
                        reason: Utf8Bytes::from_static(reason),
                    };
                    let _ = sink.send(Frame::Close(Some(frame))).await;
                    // The other side hangs up, or else nobody waits for it.
                    sleep(Duration::from_secs(3)).await;
                    return;
                }
            };
            if sink.send(frame).await.is_err() {
                // What reads sees the end too.
                std::future::pending::<()>().await;
            }
        }
    };
    let reading = async {
        let mut epoch: Rc<str> = Rc::from("");
        let mut said = (None, String::new());
        loop {
            let frame = stream.next().await;
            if device.slow.get() > 0 {
                sleep(Duration::from_millis(device.slow.get())).await;
            }
            device.thaw().await;
            if !device.lives(life) {
                break;
            }
            // All streams of a world are in one epoch, of which the first frame tells.
            if let Some(Ok(Frame::Text(text))) = frame.as_ref().filter(|_| epoch.is_empty()) {
                epoch = epoch_in(text);
            }
            device.epoch.replace(Rc::clone(&epoch));
            match frame {
                Some(Ok(Frame::Text(text))) => {
                    device.with(|client, now| client.handle_text(now, link, text.as_str()));
                }
                Some(Ok(Frame::Binary(bytes))) => {
                    device.with(|client, now| client.handle_binary(now, link, &bytes));
                }
                Some(Ok(Frame::Close(Some(frame)))) => {
                    said = (Some(frame.code.into()), frame.reason.to_string());
                }
                Some(Ok(_)) => device.with(|client, now| client.handle_life(now, link)),
                Some(Err(_)) | None => break,
            }
        }
        said
    };
    let (code, reason) = tokio::select! {
        biased;
        said = reading => said,
        () = writing => (None, String::new()),
    };
    closed(code, &reason);
}

/// The first epoch that a frame names; empty: none.
fn epoch_in(text: &str) -> Rc<str> {
    let after = text.split_once(r#""epoch":""#).map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or_default().into()
}
