//! The JSON scanner under the decoder: one pass, borrowing, no recursion. It checks syntax and depth; what fields mean
//! is decided above it.

use alloc::vec::Vec;

use super::Fault;
use super::string::unescape;
use crate::codes::with_digit;
use crate::limits::{DEPTH, POSITION_END};
use crate::message::{FieldError, Text};

/// A position in a JSON text.
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
/// field: reading continues, so that whatever stands further on, above all the frame's id, is found too.
pub(super) type Scan<T> = Option<T>;

/// What is called at each member of an object and must consume its value. By `dyn`: the loop around it is as large as
/// what is usually in it, and there is one of it.
pub(super) type Member<'m, 'a> = &'m mut dyn FnMut(&mut Scanner<'a>, &str) -> Option<()>;

/// What a known field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    List,
    Object,
}

impl Kind {
    const fn rule(self) -> &'static str {
        match self {
            Self::Text => "must be a text",
            Self::Number => "must be a whole number from 0 below 2^53",
            Self::Flag => "must be true or false",
            Self::List => "must be a list",
            Self::Object => "must be an object",
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, fault: None, patient: false }
    }

    pub(super) fn patient(text: &'a str) -> Self {
        Self { patient: true, ..Self::new(text) }
    }

    /// For an object that will stand in another.
    pub(super) fn nested(text: &'a str) -> Self {
        Self { depth: 1, ..Self::new(text) }
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
            let key = unescape(key);
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
            return self.wrong(field, Kind::List);
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

    /// Reads a value that must be of one kind; an empty text if it is not. A string comes as [`unescape`] wants it,
    /// everything else as it stands.
    pub(super) fn value(&mut self, kind: Kind, field: &'static str) -> Scan<&'a str> {
        let start = self.at;
        match (kind, self.peek()) {
            (Kind::Text, b'"') => return self.string(),
            (Kind::Number, b'-' | b'0'..=b'9') => {
                self.number()?;
                if whole(self.between(start)).is_none() {
                    self.note_wrong(field, kind)?;
                }
            }
            (Kind::Flag, b't' | b'f') | (Kind::Object, b'{') => self.skip()?,
            (Kind::List, b'[') => {
                self.array(field, &mut |scanner| scanner.value(Kind::Text, field).map(drop))?;
            }
            _ => {
                self.wrong(field, kind)?;
                return Some("");
            }
        }
        Some(self.between(start))
    }

    /// The value is not of the kind wanted: no JSON at all, or JSON of another kind.
    fn wrong(&mut self, field: &'static str, kind: Kind) -> Scan<()> {
        self.skip()?;
        self.note_wrong(field, kind)
    }

    fn note_wrong(&mut self, field: &'static str, kind: Kind) -> Scan<()> {
        self.note(Fault::Field(FieldError { field, reason: kind.rule() }))
    }

    /// Reads a string.
    pub(super) fn text(&mut self, field: &'static str) -> Scan<Text<'a>> {
        self.value(Kind::Text, field).map(unescape)
    }

    /// Reads a list of strings.
    pub(super) fn list(&mut self, field: &'static str) -> Scan<Vec<Text<'a>>> {
        let mut items = Vec::new();
        each_text(self.value(Kind::List, field)?, &mut |item| items.push(item));
        Some(items)
    }

    /// Reads a whole number below 2^53.
    pub(super) fn integer(&mut self, field: &'static str) -> Scan<u64> {
        self.value(Kind::Number, field).map(|digits| whole(digits).unwrap_or(0))
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self, field: &'static str) -> Scan<bool> {
        self.value(Kind::Flag, field).map(|word| word == "true")
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

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The next byte; 0 at the end, which is not JSON either.
    pub(super) fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The text from an offset up to here.
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
}

/// The number of digits that were read as one; `None` from 2^53 on.
pub(super) fn whole(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0, with_digit).filter(|number| *number < POSITION_END)
}

/// Goes through a list of strings that was read as one.
pub(super) fn each_text<'a>(list: &'a str, item: &mut dyn FnMut(Text<'a>)) {
    if !list.is_empty() {
        // It was read before: nothing can be wrong with it.
        let _ = Scanner::new(list).array("", &mut |scanner| {
            item(unescape(scanner.string()?));
            Some(())
        });
    }
}
