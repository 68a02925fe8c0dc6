//! The name that somebody most likely meant.

/// The nearest of some names, if any is near enough to be meant.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_ascii_lowercase();
    let near = |known: &'n str| {
        // Somebody who leaves the section out means the key all the same.
        let last = known.rsplit('.').next().unwrap_or(known);
        let part = name.rsplit('.').next().unwrap_or(&name);
        let whole = distance(&name, &known.to_ascii_lowercase());
        (whole.min(distance(part, last) + 1), known)
    };
    let (distance, found) = known.into_iter().map(near).min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(2)).then_some(found)
}

/// How many letters must be put in, taken out or replaced.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = index + 1;
        for (place, against) in other.iter().enumerate() {
            let replaced = before + usize::from(letter != *against);
            before = row[place + 1];
            row[place + 1] = replaced.min(row[place] + 1).min(before + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["peer.window", "peer.heartbeat", "listen"];
        assert_eq!(nearest("peer.windw", known), Some("peer.window"));
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("heartbeat", known), Some("peer.heartbeat"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn a_distance_counts_letters() {
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("a", "a")), (3, 3, 0));
    }
}
