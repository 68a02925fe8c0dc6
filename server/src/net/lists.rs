//! Lists in answers, cut where a frame would become longer than a client must be ready to take.

use std::collections::VecDeque;

use wsc_core::frame::{ObjectWriter, write_string};

use crate::Settings;

/// Bytes of a list in one frame. The rest of an answer (its type, `request_id`, `next`, numbers) fits into the margin
/// that frames of the hub have above the limit.
pub(crate) fn room(settings: &Settings) -> usize {
    settings.peer.frame
}

/// A list of JSON values as long as fits: its JSON, and how many it took, at least one. Empty for none.
pub(crate) fn take_page(items: impl IntoIterator<Item = String>, room: usize) -> (String, usize) {
    let (mut list, mut count) = (String::new(), 0);
    for item in items {
        if count > 0 && list.len() + item.len() + 2 > room {
            break;
        }
        list.push(if count == 0 { '[' } else { ',' });
        list.push_str(&item);
        count += 1;
    }
    if count > 0 {
        list.push(']');
    }
    (list, count)
}

/// The `data` of an answer that is a list and nothing else, in as many objects as it takes; at least one.
pub(crate) fn in_frames(name: &str, items: Vec<String>, room: usize) -> Vec<String> {
    let (mut items, mut frames) = (VecDeque::from(items), Vec::new());
    loop {
        let (list, count) = take_page(items.iter().cloned(), room);
        items.drain(..count);
        let mut data = String::with_capacity(list.len() + name.len() + 8);
        ObjectWriter::new(&mut data).raw(name, if count == 0 { "[]" } else { &list }).end();
        frames.push(data);
        if items.is_empty() {
            return frames;
        }
    }
}

/// A text as JSON.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}

/// An object as JSON.
pub(crate) fn object(fill: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
    let mut out = String::new();
    let mut writer = ObjectWriter::new(&mut out);
    fill(&mut writer);
    writer.end();
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    proptest! {
        #[test]
        fn a_list_loses_nothing_and_each_frame_has_room(
            texts in prop::collection::vec(".{0,40}", 0..60),
            room in 0_usize..300,
        ) {
            let items: Vec<String> = texts.iter().map(|text| string(text)).collect();
            let longest = items.iter().map(String::len).max().unwrap_or(0);
            let frames = in_frames("users", items, room);
            let mut found = Vec::new();
            for frame in &frames {
                let fits = frame.len() <= room.max(longest + 2) + r#"{"users":}"#.len();
                prop_assert!(fits, "{} bytes: {}", frame.len(), frame);
                let data: Value = serde_json::from_str(frame).unwrap();
                let users = data["users"].as_array().unwrap();
                prop_assert!(!users.is_empty() || frames.len() == 1);
                found.extend(users.iter().map(|user| user.as_str().unwrap().to_owned()));
            }
            prop_assert_eq!(found, texts);
        }
    }
}
