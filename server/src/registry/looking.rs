//! How users look to others, where several hubs share a store: the store says who has claims, and which hubs live. One
//! after the other, so that what is told of a user last is what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wsc_core::frame::PresenceOf;
use wsc_core::kind::UserStatus;

use super::presence::Presence;
use crate::clock;
use crate::cluster::interests::Look;
use crate::cluster::members::Members;
use crate::cluster::router::{Cluster, Router};
use crate::log::key::{Scope, UserKey};
use crate::log::store::{Milliseconds, Person, Store, StoreError};

/// Users asked about at once.
const USERS: usize = 500;
/// How often all who are watched are looked at: a hint may be lost without a sign.
const PERIOD: Duration = Duration::from_secs(60);
/// Before the store is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// A user who looks like this to others.
struct Described {
    presence: PresenceOf,
    version: u64,
    /// When it will look otherwise, if nothing happens.
    ends: Option<Duration>,
}

impl Presence {
    /// How users look, in the order asked.
    pub(crate) async fn look(
        &self,
        cluster: &Cluster,
        store: &dyn Store,
        scope: &Scope,
        users: &[Arc<str>],
    ) -> Result<Vec<PresenceOf>, StoreError> {
        let keys: Vec<UserKey> =
            users.iter().map(|user| UserKey { scope: scope.clone(), user: Arc::clone(user) }).collect();
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(USERS) {
            found.extend(
                self.ask(cluster, store, some).await?.into_iter().map(|described| described.presence),
            );
        }
        Ok(found)
    }

    async fn ask(
        &self,
        cluster: &Cluster,
        store: &dyn Store,
        users: &[UserKey],
    ) -> Result<Vec<Described>, StoreError> {
        let people = store.people(users).await?;
        let now = clock::wall().ms();
        let described = users.iter().zip(people);
        Ok(described
            .map(|(user, person)| self.describe_person(user, &person, &cluster.members, now))
            .collect())
    }

    fn describe_person(
        &self,
        user: &UserKey,
        person: &Person,
        members: &Members,
        now: Milliseconds,
    ) -> Described {
        let devices = person.claims.iter().filter(|claim| members.counts(claim)).count() as u64;
        let after = u64::try_from(self.offline_after.as_millis()).unwrap_or(u64::MAX);
        let left_ms = person.left.saturating_add(after).saturating_sub(now);
        let stays = person.claims.is_empty() && person.left > 0 && left_ms > 0;
        let is_visible = (devices > 0 || stays) && person.status != UserStatus::Invisible;
        let status = if is_visible { person.status } else { UserStatus::Offline };
        let presence = PresenceOf {
            user: user.user.to_string(),
            status: status.as_str().to_owned(),
            devices: if is_visible { devices } else { 0 },
            last_seen_ms: person.last_seen,
        };
        Described {
            presence,
            version: person.version,
            ends: stays.then(|| Duration::from_millis(left_ms.min(after))),
        }
    }

    /// Looks at users when they may look otherwise, until the hub ends.
    pub(crate) async fn run_looks(&self, cluster: &Cluster, router: &Router, store: &dyn Store) {
        let mut due: BTreeMap<Instant, BTreeSet<UserKey>> = BTreeMap::new();
        let mut all_at = Instant::now() + PERIOD;
        loop {
            let next = due.first_key_value().map_or(all_at, |(at, _)| all_at.min(*at));
            let mut looks = match timeout_at(next, cluster.interests.looks.take()).await {
                Ok(Some(looks)) => Vec::from(looks),
                Ok(None) => return,
                Err(_) => Vec::new(),
            };
            let now = Instant::now();
            if now >= all_at {
                all_at = now + PERIOD;
                looks.push(Look { users: self.watched(), answer: None });
            }
            while let Some(entry) = due.first_entry().filter(|entry| *entry.key() <= now) {
                looks.push(Look { users: entry.remove().into_iter().collect(), answer: None });
            }
            for Look { users, answer } in looks {
                let mut all = Ok(Vec::with_capacity(users.len()));
                for some in users.chunks(USERS) {
                    match self.ask(cluster, store, some).await {
                        Ok(found) => {
                            for (user, described) in some.iter().zip(found) {
                                let is_watched =
                                    self.looked(user, &described.presence, described.version, router);
                                if let Some(ends) = described.ends.filter(|_| is_watched) {
                                    let at = Instant::now() + ends + Duration::from_millis(1);
                                    due.entry(at).or_default().insert(user.clone());
                                }
                                if let Ok(all) = &mut all {
                                    all.push(described.presence);
                                }
                            }
                        }
                        Err(error) => {
                            due.entry(Instant::now() + PAUSE).or_default().extend(some.iter().cloned());
                            all = Err(error);
                            break;
                        }
                    }
                }
                if let Some(answer) = answer {
                    let _ = answer.send(all);
                }
            }
        }
    }
}
