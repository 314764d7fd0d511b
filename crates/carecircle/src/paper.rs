//! Pages for people: one page in one language, whole in itself, nothing loaded from anywhere.

use crate::lang::Lang;
use std::fmt::Write as _;

/// The page around every report, with its style.
const PAGE: &str = include_str!("paper/page.html");

/// A text that may stand in an element or in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A name from the map: escaped, and kept from turning round what stands beside it.
pub(crate) fn name(text: Option<&str>) -> String {
    text.map(|t| format!("<bdi>{}</bdi>", escape(t))).unwrap_or_default()
}

/// A page in the making: what stands in its body, in the language of its reader.
pub(crate) struct Paper {
    pub(crate) out: String,
    pub(crate) lang: Lang,
}

impl Paper {
    pub(crate) fn new(lang: Lang) -> Self {
        Self { out: String::new(), lang }
    }

    /// The whole page, under a title.
    pub(crate) fn page(&self, title: &str) -> String {
        // In the order of their places: a title that holds `{{body}}` is a title.
        let (head, rest) = PAGE.split_once("{{title}}").expect("the page has a title");
        let (between, tail) = rest.split_once("{{body}}").expect("the page has a body");
        let head = head.replace("{{lang}}", self.lang.pick("en", "zh-CN"));
        format!("{head}{}{between}{}{tail}", escape(title), self.out)
    }

    /// One of two texts.
    pub(crate) fn say(&self, en: &'static str, zh: &'static str) -> &'static str {
        match self.lang {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }

    /// The heading of a part.
    pub(crate) fn heading(&mut self, en: &'static str, zh: &'static str) {
        _ = writeln!(self.out, "<h2>{}</h2>", self.say(en, zh));
    }

    /// A paragraph of our own words and escaped names.
    pub(crate) fn paragraph(&mut self, en: String, zh: String) {
        let text = match self.lang {
            Lang::En => en,
            Lang::Zh => zh,
        };
        _ = writeln!(self.out, "<p>{text}</p>");
    }

    /// What matters most, before all else.
    pub(crate) fn summary(&mut self, en: String, zh: String) {
        let text = match self.lang {
            Lang::En => en,
            Lang::Zh => zh,
        };
        _ = writeln!(self.out, "<p class=\"doubt\">{text}</p>");
    }

    /// A table whose cells are ready; columns from `numbers` on hold numbers.
    pub(crate) fn table(
        &mut self,
        style: &str,
        head: &[&str],
        numbers: usize,
        rows: impl Iterator<Item = Vec<String>>,
    ) {
        let class = |column: usize| if column >= numbers { " class=\"n\"" } else { "" };
        _ = write!(self.out, "<table class=\"{style}\"><thead><tr>");
        for (i, cell) in head.iter().enumerate() {
            _ = write!(self.out, "<th{}>{cell}</th>", class(i));
        }
        self.out.push_str("</tr></thead><tbody>\n");
        for row in rows {
            self.out.push_str("<tr>");
            for (i, cell) in row.iter().enumerate() {
                _ = write!(self.out, "<td{}>{cell}</td>", class(i));
            }
            self.out.push_str("</tr>\n");
        }
        self.out.push_str("</tbody></table>\n");
    }
}
