//! Random texts, values and messages.

use std::borrow::Cow;

use serde_json::{Map, Value};
use wsc_core::{Message, StreamName};

/// A small generator: splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub(crate) fn text(&mut self) -> String {
        const ODD: &[&str] =
            &["\"", "\\", "\n", "\u{0}", "\u{1f}", "/", "é", "漢字", "😀", "\u{7f}", "\u{2028}", "</", "\t"];
        let mut text = String::new();
        for _ in 0..self.below(12) {
            if self.below(3) == 0 {
                text.push_str(self.one(ODD));
            } else {
                text.push_str(self.one(&[
                    "a",
                    "hello world, this is a longer run",
                    "7",
                    " ",
                    "group:x",
                    "{}",
                ]));
            }
        }
        text
    }

    pub(crate) fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => Value::from(self.next() >> self.below(64)),
            3 => Value::from(-1.5e-7 * f64::from(u32::try_from(self.below(1 << 20)).unwrap())),
            4 | 5 => Value::from(self.text()),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..self.below(4)).map(|_| (self.text(), self.value(depth - 1))).collect()),
        }
    }

    pub(crate) fn message(&mut self) -> Message<'static> {
        let mut text =
            || -> Cow<'static, str> { if self.below(2) == 0 { self.text().into() } else { "".into() } };
        let mut message = Message {
            sender: text(),
            sender_name: text(),
            sender_type: text(),
            sender_client: text(),
            receiver: text(),
            receiver_name: text(),
            receiver_type: text(),
            receiver_client: text(),
            session_id: text(),
            content: text(),
            create_at: text(),
            reply_to_msg_id: text(),
            priority: text(),
            source: text(),
            push_type: text(),
            broadcast_type: text(),
            trace_id: text(),
            ..Message::default()
        };
        message.message_type = self.one(&["text", "image", "my own", "typing", "edit"]).into();
        message.message_id = self.one(&["1", "0198f0a2-0000-7000-8000-000000000000", "~ !"]).into();
        message.group_ids = (0..self.below(3)).map(|_| self.text().into()).collect();
        message.require_ack = self.below(2) == 0;
        message.volatile = self.below(2) == 0;
        message.skip_send_to_client = self.below(2) == 0;
        message.seq_no = if self.below(2) == 0 { self.next() >> 12 } else { 0 };
        message.expires_in_ms = (self.below(2) == 0).then(|| self.next() >> 13);
        if self.below(2) == 0 {
            // An empty object is none.
            let object: Map<_, _> = (0..=self.below(3)).map(|_| (self.text(), self.value(3))).collect();
            message.data = Value::Object(object).to_string().into();
        }
        message.stream = match self.below(4) {
            0 => Some(StreamName::Inbox),
            1 => Some(StreamName::group("té\"am")),
            2 => Some(StreamName::Broadcast),
            _ => None,
        };
        message
    }
}

pub(crate) fn seed() -> u64 {
    let seed = std::env::var("WSC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    });
    println!("WSC_SEED={seed}");
    seed
}

pub(crate) fn frames() -> usize {
    std::env::var("WSC_FRAMES").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000)
}
