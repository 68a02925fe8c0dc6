//! The end of a socket: what is left is written, then the other side is given a moment to hang up.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::wire::Wire;

/// How long a closed connection may take to write what is left and to hang up.
const LINGER: Duration = Duration::from_secs(2);

/// Writes what is left, says that nothing more comes, and waits shortly for the other side to hang up.
pub(crate) async fn linger(mut wire: Wire) {
    let hang_up = async {
        wire.shutdown().await?;
        wire.read_on_blindly();
        let mut rest = [0; 512];
        while wire.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether it went well no longer matters to anybody.
    let _ = tokio::time::timeout(LINGER, hang_up).await;
}
