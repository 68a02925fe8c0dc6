//! The JSON scanner under the decoder: one pass, borrowing, no recursion. It checks syntax and depth; what fields mean
//! is decided above it.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::Fault;
use crate::limits::{DEPTH, POSITION_END};
use crate::message::{FieldError, Text};

/// A place in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Scan<T> = Result<T, Fault>;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Reads the whole text as one object; `null` members are left out.
    pub(super) fn document(&mut self, member: impl FnMut(&mut Self, &str) -> Scan<()>) -> Scan<()> {
        self.space();
        if self.peek() != b'{' {
            // A text that is JSON gets the clearer answer.
            let mut other = Scanner::new(self.text);
            other.space();
            other.skip()?;
            other.end()?;
            return Err(Fault::NotAnObject);
        }
        self.object(member)?;
        self.end()
    }

    fn end(&mut self) -> Scan<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.syntax() }
    }

    /// Reads an object, calling `member` at each value; it must consume it.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Scan<()>) -> Scan<()> {
        self.open(b'{')?;
        if self.accept(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
            if !self.null()? {
                member(self, &key)?;
            }
            self.space();
            if self.accept(b',') {
                continue;
            }
            self.expect(b'}')?;
            self.depth -= 1;
            return Ok(());
        }
    }

    /// Reads an array, calling `item` at each value; it must consume it.
    pub(super) fn array(
        &mut self,
        field: &'static str,
        mut item: impl FnMut(&mut Self) -> Scan<()>,
    ) -> Scan<()> {
        if self.peek() != b'[' {
            return self.wrong(field, "must be a list");
        }
        self.open(b'[')?;
        if self.accept(b']') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            item(self)?;
            self.space();
            if self.accept(b',') {
                continue;
            }
            self.expect(b']')?;
            self.depth -= 1;
            return Ok(());
        }
    }

    /// Reads a string.
    pub(super) fn text(&mut self, field: &'static str) -> Scan<Text<'a>> {
        if self.peek() != b'"' {
            return self.wrong(field, "must be a text");
        }
        self.string()
    }

    /// Reads a whole number below 2^53.
    pub(super) fn integer(&mut self, field: &'static str) -> Scan<u64> {
        let start = self.at;
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return self.wrong(field, "must be a whole number from 0 below 2^53");
        }
        self.number()?;
        match self.text[start..self.at].parse::<u64>() {
            Ok(value) if value < POSITION_END => Ok(value),
            _ => Err(Fault::Field(FieldError { field, reason: "must be a whole number from 0 below 2^53" })),
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self, field: &'static str) -> Scan<bool> {
        match self.peek() {
            b't' => self.word("true").map(|()| true),
            b'f' => self.word("false").map(|()| false),
            _ => self.wrong(field, "must be true or false"),
        }
    }

    /// Reads an object and returns its text.
    pub(super) fn raw_object(&mut self, field: &'static str) -> Scan<&'a str> {
        if self.peek() != b'{' {
            return self.wrong(field, "must be an object");
        }
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// Passes over one value of any kind. Iterative: depth is a number, not a stack.
    pub(super) fn skip(&mut self) -> Scan<()> {
        // One bit per open level tells objects (1) from arrays (0); 64 levels are more than DEPTH allows.
        let (mut kinds, mut open) = (0_u64, 0_usize);
        loop {
            self.space();
            match self.peek() {
                b'"' => drop(self.string()?),
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                bracket @ (b'{' | b'[') => {
                    self.open(bracket)?;
                    let object = bracket == b'{';
                    if self.accept(if object { b'}' } else { b']' }) {
                        self.depth -= 1;
                    } else {
                        kinds = kinds << 1 | u64::from(object);
                        open += 1;
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => return self.syntax(),
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                self.space();
                let object = kinds & 1 == 1;
                if self.accept(b',') {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                self.expect(if object { b'}' } else { b']' })?;
                self.depth -= 1;
                kinds >>= 1;
                open -= 1;
            }
        }
    }

    fn key(&mut self) -> Scan<()> {
        self.space();
        self.string()?;
        self.space();
        self.expect(b':')
    }

    fn open(&mut self, bracket: u8) -> Scan<()> {
        self.expect(bracket)?;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Fault::TooDeep);
        }
        self.space();
        Ok(())
    }

    fn null(&mut self) -> Scan<bool> {
        if self.peek() == b'n' { self.word("null").map(|()| true) } else { Ok(false) }
    }

    fn word(&mut self, word: &str) -> Scan<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            self.syntax()
        }
    }

    fn number(&mut self) -> Scan<()> {
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if self.accept(b'.') {
            self.digits()?;
        }
        if self.accept(b'e') || self.accept(b'E') {
            let _ = self.accept(b'+') || self.accept(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scan<()> {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { self.syntax() } else { Ok(()) }
    }

    fn string(&mut self) -> Scan<Text<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += plain(&self.text.as_bytes()[start..]);
        match self.peek() {
            b'"' => {
                self.at += 1;
                Ok(Cow::Borrowed(&self.text[start..self.at - 1]))
            }
            b'\\' => self.escaped(start),
            _ => self.syntax(),
        }
    }

    fn escaped(&mut self, start: usize) -> Scan<Text<'a>> {
        let mut owned = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(Cow::Owned(owned));
                }
                b'\\' => {
                    self.at += 1;
                    owned.push(self.escape()?);
                }
                _ => {
                    let run = plain(&self.text.as_bytes()[self.at..]);
                    if run == 0 {
                        return self.syntax();
                    }
                    owned.push_str(&self.text[self.at..self.at + run]);
                    self.at += run;
                }
            }
        }
    }

    fn escape(&mut self) -> Scan<char> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let code = if (0xd800..0xdc00).contains(&first) {
                    // The second half of a pair must follow; a half alone is no character.
                    self.word("\\u")?;
                    let second = self.hex()?;
                    if !(0xdc00..0xe000).contains(&second) {
                        return self.syntax();
                    }
                    0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                } else {
                    first
                };
                match char::from_u32(code) {
                    Some(character) => character,
                    None => return self.syntax(),
                }
            }
            _ => {
                self.at -= 1;
                return self.syntax();
            }
        })
    }

    fn hex(&mut self) -> Scan<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let mut value = 0;
        for digit in digits.unwrap_or_default() {
            let Some(digit) = char::from(*digit).to_digit(16) else { return self.syntax() };
            value = value << 4 | digit;
        }
        if digits.is_none() {
            return self.syntax();
        }
        self.at += 4;
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The next byte; 0 at the end, which is no JSON either.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.accept(byte) { Ok(()) } else { self.syntax() }
    }

    fn syntax<T>(&self) -> Scan<T> {
        Err(Fault::Syntax { at: self.at })
    }

    /// The value is not of the type wanted: no JSON at all, or JSON of another type.
    fn wrong<T>(&mut self, field: &'static str, reason: &'static str) -> Scan<T> {
        self.skip()?;
        Err(Fault::Field(FieldError { field, reason }))
    }
}

/// A list of texts.
pub(super) fn list<'a>(scanner: &mut Scanner<'a>, field: &'static str) -> Result<Vec<Text<'a>>, Fault> {
    let (mut items, mut wrong) = (Vec::new(), None);
    scanner.array(field, |scanner| match scanner.text(field) {
        Ok(item) => {
            items.push(item);
            Ok(())
        }
        // The rest of the list is read all the same, so that whoever reads on stands behind it.
        Err(fault @ Fault::Field(_)) => {
            wrong.get_or_insert(fault);
            Ok(())
        }
        Err(fault) => Err(fault),
    })?;
    wrong.map_or(Ok(items), Err)
}

/// How many bytes from the beginning stand for themselves in a string: no quote, backslash or control character.
/// Eight at a time: a byte below `n` is one whose subtraction of `n` borrows into a high bit it did not have.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word & HIGHS;
    let mut at = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = chunk.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let special = below(word, 0x20)
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            break;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| **byte >= 0x20 && **byte != b'"' && **byte != b'\\').count()
}
