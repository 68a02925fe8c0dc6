//! The strings of the scanner: borrowed where they stand for themselves, else written out.

use alloc::borrow::Cow;
use alloc::string::String;

use super::scan::{Scan, Scanner};
use crate::message::Text;

impl<'a> Scanner<'a> {
    pub(super) fn string(&mut self) -> Scan<Text<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += plain(self.rest());
        let text = self.between(start);
        if self.accept(b'"') { Some(Cow::Borrowed(text)) } else { self.escaped(text) }
    }

    fn escaped(&mut self, begin: &str) -> Scan<Text<'a>> {
        let mut owned = String::from(begin);
        loop {
            if self.accept(b'"') {
                return Some(Cow::Owned(owned));
            }
            self.expect(b'\\')?;
            owned.push(self.escape()?);
            let start = self.at;
            self.at += plain(self.rest());
            owned.push_str(self.between(start));
        }
    }

    fn escape(&mut self) -> Scan<char> {
        let letter = self.peek();
        let code = match letter {
            b'"' | b'\\' | b'/' => u32::from(letter),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                self.at += 1;
                let first = self.hex()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return self.character(first);
                }
                // The second half of a pair must follow; a half alone is no character.
                self.word("\\u")?;
                let second = self.hex()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return self.syntax();
                }
                return self.character(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            _ => return self.syntax(),
        };
        self.at += 1;
        self.character(code)
    }

    fn character(&mut self, code: u32) -> Scan<char> {
        match char::from_u32(code) {
            Some(character) => Some(character),
            None => self.syntax(),
        }
    }

    fn hex(&mut self) -> Scan<u32> {
        let Some(digits) = self.rest().first_chunk::<4>() else { return self.syntax() };
        let mut value = 0;
        for digit in digits {
            let Some(digit) = char::from(*digit).to_digit(16) else { return self.syntax() };
            value = value << 4 | digit;
        }
        self.at += 4;
        Some(value)
    }
}

/// How many bytes from the beginning stand for themselves in a string: no quote, backslash or control character.
/// Eight at a time: a byte below `n` is one whose subtraction of `n` borrows into a high bit it did not have.
fn plain(bytes: &[u8]) -> usize {
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
            break;
        }
        at += 8;
        rest = more;
    }
    at + rest.iter().take_while(|byte| **byte >= 0x20 && **byte != b'"' && **byte != b'\\').count()
}
