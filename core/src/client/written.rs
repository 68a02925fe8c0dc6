//! Messages that are written already: what the machine reads of them, and the little it changes. Never makes one into a
//! [`Message`](crate::Message).

use alloc::string::String;

use crate::frame::{Fields, Flags, Frame, Lists, Numbers, ObjectWriter, Texts, write_number};
use crate::message::{Facts, FieldError};
use crate::names::is_id;

/// The check of [`Message::validate`](crate::Message::validate), without making the fields into one.
pub(super) fn check(fields: &Fields<'_>, message_id: &str) -> Result<(), FieldError> {
    let (mut groups, mut groups_are_ids) = (0, true);
    fields.each(Lists::GroupIds, &mut |id| {
        groups += 1;
        groups_are_ids &= is_id(&id);
    });
    Facts {
        message_type: &fields.text(Texts::MessageType),
        message_id,
        receiver: fields.id(Texts::Receiver),
        receiver_client: fields.id(Texts::ReceiverClient),
        groups,
        groups_are_ids,
        global: fields.is(Texts::BroadcastType, "global"),
        expires_in_ms: fields.optional(Numbers::ExpiresIn),
    }
    .check()
}

/// As [`Message::is_volatile`](crate::Message::is_volatile).
pub(super) fn is_volatile(fields: &Fields<'_>) -> bool {
    fields.flag(Flags::Volatile) || fields.flag(Flags::SkipStorage) || fields.is(Texts::MessageType, "typing")
}

/// The object with an id, which it has not.
pub(super) fn with_id(object: &str, message_id: &str) -> String {
    // A message has a type, so that a member follows.
    let brace = object.bytes().position(|byte| byte == b'{').unwrap_or(0);
    let members = object.get(brace + 1..).unwrap_or_default();
    let mut out = String::with_capacity(object.len() + 64);
    ObjectWriter::new(&mut out).text("message_id", message_id);
    out.push(',');
    out.push_str(members);
    out
}

/// The frame with another number as `expires_in_ms`; `None` when it has none.
pub(super) fn with_life(frame: &Frame, ms: u64) -> Option<Frame> {
    let (object, payload) = frame.parts().ok()?;
    let mut fields = Fields::new();
    fields.read(object).ok()?;
    let (before, after) = fields.around(Numbers::ExpiresIn, object)?;
    let mut out = String::with_capacity(object.len());
    out.push_str(before);
    write_number(&mut out, ms);
    out.push_str(after);
    Some(Frame::new(out, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_life_is_written_into_either_kind_of_frame() {
        let object = String::from("{ \"expires_in_ms\" :5000,\"content\":\"\\n\"}");
        let renewed = "{ \"expires_in_ms\" :70,\"content\":\"\\n\"}";
        let text = Frame::Text(object.clone());
        assert_eq!(with_life(&text, 70), Some(Frame::Text(renewed.into())));
        let binary = Frame::new(object, Some(b"raw"));
        assert_eq!(with_life(&binary, 70), Some(Frame::new(renewed.into(), Some(b"raw"))));
        assert_eq!(with_life(&Frame::Text("{}".into()), 70), None);
    }
}
