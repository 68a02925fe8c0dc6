//! Names on the wire: streams and the rules for ids.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// A stream as a client names it, kept as the text that stands on the wire.
///
/// ```
/// use wsc_core::{StreamKind, StreamName};
/// assert_eq!(StreamName::parse("group:team"), Some(StreamName::group("team")));
/// assert_eq!(StreamName::Inbox.to_string(), "inbox");
/// assert_eq!(StreamName::parse("elsewhere"), None);
/// assert_eq!(StreamName::group("team").kind(), StreamKind::Group("team"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName<'a>(Cow<'a, str>);

/// What a [`StreamName`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind<'a> {
    /// `inbox`: what is meant for the connected user, and the user's own messages to users.
    Inbox,
    /// `broadcast`: messages to everybody.
    Broadcast,
    /// `group:<id>`: the messages of the group with this id.
    Group(&'a str),
}

/// What a group's stream begins with.
const GROUP: &str = "group:";

#[allow(non_upper_case_globals, reason = "they are used like the values of an enumeration")]
impl<'a> StreamName<'a> {
    /// `inbox`: what is meant for the connected user, and the user's own messages to users.
    pub const Inbox: Self = Self(Cow::Borrowed("inbox"));
    /// `broadcast`: messages to everybody.
    pub const Broadcast: Self = Self(Cow::Borrowed("broadcast"));

    /// The stream of a group.
    #[must_use]
    pub fn group(id: impl AsRef<str>) -> Self {
        let mut name = String::from(GROUP);
        name.push_str(id.as_ref());
        Self(Cow::Owned(name))
    }

    /// Reads a name, and keeps it as it is; `None` when it names no stream.
    #[must_use]
    pub fn parse(name: impl Into<Cow<'a, str>>) -> Option<Self> {
        let name = name.into();
        let known = match name.strip_prefix(GROUP) {
            Some(id) => is_id(id),
            None => name == "inbox" || name == "broadcast",
        };
        known.then_some(Self(name))
    }

    /// The same name with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> StreamName<'static> {
        StreamName(Cow::Owned(self.0.into_owned()))
    }

    /// What it names.
    #[must_use]
    pub fn kind(&self) -> StreamKind<'_> {
        match self.group_id() {
            Some(id) => StreamKind::Group(id),
            None if self.0 == "inbox" => StreamKind::Inbox,
            None => StreamKind::Broadcast,
        }
    }

    /// The group's id, if it is a group's stream.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        self.0.strip_prefix(GROUP)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text can be the id of a user, group or device: 1 to 128 bytes without control characters.
#[must_use]
pub fn is_id(text: &str) -> bool {
    // Control characters are those of ASCII and U+0080 to U+009F, in bytes c2 80 to c2 9f.
    let mut before = 0;
    matches!(text.len(), 1..=128)
        && text.bytes().all(|byte| {
            let control = byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0);
            before = byte;
            !control
        })
}

/// Whether a text can be a `message_id`: 1 to 64 printable ASCII characters.
#[must_use]
pub fn is_message_id(text: &str) -> bool {
    matches!(text.len(), 1..=64) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}
