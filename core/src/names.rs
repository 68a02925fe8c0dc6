//! Names on the wire: streams and the rules for ids.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// A stream as a client names it.
///
/// ```
/// use wsc_core::StreamName;
/// assert_eq!(StreamName::parse("group:team"), Some(StreamName::group("team")));
/// assert_eq!(StreamName::Inbox.to_string(), "inbox");
/// assert_eq!(StreamName::parse("elsewhere"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamName<'a> {
    /// `inbox`: what is meant for the connected user, and the user's own messages to users.
    Inbox,
    /// `broadcast`: messages to everybody.
    Broadcast,
    /// `group:<id>`: a group's messages.
    Group(Cow<'a, str>),
}

impl<'a> StreamName<'a> {
    /// The stream of a group.
    pub fn group(id: impl Into<Cow<'a, str>>) -> Self {
        Self::Group(id.into())
    }

    /// Reads a name; `None` when it names no stream.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        match name {
            "inbox" => Some(Self::Inbox),
            "broadcast" => Some(Self::Broadcast),
            _ => name.strip_prefix("group:").filter(|id| is_id(id)).map(Self::group),
        }
    }

    /// As [`StreamName::parse`], for text that may own its bytes.
    #[must_use]
    pub fn from_text(name: Cow<'a, str>) -> Option<Self> {
        match name {
            Cow::Borrowed(name) => Self::parse(name),
            Cow::Owned(name) => StreamName::parse(&name).map(StreamName::into_owned),
        }
    }

    /// The same name with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> StreamName<'static> {
        match self {
            Self::Inbox => StreamName::Inbox,
            Self::Broadcast => StreamName::Broadcast,
            Self::Group(id) => StreamName::Group(Cow::Owned(id.into_owned())),
        }
    }

    /// The group's id, if it is a group's stream.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        match self {
            Self::Group(id) => Some(id),
            Self::Inbox | Self::Broadcast => None,
        }
    }

    /// Appends the name.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Inbox => out.push_str("inbox"),
            Self::Broadcast => out.push_str("broadcast"),
            Self::Group(id) => {
                out.push_str("group:");
                out.push_str(id);
            }
        }
    }
}

impl fmt::Display for StreamName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = String::new();
        self.write(&mut name);
        f.write_str(&name)
    }
}

/// Whether a text can be the id of a user, group or device: 1 to 128 bytes without control characters.
#[must_use]
pub fn is_id(text: &str) -> bool {
    // Control characters are those of ASCII and U+0080 to U+009F, in bytes c2 80 to c2 9f.
    let mut before = 0;
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| {
            let control = byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0);
            before = byte;
            !control
        })
}

/// Whether a text can be a `message_id`: 1 to 64 printable ASCII characters.
#[must_use]
pub fn is_message_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}
