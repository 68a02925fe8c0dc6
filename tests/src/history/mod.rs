//! Histories of whole systems: what was sent, settled, handed over, covered on the wire, killed; and whether it kept the
//! promise. Shares no code with the client or the hub: it would repeat their mistakes.

mod check;
mod event;
mod subjects;
mod tap;
mod writer;

pub use check::{Report, Rule, Violation, check};
pub use event::{Event, Fact};
pub use subjects::{Cover, Device, Entry, Mark, Outcome, Sending, Stage, Target, digest};
pub(crate) use tap::Tap;
pub use writer::{Writer, read, read_all};
