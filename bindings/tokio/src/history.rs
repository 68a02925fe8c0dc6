//! Parts of a stream's history, as an application asks for them.

use wsc_core::Message;

/// Which part of a history: the newest positions, those before one, or those after one.
///
/// ```
/// use wsc_client::History;
/// assert_eq!(History::newest(), History { before: None, after: None, limit: 50 });
/// assert_eq!(History::before(120), History { before: Some(120), ..History::newest() });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Positions below this one, the nearest first.
    pub before: Option<u64>,
    /// Positions above this one, the nearest first; it counts and not `before` where both are given.
    pub after: Option<u64>,
    /// Positions looked at: 1 to 500.
    pub limit: u64,
}

impl History {
    /// The newest 50 positions.
    ///
    /// ```
    /// assert_eq!(wsc_client::History::newest().limit, 50);
    /// ```
    #[must_use]
    pub const fn newest() -> Self {
        Self { before: None, after: None, limit: 50 }
    }

    /// The 50 positions below this one.
    ///
    /// ```
    /// assert_eq!(wsc_client::History::before(51).before, Some(51));
    /// ```
    #[must_use]
    pub const fn before(position: u64) -> Self {
        Self { before: Some(position), ..Self::newest() }
    }

    /// The 50 positions above this one; 0: the oldest.
    ///
    /// ```
    /// assert_eq!(wsc_client::History::after(0).after, Some(0));
    /// ```
    #[must_use]
    pub const fn after(position: u64) -> Self {
        Self { after: Some(position), ..Self::newest() }
    }

    /// As many positions, 1 to 500.
    ///
    /// ```
    /// assert_eq!(wsc_client::History::newest().limit(500).limit, 500);
    /// ```
    #[must_use]
    pub const fn limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// The first position to ask for (`None`: from the end of the stream), and whether downwards. Outer `None`: there is
    /// none below the first.
    pub(crate) fn range(self) -> Option<(Option<u64>, bool)> {
        match (self.before, self.after) {
            (_, Some(after)) => Some((Some(after.saturating_add(1)), false)),
            (Some(before), None) => {
                before.checked_sub(1).filter(|from| *from > 0).map(|from| (Some(from), true))
            }
            (None, None) => Some((None, true)),
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self::newest()
    }
}

/// A part of a history.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The messages, own ones and those that are only stored included, the oldest first.
    pub messages: Vec<Message<'static>>,
    /// The first position looked at.
    pub from: u64,
    /// The last position looked at.
    pub to: u64,
    /// The oldest position that this user may see.
    pub floor: u64,
    /// The newest position.
    pub head: u64,
    /// Whether there is more in the direction asked for.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_history_is_a_range_of_positions_in_one_direction() {
        assert_eq!(History::newest().range(), Some((None, true)));
        assert_eq!(History::before(51).range(), Some((Some(50), true)));
        assert_eq!(History::before(2).range(), Some((Some(1), true)));
        assert_eq!((History::before(1).range(), History::before(0).range()), (None, None));
        assert_eq!(History::after(0).range(), Some((Some(1), false)));
        assert_eq!(History { before: Some(9), ..History::after(50) }.range(), Some((Some(51), false)));
    }
}
