//! What hubs tell each other beside the log. A hint may be lost: what must not be is in the store. Closed, and bytes in
//! both directions, so that a broker can carry each of them.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::log::key::{Scope, UserKey};
use crate::log::store::Target;

/// A hint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Hint {
    /// A frame without a position, for whoever reads now.
    Volatile(Volatile),
    /// Messages reached a stage: for their sender.
    Receipt(Receipt),
    /// Connections of a user, or of one device, are to be closed with 4010.
    Kick {
        user: UserKey,
        /// Empty: all.
        device: Arc<str>,
        reason: Arc<str>,
    },
    /// A message that observers may see, as the frame they get.
    Observed {
        scope: Scope,
        /// The group it went to; empty: to a user or to everybody.
        group: Arc<str>,
        frame: Bytes,
    },
    /// A user may appear to others otherwise than before.
    Presence(UserKey),
}

/// A volatile frame on its way to readers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Volatile {
    pub(crate) target: Target,
    /// Only for this device of the receiver; empty: all.
    pub(crate) only_device: Arc<str>,
    /// Not for this user; empty: for all.
    pub(crate) except: Arc<str>,
    /// Not for this device, which sent it, and which may be on another hub by now: user and device; empty: for all.
    pub(crate) from: (Arc<str>, Arc<str>),
    pub(crate) frame: Bytes,
}

/// Messages of one sender that reached a stage with one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) sender: UserKey,
    /// A user of the same tenant.
    pub(crate) receiver: Arc<str>,
    /// The receiver's device; empty: any.
    pub(crate) device: Arc<str>,
    pub(crate) message_ids: Vec<Arc<str>>,
    /// Read, rather than delivered.
    pub(crate) read: bool,
}

/// A hint as a broker carries it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// The hub that tells it: it has told its own shards already.
    pub(crate) origin: u128,
    pub(crate) hint: Hint,
}

/// The first byte of a hint: whoever does not know the number drops it.
const VERSION: u8 = 1;

/// Bytes that are not a hint of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a hint of version {VERSION}")]
pub(crate) struct NotAHint;

impl Envelope {
    /// The bytes that a broker carries.
    pub(crate) fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// A hint from what a broker carried, which may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NotAHint> {
        match bytes {
            [VERSION, hint @ ..] => postcard::from_bytes(hint).map_err(|_| NotAHint),
            _ => Err(NotAHint),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::key::GroupKey;

    fn text() -> impl Strategy<Value = Arc<str>> {
        "\\PC{0,12}".prop_map(|text| text.as_str().into())
    }

    fn scope() -> impl Strategy<Value = Scope> {
        (text(), text()).prop_map(|(app, namespace)| Scope { app, namespace })
    }

    fn user() -> impl Strategy<Value = UserKey> {
        (scope(), text()).prop_map(|(scope, user)| UserKey { scope, user })
    }

    fn target() -> impl Strategy<Value = Target> {
        prop_oneof![
            user().prop_map(Target::User),
            (scope(), text()).prop_map(|(scope, group)| Target::Group(GroupKey { scope, group })),
            scope().prop_map(Target::Broadcast),
        ]
    }

    fn frame() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
    }

    fn hint() -> impl Strategy<Value = Hint> {
        prop_oneof![
            (target(), text(), text(), text(), frame()).prop_map(
                |(target, only_device, except, from, frame)| {
                    let from = (from.clone(), from);
                    Hint::Volatile(Volatile { target, only_device, except, from, frame })
                }
            ),
            (user(), text(), text(), prop::collection::vec(text(), 0..5), any::<bool>()).prop_map(
                |(sender, receiver, device, message_ids, read)| {
                    Hint::Receipt(Receipt { sender, receiver, device, message_ids, read })
                }
            ),
            (user(), text(), text()).prop_map(|(user, device, reason)| Hint::Kick { user, device, reason }),
            (scope(), text(), frame()).prop_map(|(scope, group, frame)| Hint::Observed {
                scope,
                group,
                frame
            }),
            user().prop_map(Hint::Presence),
        ]
    }

    proptest! {
        #[test]
        fn a_hint_comes_out_as_it_went_in(hint in hint()) {
            let envelope = Envelope { origin: u128::MAX / 3, hint };
            prop_assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
        }

        #[test]
        fn any_bytes_are_a_hint_or_refused(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            versioned in any::<bool>(),
        ) {
            if let (true, Some(first)) = (versioned, bytes.first_mut()) {
                *first = VERSION;
            }
            if let Ok(envelope) = Envelope::decode(&bytes) {
                prop_assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
            }
        }
    }
}
