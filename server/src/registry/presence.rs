//! Presence: who is online, and who wants to know. One registry for all shards; it changes when connections do, not
//! when messages pass. Of several hubs none knows that by itself: there the registry keeps what those who are watched
//! looked like last, and the store is asked ([`looking`](super::looking)).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wsc_core::frame::{HubFrame, ObjectWriter, PresenceOf};
use wsc_core::kind::UserStatus;

use crate::Settings;
use crate::clock;
use crate::cluster::router::Router;
use crate::cluster::topic::Topic;
use crate::log::key::{Scope, UserKey};
use crate::net::{encode, lists};
use crate::shard::hint::Hint;
use crate::shard::letter::Address;

/// The registry.
pub(crate) struct Presence {
    pub(super) offline_after: Duration,
    /// Other hubs have connections, too.
    is_shared: bool,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    scopes: HashMap<Scope, BTreeMap<Arc<str>, Person>>,
    /// Users whose last connection ended, and when they count as offline.
    leaving: VecDeque<(Instant, UserKey)>,
}

struct Person {
    connections: u32,
    /// Those of them that are on the one device that bare clients share.
    shared: u32,
    /// Counts as online: connected, or not yet offline.
    online: bool,
    status: UserStatus,
    last_seen: u64,
    /// When it counts as offline, unless it comes back before.
    leaves: Option<Instant>,
    /// How the store says that it looks, where other hubs have connections, too.
    looks: Option<Box<Looks>>,
    /// Made at the first: most users are watched by nobody.
    #[expect(clippy::box_collection, reason = "nearly always absent, and there are many users")]
    watchers: Option<Box<HashSet<Address>>>,
}

/// How a watched user looked.
struct Looks {
    presence: PresenceOf,
    version: u64,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            connections: 0,
            shared: 0,
            online: false,
            status: UserStatus::Online,
            last_seen: 0,
            leaves: None,
            looks: None,
            watchers: None,
        }
    }
}

impl Person {
    fn describe(&self, user: &str) -> PresenceOf {
        if let Some(looks) = &self.looks {
            return looks.presence.clone();
        }
        let hidden = !self.online || self.status == UserStatus::Invisible;
        let status = if hidden { UserStatus::Offline } else { self.status };
        PresenceOf {
            user: user.to_owned(),
            status: status.as_str().to_owned(),
            devices: if hidden { 0 } else { u64::from(self.devices()) },
            last_seen_ms: self.last_seen,
        }
    }

    fn devices(&self) -> u32 {
        self.connections - self.shared + self.shared.min(1)
    }

    /// It is seen now, unless it does not want to be.
    fn seen(&mut self) {
        if self.status != UserStatus::Invisible {
            self.last_seen = clock::wall().ms();
        }
    }

    fn is_watched(&self) -> bool {
        self.watchers.is_some()
    }

    fn is_visible(&self) -> bool {
        self.online && self.status != UserStatus::Invisible
    }
}

impl Presence {
    pub(crate) fn new(offline_after: Duration, is_shared: bool) -> Self {
        Self { offline_after, is_shared, registry: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // Every critical section leaves the registry whole.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of a user began. `shared`: on the one device that bare clients share.
    pub(crate) fn connected(&self, user: &UserKey, shared: bool, router: &Router) {
        if self.is_shared {
            return router.tell(Hint::Presence(user.clone()), None);
        }
        let mut registry = self.lock();
        let person = registry.person(user);
        let came = !person.is_visible();
        person.connections += 1;
        person.shared += u32::from(shared);
        person.online = true;
        person.seen();
        if came && person.is_visible() {
            notify(router, person, &user.user, "user_joined");
        }
    }

    /// A connection of a user ended; `shared` as when it began.
    pub(crate) fn disconnected(&self, user: &UserKey, shared: bool) {
        // Others see it when its claim is released.
        if self.is_shared {
            return;
        }
        let mut registry = self.lock();
        let person = registry.person(user);
        person.shared = person.shared.saturating_sub(u32::from(shared));
        person.connections = person.connections.saturating_sub(1).max(person.shared);
        person.seen();
        if person.connections == 0 {
            let at = Instant::now() + self.offline_after;
            person.leaves = Some(at);
            registry.leaving.push_back((at, user.clone()));
        }
    }

    /// When a user counts as seen by what it does now: for one that is invisible, when it last was visible.
    pub(crate) fn seen_at(&self, user: &UserKey) -> u64 {
        let registry = self.lock();
        let person = registry.scopes.get(&user.scope).and_then(|people| people.get(&user.user));
        let hidden = person.filter(|person| person.online && person.status == UserStatus::Invisible);
        hidden.map_or_else(|| clock::wall().ms(), |person| person.last_seen)
    }

    /// Whoever has been away for long enough is offline now.
    pub(crate) fn sweep(&self, router: &Router) {
        let mut registry = self.lock();
        let now = Instant::now();
        while registry.leaving.front().is_some_and(|(at, _)| *at <= now) {
            let Some((at, user)) = registry.leaving.pop_front() else { break };
            let Some(people) = registry.scopes.get_mut(&user.scope) else { continue };
            let Some(person) = people.get_mut(&user.user) else { continue };
            // One who came back and left again is further back in the queue.
            if person.connections > 0 || !person.online || person.leaves != Some(at) {
                continue;
            }
            let was_visible = person.is_visible();
            (person.online, person.status) = (false, UserStatus::Online);
            if was_visible {
                notify(router, person, &user.user, "user_left");
            }
            if !person.is_watched() {
                people.remove(&user.user);
            }
        }
    }

    /// A user says how reachable it is.
    pub(crate) fn set_status(&self, user: &UserKey, status: UserStatus, router: &Router) {
        let mut registry = self.lock();
        let person = registry.person(user);
        let before = person.is_visible();
        // For others it leaves now, or comes.
        person.seen();
        person.status = status;
        person.seen();
        match (before, person.is_visible()) {
            (false, true) => notify(router, person, &user.user, "user_joined"),
            (true, false) => notify(router, person, &user.user, "user_left"),
            (true, true) => notify(router, person, &user.user, "user_status_changed"),
            (false, false) => {}
        }
    }

    /// The presence of some users as of now.
    pub(crate) fn describe(&self, scope: &Scope, users: &[Arc<str>]) -> Vec<PresenceOf> {
        let registry = self.lock();
        let people = registry.scopes.get(scope);
        let describe = |user: &Arc<str>| match people.and_then(|people| people.get(user)) {
            Some(person) => person.describe(user),
            None => Person::default().describe(user),
        };
        users.iter().map(describe).collect()
    }

    /// The same users as those who are watched were told of last.
    pub(crate) fn newest(&self, scope: &Scope, found: Vec<PresenceOf>) -> Vec<PresenceOf> {
        let registry = self.lock();
        let people = registry.scopes.get(scope);
        let newest = |presence: PresenceOf| {
            let looks = people.and_then(|people| people.get(&*presence.user)?.looks.as_ref());
            looks.map_or(presence, |looks| looks.presence.clone())
        };
        found.into_iter().map(newest).collect()
    }

    /// A page of the online users in order: those after `after`, with how many there are in all.
    pub(crate) fn online(&self, scope: &Scope, after: &str, limit: usize) -> (Vec<Arc<str>>, u64, bool) {
        let registry = self.lock();
        let Some(people) = registry.scopes.get(scope) else { return (Vec::new(), 0, false) };
        let online = || people.iter().filter(|(_, person)| person.is_visible()).map(|(user, _)| user);
        let mut page: Vec<Arc<str>> =
            online().filter(|user| &***user > after).take(limit + 1).cloned().collect();
        let more = page.len() > limit;
        page.truncate(limit);
        (page, online().count() as u64, more)
    }

    /// Keeps how a user looks, as the store says, and tells whoever watches of a change. What is older than what is known
    /// changes nothing. Whether anybody watches.
    pub(super) fn looked(
        &self,
        user: &UserKey,
        presence: &PresenceOf,
        version: u64,
        router: &Router,
    ) -> bool {
        let mut registry = self.lock();
        let people = registry.scopes.get_mut(&user.scope);
        let person =
            people.and_then(|people| people.get_mut(&user.user)).filter(|person| person.is_watched());
        let Some(person) = person else { return false };
        let offline = UserStatus::Offline.as_str();
        let (before, known) = match &person.looks {
            Some(looks) => (looks.presence.status.clone(), looks.version),
            None => (presence.status.clone(), 0),
        };
        if version < known {
            return true;
        }
        person.looks = Some(Box::new(Looks { presence: presence.clone(), version }));
        match (before == offline, presence.status == offline) {
            (true, false) => notify(router, person, &user.user, "user_joined"),
            (false, true) => notify(router, person, &user.user, "user_left"),
            (false, false) if before != presence.status => {
                notify(router, person, &user.user, "user_status_changed");
            }
            _ => {}
        }
        true
    }

    /// All who are watched, in order.
    pub(super) fn watched(&self) -> Vec<UserKey> {
        let registry = self.lock();
        let people = registry.scopes.iter().flat_map(|(scope, people)| {
            let watched = people.iter().filter(|(_, person)| person.is_watched());
            watched.map(|(user, _)| UserKey { scope: scope.clone(), user: Arc::clone(user) })
        });
        let mut watched: Vec<UserKey> = people.collect();
        watched.sort_unstable();
        watched
    }

    /// Begins to tell a connection of some users' changes.
    pub(crate) fn watch(&self, scope: &Scope, address: Address, users: &[Arc<str>], router: &Router) {
        let mut registry = self.lock();
        for user in users {
            let user = UserKey { scope: scope.clone(), user: Arc::clone(user) };
            let person = registry.person(&user);
            if !person.is_watched() {
                router.listen(Topic::Presence(user));
            }
            person.watchers.get_or_insert_default().insert(address);
        }
    }

    /// Ends that.
    pub(crate) fn unwatch_all<'u>(
        &self,
        scope: &Scope,
        address: Address,
        users: impl IntoIterator<Item = &'u Arc<str>>,
        router: &Router,
    ) {
        let mut registry = self.lock();
        let Some(people) = registry.scopes.get_mut(scope) else { return };
        for user in users {
            let Some(person) = people.get_mut(user) else { continue };
            if let Some(watchers) = &mut person.watchers {
                watchers.remove(&address);
                if watchers.is_empty() {
                    (person.watchers, person.looks) = (None, None);
                    router
                        .unlisten(&Topic::Presence(UserKey { scope: scope.clone(), user: Arc::clone(user) }));
                }
            }
            if !person.is_watched() && !person.online {
                people.remove(user);
            }
        }
    }
}

impl Registry {
    fn person(&mut self, user: &UserKey) -> &mut Person {
        let people = self.scopes.entry(user.scope.clone()).or_default();
        people.entry(Arc::clone(&user.user)).or_default()
    }
}

/// Writes one user's presence.
pub(crate) fn write_presence(writer: &mut ObjectWriter<'_>, presence: &PresenceOf) {
    writer
        .text("user_id", &presence.user)
        .text("status", &presence.status)
        .count("devices", presence.devices)
        .number("last_seen_ms", presence.last_seen_ms);
}

/// The presence of users, as `data` of one or more frames.
pub(crate) fn in_frames(found: &[PresenceOf], settings: &Settings) -> Vec<String> {
    let items = found.iter().map(|presence| lists::object(|writer| write_presence(writer, presence)));
    lists::in_frames("users", items.collect(), lists::room(settings))
}

/// Told under the lock, so that the last frame about a user is the last change.
fn notify(router: &Router, person: &Person, user: &Arc<str>, message_type: &'static str) {
    let Some(watchers) = &person.watchers else { return };
    let mut data = String::new();
    let mut writer = ObjectWriter::new(&mut data);
    write_presence(&mut writer, &person.describe(user));
    writer.end();
    let frame = encode::text(&HubFrame::Presence { message_type: message_type.into(), data: data.into() });
    for address in watchers.iter() {
        router.to_watcher(*address, user, frame.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router {
        Router::alone(1)
    }

    #[test]
    fn nobody_sees_when_an_invisible_user_comes_and_goes() {
        let (presence, router) = (Presence::new(Duration::from_secs(60), false), &router());
        let user = UserKey::new(&Scope::default(), "alice");
        let last_seen = || presence.describe(&user.scope, &[Arc::clone(&user.user)])[0].last_seen_ms;
        let pass = || std::thread::sleep(Duration::from_millis(5));
        presence.connected(&user, false, router);
        presence.set_status(&user, UserStatus::Invisible, router);
        let left = last_seen();
        pass();
        presence.connected(&user, false, router);
        presence.disconnected(&user, false);
        presence.disconnected(&user, false);
        presence.connected(&user, false, router);
        assert_eq!(last_seen(), left);
        presence.set_status(&user, UserStatus::Busy, router);
        assert!(last_seen() > left);
    }

    #[test]
    fn many_who_leave_at_once_are_swept_in_time_and_who_came_back_stays() {
        let (presence, router) = (Presence::new(Duration::ZERO, false), &router());
        let user = |number: u32| UserKey::new(&Scope::default(), &number.to_string());
        for number in 0..30_000 {
            presence.connected(&user(number), false, router);
            presence.disconnected(&user(number), false);
        }
        presence.connected(&user(7), false, router);
        let begin = Instant::now();
        presence.sweep(router);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        let (online, total, _) = presence.online(&Scope::default(), "", 10);
        assert_eq!((&*online[0], total), ("7", 1));
    }
}
