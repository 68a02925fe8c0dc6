//! Read marks on their way to the user's other devices.

use std::rc::Rc;
use std::sync::Arc;

use crate::admission::identity::Identity;
use crate::clock::Tick;

/// A mark that may not be passed on yet, or was passed on within the last second.
pub(crate) struct Mark {
    pub(crate) due: Tick,
    /// The position to be passed on; `None`: nothing new since the last.
    pub(crate) waiting: Option<(Rc<Identity>, Arc<str>, u64)>,
}
