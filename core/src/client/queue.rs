//! What waits to be polled. A `VecDeque` is a ring, and its growing and wrapping a good deal of code in WebAssembly;
//! outputs are drained after every mutation, so that two lists do: one filled, one emptied from its end.

use alloc::boxed::Box;

use super::list::List;

#[derive(Debug)]
pub(super) struct Queue<T> {
    filled: List<T>,
    /// Backwards.
    emptied: List<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { filled: List::default(), emptied: List::default() }
    }
}

impl<T> Queue<T> {
    pub(super) fn push(&mut self, item: T) {
        self.filled.push(item);
    }

    pub(super) fn pop(&mut self) -> Option<Box<T>> {
        if self.emptied.is_empty() {
            while let Some(item) = self.filled.pop() {
                self.emptied.put(item);
            }
        }
        self.emptied.pop()
    }

    /// Where the next item will stand.
    pub(super) fn end(&self) -> usize {
        self.filled.len()
    }

    /// Puts an item before those that were added since [`Queue::end`] was asked; nothing was taken since.
    pub(super) fn insert(&mut self, at: usize, item: T) {
        self.filled.insert(at, item);
    }
}
