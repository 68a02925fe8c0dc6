//! Writing JSON: one pass into the caller's buffer. Empty texts and lists, zero and `false` are left out.

use alloc::string::String;

use super::string::{CHARACTERS, LETTERS, counterpart, plain};
use crate::names::StreamName;

/// Writes one object, member by member.
pub struct ObjectWriter<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> ObjectWriter<'o> {
    /// Opens an object.
    pub fn new(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Goes on with an object whose brace is open and that has members.
    pub fn resume(out: &'o mut String) -> Self {
        Self { out, first: false }
    }

    /// Adds to members that stand alone, without braces.
    pub(super) fn members(out: &'o mut String) -> Self {
        let first = out.is_empty();
        Self { out, first }
    }

    /// Writes a member's name; its value must follow.
    pub fn name(&mut self, name: &str) -> &mut String {
        self.separate();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }

    fn separate(&mut self) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
    }

    /// A text, unless empty.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            write_string(self.name(name), value);
        }
        self
    }

    /// A number, unless zero.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        if value != 0 { self.count(name, value) } else { self }
    }

    /// A number, zero too.
    pub fn count(&mut self, name: &str, value: u64) -> &mut Self {
        write_number(self.name(name), value);
        self
    }

    /// `true`, or nothing.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        if value { self.boolean(name, true) } else { self }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name).push_str(if value { "true" } else { "false" });
        self
    }

    /// JSON as it is, unless empty.
    pub fn raw(&mut self, name: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.name(name).push_str(value);
        }
        self
    }

    /// The member `stream`.
    pub fn stream(&mut self, stream: &StreamName<'_>) -> &mut Self {
        self.text("stream", stream.as_str())
    }

    /// An object whose name is a stream's.
    pub(super) fn stream_object(
        &mut self,
        stream: &StreamName<'_>,
        fill: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        self.separate();
        write_string(self.out, stream.as_str());
        self.out.push(':');
        let mut writer = ObjectWriter::new(self.out);
        fill(&mut writer);
        writer.end();
    }

    /// A list of texts, unless empty.
    pub fn list<S: AsRef<str>>(&mut self, name: &str, values: &[S]) -> &mut Self {
        if !values.is_empty() {
            let out = self.name(name);
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, value.as_ref());
            }
            out.push(']');
        }
        self
    }

    /// A list of objects.
    pub fn objects<T>(
        &mut self,
        name: &str,
        items: &[T],
        mut each: impl FnMut(&mut ObjectWriter<'_>, &T),
    ) -> &mut Self {
        let out = self.name(name);
        out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let mut writer = ObjectWriter::new(out);
            each(&mut writer, item);
            writer.end();
        }
        out.push(']');
        self
    }

    /// An object whose members are written already, unless it has none.
    pub(super) fn object_of(&mut self, name: &str, members: &str) -> &mut Self {
        if !members.is_empty() {
            self.object(name, |object| object.out.push_str(members));
        }
        self
    }

    /// An object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        let mut writer = ObjectWriter::new(self.name(name));
        fill(&mut writer);
        writer.end();
        self
    }

    /// Closes the object.
    pub fn end(&mut self) {
        self.out.push('}');
    }
}

/// Writes a text as a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        // What ends a run is one byte long, so that both cuts lie between characters.
        let (run, special) = rest.split_at_checked(plain(rest.as_bytes())).unwrap_or((rest, ""));
        out.push_str(run);
        let Some(byte) = special.bytes().next() else { break };
        out.push('\\');
        // Never longer than any escape of the same character: a frame does not grow by being read and written.
        if let Some(letter) = counterpart(byte, CHARACTERS, LETTERS) {
            out.push(letter);
        } else {
            out.push_str("u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.push('"');
}

/// The digits of hexadecimal numbers.
pub(crate) static HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes a whole number; without the formatting machinery, which is large in WebAssembly.
pub fn write_number(out: &mut String, value: u64) {
    if value >= 10 {
        write_number(out, value / 10);
    }
    out.push(char::from(b'0' + (value % 10) as u8));
}
