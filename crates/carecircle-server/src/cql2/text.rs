//! CQL2 text, by recursive descent with a counted depth.

use super::shape::{Literal, Nest, SHAPES, Spatial};
use super::{Comparison, DEPTH_MAX, Expr, Operator, Rank, Schema};
use crate::problem::shortened;
use crate::query::is_rfc3339;

/// Words that begin nothing, unless they are names in double quotes.
const RESERVED: [&str; 9] = ["AND", "OR", "NOT", "LIKE", "ILIKE", "BETWEEN", "IN", "IS", "NULL"];

pub(super) fn read(text: &str, schema: Schema) -> Result<Expr, String> {
    let mut parser = Parser { text, at: 0, depth: 0, schema };
    let expr = parser.any()?;
    parser.skip_space();
    match parser.rest() {
        "" => Ok(expr),
        _ => parser.fault("AND, OR or the end is expected"),
    }
}

/// Text in single quotes. A quote inside is written twice; backslashes before a quote or the end are too, since the standard
/// takes `\'` for a quote.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('\'');
    let mut backslashes = 0;
    for character in text.chars() {
        if character == '\'' {
            out.extend(std::iter::repeat_n('\\', backslashes));
            out.push('\'');
        }
        backslashes = if character == '\\' { backslashes + 1 } else { 0 };
        out.push(character);
    }
    out.extend(std::iter::repeat_n('\\', backslashes));
    out.push('\'');
}

/// A name, in double quotes where it would not be read as one without.
pub(super) fn write_name(out: &mut String, name: &str) {
    let mut words = RESERVED.into_iter().chain(["TRUE", "FALSE", "DIV"]);
    if is_identifier(name) && !words.any(|word| word.eq_ignore_ascii_case(name)) {
        out.push_str(name);
    } else {
        out.push('"');
        out.push_str(&name.replace('"', "\"\""));
        out.push('"');
    }
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | ':') || (!c.is_ascii() && !c.is_whitespace())
}

fn continues_name(c: char) -> bool {
    starts_name(c) || c.is_ascii_digit() || c == '.'
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(starts_name) && name.chars().all(continues_name)
}

struct Parser<'a> {
    text: &'a str,
    /// The byte where it stands.
    at: usize,
    depth: usize,
    schema: Schema<'a>,
}

type Read<T> = Result<T, String>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// What stands at `at` is wrong.
    fn located<T>(&self, at: usize, why: &str) -> Read<T> {
        let character = self.text[..at].chars().count() + 1;
        Err(match &self.text[at..] {
            "" => format!("at its end: {why}"),
            rest => format!("at character {character} ({}): {why}", shortened(rest)),
        })
    }

    fn fault<T>(&self, why: &str) -> Read<T> {
        self.located(self.at, why)
    }

    /// Adds the place to an error that has none.
    fn checked(&self, at: usize, expr: Read<Expr>) -> Read<Expr> {
        expr.or_else(|why| self.located(at, &why))
    }

    /// One level further in.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == DEPTH_MAX {
            return self.fault(&format!("no more than {DEPTH_MAX} levels within each other are taken"));
        }
        self.depth += 1;
        let out = read(self);
        self.depth -= 1;
        out
    }

    /// Takes a sign, if it is next.
    fn takes(&mut self, sign: &str) -> bool {
        self.skip_space();
        let takes = self.rest().starts_with(sign);
        self.at += if takes { sign.len() } else { 0 };
        takes
    }

    fn wants(&mut self, sign: &str) -> Read<()> {
        if self.takes(sign) { Ok(()) } else { self.fault(&format!("{sign} is expected")) }
    }

    /// The plain name that is next; empty if there is none.
    fn next_name(&mut self) -> &'a str {
        self.skip_space();
        let rest = self.rest();
        if !rest.starts_with(starts_name) {
            return "";
        }
        &rest[..rest.find(|c| !continues_name(c)).unwrap_or(rest.len())]
    }

    /// Takes a word, in any case, if it is next.
    fn takes_word(&mut self, word: &str) -> bool {
        let takes = self.next_name().eq_ignore_ascii_case(word);
        self.at += if takes { word.len() } else { 0 };
        takes
    }

    fn any(&mut self) -> Read<Expr> {
        self.joined(false)
    }

    /// Parts joined by AND, or by OR.
    fn joined(&mut self, all: bool) -> Read<Expr> {
        self.skip_space();
        let start = self.at;
        let first = if all { self.factor()? } else { self.joined(true)? };
        let word = if all { "AND" } else { "OR" };
        let mut parts = vec![first];
        while self.takes_word(word) {
            parts.push(if all { self.factor()? } else { self.joined(true)? });
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        self.checked(start, Expr::joined(all, parts, self.schema))
    }

    fn factor(&mut self) -> Read<Expr> {
        self.skip_space();
        let start = self.at;
        if !self.takes_word("NOT") {
            return self.comparison();
        }
        let of = self.deeper(Self::factor)?;
        self.checked(start, Expr::not(of, self.schema))
    }

    fn comparison(&mut self) -> Read<Expr> {
        self.skip_space();
        let start = self.at;
        let value = self.chain(Rank::Sum)?;
        if let Some((comparison, _)) = Comparison::ALL.into_iter().find(|(_, sign)| self.takes(sign)) {
            let other = self.chain(Rank::Sum)?;
            return self.checked(start, Expr::compare(comparison, [value, other], self.schema));
        }
        if self.takes_word("IS") {
            let not = self.takes_word("NOT");
            if !self.takes_word("NULL") {
                return self.fault("NULL is expected after IS");
            }
            let is_null = Expr::IsNull(Box::new(value));
            return if not { Expr::not(is_null, self.schema) } else { Ok(is_null) };
        }
        let not = self.takes_word("NOT");
        let found = if self.takes_word("LIKE") {
            let pattern = self.chain(Rank::Sum)?;
            Expr::like(value, pattern, self.schema)
        } else if self.takes_word("ILIKE") {
            let pattern = self.chain(Rank::Sum)?;
            let any_case = Expr::any_case(value, self.schema);
            any_case.and_then(|value| Expr::like(value, Expr::any_case(pattern, self.schema)?, self.schema))
        } else if self.takes_word("BETWEEN") {
            let low = self.chain(Rank::Sum)?;
            if !self.takes_word("AND") {
                return self.fault("AND is expected between the two bounds of BETWEEN");
            }
            let high = self.chain(Rank::Sum)?;
            Expr::between([value, low, high], self.schema)
        } else if self.takes_word("IN") {
            self.wants("(")?;
            let mut list = Vec::new();
            while list.is_empty() || self.takes(",") {
                list.push(self.deeper(Self::any)?);
            }
            self.wants(")")?;
            Expr::is_in(value, list, self.schema)
        } else if not {
            return self.fault("LIKE, BETWEEN or IN is expected after NOT");
        } else {
            return Ok(value);
        };
        let found = self.checked(start, found)?;
        if not { Expr::not(found, self.schema) } else { Ok(found) }
    }

    /// A chain of one rank, from left to right; powers go from right to left.
    fn chain(&mut self, rank: Rank) -> Read<Expr> {
        self.skip_space();
        let start = self.at;
        let operand = |parser: &mut Self| match rank {
            Rank::Sum => parser.chain(Rank::Product),
            Rank::Product => parser.chain(Rank::Power),
            _ => parser.whole(),
        };
        let mut value = operand(self)?;
        while let Some(operator) = self.takes_operator(rank) {
            let next = if rank == Rank::Power { self.deeper(|parser| parser.chain(rank))? } else { operand(self)? };
            value = self.checked(start, Expr::arithmetic(value, operator, next, self.schema))?;
        }
        Ok(value)
    }

    fn takes_operator(&mut self, rank: Rank) -> Option<Operator> {
        let of_rank = Operator::ALL.into_iter().filter(|(operator, _)| operator.rank() == rank);
        let takes = |(operator, sign): (Operator, &str)| {
            let takes = if operator == Operator::Div { self.takes_word(sign) } else { self.takes(sign) };
            takes.then_some(operator)
        };
        of_rank.into_iter().find_map(takes)
    }

    /// What holds together without operators.
    fn whole(&mut self) -> Read<Expr> {
        self.skip_space();
        let start = self.at;
        if self.takes("(") {
            let inner = self.deeper(Self::any)?;
            self.wants(")")?;
            return Ok(inner);
        }
        let rest = self.rest();
        if rest.starts_with('\'') {
            return Ok(Expr::Text(self.quoted_text()?));
        }
        if rest.starts_with('"') {
            let name = self.quoted_name()?;
            return self.checked(start, self.schema.property(&name));
        }
        if rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-')) {
            return Ok(Expr::Number(self.number()?));
        }
        if let Some(at) = self.takes_odd_name() {
            return self.schema.property(&self.schema.columns[at].name);
        }
        let name = self.next_name();
        if name.is_empty() || RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name)) {
            return self.fault("a property, a number, 'text' in single quotes, a function or ( is expected");
        }
        self.at += name.len();
        if let Some(found) = self.function(start, name) {
            return found;
        }
        match () {
            () if name.eq_ignore_ascii_case("TRUE") => Ok(Expr::Truth(true)),
            () if name.eq_ignore_ascii_case("FALSE") => Ok(Expr::Truth(false)),
            () => self.checked(start, self.schema.property(name)),
        }
    }

    /// Takes a property whose name holds more than a plain name may, without quotes: that is how GDAL writes it.
    fn takes_odd_name(&mut self) -> Option<usize> {
        let rest = self.rest();
        let is_next = |name: &str| {
            let is_odd = name.starts_with(starts_name) && !is_identifier(name);
            is_odd && rest.strip_prefix(name).is_some_and(|behind| !behind.starts_with(continues_name))
        };
        let names = self.schema.columns.iter().enumerate().filter(|(_, column)| is_next(&column.name));
        let (at, column) = names.max_by_key(|(_, column)| column.name.len())?;
        self.at += column.name.len();
        Some(at)
    }

    /// Text from its opening to its closing quote.
    fn quoted_text(&mut self) -> Read<String> {
        let start = self.at;
        let mut out = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        let mut backslashes = 0_usize;
        while let Some((i, character)) = characters.next() {
            if character == '\'' {
                // Of backslashes before a quote two are one, and one that is left makes it a quote inside.
                out.truncate(out.len() - backslashes.div_ceil(2));
                if backslashes.is_multiple_of(2) && characters.next_if(|(_, next)| *next == '\'').is_none() {
                    self.at = start + i + 1;
                    return Ok(out);
                }
            }
            backslashes = if character == '\\' { backslashes + 1 } else { 0 };
            out.push(character);
        }
        self.located(start, "text without a closing quote: a quote inside is written twice, as in 'it''s'")
    }

    /// A name from its opening to its closing double quote.
    fn quoted_name(&mut self) -> Read<String> {
        let start = self.at;
        let mut out = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((i, character)) = characters.next() {
            if character == '"' && characters.next_if(|(_, next)| *next == '"').is_none() {
                self.at = start + i + 1;
                return Ok(out);
            }
            out.push(character);
        }
        self.located(start, "a name without a closing double quote")
    }

    /// A number, with its sign.
    fn number(&mut self) -> Read<f64> {
        self.skip_space();
        let start = self.at;
        let rest = self.rest();
        let digits = |from: usize| from + rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let whole = usize::from(rest.starts_with(['+', '-']));
        let mut end = digits(whole);
        let mut known = end - whole;
        if rest[end..].starts_with('.') {
            let fraction = digits(end + 1);
            known += fraction - end - 1;
            end = fraction;
        }
        if rest[end..].starts_with(['e', 'E']) {
            let exponent = end + 1 + usize::from(rest[end + 1..].starts_with(['+', '-']));
            // Without digits behind it the letter is no exponent.
            end = Some(digits(exponent)).filter(|&after| after > exponent).unwrap_or(end);
        }
        let number = crate::query::number(&rest[..end]).filter(|_| known > 0);
        let Some(number) = number else {
            return self.located(start, "a number is expected, of a size that double precision holds");
        };
        self.at += end;
        if self.rest().starts_with(continues_name) {
            return self.fault("a number ends before this: what is meant?");
        }
        Ok(number)
    }

    /// The function of that name, if its name is followed by what makes it one.
    fn function(&mut self, start: usize, name: &str) -> Option<Read<Expr>> {
        let behind = self.at;
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        if let Some((kind, _)) = SHAPES.into_iter().find(|(_, word)| is(word)) {
            for dimensions in ["Z", "M", "ZM"] {
                _ = self.takes_word(dimensions);
            }
            if self.takes_word("EMPTY") {
                return Some(self.located(start, "a place is expected in ( ): an empty geometry lies nowhere"));
            }
            self.skip_space();
            if !self.rest().starts_with('(') {
                self.at = behind;
                return None;
            }
            let nest = self.deeper(Self::nest);
            let literal = nest.and_then(|nest| {
                Literal::new(kind, nest, self.schema.coordinates).or_else(|why| self.located(start, &why))
            });
            return Some(literal.map(|literal| Expr::Shape(Box::new(literal))));
        }
        self.skip_space();
        if !self.rest().starts_with('(') {
            self.at = behind;
            return None;
        }
        Some(self.called(start, name))
    }

    /// A function whose arguments are next.
    fn called(&mut self, start: usize, name: &str) -> Read<Expr> {
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        self.wants("(")?;
        let expr = if is("CASEI") {
            let of = self.deeper(Self::any)?;
            Expr::any_case(of, self.schema)
        } else if is("DATE") || is("TIMESTAMP") {
            self.skip_space();
            if !self.rest().starts_with('\'') {
                return self.fault("a date in single quotes is expected, as in '2024-06-30'");
            }
            let text = self.quoted_text()?;
            instant(text, is("DATE"))
        } else if is("BBOX") || is("ENVELOPE") {
            let mut numbers = Vec::new();
            while numbers.is_empty() || self.takes(",") {
                numbers.push(self.number()?);
            }
            Literal::bbox(&numbers, self.schema.coordinates).map(|literal| Expr::Shape(Box::new(literal)))
        } else if is("GEOMETRYCOLLECTION") {
            let mut parts = Vec::new();
            while parts.is_empty() || self.takes(",") {
                self.skip_space();
                let at = self.at;
                match self.deeper(Self::whole)? {
                    Expr::Shape(literal) => parts.push(*literal),
                    _ => return self.located(at, "a geometry literal is expected, as in POINT(116.3 39.9)"),
                }
            }
            Literal::collection(parts).map(|literal| Expr::Shape(Box::new(literal)))
        } else if let Some((spatial, _)) = Spatial::ALL.into_iter().find(|(_, word)| is(word)) {
            let one = self.deeper(Self::any)?;
            self.wants(",")?;
            let other = self.deeper(Self::any)?;
            Expr::spatial(spatial, [one, other], self.schema)
        } else {
            let known = Spatial::ALL.map(|(_, word)| word).join(", ");
            let name = shortened(name);
            let why = format!(
                "there is no function {name}: there are CASEI, DATE, TIMESTAMP, {known}, BBOX and the geometries of WKT"
            );
            return self.located(start, &why);
        };
        self.wants(")")?;
        self.checked(start, expr)
    }

    /// Coordinates in parentheses within each other.
    fn nest(&mut self) -> Read<Nest> {
        self.wants("(")?;
        let mut items = Vec::new();
        while items.is_empty() || self.takes(",") {
            self.skip_space();
            if self.rest().starts_with('(') {
                items.push(self.deeper(Self::nest)?);
                continue;
            }
            let mut place = Vec::with_capacity(2);
            self.skip_space();
            while place.is_empty() || self.rest().starts_with(|c: char| !matches!(c, ',' | ')')) {
                place.push(self.number()?);
                self.skip_space();
            }
            items.push(Nest::Place(place));
        }
        self.wants(")")?;
        Ok(Nest::List(items))
    }
}

/// A day, or a moment, as it is compared: dates are text here, whose order is that of time.
pub(super) fn instant(text: String, is_day: bool) -> Result<Expr, String> {
    if is_rfc3339(&text) && (text.len() == 10) == is_day {
        return Ok(Expr::Text(text));
    }
    let text = shortened(&text);
    Err(if is_day {
        format!("'{text}' is not a date, as in DATE('2024-06-30')")
    } else {
        format!("'{text}' is not a moment, as in TIMESTAMP('2024-06-30T12:00:00Z')")
    })
}
