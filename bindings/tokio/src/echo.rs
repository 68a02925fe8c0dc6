//! A client that sends back what it is sent, over a socket opened, written and parted with as the driver's: so Autobahn
//! can judge it. It is compiled with the feature `echo` only, and knows nothing of the protocol.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use crate::driver::goodbye;
use crate::error::BuildError;
use crate::transport::Transport;

/// Opens a socket to `address` and echoes until the other side ends it; frames up to `frame` bytes.
///
/// # Errors
/// What ended it, if that was not the other side's Close.
pub async fn echo(address: &str, frame: usize) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let transport = Transport::new(address, &mut None).map_err(|error: BuildError| error.to_string())?;
    let mut socket = transport.open_plain(frame).await.map_err(|refusal| refusal.reason)?;
    while let Some(frame) = socket.next().await {
        match frame? {
            frame @ (Frame::Text(_) | Frame::Binary(_)) => {
                socket.feed(frame).await?;
                socket.flush().await?;
            }
            // What tungstenite answers by itself goes out with the next flush.
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => socket.flush().await?,
            Frame::Close(_) => {
                goodbye(socket, None).await;
                return Ok(());
            }
        }
    }
    Err(Error::ConnectionClosed.into())
}
