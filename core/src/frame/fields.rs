//! The fields of all frames, read in one pass: a table of names, and what was given for each.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::scan::Scanner;
use super::{DecodeError, Fault};
use crate::message::{FieldError, Message, Text, take_string};
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

const PLACES: usize = 256;
const NONE: u8 = u8::MAX;

/// Where in [`NAMES`] a name stands: a hash table that is complete when the program is compiled. Nearly every name
/// has its own place, so that one comparison decides; a `match` would compare with every name in turn.
static TABLE: [u8; PLACES] = {
    let mut table = [NONE; PLACES];
    let mut index = 0;
    while index < NAMES.len() {
        let mut at = place(NAMES[index].as_bytes());
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

const fn place(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (first, middle, last) = (name[0], name[name.len() / 2], name[name.len() - 1]);
    (first as usize + 4 * middle as usize + 14 * last as usize + 5 * name.len()) % PLACES
}

/// A known field's place in [`NAMES`].
fn known(name: &str) -> Option<(usize, &'static str)> {
    let mut at = place(name.as_bytes());
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

/// What one object gave for the known fields.
pub(crate) struct Fields<'a> {
    texts: [Text<'a>; TEXTS],
    numbers: [u64; NUMBERS],
    flags: [bool; FLAGS],
    lists: [Vec<Text<'a>>; LISTS],
    objects: [&'a str; OBJECTS],
    /// Which of [`NAMES`] were given.
    seen: [bool; NAMES.len()],
}

impl<'a> Fields<'a> {
    pub(crate) fn new() -> Self {
        Self {
            texts: [const { Cow::Borrowed("") }; TEXTS],
            numbers: [0; NUMBERS],
            flags: [false; FLAGS],
            lists: [const { Vec::new() }; LISTS],
            objects: [""; OBJECTS],
            seen: [false; NAMES.len()],
        }
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
        if core::mem::replace(self.seen.get_mut(index)?, true) {
            scanner.skip()?;
            return scanner.note(Fault::Twice { field });
        }
        if let Some(text) = self.texts.get_mut(index) {
            *text = scanner.text(field)?;
        } else if let Some(number) = self.numbers.get_mut(index.wrapping_sub(TEXTS)) {
            *number = scanner.integer(field)?;
        } else if let Some(flag) = self.flags.get_mut(index.wrapping_sub(FIRST_FLAG)) {
            *flag = scanner.boolean(field)?;
        } else if let Some(list) = self.lists.get_mut(index.wrapping_sub(FIRST_LIST)) {
            *list = scanner.list(field)?;
        } else if let Some(object) = self.objects.get_mut(index.wrapping_sub(FIRST_OBJECT)) {
            *object = scanner.raw_object(field)?;
        }
        Some(())
    }

    fn has(&self, index: usize) -> bool {
        self.seen.get(index).is_some_and(|seen| *seen)
    }

    /// Moves a message's texts there.
    pub(super) fn give_texts<'b>(&mut self, message: &mut Message<'b>, keep: impl Fn(Text<'a>) -> Text<'b>) {
        for (place, text) in message.texts_mut().into_iter().zip(&mut self.texts) {
            *place = keep(core::mem::take(text));
        }
    }

    /// An error about this frame.
    pub(super) fn fault(&self, fault: impl Into<Fault>) -> Box<DecodeError> {
        let id = self.peek(Texts::MessageId);
        Box::new(DecodeError { fault: fault.into(), message_id: (!id.is_empty()).then(|| id.into()) })
    }

    /// An error about one field of this frame.
    pub(crate) fn wrong<T>(&self, field: &'static str, reason: &'static str) -> Read<T> {
        Err(self.fault(FieldError { field, reason }))
    }

    pub(crate) fn peek(&self, name: Texts) -> &str {
        &self.texts[name as usize]
    }

    pub(super) fn text(&mut self, name: Texts) -> Text<'a> {
        core::mem::take(&mut self.texts[name as usize])
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn string(&mut self, name: Texts) -> String {
        take_string(&mut self.texts[name as usize])
    }

    pub(crate) fn number(&self, name: Numbers) -> u64 {
        self.numbers[name as usize]
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn optional(&self, name: Numbers) -> Option<u64> {
        self.has(TEXTS + name as usize).then(|| self.number(name))
    }

    pub(crate) fn flag(&self, name: Flags) -> bool {
        self.flags[name as usize]
    }

    pub(crate) fn list(&mut self, name: Lists) -> Vec<Text<'a>> {
        core::mem::take(&mut self.lists[name as usize])
    }

    pub(super) fn optional_list(&mut self, name: Lists) -> Option<Vec<Text<'a>>> {
        self.has(FIRST_LIST + name as usize).then(|| self.list(name))
    }

    pub(crate) fn object(&self, name: Objects) -> &'a str {
        self.objects[name as usize]
    }

    /// Reads the fields inside `data`; an absent one has none.
    pub(crate) fn data(&self, into: &mut Self) -> Read<()> {
        let data = self.object(Objects::Data);
        if data.is_empty() {
            return Ok(());
        }
        into.read(data).map_err(|error| self.fault(error.fault))
    }

    /// `stream`, which must name one.
    pub(crate) fn stream(&mut self) -> Read<StreamName<'a>> {
        match StreamName::from_text(self.text(Texts::Stream)) {
            Some(stream) => Ok(stream),
            None => self.wrong("stream", "must be inbox, broadcast or group:<id>"),
        }
    }

    /// `stream`, which may be absent.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn optional_stream(&mut self) -> Read<Option<StreamName<'a>>> {
        if self.peek(Texts::Stream).is_empty() { Ok(None) } else { self.stream().map(Some) }
    }
}
