//! What people are told, in both languages at once: whoever prints it chooses which is read.

use std::fmt;

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<T = String> {
    /// English.
    pub en: T,
    /// Chinese.
    pub zh: T,
}

/// Something to tell a reader.
pub type Remark = Text<String>;

/// A part of what is told.
pub(crate) type Phrase<'a> = Text<&'a str>;

/// A [`Remark`] of two format strings, English and Chinese, that name their arguments in place; behind a semicolon stands a
/// text that goes for `{}` into both, each in its language.
#[macro_export]
macro_rules! remark {
    ($en:literal, $zh:literal) => {
        $crate::remark::Remark { en: format!($en), zh: format!($zh) }
    };
    ($en:literal, $zh:literal; $part:expr) => {{
        let part = &$part;
        $crate::remark::Remark { en: format!($en, part.en), zh: format!($zh, part.zh) }
    }};
}

impl Remark {
    /// What is the same in both languages: what another program says.
    pub fn same(text: impl Into<String>) -> Self {
        let en = text.into();
        Self { zh: en.clone(), en }
    }

    /// It as a part of others.
    pub(crate) fn phrase(&self) -> Phrase<'_> {
        Text { en: &self.en, zh: &self.zh }
    }
}

/// What is the same in both languages.
impl From<String> for Remark {
    fn from(text: String) -> Self {
        Self::same(text)
    }
}

/// English, as an error among others is printed.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}
