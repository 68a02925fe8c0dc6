//! Reads: plain commands, several in one go. Nothing here changes anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use redis::{FromRedisValue, Pipeline, Value, from_redis_value};

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::store::{
    Cursor, Device, DeviceStream, Entry, Found, Membership, Milliseconds, Opened, OpenedStream, Page, Ranges,
    StoreError, Target, Tip,
};
use super::Inner;
use super::epochs::{Epoch, survived};
use super::layout;
use super::record::{self, damaged};

/// Entries read at a time.
const ENTRIES: usize = 128;
/// Streams looked at in one go.
pub(super) const STREAMS: usize = 500;

/// Some of the fields of a hash, in the order asked.
pub(super) type Row = Vec<Option<String>>;
/// Fields and values.
type Pairs = Vec<(String, String)>;
/// Entries: id, and fields and values in turn.
type Entries = Vec<(String, Vec<Vec<u8>>)>;

/// What is read of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) from: u64,
    pub(super) limit: usize,
    pub(super) max_bytes: usize,
    pub(super) back: bool,
    pub(super) bodies: bool,
}

/// Where a stream stands.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) head: u64,
    pub(super) floor: u64,
    pub(super) version: u64,
    /// The number of the epoch of its last entry.
    number: Option<u64>,
    lineage: String,
    pub(super) epoch: Epoch,
}

impl State {
    fn new(row: &Row, epoch: &Epoch) -> Self {
        let number = |at: usize| row.get(at)?.as_deref()?.parse::<u64>().ok();
        Self {
            head: number(0).unwrap_or(0),
            floor: number(1).unwrap_or(1),
            version: number(2).unwrap_or(0),
            number: number(3),
            lineage: row.get(4).cloned().flatten().unwrap_or_default(),
            epoch: epoch.clone(),
        }
    }

    fn tip(self) -> Tip {
        Tip { epoch: self.epoch.epoch, head: self.head, version: self.version }
    }

    fn survived(&self, epoch: &str) -> u64 {
        survived(&self.epoch.lineage(self.head, self.number, &self.lineage), epoch)
    }

    fn opened(self, stream: StreamKey, start: u64) -> OpenedStream {
        let lineage = self.epoch.lineage(self.head, self.number, &self.lineage);
        let Self { head, floor, version, epoch, .. } = self;
        OpenedStream { stream, start, floor, head, epoch: epoch.epoch, version, lineage }
    }
}

/// Takes an answer off those that came.
pub(super) fn next<T: FromRedisValue>(answers: &mut impl Iterator<Item = Value>) -> Result<T, StoreError> {
    let answer = answers.next().ok_or_else(|| damaged("an answer"))?;
    from_redis_value(answer).map_err(|_| damaged("an answer"))
}

impl Inner {
    /// Asks where a stream stands; [`Row`] answers.
    fn ask_state(&self, ask: &mut Pipeline, name: &str) {
        ask.cmd("HMGET").arg(self.link.layout.key("s", name)).arg(&["h", "f", "v", "g", "l"]);
    }

    /// Asks for the epoch of a partition; [`Row`] answers.
    fn ask_epoch(&self, ask: &mut Pipeline, partition: usize) {
        ask.cmd("HMGET").arg(self.link.layout.facts(partition)).arg(&["e", "n", "names"]);
    }

    /// The answer to [`Inner::ask_epoch`]; `None`: everything in the partition is gone, and the connection must look
    /// again.
    fn epoch(row: &Row) -> Option<Epoch> {
        let text = |at: usize| row.get(at)?.as_deref();
        Some(Epoch::new(text(0)?, text(1)?, text(2)?))
    }

    /// Asks, again if somebody emptied the server: the next connection begins an epoch then.
    async fn again<T, F>(&self, ask: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<Option<T>, StoreError>>,
    {
        for _ in 0..3 {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            self.link.look_again().await;
        }
        Err(StoreError::Unavailable("somebody empties Redis again and again".into()))
    }

    /// Where a stream stands.
    pub(super) async fn state(&self, stream: &StreamKey) -> Result<State, StoreError> {
        let mut states = self.states(std::slice::from_ref(stream)).await?;
        states.pop().ok_or_else(|| damaged("an answer"))
    }

    /// Where streams stand.
    pub(super) async fn states(&self, streams: &[StreamKey]) -> Result<Vec<State>, StoreError> {
        let mut states = Vec::with_capacity(streams.len());
        for streams in streams.chunks(STREAMS) {
            let names: Vec<String> = streams.iter().map(layout::name).collect();
            let partitions: BTreeSet<usize> =
                names.iter().map(|name| self.link.layout.partition(name)).collect();
            let found = self.again(async || {
                let mut ask = redis::pipe();
                names.iter().for_each(|name| self.ask_state(&mut ask, name));
                partitions.iter().for_each(|partition| self.ask_epoch(&mut ask, *partition));
                let rows: Vec<Row> = self.link.ask(ask).await?;
                let (rows, facts) = rows.split_at_checked(names.len()).ok_or_else(|| damaged("an answer"))?;
                let epochs: Option<Vec<Epoch>> = facts.iter().map(Self::epoch).collect();
                let Some(epochs) = epochs else { return Ok(None) };
                let of = |name: &String| {
                    let partition = self.link.layout.partition(name);
                    let at = partitions.range(..partition).count();
                    epochs.get(at).cloned().unwrap_or_default()
                };
                let states = names.iter().zip(rows).map(|(name, row)| State::new(row, &of(name)));
                Ok(Some(states.collect::<Vec<_>>()))
            });
            states.extend(found.await?);
        }
        Ok(states)
    }

    pub(super) async fn tips(&self, streams: &[StreamKey]) -> Result<Vec<Tip>, StoreError> {
        Ok(self.states(streams).await?.into_iter().map(State::tip).collect())
    }

    pub(super) async fn page(&self, stream: &StreamKey, reading: Reading) -> Result<Page, StoreError> {
        let name = layout::name(stream);
        let partition = self.link.layout.partition(&name);
        let (mut entries, mut bytes): (Vec<Entry>, usize) = (Vec::new(), 0);
        let mut from = reading.from;
        loop {
            let count = ENTRIES.min(reading.limit - entries.len());
            // The entries first: whatever is missing among them, a floor that is read later explains.
            let (found, state) = self
                .again(async || {
                    let mut ask = redis::pipe();
                    let key = self.link.layout.key("e", &name);
                    match reading.back {
                        true => ask.cmd("XREVRANGE").arg(key).arg(from).arg("-").arg("COUNT").arg(count),
                        false => ask.cmd("XRANGE").arg(key).arg(from).arg("+").arg("COUNT").arg(count),
                    };
                    self.ask_state(&mut ask, &name);
                    self.ask_epoch(&mut ask, partition);
                    let (found, row, facts): (Entries, Row, Row) = self.link.ask(ask).await?;
                    Ok(Self::epoch(&facts).map(|epoch| (found, State::new(&row, &epoch))))
                })
                .await?;
            if entries.is_empty() {
                from = match reading.back {
                    true => from.min(state.head),
                    false => from.max(state.floor),
                };
            }
            let is_last = found.len() < count || count == 0;
            let mut is_full = false;
            for (id, fields) in found {
                let seq = id.split('-').next().and_then(|seq| seq.parse::<u64>().ok());
                let seq = seq.ok_or_else(|| damaged("the position of an entry"))?;
                if seq < state.floor {
                    continue;
                }
                let mut fields = fields.into_iter().skip(1).step_by(2);
                let (Some(header), Some(body)) = (fields.next(), fields.next()) else {
                    return Err(damaged("an entry"));
                };
                bytes = bytes.saturating_add(body.len());
                if !entries.is_empty() && bytes > reading.max_bytes {
                    is_full = true;
                    break;
                }
                let body = if reading.bodies { Bytes::from(body) } else { Bytes::new() };
                entries.push(record::entry(seq, &header, body)?);
                from = if reading.back { seq - 1 } else { seq + 1 };
            }
            if is_last || is_full || entries.len() >= reading.limit || (reading.back && from == 0) {
                let State { head, floor, version, epoch, .. } = state;
                return Ok(Page { floor, head, epoch: epoch.epoch, version, entries, next: from });
            }
        }
    }

    /// See [`Store::open`](crate::log::store::Store::open). Also the device's record, as it is kept.
    pub(super) async fn opened(
        &self,
        user: &UserKey,
        device: Option<&str>,
    ) -> Result<(Opened, String), StoreError> {
        let (own, broadcast) = (StreamKey::Inbox(user.clone()), StreamKey::Broadcast(user.scope.clone()));
        let (inbox, layout) = (layout::inbox(user), &self.link.layout);
        // The version first: what changes later shows in it.
        let mut streams = self.states(&[own.clone(), broadcast.clone()]).await?.into_iter();
        let (Some(own_state), Some(broadcast_state)) = (streams.next(), streams.next()) else {
            return Err(damaged("an answer"));
        };
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(layout.key("u", &inbox)).arg("b");
        ask.cmd("HKEYS").arg(layout.key("q", &inbox));
        ask.cmd("HGET").arg(layout.key("v", &inbox)).arg(device.unwrap_or_default());
        let place = layout::joined(&inbox, device.unwrap_or_default());
        ask.cmd("HGETALL").arg(format!("{}p:{place}", layout.prefix(layout.partition(&inbox))));
        let (start, mut names, kept, places): (Option<u64>, Vec<String>, Option<String>, Pairs) =
            self.link.ask(ask).await?;
        names.sort_unstable();
        let groups: Vec<GroupKey> = names.iter().map(|name| GroupKey::new(&user.scope, name)).collect();
        let keys: Vec<StreamKey> = groups.iter().cloned().map(StreamKey::Group).collect();
        let start = start.unwrap_or(broadcast_state.head);
        let mut streams = vec![own_state.opened(own, 0), broadcast_state.opened(broadcast, start)];
        if !groups.is_empty() {
            let members = self.in_groups(&user.user, &groups).await?;
            let states = self.states(&keys).await?;
            for ((key, state), member) in keys.into_iter().zip(states).zip(members) {
                // The index may name groups that the user is not in, while a join or a leave is under way.
                if let Some(Membership { start, .. }) = member {
                    streams.push(state.opened(key, start));
                }
            }
        }
        let record = device.and(kept.as_deref()).map(record::device);
        let record = record.map(|record| record.ok_or_else(|| damaged("a device"))).transpose()?;
        let device = device.zip(record).map(|(device, record)| told(device, record, &places)).transpose()?;
        Ok((Opened { streams, device }, kept.unwrap_or_default()))
    }

    /// The records of a user's devices.
    pub(super) async fn device_records(
        &self,
        user: &UserKey,
    ) -> Result<Vec<(Arc<str>, (u32, Milliseconds))>, StoreError> {
        let mut ask = redis::pipe();
        ask.cmd("HGETALL").arg(self.link.layout.key("v", &layout::inbox(user)));
        let (kept,): (Pairs,) = self.link.ask(ask).await?;
        let devices = kept.into_iter().map(|(device, kept)| {
            Ok((device.into(), record::device(&kept).ok_or_else(|| damaged("a device"))?))
        });
        devices.collect()
    }

    pub(super) async fn devices(&self, user: &UserKey) -> Result<Vec<Device>, StoreError> {
        let records = self.device_records(user).await?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let inbox = layout::inbox(user);
        let prefix = self.link.layout.prefix(self.link.layout.partition(&inbox));
        let mut ask = redis::pipe();
        for (device, _) in &records {
            ask.cmd("HGETALL").arg(format!("{prefix}p:{}", layout::joined(&inbox, device)));
        }
        let places: Vec<Pairs> = self.link.ask(ask).await?;
        records.iter().zip(places).map(|((device, record), places)| told(device, *record, &places)).collect()
    }

    /// What was delivered of a stream, by its present epoch: as it is kept, that epoch, and the positions.
    pub(super) async fn kept_delivered(
        &self,
        user: &UserKey,
        stream: &StreamKey,
    ) -> Result<Option<(String, Arc<str>, Ranges)>, StoreError> {
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(self.link.layout.key("y", &layout::inbox(user))).arg(layout::name(stream));
        let (kept,): (Option<String>,) = self.link.ask(ask).await?;
        let Some(kept) = kept else { return Ok(None) };
        let state = self.state(stream).await?;
        let (epoch, mut ranges) = record::delivered(&kept).ok_or_else(|| damaged("what was delivered"))?;
        if *epoch != *state.epoch.epoch {
            ranges.truncate(state.survived(epoch));
        }
        Ok(Some((kept, state.epoch.epoch, ranges)))
    }

    pub(super) async fn find(
        &self,
        sender: &UserKey,
        message_ids: &[Arc<str>],
    ) -> Result<Vec<Option<Found>>, StoreError> {
        let inbox = layout::inbox(sender);
        let partition = self.link.layout.partition(&inbox);
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(self.link.layout.facts(partition)).arg("w");
        let (window,): (Option<u64>,) = self.link.ask(ask).await?;
        let Some(window) = window.filter(|_| !message_ids.is_empty()) else {
            return Ok(vec![None; message_ids.len()]);
        };
        let mut ask = redis::pipe();
        for window in [window, window.saturating_sub(1)] {
            let key = format!("{}d:{inbox}:{window}", self.link.layout.prefix(partition));
            ask.cmd("HMGET").arg(key);
            message_ids.iter().for_each(|id| {
                ask.arg(&**id);
            });
        }
        let (newest, before): (Row, Row) = self.link.ask(ask).await?;
        let mut found = Vec::with_capacity(message_ids.len());
        let mut ask = redis::pipe();
        for kept in newest.into_iter().zip(before).map(|(newest, before)| newest.or(before)) {
            let Some(kept) = kept else {
                found.push(None);
                continue;
            };
            let list = record::sent(&kept).ok_or_else(|| damaged("where a message went"))?;
            let Some((name, seq)) = list.last() else { return Err(damaged("where a message went")) };
            let target = layout::stream(name).ok_or_else(|| damaged("the name of a stream"))?;
            ask.cmd("XRANGE").arg(self.link.layout.key("e", name)).arg(*seq).arg(*seq);
            found.push(Some(Found { target: target_of(target), seq: *seq, entry: None }));
        }
        if found.iter().any(Option::is_some) {
            let entries: Vec<Entries> = self.link.ask(ask).await?;
            for (found, entries) in found.iter_mut().flatten().zip(entries) {
                if let Some((_, fields)) = entries.first() {
                    let header = fields.get(1).ok_or_else(|| damaged("an entry"))?;
                    found.entry = Some(record::entry(found.seq, header, Bytes::new())?);
                }
            }
        }
        Ok(found)
    }
}

fn target_of(stream: StreamKey) -> Target {
    match stream {
        StreamKey::Inbox(user) => Target::User(user),
        StreamKey::Group(group) => Target::Group(group),
        StreamKey::Broadcast(scope) => Target::Broadcast(scope),
    }
}

fn told(
    device: &str,
    (attempts, last_seen): (u32, Milliseconds),
    places: &[(String, String)],
) -> Result<Device, StoreError> {
    let place = |(stream, place): &(String, String)| {
        let (epoch, seq) = place.split_once(':')?;
        let cursor = Cursor { epoch: epoch.into(), seq: seq.parse().ok()? };
        Some(DeviceStream { stream: layout::stream(stream)?, cursor })
    };
    let streams = places.iter().map(place).collect::<Option<Vec<_>>>();
    let mut streams = streams.ok_or_else(|| damaged("the places of a device"))?;
    streams.sort_by(|one, other| one.stream.cmp(&other.stream));
    Ok(Device { device: device.into(), streams, attempts, last_seen })
}
