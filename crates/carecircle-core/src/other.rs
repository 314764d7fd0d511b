//! Columns of a table that carecircle does not read, but hands on.

use std::fmt;
use std::ops::Index;

/// Columns that pass through as they came: texts by name, in the names' order. Kept in one allocation however many there
/// are, for a register has them a million times.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OtherColumns {
    /// A name, its text, the next name, its text …, each behind its length: digits to the base 64, of which all but the last
    /// have 64 added.
    text: Box<str>,
}

impl OtherColumns {
    /// Columns that come in the order of their names, each name once.
    pub fn from_sorted<'a>(columns: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        debug_assert!(columns.clone().is_sorted_by(|a, b| a.0 < b.0), "names ascend");
        let pieces = columns.flat_map(|(name, text)| [name, text]);
        let mut text = String::with_capacity(pieces.clone().map(|piece| digits(piece.len()) + piece.len()).sum());
        for piece in pieces {
            for digit in (0..digits(piece.len())).rev() {
                let more = if digit > 0 { 64 } else { 0 };
                text.push((piece.len() >> (6 * digit) & 63 | more) as u8 as char);
            }
            text.push_str(piece);
        }
        Self { text: text.into() }
    }

    /// Each name with its text, in the names' order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut rest = &*self.text;
        std::iter::from_fn(move || Some((first_of(&mut rest)?, first_of(&mut rest)?)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text of a column.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(has, _)| *has == name).map(|(_, text)| text)
    }

    /// Sets the text of a column.
    pub fn insert(&mut self, name: &str, text: &str) {
        let before = self.iter().take_while(|(has, _)| *has < name);
        let behind = self.iter().skip_while(|(has, _)| *has <= name);
        *self = Self::from_sorted(before.chain([(name, text)]).chain(behind));
    }
}

/// How many digits to the base 64 a length has.
fn digits(length: usize) -> usize {
    length.checked_ilog2().map_or(1, |log| log as usize / 6 + 1)
}

/// The first piece of a text of pieces, which is left without it.
fn first_of<'t>(rest: &mut &'t str) -> Option<&'t str> {
    let digits = rest.bytes().position(|digit| digit < 64)? + 1;
    let length = rest.bytes().take(digits).fold(0, |length, digit| length << 6 | usize::from(digit & 63));
    let (piece, behind) = rest[digits..].split_at(length);
    *rest = behind;
    Some(piece)
}

impl fmt::Debug for OtherColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Index<&str> for OtherColumns {
    type Output = str;

    fn index(&self, name: &str) -> &str {
        self.get(name).expect("a column of that name")
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for OtherColumns {
    /// Columns in any order; of two of the same name the later counts.
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(columns: T) -> Self {
        let sorted: std::collections::BTreeMap<_, _> = columns.into_iter().collect();
        Self::from_sorted(sorted.iter().map(|(name, text)| (*name, *text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn texts_of_any_length_come_back() {
        let texts = [0, 1, 63, 64, 65, 4_095, 4_096, 300_000].map(|length| "x".repeat(length));
        let kept: OtherColumns =
            ["a", "b", "c", "d", "e", "f", "g", "h"].into_iter().zip(texts.iter().map(String::as_str)).collect();
        assert!(kept.iter().map(|(_, text)| text).eq(texts.iter().map(String::as_str)));
    }

    proptest! {
        #[test]
        fn columns_are_kept_as_a_map_keeps_them(steps in proptest::collection::vec(("[a-c托]{0,2}", "[x育]{0,3}"), 0..12)) {
            let (mut ours, mut map) = (OtherColumns::default(), BTreeMap::new());
            for (name, text) in &steps {
                ours.insert(name, text);
                map.insert(name.as_str(), text.as_str());
                prop_assert!(ours.iter().eq(map.iter().map(|(name, text)| (*name, *text))));
                prop_assert_eq!(ours.get(name), Some(text.as_str()));
            }
            prop_assert_eq!(ours.is_empty(), steps.is_empty());
            prop_assert_eq!(ours.get("none"), None);
            prop_assert_eq!(ours, steps.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect());
        }
    }
}
