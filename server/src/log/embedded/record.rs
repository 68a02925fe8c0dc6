//! The values of the embedded store, format 1. Pure functions: decoding any bytes gives a record or [`Invalid`], never
//! a panic, and allocates no more than the bytes hold.

use std::sync::Arc;

use super::super::key::StreamKey;
use super::super::store::{Flags, Ranges};
use super::codec::{Decoder, Invalid, put_number, put_text};
use super::layout;

/// Version and kind of the values in `log`.
const MESSAGE: u8 = 1;
const COPY: u8 = 2;
/// Version of all other values.
pub(super) const VERSION: u8 = 1;

/// A value in `log`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LogRecord<'a> {
    /// A message, in its target's stream.
    Message(MessageRecord<'a>),
    /// In the sender's inbox: where the message lies.
    Copy(CopyRecord<'a>),
}

/// A message with its body. The target is the stream it lies in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MessageRecord<'a> {
    pub(super) flags: Flags,
    pub(super) dedupe: bool,
    pub(super) create_at: u64,
    pub(super) expires_at: u64,
    /// The number of the sender's inbox.
    pub(super) sender_number: u64,
    pub(super) sender: &'a str,
    pub(super) device: &'a str,
    pub(super) message_id: &'a str,
    pub(super) only_device: &'a str,
    /// The position of the copy in the sender's inbox; 0: none.
    pub(super) own_seq: u64,
    pub(super) body: &'a [u8],
}

/// The sender's position of a message that lies in another user's inbox.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CopyRecord<'a> {
    pub(super) create_at: u64,
    /// The receiver's inbox.
    pub(super) stream: u64,
    /// The position there.
    pub(super) seq: u64,
    /// The receiver.
    pub(super) receiver: &'a str,
}

impl<'a> LogRecord<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let mut from = Decoder::new(bytes);
        match from.byte()? {
            MESSAGE => Ok(Self::Message(MessageRecord {
                flags: Flags(from.byte()?),
                dedupe: from.byte()? == 1,
                create_at: from.number()?,
                expires_at: from.number()?,
                sender_number: from.number()?,
                sender: from.text()?,
                device: from.text()?,
                message_id: from.text()?,
                only_device: from.text()?,
                own_seq: from.number()?,
                body: from.rest(),
            })),
            COPY => {
                let copy = CopyRecord {
                    create_at: from.number()?,
                    stream: from.number()?,
                    seq: from.number()?,
                    receiver: from.text()?,
                };
                from.end()?;
                Ok(Self::Copy(copy))
            }
            _ => Err(Invalid),
        }
    }

    pub(super) fn create_at(&self) -> u64 {
        match self {
            Self::Message(message) => message.create_at,
            Self::Copy(copy) => copy.create_at,
        }
    }
}

impl MessageRecord<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let text = self.sender.len() + self.device.len() + self.message_id.len() + self.only_device.len();
        let mut out = Vec::with_capacity(48 + text + self.body.len());
        out.extend_from_slice(&[MESSAGE, self.flags.0, u8::from(self.dedupe)]);
        put_number(&mut out, self.create_at);
        put_number(&mut out, self.expires_at);
        put_number(&mut out, self.sender_number);
        put_text(&mut out, self.sender);
        put_text(&mut out, self.device);
        put_text(&mut out, self.message_id);
        put_text(&mut out, self.only_device);
        put_number(&mut out, self.own_seq);
        out.extend_from_slice(self.body);
        out
    }
}

impl CopyRecord<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.receiver.len());
        out.push(COPY);
        put_number(&mut out, self.create_at);
        put_number(&mut out, self.stream);
        put_number(&mut out, self.seq);
        put_text(&mut out, self.receiver);
        out
    }
}

/// A record of fixed fields.
pub(super) trait Record: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Result<Self, Invalid>;
}

macro_rules! numbers {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$field_doc:meta])* $field:ident),+ $(,)?
            // What earlier versions did not write; 0 then.
            $(; $($(#[$later_doc:meta])* $later:ident),+ $(,)?)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(super) struct $name {
            $($(#[$field_doc])* pub(super) $field: u64,)+
            $($($(#[$later_doc])* pub(super) $later: u64,)+)?
        }

        impl Record for $name {
            fn encode(&self) -> Vec<u8> {
                let mut out = vec![VERSION];
                $(put_number(&mut out, self.$field);)+
                $($(put_number(&mut out, self.$later);)+)?
                out
            }

            fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
                let mut from = Decoder::new(bytes);
                from.version(VERSION)?;
                let record = Self {
                    $($field: from.number()?,)+
                    $($($later: if from.is_empty() { 0 } else { from.number()? },)+)?
                };
                from.end()?;
                Ok(record)
            }
        }
    };
}

numbers! {
    /// A single number: a stream's, a count, a position.
    Number { value }
}

/// A device's place in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PlaceRecord {
    /// The generation its epoch was.
    pub(super) generation: u64,
    pub(super) seq: u64,
}

impl Record for PlaceRecord {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_number(&mut out, self.generation);
        put_number(&mut out, self.seq);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut from = Decoder::new(bytes);
        from.version(VERSION)?;
        let record = Self { generation: from.number()?, seq: from.number()? };
        // Earlier versions wrote down here where the device began.
        if !from.is_empty() {
            from.number()?;
        }
        from.end()?;
        Ok(record)
    }
}

/// A read mark that was not passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WaitingRecord {
    pub(super) seq: u64,
    /// The device that said it.
    pub(super) device: Arc<str>,
}

impl Record for WaitingRecord {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_number(&mut out, self.seq);
        put_text(&mut out, &self.device);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut from = Decoder::new(bytes);
        from.version(VERSION)?;
        let record = Self { seq: from.number()?, device: from.text()?.into() };
        from.end()?;
        Ok(record)
    }
}

/// What was delivered of a stream to a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DeliveredRecord {
    /// The generation its epoch was.
    pub(super) generation: u64,
    pub(super) ranges: Ranges,
}

impl Record for DeliveredRecord {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_number(&mut out, self.generation);
        for (after, to) in self.ranges.iter() {
            put_number(&mut out, after);
            put_number(&mut out, to);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut from = Decoder::new(bytes);
        from.version(VERSION)?;
        let generation = from.number()?;
        let mut ranges = Ranges::default();
        while !from.is_empty() {
            ranges.insert(from.number()?, from.number()?);
        }
        Ok(Self { generation, ranges })
    }
}

numbers! {
    /// A device.
    DeviceRecord { attempts, last_seen }
}

numbers! {
    /// A user.
    UserRecord {
        /// The start in `broadcast`, plus 1; 0: not yet seen.
        broadcast,
        last_seen;
        /// The version of the inbox.
        version,
    }
}

numbers! {
    /// A group.
    GroupRecord {
        members;
        version,
        /// The request that last disbanded it; 0: none.
        disbanded,
    }
}

numbers! {
    /// A membership or what is left of one. Seconds and starts are kept plus 1; 0: none.
    MemberRecord {
        start,
        since,
        /// The number of the member's inbox.
        user,
        left,
        removed;
        /// The request that began it, or that ended the last one; 0: none.
        request,
    }
}

/// What is remembered about a message id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IdRecord {
    pub(super) digest: [u8; 16],
    pub(super) seq: u64,
    /// 0: none.
    pub(super) own_seq: u64,
    pub(super) create_at: u64,
}

impl Record for IdRecord {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        out.push(VERSION);
        out.extend_from_slice(&self.digest);
        put_number(&mut out, self.seq);
        put_number(&mut out, self.own_seq);
        put_number(&mut out, self.create_at);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut from = Decoder::new(bytes);
        from.version(VERSION)?;
        let record = Self {
            digest: from.array()?,
            seq: from.number()?,
            own_seq: from.number()?,
            create_at: from.number()?,
        };
        from.end()?;
        Ok(record)
    }
}

/// A stream: its name, and what cannot be told from its entries. The head can: it is the newest entry's position, or,
/// where none is left, the one before the floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamRecord {
    pub(super) name: StreamKey,
    pub(super) floor: u64,
    /// The generation it was last written in.
    pub(super) generation: u64,
    /// Earlier generations and the last position of each that survived, oldest first.
    pub(super) lineage: Vec<(u64, u64)>,
}

impl Record for StreamRecord {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        layout::put_stream(&mut out, &self.name);
        put_number(&mut out, self.floor);
        put_number(&mut out, self.generation);
        for (generation, survived) in &self.lineage {
            put_number(&mut out, *generation);
            put_number(&mut out, *survived);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut from = Decoder::new(bytes);
        from.version(VERSION)?;
        let name = layout::stream_name(&mut from)?;
        let floor = from.number()?;
        let generation = from.number()?;
        if floor == 0 {
            return Err(Invalid);
        }
        let mut lineage = Vec::new();
        while !from.is_empty() {
            lineage.push((from.number()?, from.number()?));
        }
        Ok(Self { name, floor, generation, lineage })
    }
}
