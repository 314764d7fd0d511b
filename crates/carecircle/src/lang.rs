//! The two languages that people read our tables and messages in.

use carecircle_formats::remark::Remark;
use clap::ValueEnum;

/// A language of tables, messages and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// The environment's language: Chinese where the locale says so, else English.
    pub(crate) fn of_environment() -> Self {
        let locale =
            ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|v| std::env::var(v).ok().filter(|s| !s.is_empty()));
        if locale.is_some_and(|l| l.starts_with("zh")) { Self::Zh } else { Self::En }
    }

    /// One of two texts.
    pub(crate) fn pick<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    /// What is told in this language.
    pub(crate) fn tell(self, remark: &Remark) -> &str {
        self.pick(&remark.en, &remark.zh)
    }
}
