//! A bounded map of what was used lately. Forgetting is always allowed: everything in it can be read again.

use std::collections::HashMap;
use std::hash::Hash;

/// Two halves: what is used moves to the young one; when that is full, the old one is dropped.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    /// A map that keeps at least the `half` last used things and at most twice as many.
    pub(super) fn new(half: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: half.max(1) }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.young.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> &mut V {
        self.young.entry(key).insert_entry(value).into_mut()
    }

    /// Forgets the longest unused when there are too many. Not part of `insert`, so that nothing is lost in the middle
    /// of a batch.
    pub(super) fn trim(&mut self) {
        if self.young.len() > self.half {
            self.old = std::mem::take(&mut self.young);
        }
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(2);
        for key in 0..100 {
            recent.insert(key, key);
            assert_eq!(recent.get(&0).copied(), Some(0));
            recent.trim();
        }
        assert!(recent.young.len() + recent.old.len() <= 6);
        assert_eq!(recent.get(&50), None);
    }
}
