//! What a device asks at the end: histories, how far its messages got, how far its user has read. Never judges it.

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;
use wsc_client::{History, StreamName};

use super::device::Actor;
use crate::history::{Fact, Mark, Stage};

/// Messages whose receipts are asked for at once.
const RECEIPTS: usize = 100;

impl Actor {
    /// Asks for the whole history of its streams, and says that it is quiet.
    pub(super) async fn audit(&self) -> Result<()> {
        let device = &self.part.device;
        for name in &self.part.audits {
            let Some(stream) = StreamName::parse(name).map(StreamName::into_owned) else { continue };
            let (mut after, mut first) = (0, None);
            loop {
                let Ok(page) =
                    self.client.stream(stream.clone()).history(History::after(after).limit(500)).await
                else {
                    sleep(Duration::from_millis(300)).await;
                    continue;
                };
                // A mark that was passed on is not a message.
                for message in page.messages.iter().filter(|message| Mark::of(message).is_none()) {
                    self.write(Fact::Kept(self.entry(message, name)))?;
                }
                let begin = *first.get_or_insert_with(|| page.floor.max(1));
                if !page.more {
                    let (device, stream) = (device.clone(), name.clone());
                    self.write(Fact::Looked { device, stream, from: begin, to: page.head })?;
                    break;
                }
                after = page.to;
            }
        }
        self.audit_receipts().await?;
        self.audit_marks().await?;
        self.write(Fact::Quiet { device: device.clone() })
    }

    /// Asks how far its messages got.
    async fn audit_receipts(&self) -> Result<()> {
        let followed: Vec<_> =
            self.followed.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        for ids in followed.chunks(RECEIPTS) {
            let receipts = loop {
                match self.client.receipts(ids.to_vec()).await {
                    Ok(receipts) => break receipts,
                    Err(_) => sleep(Duration::from_millis(300)).await,
                }
            };
            for receipt in receipts {
                let (device, stage) = (self.part.device.clone(), Stage::from_name(&receipt.stage));
                self.write(Fact::Stood { device, message_id: receipt.message_id, stage })?;
            }
        }
        Ok(())
    }

    /// Asks how far its user has read.
    async fn audit_marks(&self) -> Result<()> {
        let mut after = String::new();
        loop {
            let Ok(page) = self.client.conversations(0, &after).await else {
                sleep(Duration::from_millis(300)).await;
                continue;
            };
            for state in page.conversations {
                let device = self.part.device.clone();
                let stream = state.conversation.stream()?.to_string();
                let peer = state.conversation.peer().unwrap_or_default().to_owned();
                let mark = Mark { stream, peer, seq: state.read };
                self.write(Fact::Counted { device, mark, unread: state.unread })?;
            }
            if page.next.is_empty() {
                return Ok(());
            }
            after = page.next;
        }
    }
}
