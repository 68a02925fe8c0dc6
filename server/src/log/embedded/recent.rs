//! A bounded map of what was used lately. Forgetting is always allowed: everything in it can be read again.

use std::collections::HashMap;
use std::hash::Hash;

/// Two halves: what is used moves to the young one; when that is full, the old one is dropped. The values are numbers
/// of something, cheap to copy: so the usual look-up is a single one.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V: Copy> Recent<K, V> {
    /// A map that keeps at least the `half` last used things and at most about twice as many.
    pub(super) fn new(half: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: half.max(1) }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(*value);
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.young.insert(key, value);
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.young.insert(key, value);
    }

    /// Forgets the longest unused when there are too many, and says which. Not part of `insert`, so that nothing is
    /// lost in the middle of a batch.
    pub(super) fn trim(&mut self) -> impl Iterator<Item = V> {
        let full = self.young.len() > self.half;
        let dropped = if full {
            std::mem::replace(&mut self.old, std::mem::take(&mut self.young))
        } else {
            HashMap::new()
        };
        dropped.into_values()
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
    fn what_is_used_stays_and_what_goes_is_told() {
        let mut recent = Recent::new(2);
        let mut dropped = Vec::new();
        for key in 0..100 {
            recent.insert(key, key);
            assert_eq!(recent.get(&0), Some(0));
            dropped.extend(recent.trim());
        }
        assert!(recent.young.len() + recent.old.len() <= 6);
        assert_eq!(dropped.len() + recent.young.len() + recent.old.len(), 100);
        assert_eq!(recent.get(&50), None);
    }
}
