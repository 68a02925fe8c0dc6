//! What an attach reads: a user's streams and a device. From a view, or from a batch in the making, where it sees the
//! writes before it.

use std::sync::Arc;

use super::super::key::{Scope, StreamKey, UserKey};
use super::super::store::{Cursor, Device, DeviceStream, Earlier, Opened, OpenedStream, StoreError};
use super::engine::{Source, Stream, View, damaged};
use super::layout;
use super::marker::Epochs;
use super::record::{DeviceRecord, Number, PlaceRecord, Record, StreamRecord, UserRecord};
use super::work::Work;

/// Where streams are found.
pub(super) trait Opening: Source {
    fn find(&mut self, name: &StreamKey) -> Result<Option<Stream>, StoreError>;

    fn find_number(&mut self, number: u64) -> Result<Option<Stream>, StoreError>;

    fn generations(&self) -> Arc<Epochs>;

    fn open(&mut self, user: &UserKey, device: Option<&str>) -> Result<Opened, StoreError> {
        let inbox = StreamKey::Inbox(user.clone());
        let broadcast_name = StreamKey::Broadcast(user.scope.clone());
        let broadcast = self.find(&broadcast_name)?;
        let mut opened = Opened::default();
        let known = self.find(&inbox)?;
        let number = known.as_ref().map(|stream| stream.number);
        opened.streams.push(self.opened(inbox, known.as_ref(), 0)?);

        let mut start = broadcast.as_ref().map_or(0, |stream| stream.head);
        if let Some(number) = number
            && let Some(record) = self.record::<UserRecord>(&layout::numbered(layout::USER, number))?
        {
            start = record.broadcast.checked_sub(1).unwrap_or(start);
        }
        opened.streams.push(self.opened(broadcast_name, broadcast.as_ref(), start)?);

        let Some(number) = number else { return Ok(opened) };
        let mut groups = Vec::new();
        for (key, value) in self.scan(&layout::numbered(layout::USER_GROUP, number), None, usize::MAX)? {
            let group = layout::last_number(&key).map_err(|invalid| damaged(invalid, &key))?;
            let start = Number::decode(&value).map_err(|invalid| damaged(invalid, &key))?.value;
            if let Some(stream) = self.find_number(group)? {
                groups.push(self.opened(stream.record.name.clone(), Some(&stream), start)?);
            }
        }
        groups.sort_by(|a, b| a.stream.cmp(&b.stream));
        opened.streams.append(&mut groups);
        if let Some(device) = device
            && let Some(record) =
                self.record::<DeviceRecord>(&layout::with_id(layout::DEVICE, number, device))?
        {
            opened.device = Some(self.read_device(number, device, record)?);
        }
        Ok(opened)
    }

    fn opened(
        &self,
        name: StreamKey,
        stream: Option<&Stream>,
        start: u64,
    ) -> Result<OpenedStream, StoreError> {
        let (floor, head) = stream.map_or((1, 0), |stream| (stream.record.floor, stream.head));
        let version = self.version(&name, stream.map(|stream| stream.number))?;
        let epochs = self.generations();
        let (epoch, lineage) = (epochs.name(epochs.present()), lineage(stream, &epochs));
        Ok(OpenedStream { stream: name, start, floor, head, epoch, version, lineage })
    }

    fn read_device(&self, user: u64, device: &str, record: DeviceRecord) -> Result<Device, StoreError> {
        let mut streams = Vec::new();
        let epochs = self.generations();
        for (key, value) in self.scan(&layout::places(user, device), None, usize::MAX)? {
            let invalid = |invalid| damaged(invalid, &key);
            let number = layout::last_number(&key).map_err(invalid)?;
            let place = PlaceRecord::decode(&value).map_err(invalid)?;
            let stream = self.record::<StreamRecord>(&layout::numbered(layout::STREAM, number))?;
            if let Some(StreamRecord { name: stream, .. }) = stream {
                let cursor = Cursor { epoch: epochs.name(place.generation), seq: place.seq };
                streams.push(DeviceStream { stream, cursor });
            }
        }
        streams.sort_by(|a, b| a.stream.cmp(&b.stream));
        let attempts = u32::try_from(record.attempts).unwrap_or(u32::MAX);
        Ok(Device { device: device.into(), streams, attempts, last_seen: record.last_seen })
    }
}

/// The lineage with the names of the epochs, newest first. `None`: a stream nothing was ever written to.
fn lineage(stream: Option<&Stream>, epochs: &Epochs) -> Vec<Earlier> {
    let blank;
    let (record, head) = match stream {
        Some(stream) => (&stream.record, stream.head),
        None => {
            let name = StreamKey::Broadcast(Scope::default());
            blank = StreamRecord { name, floor: 1, generation: 0, lineage: Vec::new() };
            (&blank, 0)
        }
    };
    let lineage = Stream::lineage(record, head, epochs.present()).into_iter().rev();
    let earlier = lineage.map(|(generation, survived)| Earlier {
        epoch: epochs.name(generation),
        survived,
        is_proven: epochs.is_proven(generation),
    });
    earlier.collect()
}

impl Source for &View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<fjall::Slice>, StoreError> {
        (**self).get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(fjall::Slice, fjall::Slice)>, StoreError> {
        (**self).scan(prefix, after, limit)
    }
}

impl Opening for &View<'_> {
    fn find(&mut self, name: &StreamKey) -> Result<Option<Stream>, StoreError> {
        self.stream(name)
    }

    fn find_number(&mut self, number: u64) -> Result<Option<Stream>, StoreError> {
        self.stream_by_number(number)
    }

    fn generations(&self) -> Arc<Epochs> {
        Arc::clone(&self.epochs)
    }
}

impl Opening for Work<'_> {
    fn find(&mut self, name: &StreamKey) -> Result<Option<Stream>, StoreError> {
        let Some(slot) = self.existing(name)? else { return Ok(None) };
        let known = self.known(slot);
        Ok(Some(Stream { number: known.number, record: known.record(), head: known.head }))
    }

    fn find_number(&mut self, number: u64) -> Result<Option<Stream>, StoreError> {
        let record = self.record::<StreamRecord>(&layout::numbered(layout::STREAM, number))?;
        record.map_or(Ok(None), |record| self.find(&record.name))
    }

    fn generations(&self) -> Arc<Epochs> {
        self.engine.epochs()
    }
}
