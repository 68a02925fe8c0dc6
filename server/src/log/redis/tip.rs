//! What a script publishes of a stream: where it stands, and, later, copies of what was written. Pure: any bytes give
//! something or an error.
//!
//! The letter `T`, which no message between hubs begins with; the epoch, its length in one byte before it; head and version of the stream, eight bytes each,
//! the highest first; then records, each of a kind in one byte, its length in four, and the rest. Kinds that are not known
//! are left out, so that hubs of two releases understand each other.

use super::super::store::Tip;

/// What it begins with.
const TIP: u8 = b'T';

/// Bytes that are nothing that a script published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of a stream's channel; does something else publish there?")]
pub struct NotATip;

/// Reads what was published on the channel of a stream.
///
/// # Errors
/// The bytes are something else.
pub fn read_tip(bytes: &[u8]) -> Result<Tip, NotATip> {
    let [TIP, length, rest @ ..] = bytes else { return Err(NotATip) };
    let (epoch, rest) = rest.split_at_checked(usize::from(*length)).ok_or(NotATip)?;
    let epoch = std::str::from_utf8(epoch).map_err(|_| NotATip)?;
    let (head, rest) = rest.split_first_chunk().ok_or(NotATip)?;
    let (version, mut rest) = rest.split_first_chunk().ok_or(NotATip)?;
    while let [_, more @ ..] = rest {
        let (length, more) = more.split_first_chunk().ok_or(NotATip)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| NotATip)?;
        rest = more.split_at_checked(length).ok_or(NotATip)?.1;
    }
    let (head, version) = (u64::from_be_bytes(*head), u64::from_be_bytes(*version));
    Ok(Tip { epoch: epoch.into(), head, version })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn published(records: &[u8]) -> Vec<u8> {
        [&[TIP, 2, b'e', b'1'][..], &7_u64.to_be_bytes(), &3_u64.to_be_bytes(), records].concat()
    }

    #[test]
    fn a_tip_is_read_whatever_records_follow() {
        let tip = Tip { epoch: "e1".into(), head: 7, version: 3 };
        for records in [&[][..], &[b'E', 0, 0, 0, 2, 9, 9], &[b'?', 0, 0, 0, 0, b'J', 0, 0, 0, 1, 5]] {
            assert_eq!(read_tip(&published(records)), Ok(tip.clone()), "{records:?}");
        }
    }

    #[test]
    fn what_is_cut_or_begins_otherwise_is_no_tip() {
        let whole = published(&[b'E', 0, 0, 0, 2, 9, 9]);
        for end in (0..whole.len()).filter(|end| *end != published(&[]).len()) {
            assert_eq!(read_tip(&whole[..end]), Err(NotATip), "{end}");
        }
        assert_eq!(read_tip(&[&[1], &whole[1..]].concat()), Err(NotATip));
    }

    proptest! {
        #[test]
        fn garbage_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read_tip(&bytes);
            let _ = read_tip(&published(&bytes));
        }
    }
}
