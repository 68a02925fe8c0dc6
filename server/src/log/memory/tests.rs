//! The memory store against the checks every store has to pass, also as one that writes in two steps.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::conformance::{self as checks, Between, Wrapped, retention};
use super::super::store::{Answers, Appended, Store, StoreError, Target, Write, Written};
use super::MemoryStore;

crate::conformance!(|| Box::new(MemoryStore::new(retention())));

/// Writes a message to its receiver's stream first, and can be cut off then.
struct TwoSteps {
    memory: MemoryStore,
    is_cut: AtomicBool,
}

impl Between for TwoSteps {
    fn store(&self) -> &dyn Store {
        &self.memory
    }

    fn write<'a>(&'a self, _lane: usize, batch: &'a [Write]) -> Answers<'a> {
        let answers = batch.iter().map(|write| {
            let answer = self.memory.change(|state| match write {
                Write::Append(append)
                    if self.is_cut.load(Ordering::Relaxed) && matches!(append.target, Target::User(_)) =>
                {
                    match state.append_to_receiver(append) {
                        Appended::Stored { .. } => Err(StoreError::Unfinished),
                        known => Ok(Written::Append(known)),
                    }
                }
                write => Ok(state.apply(write)),
            });
            answer.unwrap_or(Err(StoreError::Closed))
        });
        Box::pin(std::future::ready(answers.collect()))
    }
}

fn two_steps() -> Box<Wrapped<TwoSteps>> {
    let memory = MemoryStore::new(retention());
    Box::new(Wrapped(TwoSteps { memory, is_cut: false.into() }))
}

#[test]
fn the_same_store_in_two_steps_completes_a_message_that_was_cut() {
    let cut: checks::Cut<Box<Wrapped<TwoSteps>>> =
        Some(|store, on| store.0.is_cut.store(on, Ordering::Relaxed));
    let check = checks::a_message_cut_between_its_streams_is_completed_when_sent_again;
    checks::run(check(&two_steps(), cut));
}

#[test]
#[should_panic(expected = "it must be cut")]
fn a_store_that_is_never_cut_does_not_pass_for_one() {
    let check = checks::a_message_cut_between_its_streams_is_completed_when_sent_again;
    checks::run(check(&two_steps(), Some(|_, _| ())));
}
