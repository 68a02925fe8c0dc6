//! The strings of the scanner: where they stand for themselves they are slices of the frame; what is escaped is only
//! checked, and written out when somebody wants it. Half a surrogate pair, which only an escape can write, is read as
//! U+FFFD: it never costs a frame.

use alloc::borrow::Cow;
use alloc::string::String;

use super::scan::{Scan, Scanner};
use crate::message::Text;

/// The characters that have a short escape, and their letters, in one order.
pub(super) const CHARACTERS: &[u8; 8] = b"\"\\/\x08\x0c\n\r\t";
/// See [`CHARACTERS`].
pub(super) const LETTERS: &[u8; 8] = b"\"\\/bfnrt";

/// What stands in one list where a byte stands in another.
#[cfg_attr(target_arch = "wasm32", inline(never))]
pub(super) fn counterpart(byte: u8, from: &[u8; 8], to: &[u8; 8]) -> Option<char> {
    let at = from.iter().position(|other| *other == byte)?;
    to.get(at).map(|other| char::from(*other))
}

/// The text of a string that [`Scanner::string`] read.
pub(super) fn unescape(string: &str) -> Text<'_> {
    if string.starts_with('"') { written_out(string) } else { Cow::Borrowed(string) }
}

fn written_out(string: &str) -> Text<'static> {
    let (mut scanner, mut out) = (Scanner::new(string), String::with_capacity(string.len()));
    scanner.at = 1;
    loop {
        let start = scanner.at;
        scanner.at += plain(scanner.rest());
        out.push_str(scanner.between(start));
        // It was read before: it ends with its quote, and nothing is wrong with it.
        if !scanner.accept(b'\\') {
            return Cow::Owned(out);
        }
        if let Some(character) = scanner.escape() {
            out.push(character);
        }
    }
}

/// JSON that the scanner read, with `\ufffd` for each half of a surrogate pair: as long as it was, and readable for
/// parsers that refuse halves.
pub(super) fn without_halves(json: &str) -> Text<'_> {
    let (mut scanner, mut out, mut copied) = (Scanner::new(json), String::new(), 0);
    // Outside of strings there is no backslash.
    while let Some(found) = scanner.rest().iter().position(|byte| *byte == b'\\') {
        scanner.at += found + 1;
        let before = scanner.between(copied);
        let is_surrogate = matches!(scanner.rest(), [b'u', b'd' | b'D', ..]);
        if scanner.escape() == Some(char::REPLACEMENT_CHARACTER) && is_surrogate {
            out.push_str(before);
            out.push_str("ufffd");
            copied = scanner.at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

impl<'a> Scanner<'a> {
    /// Reads a string: what stands between its quotes, or, if something in it is escaped, all of it from the first
    /// quote on. The two cannot be mixed up, for no quote stands for itself inside.
    pub(super) fn string(&mut self) -> Scan<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += plain(self.rest());
        let text = self.between(start);
        if self.accept(b'"') {
            return Some(text);
        }
        loop {
            self.expect(b'\\')?;
            self.escape()?;
            self.at += plain(self.rest());
            if self.accept(b'"') {
                return Some(self.between(start - 1));
            }
        }
    }

    fn escape(&mut self) -> Scan<char> {
        if let Some(character) = counterpart(self.peek(), LETTERS, CHARACTERS) {
            self.at += 1;
            return Some(character);
        }
        self.expect(b'u')?;
        let first = self.hex()?;
        // The second half of a pair follows the first.
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with(b"\\u") {
            let after = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = after;
        }
        // Half a pair alone is not a character.
        Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Scan<u32> {
        let mut digits = self.rest().iter();
        let next = |value, _| Some(value << 4 | char::from(*digits.next()?).to_digit(16)?);
        match (0..4).try_fold(0, next) {
            Some(value) => {
                self.at += 4;
                Some(value)
            }
            None => self.syntax(),
        }
    }
}

/// How many bytes from the beginning stand for themselves in a string: no quote, backslash or control character.
/// Eight at a time: a byte below `n` is one whose subtraction of `n` borrows into a high bit it did not have.
pub(super) fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word & HIGHS;
    let (mut at, mut rest) = (0, bytes);
    while let Some((chunk, more)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let special = below(word, 0x20)
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            // A borrow may mark bytes after the first special one, and none before it.
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
        rest = more;
    }
    at + rest.iter().take_while(|byte| **byte >= 0x20 && **byte != b'"' && **byte != b'\\').count()
}
