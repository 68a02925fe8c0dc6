//! The client in Node.js. The bridge is not API: `@wsc/node` is. Holds no rule of the protocol; it gives a session a thread
//! to run on, and carries commands and reports, many at a time.
//!
//! Reports cross as one text of JSON for a whole batch, in which each message stands as it came: making one string and
//! reading it is what Node does fastest. The next batch waits until the last was taken, so that a busy event loop piles up
//! nothing.

mod batch;
mod command;
mod machine;
mod runtime;
mod session;
mod settings;

pub use batch::Batch;
pub use command::Command;
pub use machine::{Machine, MachineSettings};
pub use session::{Opening, Session};
pub use settings::Settings;
