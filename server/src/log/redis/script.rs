//! The scripts, and arguments for them.

use std::sync::LazyLock;

/// A script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Writes of a batch.
    Write,
    /// What a new connection asks.
    Epoch,
    /// Ends an epoch.
    Begin,
    /// A sign of life.
    Beat,
    /// Forgets what is too old.
    Retain,
}

impl Script {
    pub(super) const ALL: [Self; 5] = [Self::Write, Self::Epoch, Self::Begin, Self::Beat, Self::Retain];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Write => concat!(
                include_str!("scripts/write/begin.lua"),
                include_str!("scripts/write/append.lua"),
                include_str!("scripts/write/members.lua"),
                include_str!("scripts/write/progress.lua"),
                include_str!("scripts/write/people.lua"),
                include_str!("scripts/write/end.lua"),
            ),
            Self::Epoch => include_str!("scripts/epoch.lua"),
            Self::Begin => include_str!("scripts/begin.lua"),
            Self::Beat => include_str!("scripts/beat.lua"),
            Self::Retain => include_str!("scripts/retain.lua"),
        }
    }

    /// By which a server knows it.
    pub(super) fn hash(self) -> &'static str {
        static HASHES: LazyLock<[String; 5]> = LazyLock::new(|| {
            Script::ALL.map(|script| redis::Script::new(script.text()).get_hash().to_owned())
        });
        &HASHES[self as usize]
    }
}

/// Arguments, one after the other in one piece of memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Args {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Args {
    pub(super) fn put(&mut self, arg: impl AsRef<[u8]>) -> &mut Self {
        self.bytes.extend_from_slice(arg.as_ref());
        self.ends.push(self.bytes.len());
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.put(number.to_string())
    }

    pub(super) fn flag(&mut self, is_set: bool) -> &mut Self {
        self.put(if is_set { "1" } else { "0" })
    }

    pub(super) fn extend(&mut self, other: &Self) {
        other.iter().for_each(|arg| {
            self.put(arg);
        });
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[*start..*end])
    }
}
