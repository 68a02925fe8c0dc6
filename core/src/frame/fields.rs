//! The fields of all frames, read in one pass: a table of names, and what was given for each.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::scan::{Scanner, list};
use super::{DecodeError, Fault};
use crate::message::{FieldError, Text};
use crate::names::StreamName;

macro_rules! table {
    ($($group:ident: $count:ident { $($name:ident = $text:literal),* $(,)? })*) => {
        /// A known field: its group's index space and place in it.
        #[derive(Clone, Copy)]
        enum Slot { $($group($group)),* }
        $(
            #[derive(Clone, Copy)]
            pub(super) enum $group { $($name),* }
            const $count: usize = [$($text),*].len();
            impl $group {
                pub(super) const fn name(self) -> &'static str { match self { $(Self::$name => $text),* } }
            }
        )*
        fn slot(name: &str) -> Option<Slot> {
            match name { $($($text => Some(Slot::$group($group::$name)),)*)* _ => None }
        }
    };
}

table! {
    Texts: TEXTS {
        MessageType = "message_type", MessageId = "message_id", Sender = "sender", SenderName = "sender_name",
        SenderType = "sender_type", SenderClient = "sender_client", Receiver = "receiver",
        ReceiverName = "receiver_name", ReceiverType = "receiver_type", ReceiverClient = "receiver_client",
        SessionId = "session_id", Content = "content", CreateAt = "create_at", ReplyTo = "reply_to_msg_id",
        Priority = "priority", Source = "source", PushType = "push_type", BroadcastType = "broadcast_type",
        TraceId = "trace_id", Stream = "stream", RequestId = "request_id", Token = "token", DeviceId = "device_id",
        Client = "client", Start = "start", Status = "status", Reason = "reason", Peer = "peer",
        ConnectionId = "connection_id", UserId = "user_id", UserType = "user_type", AppId = "app_id",
        Namespace = "namespace", NodeId = "node_id", Epoch = "epoch", GroupId = "group_id", Action = "action",
        After = "after",
    }
    Numbers: NUMBERS {
        SeqNo = "seq_no", ExpiresIn = "expires_in_ms", Protocol = "protocol", From = "from", To = "to",
        Head = "head", Code = "code", RetryAfter = "retry_after_ms", Limit = "limit", ServerTime = "server_time_ms",
        Heartbeat = "heartbeat_ms", Window = "window", Ack = "ack_ms", Dedupe = "dedupe_ms", Frame = "frame",
        Seq = "seq",
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

/// What one object gave for the known fields.
pub(super) struct Fields<'a> {
    texts: [Text<'a>; TEXTS],
    numbers: [Option<u64>; NUMBERS],
    flags: [bool; FLAGS],
    lists: [Option<Vec<Text<'a>>>; LISTS],
    objects: [&'a str; OBJECTS],
    seen: u128,
}

impl<'a> Fields<'a> {
    /// Reads an object; the error carries the `message_id` if it could be read.
    pub(super) fn read(text: &'a str) -> Result<Self, DecodeError> {
        let mut fields = Self {
            texts: [const { Cow::Borrowed("") }; TEXTS],
            numbers: [None; NUMBERS],
            flags: [false; FLAGS],
            lists: [const { None }; LISTS],
            objects: [""; OBJECTS],
            seen: 0,
        };
        let mut first = None;
        let read = Scanner::new(text).document(|scanner, name| match fields.member(scanner, name) {
            // What is wrong with one field is told with the frame's id, which may stand further on.
            Err(fault @ (Fault::Field(_) | Fault::Twice { .. })) => {
                first.get_or_insert(fault);
                Ok(())
            }
            other => other,
        });
        match (read, first) {
            (Ok(()), None) => Ok(fields),
            (Err(fault), _) | (Ok(()), Some(fault)) => Err(fields.fault(fault)),
        }
    }

    fn member(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Result<(), Fault> {
        let Some(slot) = slot(name) else { return scanner.skip() };
        let (bit, field) = match slot {
            Slot::Texts(at) => (at as usize, at.name()),
            Slot::Numbers(at) => (TEXTS + at as usize, at.name()),
            Slot::Flags(at) => (TEXTS + NUMBERS + at as usize, at.name()),
            Slot::Lists(at) => (TEXTS + NUMBERS + FLAGS + at as usize, at.name()),
            Slot::Objects(at) => (TEXTS + NUMBERS + FLAGS + LISTS + at as usize, at.name()),
        };
        if self.seen & 1 << bit != 0 {
            scanner.skip()?;
            return Err(Fault::Twice { field });
        }
        self.seen |= 1 << bit;
        match slot {
            Slot::Texts(at) => self.texts[at as usize] = scanner.text(field)?,
            Slot::Numbers(at) => self.numbers[at as usize] = Some(scanner.integer(field)?),
            Slot::Flags(at) => self.flags[at as usize] = scanner.boolean(field)?,
            Slot::Lists(at) => self.lists[at as usize] = Some(list(scanner, field)?),
            Slot::Objects(at) => self.objects[at as usize] = scanner.raw_object(field)?,
        }
        Ok(())
    }

    /// An error about this frame.
    pub(super) fn fault(&self, fault: impl Into<Fault>) -> DecodeError {
        let id = &self.texts[Texts::MessageId as usize];
        DecodeError { fault: fault.into(), message_id: (!id.is_empty()).then(|| id.as_ref().into()) }
    }

    /// An error about one field of this frame.
    pub(super) fn wrong<T>(&self, field: &'static str, reason: &'static str) -> Result<T, DecodeError> {
        Err(self.fault(FieldError { field, reason }))
    }

    pub(super) fn peek(&self, name: Texts) -> &str {
        &self.texts[name as usize]
    }

    pub(super) fn text(&mut self, name: Texts) -> Text<'a> {
        core::mem::take(&mut self.texts[name as usize])
    }

    pub(super) fn number(&self, name: Numbers) -> u64 {
        self.numbers[name as usize].unwrap_or(0)
    }

    pub(super) fn optional(&self, name: Numbers) -> Option<u64> {
        self.numbers[name as usize]
    }

    pub(super) fn flag(&self, name: Flags) -> bool {
        self.flags[name as usize]
    }

    pub(super) fn list(&mut self, name: Lists) -> Vec<Text<'a>> {
        self.lists[name as usize].take().unwrap_or_default()
    }

    pub(super) fn optional_list(&mut self, name: Lists) -> Option<Vec<Text<'a>>> {
        self.lists[name as usize].take()
    }

    pub(super) fn object(&self, name: Objects) -> &'a str {
        self.objects[name as usize]
    }

    /// The fields inside `data`; an absent one has none.
    pub(super) fn data(&self) -> Result<Self, DecodeError> {
        let data = self.object(Objects::Data);
        Self::read(if data.is_empty() { "{}" } else { data }).map_err(|error| self.fault(error.fault))
    }

    /// `stream`, which must name one.
    pub(super) fn stream(&mut self) -> Result<StreamName<'a>, DecodeError> {
        match StreamName::from_text(self.text(Texts::Stream)) {
            Some(stream) => Ok(stream),
            None => self.wrong("stream", "must be inbox, broadcast or group:<id>"),
        }
    }
}
