//! Claims and leases in the memory of one process: for the stores of a single hub, and for simulations of several hubs
//! over one store. Costs a user without a claim nothing. Knows no clock: the time comes from whoever gives a sign of
//! life.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use wsc_core::kind::UserStatus;
use wsc_core::peer::is_overtaken;

use super::key::{Scope, UserKey};
use super::store::{Beat, Claim, ClaimChange, Facts, Milliseconds, Nodes, Person, RequestId};

/// Without any sign of life for longer than this, the registry itself was away: no lease runs out by that.
const LONGEST_GAP_MS: Milliseconds = 5_000;
/// The claims of a hub that is dead for longer than this go.
const BURY_MS: Milliseconds = 600_000;

/// The claims of all users, and the leases of hubs.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    users: BTreeMap<UserKey, Claimant>,
    /// Until when each hub counts as living, and what it tells.
    leases: BTreeMap<u128, (Milliseconds, Facts)>,
    /// The newest sign of life of any hub.
    beat: Milliseconds,
}

#[derive(Clone, Debug, Default)]
struct Claimant {
    turn: u64,
    claims: Vec<Claim>,
    status: Option<UserStatus>,
    left: Milliseconds,
    /// The newest request that ended claims.
    kicked: u64,
}

/// What became of a [`ClaimChange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// Nothing is to be changed, or it was changed before; the claim has this turn (0: none).
    No(u64),
    /// The claim has this turn now (0: none).
    Yes(u64),
    /// A newer connection has it.
    Overtaken,
}

impl Claims {
    /// Whether a claim would be refused.
    pub(super) fn overtakes(&self, user: &UserKey, device: &str, change: &ClaimChange) -> bool {
        let ClaimChange::Take { is_exclusive: true, connection, sent_ms, .. } = change else { return false };
        let claims = self.users.get(user).into_iter().flat_map(|user| &user.claims);
        let mut same = claims.filter(|claim| *claim.device == *device && claim.connection != *connection);
        same.any(|claim| is_overtaken(*sent_ms, claim.sent_ms))
    }

    /// Takes or releases a claim.
    pub(super) fn change(
        &mut self,
        user: &UserKey,
        device: &Arc<str>,
        change: &ClaimChange,
        now: Milliseconds,
    ) -> Changed {
        if self.overtakes(user, device, change) {
            return Changed::Overtaken;
        }
        match change {
            ClaimChange::Keep => Changed::No(0),
            ClaimChange::Take { incarnation, connection, is_exclusive, sent_ms } => {
                let device = if *is_exclusive { device } else { connection };
                let user = self.users.entry(user.clone()).or_default();
                let at = user.claims.binary_search_by(|claim| claim.device.cmp(device));
                if let Ok(at) = at
                    && let Claim { incarnation: of, connection: by, turn, .. } = &user.claims[at]
                    && (of, by) == (incarnation, connection)
                {
                    return Changed::No(*turn);
                }
                user.turn += 1;
                let claim = Claim {
                    device: Arc::clone(device),
                    incarnation: *incarnation,
                    connection: Arc::clone(connection),
                    turn: user.turn,
                    sent_ms: *sent_ms,
                };
                match at {
                    Ok(at) => user.claims[at] = claim,
                    Err(at) => user.claims.insert(at, claim),
                }
                Changed::Yes(user.turn)
            }
            ClaimChange::Release { turn, connection } => {
                let is_meant = |claim: &Claim| claim.turn == *turn && claim.connection == *connection;
                let released = self.end(user, is_meant, now);
                if released { Changed::Yes(0) } else { Changed::No(0) }
            }
        }
    }

    /// Ends the claims of a device, or all of a user. Whether there were any.
    pub(super) fn kick(
        &mut self,
        user: &UserKey,
        device: Option<&str>,
        request: RequestId,
        now: Milliseconds,
    ) -> bool {
        let Some(known) = self.users.get_mut(user) else { return false };
        if request.is_again(std::mem::replace(&mut known.kicked, request.0)) {
            return false;
        }
        self.end(user, |claim| device.is_none_or(|device| *claim.device == *device), now)
    }

    fn end(&mut self, user: &UserKey, which: impl Fn(&Claim) -> bool, now: Milliseconds) -> bool {
        let Some(user) = self.users.get_mut(user) else { return false };
        let before = user.claims.len();
        user.claims.retain(|claim| !which(claim));
        if user.claims.is_empty() && before > 0 {
            user.left = now;
        }
        user.claims.len() < before
    }

    /// Keeps the status of a user. Whether it is another than before.
    pub(super) fn set_status(&mut self, user: &UserKey, status: UserStatus) -> bool {
        let user = self.users.entry(user.clone()).or_default();
        user.status.replace(status).unwrap_or(UserStatus::Online) != status
    }

    /// A user, of whom the rest is known elsewhere.
    pub(super) fn person(&self, user: &UserKey, last_seen: Milliseconds, version: u64) -> Person {
        let user = self.users.get(user);
        Person {
            claims: user.map(|user| user.claims.clone()).unwrap_or_default(),
            status: user.and_then(|user| user.status).unwrap_or(UserStatus::Online),
            last_seen,
            left: user.map_or(0, |user| user.left),
            version,
        }
    }

    /// Users of a tenant with a claim, in order, after one of them.
    pub(super) fn claimed(&self, scope: &Scope, after: &str, limit: usize) -> Vec<Arc<str>> {
        let after = UserKey::new(scope, after);
        let rest = self.users.range((Bound::Excluded(after), Bound::Unbounded));
        let of_scope = rest.take_while(|(user, _)| user.scope == *scope);
        let claimed = of_scope.filter(|(_, claimant)| !claimant.claims.is_empty());
        claimed.map(|(user, _)| Arc::clone(&user.user)).take(limit).collect()
    }

    /// A hub gives a sign of life.
    pub(super) fn beat(&mut self, beat: &Beat) -> Nodes {
        let now = beat.now.max(self.beat);
        let gap = now - self.beat;
        if self.beat > 0 && gap > LONGEST_GAP_MS {
            self.leases.values_mut().for_each(|(end, _)| *end = end.saturating_add(gap));
        }
        self.beat = now;
        let lived = self.leases.get(&beat.incarnation).is_none_or(|(end, _)| *end > now);
        if beat.leave {
            self.leases.remove(&beat.incarnation);
            self.bury(beat.incarnation);
        } else {
            let until = now.saturating_add(beat.lease);
            self.leases.insert(beat.incarnation, (until, beat.facts.clone()));
        }
        let dead = self.leases.iter().filter(|(_, (end, _))| end.saturating_add(BURY_MS) <= now);
        for incarnation in dead.map(|(incarnation, _)| *incarnation).collect::<Vec<_>>() {
            self.leases.remove(&incarnation);
            self.bury(incarnation);
        }
        let alive = self.leases.iter().filter(|(_, (end, _))| *end > now);
        let alive = alive.map(|(incarnation, (_, facts))| (*incarnation, facts.clone())).collect();
        Nodes { now, lived, alive }
    }

    /// Forgets the claims of a hub that is gone for good.
    fn bury(&mut self, incarnation: u128) {
        for user in self.users.values_mut() {
            user.claims.retain(|claim| claim.incarnation != incarnation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(incarnation: u128, now: Milliseconds) -> Beat {
        Beat { incarnation, now, lease: 10_000, facts: Facts::default(), leave: false }
    }

    fn alive(nodes: &Nodes) -> Vec<u128> {
        nodes.alive.iter().map(|(incarnation, _)| *incarnation).collect()
    }

    #[test]
    fn a_hub_lives_as_long_as_its_lease() {
        let mut claims = Claims::default();
        let first = claims.beat(&beat(1, 1_000));
        assert_eq!((first.lived, alive(&first)), (true, vec![1]));
        for now in [3_000, 7_000, 10_999] {
            assert_eq!(alive(&claims.beat(&beat(2, now))), [1, 2]);
        }
        assert_eq!(alive(&claims.beat(&beat(2, 11_000))), [2]);
        let late = claims.beat(&beat(1, 11_001));
        assert_eq!((late.lived, alive(&late)), (false, vec![1, 2]));
        assert!(claims.beat(&beat(1, 13_000)).lived);
        assert_eq!(alive(&claims.beat(&Beat { leave: true, ..beat(2, 13_000) })), [1]);
    }

    #[test]
    fn a_registry_that_was_away_declares_nobody_dead() {
        let mut claims = Claims::default();
        claims.beat(&beat(1, 1_000));
        claims.beat(&beat(2, 2_000));
        let after = claims.beat(&beat(2, 62_000));
        assert_eq!((after.lived, alive(&after)), (true, vec![1, 2]));
    }

    #[test]
    fn the_claims_of_a_hub_dead_for_long_go() {
        let mut claims = Claims::default();
        let (ann, device) = (UserKey::new(&Scope::default(), "ann"), Arc::from("d1"));
        let connection = Arc::from("c1");
        let take = ClaimChange::Take { incarnation: 1, connection, is_exclusive: true, sent_ms: 0 };
        claims.beat(&beat(1, 0));
        claims.change(&ann, &device, &take, 0);
        for now in (2_000..=610_000).step_by(2_000) {
            assert_eq!(claims.claimed(&Scope::default(), "", 9).len(), 1, "at {now}");
            claims.beat(&beat(2, now));
        }
        assert_eq!(claims.claimed(&Scope::default(), "", 9).len(), 0);
    }
}
