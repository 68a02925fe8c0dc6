//! Who is connected where, what users chose, how far they got, and which hubs live.

use std::collections::HashSet;
use std::sync::Arc;

use redis::{Value, from_redis_value};
use wsc_core::kind::UserStatus;

use super::super::key::{Scope, StreamKey, UserKey};
use super::super::store::{Beat, Conversation, Milliseconds, Nodes, Person, StoreError, WaitingMark};
use super::Inner;
use super::connection::Refusal;
use super::layout;
use super::record::{self, damaged};
use super::script::{Args, Script};

/// Without any sign of life for longer than this, the registry itself was away: no lease runs out by that.
const LONGEST_GAP_MS: Milliseconds = 5_000;
/// The claims of a hub that is dead for longer than this go.
pub(super) const BURY_MS: Milliseconds = 600_000;

impl Inner {
    pub(super) async fn people(&self, users: &[UserKey]) -> Result<Vec<Person>, StoreError> {
        let mut people = Vec::with_capacity(users.len());
        for users in users.chunks(200) {
            let mut ask = redis::pipe();
            for user in users {
                let inbox = layout::inbox(user);
                let key = |kind: &str| self.link.layout.key(kind, &inbox);
                ask.cmd("HGETALL").arg(key("c"));
                ask.cmd("HMGET").arg(key("u")).arg(&["status", "seen", "left"]);
                ask.cmd("HGET").arg(key("s")).arg("v");
            }
            let answers: Vec<Value> = self.link.ask(ask).await?;
            let mut answers = answers.into_iter();
            for _ in users {
                let kept: Vec<(String, String)> = super::read::next(&mut answers)?;
                let claims = kept.iter().map(|(device, kept)| Some(record::claim(device, kept)?.0));
                let claims: Option<Vec<_>> = claims.collect();
                let mut claims = claims.ok_or_else(|| damaged("a claim"))?;
                claims.sort_by(|one, other| one.device.cmp(&other.device));
                let facts: Vec<Option<String>> = super::read::next(&mut answers)?;
                let fact = |at: usize| facts.get(at)?.as_deref();
                let number = |at: usize| fact(at).and_then(|number| number.parse().ok()).unwrap_or(0);
                people.push(Person {
                    claims,
                    status: fact(0).and_then(UserStatus::from_name).unwrap_or(UserStatus::Online),
                    last_seen: number(1),
                    left: number(2),
                    version: super::read::next::<Option<u64>>(&mut answers)?.unwrap_or(0),
                });
            }
        }
        Ok(people)
    }

    pub(super) async fn last_seen(&self, user: &UserKey) -> Result<Milliseconds, StoreError> {
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(self.link.layout.key("u", &layout::inbox(user))).arg("seen");
        let (seen,): (Option<u64>,) = self.link.ask(ask).await?;
        Ok(seen.unwrap_or(0))
    }

    pub(super) async fn claimed(
        &self,
        scope: &Scope,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Arc<str>>, StoreError> {
        let scope = layout::scope_name(scope);
        let from = if after.is_empty() { format!("[{scope}") } else { format!("({scope}{after}") };
        // No name has this byte.
        let to = [b"(", scope.as_bytes(), &[0xff]].concat();
        let mut ask = redis::pipe();
        for partition in 0..self.link.layout.partitions() {
            ask.cmd("ZRANGEBYLEX").arg(format!("{}on", self.link.layout.prefix(partition)));
            ask.arg(&from).arg(&to).arg("LIMIT").arg(0).arg(limit);
        }
        let found: Vec<Vec<String>> = self.link.ask(ask).await?;
        let users = found.iter().flatten().filter_map(|user| user.strip_prefix(&scope));
        let mut users: Vec<Arc<str>> = users.map(Arc::from).collect();
        users.sort_unstable();
        users.truncate(limit);
        Ok(users)
    }

    fn registry(&self) -> [String; 2] {
        ["nodes", "facts"].map(|key| self.link.layout.prefix(0) + key)
    }

    pub(super) async fn beat(&self, beat: &Beat) -> Result<Nodes, StoreError> {
        let mut args = Args::default();
        args.put(format!("{:032x}", beat.incarnation)).number(beat.lease).put(record::facts(&beat.facts));
        args.number(LONGEST_GAP_MS).number(BURY_MS).flag(beat.leave);
        let made = self.link.make(Script::Beat, 0, &args, self.link.deadline()).await;
        let answer: Vec<Value> =
            from_redis_value(made.map_err(Refusal::error)?).map_err(|_| damaged("the registry"))?;
        let mut answer = answer.into_iter();
        let now = super::read::next(&mut answer)?;
        let lived = super::read::next::<String>(&mut answer)? == "1";
        let mut alive = Vec::new();
        while answer.len() > 0 {
            let incarnation: String = super::read::next(&mut answer)?;
            let facts: Vec<u8> = super::read::next(&mut answer)?;
            let incarnation = u128::from_str_radix(&incarnation, 16).map_err(|_| damaged("the registry"))?;
            alive.push((incarnation, record::read_facts(&facts)?));
        }
        alive.sort_unstable_by_key(|(incarnation, _)| *incarnation);
        Ok(Nodes { now, lived, alive })
    }

    /// The hubs that are known, alive or not dead for long.
    pub(super) async fn known_hubs(&self) -> Result<HashSet<u128>, StoreError> {
        let mut ask = redis::pipe();
        ask.cmd("ZRANGE").arg(&self.registry()[0]).arg(0).arg(-1);
        let (hubs,): (Vec<String>,) = self.link.ask(ask).await?;
        let hubs: Result<_, _> = hubs.iter().map(|hub| u128::from_str_radix(hub, 16)).collect();
        hubs.map_err(|_| damaged("the registry"))
    }

    pub(super) async fn marks(&self, user: &UserKey) -> Result<Vec<(Conversation, u64)>, StoreError> {
        let mut ask = redis::pipe();
        ask.cmd("HGETALL").arg(self.link.layout.key("r", &layout::inbox(user)));
        let (kept,): (Vec<(String, u64)>,) = self.link.ask(ask).await?;
        let marks = kept.iter().map(|(name, seq)| Some((layout::read_conversation(name)?, *seq)));
        marks.collect::<Option<_>>().ok_or_else(|| damaged("a read mark"))
    }

    pub(super) async fn waiting_marks(&self, limit: usize) -> Result<Vec<WaitingMark>, StoreError> {
        let mut marks = Vec::new();
        for partition in 0..self.link.layout.partitions() {
            let mut cursor = "0".to_owned();
            loop {
                if marks.len() >= limit {
                    marks.truncate(limit);
                    return Ok(marks);
                }
                let mut ask = redis::pipe();
                ask.cmd("HSCAN").arg(format!("{}w", self.link.layout.prefix(partition))).arg(&cursor);
                ask.arg("COUNT").arg(limit.clamp(10, 1_000));
                let ((next, found),): ((String, Vec<(String, String)>),) = self.link.ask(ask).await?;
                for (name, kept) in &found {
                    marks.push(waiting(name, kept).ok_or_else(|| damaged("a read mark"))?);
                }
                cursor = next;
                if cursor == "0" {
                    break;
                }
            }
        }
        marks.truncate(limit);
        Ok(marks)
    }
}

fn waiting(name: &str, kept: &str) -> Option<WaitingMark> {
    let (inbox, conversation) = layout::split(name)?;
    let StreamKey::Inbox(user) = layout::stream(inbox)? else { return None };
    let (seq, device) = kept.split_once(':')?;
    Some(WaitingMark {
        user,
        conversation: layout::read_conversation(conversation)?,
        seq: seq.parse().ok()?,
        device: device.into(),
    })
}
