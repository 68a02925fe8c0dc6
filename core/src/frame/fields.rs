//! The fields of all frames, read in one pass: a table of names, and what was given for each.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::scan::{Kind, Scanner, each_text, whole};
use super::string::unescape;
use super::{DecodeError, Fault};
use crate::message::{FieldError, Id, Text};
use crate::names::StreamName;

macro_rules! table {
    ($($group:ident: $count:ident { $($name:ident = $text:literal),* $(,)? })*) => {
        $(
            #[derive(Clone, Copy)]
            #[allow(dead_code, reason = "a message's texts are taken all at once, and some fields only checked")]
            pub(crate) enum $group { $($name),* }
            const $count: usize = [$($text),*].len();
            #[allow(dead_code, reason = "not every group needs it")]
            impl $group {
                pub(crate) const fn name(self) -> &'static str { match self { $(Self::$name => $text),* } }
            }
        )*
        /// Every name, group after group.
        static NAMES: [&str; 0 $(+ $count)*] = [$($($text),*),*];
    };
}

// The first texts are those of a message, in the order of `Message::texts_mut`.
table! {
    Texts: TEXTS {
        MessageType = "message_type", MessageId = "message_id", Sender = "sender", SenderName = "sender_name",
        SenderType = "sender_type", SenderClient = "sender_client", Receiver = "receiver",
        ReceiverName = "receiver_name", ReceiverType = "receiver_type", ReceiverClient = "receiver_client",
        SessionId = "session_id", Content = "content", CreateAt = "create_at", ReplyTo = "reply_to_msg_id",
        Priority = "priority", Source = "source", PushType = "push_type", BroadcastType = "broadcast_type",
        TraceId = "trace_id", RequestId = "request_id", Stream = "stream", Token = "token", DeviceId = "device_id",
        Client = "client", Start = "start", Status = "status", Reason = "reason", Peer = "peer",
        ConnectionId = "connection_id", UserId = "user_id", UserType = "user_type", AppId = "app_id",
        Namespace = "namespace", NodeId = "node_id", Epoch = "epoch", GroupId = "group_id", Action = "action",
        After = "after",
    }
    Numbers: NUMBERS {
        SeqNo = "seq_no", ExpiresIn = "expires_in_ms", Protocol = "protocol", From = "from", To = "to",
        Head = "head", Code = "code", RetryAfter = "retry_after_ms", Limit = "limit", ServerTime = "server_time_ms",
        Heartbeat = "heartbeat_ms", Window = "window", Ack = "ack_ms", Dedupe = "dedupe_ms", Frame = "frame",
        Seq = "seq", SentMs = "sent_ms",
    }
    Flags: FLAGS {
        RequireAck = "require_ack", SkipStorage = "skip_database_storage", SkipSend = "skip_send_to_client",
        Volatile = "volatile", Observed = "observed", Duplicate = "duplicate", Reverse = "reverse",
    }
    Lists: LISTS {
        GroupIds = "group_ids", Groups = "groups", MessageIds = "message_ids", UserIds = "user_ids",
    }
    Objects: OBJECTS { Data = "data", Cursors = "cursors", Streams = "streams", Limits = "limits" }
}

const FIRST_FLAG: usize = TEXTS + NUMBERS;
const FIRST_LIST: usize = FIRST_FLAG + FLAGS;
const FIRST_OBJECT: usize = FIRST_LIST + LISTS;

const PLACES: usize = 128;
const NONE: u8 = u8::MAX;

/// Where in [`NAMES`] a name stands: a hash table that is complete when the program is compiled. Nearly every name
/// has its own slot, so that one comparison decides; a `match` would compare with every name in turn.
static TABLE: [u8; PLACES] = {
    let mut table = [NONE; PLACES];
    let mut index = 0;
    while index < NAMES.len() {
        let mut at = slot(NAMES[index].as_bytes());
        while table[at] != NONE {
            at = (at + 1) % PLACES;
        }
        #[allow(clippy::cast_possible_truncation, reason = "there are fewer names than 255")]
        let entry = index as u8;
        table[at] = entry;
        index += 1;
    }
    table
};

const fn slot(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (first, middle, last) = (name[0], name[name.len() / 2], name[name.len() - 1]);
    (first as usize + 13 * middle as usize + 63 * last as usize + 13 * name.len()) % PLACES
}

/// A known field's index in [`NAMES`].
fn known(name: &str) -> Option<(usize, &'static str)> {
    let mut at = slot(name.as_bytes());
    loop {
        let index = usize::from(*TABLE.get(at)?);
        let known = *NAMES.get(index)?;
        if known == name {
            return Some((index, known));
        }
        at = (at + 1) % PLACES;
    }
}

/// A result of reading. The error is boxed, so that handing it on costs one word instead of seven.
pub(crate) type Read<T> = Result<T, Box<DecodeError>>;

/// What one object gave for the known fields: slices of it, checked, and made into texts and numbers when they are
/// asked for. Most never are.
pub(crate) struct Fields<'a> {
    values: [Option<&'a str>; NAMES.len()],
}

impl<'a> Fields<'a> {
    pub(crate) fn new() -> Self {
        Self { values: [None; NAMES.len()] }
    }

    /// Reads an object; the error carries the `message_id` if it could be read. In place: the table of fields is
    /// large.
    pub(crate) fn read(&mut self, text: &'a str) -> Read<()> {
        Scanner::patient(text)
            .document(&mut |scanner, name| self.member(scanner, name))
            .map_err(|fault| self.fault(fault))
    }

    fn member(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Option<()> {
        let Some((index, field)) = known(name) else { return scanner.skip() };
        let value = self.values.get_mut(index)?;
        if value.is_some() {
            scanner.skip()?;
            return scanner.note(Fault::Twice { field });
        }
        let kind = match index {
            ..TEXTS => Kind::Text,
            TEXTS..FIRST_FLAG => Kind::Number,
            FIRST_FLAG..FIRST_LIST => Kind::Flag,
            FIRST_LIST..FIRST_OBJECT => Kind::List,
            _ => Kind::Object,
        };
        *value = Some(scanner.value(kind, field)?);
        Some(())
    }

    /// An error about this frame.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn fault(&self, fault: Fault) -> Box<DecodeError> {
        let message_id = (!self.is_empty(Texts::MessageId)).then(|| self.string(Texts::MessageId));
        Box::new(DecodeError { fault, message_id })
    }

    /// An error about one field of this frame.
    pub(crate) fn wrong<T>(&self, field: &'static str, reason: &'static str) -> Read<T> {
        Err(self.fault(Fault::Field(FieldError { field, reason })))
    }

    fn value(&self, index: usize) -> &'a str {
        self.values[index].unwrap_or_default()
    }

    pub(crate) fn is_empty(&self, name: Texts) -> bool {
        self.value(name as usize).is_empty()
    }

    /// Whether it is this text.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn is(&self, name: Texts, text: &str) -> bool {
        self.text(name) == text
    }

    /// Whether it was given, if only as an empty text.
    pub(crate) fn has(&self, name: Texts) -> bool {
        self.values[name as usize].is_some()
    }

    pub(crate) fn text(&self, name: Texts) -> Text<'a> {
        unescape(self.value(name as usize))
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn string(&self, name: Texts) -> String {
        self.text(name).into_owned()
    }

    /// What it is as the name of somebody.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn id(&self, name: Texts) -> Id {
        Id::of(&self.text(name))
    }

    pub(crate) fn number(&self, name: Numbers) -> u64 {
        self.optional(name).unwrap_or(0)
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn optional(&self, name: Numbers) -> Option<u64> {
        self.values[TEXTS + name as usize].and_then(whole)
    }

    /// What stands before and after a number in the text that was read.
    pub(crate) fn around<'t>(&self, name: Numbers, text: &'t str) -> Option<(&'t str, &'t str)> {
        let digits = self.values[TEXTS + name as usize]?;
        let at = digits.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        Some((text.get(..at)?, text.get(at + digits.len()..)?))
    }

    pub(crate) fn flag(&self, name: Flags) -> bool {
        self.value(FIRST_FLAG + name as usize) == "true"
    }

    /// Goes through a list.
    pub(crate) fn each(&self, name: Lists, item: &mut dyn FnMut(Text<'a>)) {
        each_text(self.value(FIRST_LIST + name as usize), item);
    }

    pub(crate) fn list(&self, name: Lists) -> Vec<Text<'a>> {
        let mut items = Vec::new();
        self.each(name, &mut |item| items.push(item));
        items
    }

    pub(super) fn optional_list(&self, name: Lists) -> Option<Vec<Text<'a>>> {
        self.values[FIRST_LIST + name as usize].map(|_| self.list(name))
    }

    pub(crate) fn object(&self, name: Objects) -> &'a str {
        self.value(FIRST_OBJECT + name as usize)
    }

    /// Reads the fields inside an object; an absent one has none.
    pub(crate) fn inside(&self, name: Objects, into: &mut Self) -> Read<()> {
        let object = self.object(name);
        if object.is_empty() {
            return Ok(());
        }
        into.read(object).map_err(|error| self.fault(error.fault))
    }

    /// `stream`, which must name one.
    pub(crate) fn stream(&self) -> Read<StreamName<'a>> {
        match StreamName::parse(self.text(Texts::Stream)) {
            Some(stream) => Ok(stream),
            None => self.wrong("stream", "must be inbox, broadcast or group:<id>"),
        }
    }

    /// `stream`, which may be absent.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn optional_stream(&self) -> Read<Option<StreamName<'a>>> {
        if self.is_empty(Texts::Stream) { Ok(None) } else { self.stream().map(Some) }
    }
}
