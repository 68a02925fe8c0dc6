//! A hub whose disk is full: nothing accepted is lost, reads go on, and it says that it is not ready.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed unwrap is a failed test; says why it is skipped"
)]

mod support;

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use support::Server;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use wsc_server::log::embedded::EmbeddedOptions;
use wsc_server::{EmbeddedStore, Hub, Settings};

/// A file system of its own in a folder, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(folder.path()).status();
        status.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_new_messages_and_everything_else_goes_on() {
    let Some(disk) = SmallDisk::mount("size=8m") else {
        eprintln!("skipped: no small file system can be mounted here");
        return;
    };
    let store = EmbeddedStore::open(disk.0.path().join("store"), EmbeddedOptions::default()).unwrap();
    let mut settings = Settings::default();
    (settings.shards, settings.stall_ms, settings.send_bytes) = (2, 500, 0);
    let server = Server::over(Hub::builder(store).settings(settings)).await;
    let mut alice = server.connect("alice", "a1").await;
    assert_eq!(server.hub.not_ready(), None);
    // Text that cannot be made smaller.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    let mut accepted = 0_u64;
    let (code, reason) = 'full: loop {
        let content: String = (0..30_000).map(|_| noise()).collect();
        let id = format!("m{accepted:06}");
        alice
            .say(&json!({"message_type": "text", "message_id": id, "receiver": "bob", "content": content}))
            .await;
        loop {
            match alice.packet().await {
                Some(Ok(Message::Text(text))) if text.contains("\"accepted\"") => {
                    accepted += 1;
                    break;
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    break 'full (u16::from(frame.code), frame.reason.as_str().to_owned());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(accepted < 2000, "the disk is never full");
    };
    assert!(code == 1013 && reason.contains("retry_after_ms="), "{code} {reason}");
    assert!(accepted > 10 && server.hub.not_ready().is_some());
    // Who was away gets all that was accepted, and nothing that was refused.
    let mut bob = server.connect("bob", "b1").await;
    for seq in 1..=accepted {
        assert_eq!(bob.message().await["seq_no"], seq);
    }
    bob.silence().await;
    bob.say(&json!({"message_type": "fetch", "message_id": "f", "stream": "inbox", "limit": 1})).await;
    assert_eq!(bob.message().await["seq_no"], 1);
    // A sender waits, and is then sent away with a hint; volatile messages pass.
    let mut alice = server.connect("alice", "a1").await;
    alice.say(&json!({"message_type": "typing", "message_id": "t", "receiver": "bob"})).await;
    assert_eq!(bob.message().await["message_type"], "typing");
    alice.say(&json!({"message_type": "text", "message_id": "new", "receiver": "bob"})).await;
    let closed = tokio::time::timeout(Duration::from_secs(5), alice.closed()).await.unwrap();
    assert_eq!(closed.unwrap().0, 1013);
    bob.silence().await;
}
