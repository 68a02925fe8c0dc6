//! A mailbox between threads: many put, one takes everything at once. A batch wakes the taker once.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard};

/// Letters for one taker.
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    letters: VecDeque<T>,
    waker: Option<Waker>,
    closed: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { letters: VecDeque::new(), waker: None, closed: false }) }
    }
}

impl<T> Mailbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Every critical section leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts letters in; gives them back when the mailbox is closed.
    pub(crate) fn put(&self, letters: impl IntoIterator<Item = T>) -> Result<(), Vec<T>> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return Err(letters.into_iter().collect());
        }
        state.letters.extend(letters);
        let waker = if state.letters.is_empty() { None } else { state.waker.take() };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Takes everything; waits when there is nothing. `None` when the mailbox is closed and empty.
    pub(crate) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Option<VecDeque<T>>> {
        let mut state = self.lock();
        if !state.letters.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut state.letters)));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Takes everything, waiting until there is something. `None` when the mailbox is closed and empty.
    pub(crate) async fn take(&self) -> Option<VecDeque<T>> {
        std::future::poll_fn(|context| self.poll_take(context)).await
    }

    /// Accepts no more letters and drops those inside: nobody will take them.
    pub(crate) fn abandon(&self) {
        self.close();
        let letters = std::mem::take(&mut self.lock().letters);
        drop(letters);
    }

    /// Accepts no more letters; those inside can still be taken.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
