//! Patterns of `LIKE`: `%` stands for any text, `_` for any character, and a backslash takes what follows as it is.

/// A pattern, read once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    AnyText,
    AnyOne,
    This(char),
}

impl Pattern {
    pub(super) fn new(written: String) -> Self {
        let mut pieces = Vec::with_capacity(written.len());
        let mut characters = written.chars();
        while let Some(character) = characters.next() {
            pieces.push(match character {
                '%' => Piece::AnyText,
                '_' => Piece::AnyOne,
                '\\' => Piece::This(characters.next().unwrap_or('\\')),
                other => Piece::This(other),
            });
        }
        Self { written, pieces }
    }

    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// Whether a whole text is of this pattern: in steps no more than its characters times the pattern's.
    pub(super) fn fits(&self, text: &str) -> bool {
        let (mut rest, mut at) = (text.chars(), 0);
        // Where to go on after the last `%`, if what follows it doesn't fit here.
        let mut again = None;
        loop {
            if self.pieces.get(at) == Some(&Piece::AnyText) {
                at += 1;
                again = Some((at, rest.clone()));
                continue;
            }
            let mut after = rest.clone();
            let fits = match (self.pieces.get(at), after.next()) {
                (None, None) => return true,
                (Some(Piece::AnyOne), Some(_)) => true,
                (Some(Piece::This(wanted)), Some(has)) => *wanted == has,
                _ => false,
            };
            if fits {
                (rest, at) = (after, at + 1);
                continue;
            }
            let Some((start, from)) = &mut again else { return false };
            if from.next().is_none() {
                return false;
            }
            (rest, at) = (from.clone(), *start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("_", "", false),
            ("a%", "abc", true),
            ("%b", "abc", false),
            ("%b%", "abc", true),
            ("a_c", "a街c", true),
            ("%街道%", "和平街道办", true),
            ("a%b%c", "aXbYbZc", true),
            ("a%b%c", "aXbYbZ", false),
            (r"50\%", "50%", true),
            (r"50\%", "500", false),
            (r"a\_b", "a_b", true),
            (r"a\\b", r"a\b", true),
            ("a\\", "a\\", true),
            ("%%__%", "ab", true),
            ("%%__%", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern.to_owned()).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_full_of_marks_are_quick() {
        let begun = std::time::Instant::now();
        assert!(!Pattern::new("%a".repeat(2_000) + "b").fits(&"a".repeat(4_000)));
        assert!(begun.elapsed().as_secs() < 10);
    }
}
