//! JSON objects of others that are handed on as they stand: checked, and taken apart.

use alloc::string::String;

use super::scan::Scanner;
use super::string::{unescape, without_halves};
use super::{DecodeError, Fault};
use crate::message::{FieldError, Text};

/// A text as the `data` of a message: a JSON object, kept byte for byte but for halves of surrogate pairs; empty when it
/// has no members.
///
/// ```
/// use wsc_core::frame::data_object;
/// assert_eq!(data_object(r#"{ "a":1}"#)?, r#"{ "a":1}"#);
/// assert_eq!(data_object("{ }")?, "");
/// assert!(data_object("[1]").is_err());
/// # Ok::<(), wsc_core::frame::DecodeError>(())
/// ```
pub fn data_object(json: &str) -> Result<Text<'_>, DecodeError> {
    if json.is_empty() {
        return Ok(Text::Borrowed(""));
    }
    match Scanner::nested(json).document(&mut |scanner, _| scanner.skip()) {
        Ok(()) => Ok(handed_on(json)),
        Err(fault @ Fault::TooDeep) => Err(fault.into()),
        Err(_) => Err(FieldError { field: "data", reason: "must be an object" }.into()),
    }
}

/// The same for an object that was read.
pub(super) fn handed_on(object: &str) -> Text<'_> {
    let inside = object.trim_ascii().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    if inside.is_some_and(|inside| inside.trim_ascii().is_empty()) {
        return Text::Borrowed("");
    }
    without_halves(object)
}

/// The members of an object as they stand, without the braces and without those of one name; `None` when it is not an
/// object.
#[must_use]
pub fn members_without(object: &str, name: &str) -> Option<String> {
    let (mut scanner, mut out) = (Scanner::new(object), String::with_capacity(object.len()));
    scanner.space();
    scanner.expect(b'{')?;
    scanner.space();
    if scanner.accept(b'}') {
        return Some(out);
    }
    loop {
        scanner.space();
        let start = scanner.at;
        let key = unescape(scanner.string()?);
        scanner.space();
        scanner.expect(b':')?;
        scanner.skip()?;
        if key != name {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(scanner.between(start));
        }
        scanner.space();
        if !scanner.accept(b',') {
            return scanner.expect(b'}').map(|()| out);
        }
    }
}
