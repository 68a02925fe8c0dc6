//! Lists of what waits, in order. The few rows that move when the first goes cost less than the code of a ring, and every
//! row lies in a box of its own: to move rows is then the same for all lists, and there is one piece of code for it in
//! WebAssembly.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

#[derive(Debug)]
pub(super) struct List<T> {
    #[allow(clippy::vec_box, reason = "that is what it is for")]
    rows: Vec<Box<T>>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<T> Deref for List<T> {
    type Target = [Box<T>];

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.rows
    }
}

impl<T> List<T> {
    pub(super) fn push(&mut self, row: T) {
        self.put(Box::new(row));
    }

    /// As [`List::push`], for a row that was in a list before.
    pub(super) fn put(&mut self, row: Box<T>) {
        self.rows.push(row);
    }

    /// At the end, when the list is shorter than that.
    pub(super) fn insert(&mut self, index: usize, row: T) {
        self.rows.insert(index.min(self.rows.len()), Box::new(row));
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Box<T>> {
        (index < self.rows.len()).then(|| self.rows.remove(index))
    }
}
