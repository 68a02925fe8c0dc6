//! The JSON scanner under the decoder: one pass, borrowing, no recursion. It checks syntax and depth; what fields mean
//! is decided above it.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::Fault;
use crate::limits::{DEPTH, POSITION_END};
use crate::message::{FieldError, Text};

/// A place in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    pub(super) at: usize,
    depth: usize,
    /// What is wrong. It lies here and not in the results, which are thereby as small as they can be.
    fault: Option<Fault>,
    /// Whether what is wrong with a field does not end the reading.
    patient: bool,
}

/// `None`: the text is not read on, and the scanner knows why. A patient scanner only notes what is wrong with one
/// field: reading goes on, so that whatever stands further on, above all the frame's id, is found too.
pub(super) type Scan<T> = Option<T>;

/// What is called at each member of an object and must consume its value. By `dyn`: the loop around it is as large as
/// what is usually in it, and there is one of it.
pub(super) type Member<'m, 'a> = &'m mut dyn FnMut(&mut Scanner<'a>, &str) -> Option<()>;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, fault: None, patient: false }
    }

    pub(super) fn patient(text: &'a str) -> Self {
        Self { patient: true, ..Self::new(text) }
    }

    /// Reads the whole text as one object; `null` members are left out.
    pub(super) fn document(mut self, member: Member<'_, 'a>) -> Result<(), Fault> {
        let read = self.whole(member);
        debug_assert!(read.is_some() || self.fault.is_some());
        self.fault.map_or(Ok(()), Err)
    }

    fn whole(&mut self, member: Member<'_, 'a>) -> Scan<()> {
        self.space();
        if self.peek() == b'{' {
            self.object(member)?;
            return self.end();
        }
        // A text that is JSON gets the clearer answer.
        self.skip()?;
        self.end()?;
        self.fail(Fault::NotAnObject)
    }

    fn end(&mut self) -> Scan<()> {
        self.space();
        if self.at == self.text.len() { Some(()) } else { self.syntax() }
    }

    /// Reads an object.
    pub(super) fn object(&mut self, member: Member<'_, 'a>) -> Scan<()> {
        self.open(b'{')?;
        if self.accept(b'}') {
            self.depth -= 1;
            return Some(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
            if self.peek() == b'n' {
                self.word("null")?;
            } else {
                member(self, &key)?;
            }
            self.space();
            if self.accept(b',') {
                continue;
            }
            self.expect(b'}')?;
            self.depth -= 1;
            return Some(());
        }
    }

    /// Reads an array, calling `item` at each value; it must consume it.
    pub(super) fn array(
        &mut self,
        field: &'static str,
        item: &mut dyn FnMut(&mut Self) -> Scan<()>,
    ) -> Scan<()> {
        if self.peek() != b'[' {
            return self.wrong(field, "must be a list");
        }
        self.open(b'[')?;
        if self.accept(b']') {
            self.depth -= 1;
            return Some(());
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
            return Some(());
        }
    }

    /// Reads a list of texts.
    pub(super) fn list(&mut self, field: &'static str) -> Scan<Vec<Text<'a>>> {
        let mut items = Vec::new();
        self.array(field, &mut |scanner| {
            items.push(scanner.text(field)?);
            Some(())
        })?;
        Some(items)
    }

    /// Reads a string.
    pub(super) fn text(&mut self, field: &'static str) -> Scan<Text<'a>> {
        if self.peek() == b'"' {
            return self.string();
        }
        self.wrong(field, "must be a text")?;
        Some(Cow::Borrowed(""))
    }

    /// Reads a whole number below 2^53.
    pub(super) fn integer(&mut self, field: &'static str) -> Scan<u64> {
        const RULE: &str = "must be a whole number from 0 below 2^53";
        let start = self.at;
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            self.wrong(field, RULE)?;
            return Some(0);
        }
        self.number()?;
        let mut value = 0_u64;
        for byte in self.between(start).bytes() {
            value = match byte {
                b'0'..=b'9' if value < POSITION_END => value * 10 + u64::from(byte - b'0'),
                _ => POSITION_END,
            };
        }
        if value >= POSITION_END {
            self.note(Fault::Field(FieldError { field, reason: RULE }))?;
        }
        Some(value)
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self, field: &'static str) -> Scan<bool> {
        let letter = self.peek();
        match letter {
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            _ => self.wrong(field, "must be true or false")?,
        }
        Some(letter == b't')
    }

    /// Reads an object and returns its text.
    pub(super) fn raw_object(&mut self, field: &'static str) -> Scan<&'a str> {
        if self.peek() != b'{' {
            self.wrong(field, "must be an object")?;
            return Some("");
        }
        let start = self.at;
        self.skip()?;
        Some(self.between(start))
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
                    return Some(());
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
            return self.fail(Fault::TooDeep);
        }
        self.space();
        Some(())
    }

    pub(super) fn word(&mut self, word: &str) -> Scan<()> {
        if self.rest().starts_with(word.as_bytes()) {
            self.at += word.len();
            Some(())
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
        Some(())
    }

    fn digits(&mut self) -> Scan<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { self.syntax() } else { Some(()) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The next byte; 0 at the end, which is no JSON either.
    pub(super) fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The text from a place up to here.
    pub(super) fn between(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.accept(byte) { Some(()) } else { self.syntax() }
    }

    pub(super) fn syntax<T>(&mut self) -> Scan<T> {
        self.fail(Fault::Syntax { at: self.at })
    }

    /// The end of reading. It tells more than what was noted about a field before.
    fn fail<T>(&mut self, fault: Fault) -> Scan<T> {
        self.fault = Some(fault);
        None
    }

    /// What is wrong with a field; the first counts.
    pub(super) fn note(&mut self, fault: Fault) -> Scan<()> {
        self.fault.get_or_insert(fault);
        self.patient.then_some(())
    }

    /// The value is not of the type wanted: no JSON at all, or JSON of another type.
    fn wrong(&mut self, field: &'static str, reason: &'static str) -> Scan<()> {
        self.skip()?;
        self.note(Fault::Field(FieldError { field, reason }))
    }
}
