//! Columns of a table that carecircle does not read, but hands on.

use std::fmt;
use std::ops::Index;

/// Columns that pass through as they came: texts by name, in the names' order. Kept in two allocations however many there
/// are, for a register has them a million times.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OtherColumns {
    /// A name, its text, the next name, its text …
    text: Box<str>,
    /// Where each of these ends.
    ends: Box<[u32]>,
}

impl OtherColumns {
    /// Columns that come in the order of their names, each name once.
    ///
    /// # Panics
    /// When the texts have more than 4 GiB.
    pub fn from_sorted<'a>(columns: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        debug_assert!(columns.clone().is_sorted_by(|a, b| a.0 < b.0), "names ascend");
        let (mut bytes, mut pieces) = (0, 0);
        for (name, text) in columns.clone() {
            bytes += name.len() + text.len();
            pieces += 2;
        }
        let (mut text, mut ends) = (String::with_capacity(bytes), Vec::with_capacity(pieces));
        for piece in columns.flat_map(|(name, text)| [name, text]) {
            text.push_str(piece);
            ends.push(u32::try_from(text.len()).expect("a row is shorter than 4 GiB"));
        }
        Self { text: text.into(), ends: ends.into() }
    }

    /// Each name with its text, in the names' order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut start = 0;
        self.ends.chunks_exact(2).map(move |ends| {
            let [name_end, text_end] = [ends[0] as usize, ends[1] as usize];
            let name = &self.text[std::mem::replace(&mut start, text_end)..name_end];
            (name, &self.text[name_end..text_end])
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
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
