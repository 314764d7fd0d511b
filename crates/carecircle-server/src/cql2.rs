//! Filters in CQL2 (OGC 21-065r2): text and JSON are read into one typed [`Expr`], which is evaluated over typed columns and
//! printed back in one form.
//!
//! Reading knows the columns of the collection, so that whatever has been read can be evaluated: names are resolved and
//! types checked where they stand. A filter is no longer than [`LENGTH_MAX`], which bounds its literals and vertices too,
//! and nests no deeper than [`DEPTH_MAX`], which bounds every recursion over it. It refuses to own what a `Query` is.

mod evaluate;
mod json;
mod pattern;
mod shape;
mod text;

pub(crate) use evaluate::{Cells, Table};
pub(crate) use shape::Place;

use crate::collections::{Column, ColumnType};
use carecircle_formats::crs::Crs;
use pattern::Pattern;
use shape::{Literal, Spatial};

/// Bytes of a filter, as it comes and in canonical form.
pub(crate) const LENGTH_MAX: usize = 4_096;
/// Parentheses, functions, `NOT` and powers (in JSON: objects and lists) within each other.
pub(crate) const DEPTH_MAX: usize = 32;

/// How a filter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Text,
    Json,
}

/// The coordinates of a filter's geometries: a system, and whether north comes first in it.
#[derive(Clone, Debug)]
pub(crate) struct Coordinates {
    pub(crate) crs: Crs,
    pub(crate) north_first: bool,
}

impl Default for Coordinates {
    /// CRS84: longitude and latitude in degrees.
    fn default() -> Self {
        Self { crs: Crs::wgs84(), north_first: false }
    }
}

/// What a filter is read against.
#[derive(Clone, Copy)]
struct Schema<'a> {
    columns: &'a [Column],
    coordinates: &'a Coordinates,
}

impl Schema<'_> {
    /// The property of that name.
    fn property(&self, name: &str) -> Result<Expr, String> {
        if name == GEOMETRY {
            return Ok(Expr::Geometry);
        }
        let Some(at) = self.columns.iter().position(|column| column.name == name) else {
            let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            let name = crate::problem::shortened(name);
            return Err(format!("there is no property \"{name}\": there are {} and {GEOMETRY}", names.join(", ")));
        };
        Ok(Expr::Property(at, Kind::of(self.columns[at].holds)))
    }
}

/// The name of a feature's geometry.
const GEOMETRY: &str = "geometry";

/// What an expression is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Truth,
    Geometry,
}

impl Kind {
    fn of(column: ColumnType) -> Self {
        match column {
            ColumnType::Text | ColumnType::Day => Self::Text,
            ColumnType::Number | ColumnType::Integer => Self::Number,
            ColumnType::Truth => Self::Truth,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::Geometry => "a geometry",
        }
    }

    /// How a value of it is written.
    fn example(self) -> &'static str {
        match self {
            Self::Text => "text in single quotes, as in 'gap'",
            Self::Number => "a number, as in 12.5",
            Self::Truth => "true or false",
            Self::Geometry => "geometry or a literal, as in BBOX(116.3,39.9,116.4,40)",
        }
    }
}

/// `= <> < > <= >=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Differs,
    Less,
    Greater,
    AtMost,
    AtLeast,
}

impl Comparison {
    /// The longer names first, as a reader of text wants them.
    const ALL: [(Self, &'static str); 6] = [
        (Self::Differs, "<>"),
        (Self::AtMost, "<="),
        (Self::AtLeast, ">="),
        (Self::Equal, "="),
        (Self::Less, "<"),
        (Self::Greater, ">"),
    ];
}

/// `+ - * / % div ^`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
    Div,
    Power,
}

impl Operator {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Plus, "+"),
        (Self::Minus, "-"),
        (Self::Times, "*"),
        (Self::Over, "/"),
        (Self::Modulo, "%"),
        (Self::Div, "div"),
        (Self::Power, "^"),
    ];

    fn rank(self) -> Rank {
        match self {
            Self::Plus | Self::Minus => Rank::Sum,
            Self::Times | Self::Over | Self::Modulo | Self::Div => Rank::Product,
            Self::Power => Rank::Power,
        }
    }
}

/// The name of a thing in a list of all of its sort.
fn name_of<T: PartialEq>(of: &T, all: &[(T, &'static str)]) -> &'static str {
    all.iter().find(|(thing, _)| thing == of).map_or("", |(_, name)| name)
}

/// A filter, or a part of one. Every one that can be made is of one [`Kind`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Text(String),
    Number(f64),
    Truth(bool),
    Shape(Box<Literal>),
    /// The feature's.
    Geometry,
    /// A column by its place.
    Property(usize, Kind),
    /// `CASEI`: text without regard to its case.
    AnyCase(Box<Expr>),
    /// From left to right, all of one rank.
    Arithmetic(Box<Expr>, Vec<(Operator, Expr)>),
    Compare(Comparison, Box<[Expr; 2]>),
    Like(Box<Expr>, Pattern),
    Between(Box<[Expr; 3]>),
    In(Box<Expr>, Vec<Expr>),
    IsNull(Box<Expr>),
    Spatial(Spatial, Box<[Expr; 2]>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

/// What binds how closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Power,
    Whole,
}

/// Reads a filter over such columns. The error says where it is wrong and what would be accepted.
pub(crate) fn read(
    language: Language,
    filter: &str,
    columns: &[Column],
    coordinates: &Coordinates,
) -> Result<Expr, String> {
    let too_long = |bytes: usize| {
        let detail = format!("it has {bytes} bytes, no more than {LENGTH_MAX} are taken: ask for less at once");
        Err(detail)
    };
    if filter.len() > LENGTH_MAX {
        return too_long(filter.len());
    }
    let schema = Schema { columns, coordinates };
    let expr = match language {
        Language::Text => text::read(filter, schema),
        Language::Json => json::read(filter, schema),
    }?;
    if expr.kind() != Kind::Truth {
        let is = expr.described(columns);
        return Err(format!("{is} chooses no features: compare it with something, as in status <> 'covered'"));
    }
    // Links carry the canonical form, which must be taken again: it can be longer, and nest deeper.
    let canonical = expr.print(columns);
    if canonical.len() > LENGTH_MAX {
        return too_long(canonical.len());
    }
    let again = text::read(&canonical, Schema { columns, coordinates: &Coordinates::default() })
        .map_err(|why| format!("in the form in which links carry it, {why}"))?;
    debug_assert_eq!(again, expr, "{canonical}");
    Ok(expr)
}

impl Expr {
    fn kind(&self) -> Kind {
        match self {
            Self::Property(_, kind) => *kind,
            Self::Text(_) | Self::AnyCase(_) => Kind::Text,
            Self::Number(_) | Self::Arithmetic(..) => Kind::Number,
            Self::Shape(_) | Self::Geometry => Kind::Geometry,
            _ => Kind::Truth,
        }
    }

    /// What it is, for whoever wrote it.
    fn described(&self, columns: &[Column]) -> String {
        format!("{} ({})", crate::problem::shortened(&self.print(columns)), self.kind().name())
    }

    fn wanted(self, kind: Kind, by: &str, schema: Schema) -> Result<Self, String> {
        if self.kind() == kind {
            return Ok(self);
        }
        Err(format!("{by} takes {}, not {}", kind.example(), self.described(schema.columns)))
    }

    fn any_case(of: Self, schema: Schema) -> Result<Self, String> {
        Ok(match of.wanted(Kind::Text, "CASEI", schema)? {
            Self::Text(text) => Self::Text(folded(&text)),
            Self::AnyCase(of) => Self::AnyCase(of),
            of => Self::AnyCase(Box::new(of)),
        })
    }

    fn arithmetic(first: Self, operator: Operator, second: Self, schema: Schema) -> Result<Self, String> {
        let by = name_of(&operator, &Operator::ALL);
        let (first, second) = (first.wanted(Kind::Number, by, schema)?, second.wanted(Kind::Number, by, schema)?);
        let rank = operator.rank();
        // A chain stays flat. Powers go from right to left.
        Ok(match first {
            Self::Arithmetic(first, mut rest) if rank != Rank::Power && rest[0].0.rank() == rank => {
                rest.push((operator, second));
                Self::Arithmetic(first, rest)
            }
            first => Self::Arithmetic(Box::new(first), vec![(operator, second)]),
        })
    }

    /// Brings what is compared to one kind: a number beside a truth is one as 1 or 0, which is how GDAL writes it.
    fn alike(mut sides: Vec<Self>, by: &str, schema: Schema) -> Result<Vec<Self>, String> {
        if sides.iter().any(|side| side.kind() == Kind::Truth) {
            for side in &mut sides {
                let Self::Number(number) = side else { continue };
                if let Some(truth) = crate::query::truth(&number.to_string()) {
                    *side = Self::Truth(truth);
                }
            }
        }
        let kind = sides[0].kind();
        if kind == Kind::Geometry {
            return Err(format!("{by} compares no geometries: S_INTERSECTS and its like do"));
        }
        if let Some(other) = sides.iter().find(|side| side.kind() != kind) {
            let (one, other) = (sides[0].described(schema.columns), other.described(schema.columns));
            return Err(format!("{by} compares {one} with {other}: with it goes {}", kind.example()));
        }
        Ok(sides)
    }

    fn compare(comparison: Comparison, sides: [Self; 2], schema: Schema) -> Result<Self, String> {
        let sides = Self::alike(sides.into(), name_of(&comparison, &Comparison::ALL), schema)?;
        let [one, other] = <[Self; 2]>::try_from(sides).expect("as many as there were");
        Ok(Self::Compare(comparison, Box::new([one, other])))
    }

    fn like(text: Self, pattern: Self, schema: Schema) -> Result<Self, String> {
        let text = text.wanted(Kind::Text, "LIKE", schema)?;
        match pattern {
            Self::Text(pattern) => Ok(Self::Like(Box::new(text), Pattern::new(pattern))),
            other => {
                let is = other.described(schema.columns);
                Err(format!("LIKE takes a pattern in single quotes, as in 'A%' or CASEI('a_'), not {is}"))
            }
        }
    }

    fn between(sides: [Self; 3], schema: Schema) -> Result<Self, String> {
        let sides = Self::alike(sides.into(), "BETWEEN", schema)?;
        let [value, low, high] = <[Self; 3]>::try_from(sides).expect("as many as there were");
        Ok(Self::Between(Box::new([value, low, high])))
    }

    fn is_in(value: Self, list: Vec<Self>, schema: Schema) -> Result<Self, String> {
        if list.is_empty() {
            return Err("IN takes a list of at least one value, as in ('a', 'b')".to_owned());
        }
        let mut all = vec![value];
        all.extend(list);
        let mut all = Self::alike(all, "IN", schema)?;
        let list = all.split_off(1);
        Ok(Self::In(Box::new(all.remove(0)), list))
    }

    fn spatial(spatial: Spatial, sides: [Self; 2], schema: Schema) -> Result<Self, String> {
        let [one, other] = sides.map(|side| side.wanted(Kind::Geometry, name_of(&spatial, &Spatial::ALL), schema));
        Ok(Self::Spatial(spatial, Box::new([one?, other?])))
    }

    fn not(of: Self, schema: Schema) -> Result<Self, String> {
        Ok(match of.wanted(Kind::Truth, "NOT", schema)? {
            Self::Not(of) => *of,
            of => Self::Not(Box::new(of)),
        })
    }

    /// All of some, or any of some. Nested ones of the same sort are laid flat.
    fn joined(all: bool, parts: Vec<Self>, schema: Schema) -> Result<Self, String> {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part.wanted(Kind::Truth, if all { "AND" } else { "OR" }, schema)? {
                Self::And(parts) if all => flat.extend(parts),
                Self::Or(parts) if !all => flat.extend(parts),
                part => flat.push(part),
            }
        }
        Ok(match flat.len() {
            1 => flat.remove(0),
            _ if all => Self::And(flat),
            _ => Self::Or(flat),
        })
    }

    /// `property=value` of a query. A number is compared by value as read from the decimal text that the client saw, which
    /// some write with a digit too few.
    pub(crate) fn equality(at: usize, value: Self) -> Self {
        match value {
            Self::Number(number) => {
                let slack = f64::EPSILON * number.abs();
                let near = |bound: f64, inward: f64| if (bound - number).abs() <= slack { bound } else { inward };
                let low = near(number - slack, (number - slack).next_up());
                let high = near(number + slack, (number + slack).next_down());
                let sides = [Self::Property(at, Kind::Number), Self::Number(low), Self::Number(high)];
                Self::Between(Box::new(sides))
            }
            value => {
                let sides = [Self::Property(at, value.kind()), value];
                Self::Compare(Comparison::Equal, Box::new(sides))
            }
        }
    }

    /// All of these; `None` of none.
    pub(crate) fn all(mut parts: Vec<Self>) -> Option<Self> {
        if parts.len() > 1 { Some(Self::And(parts)) } else { parts.pop() }
    }

    fn rank(&self) -> Rank {
        match self {
            Self::Or(_) => Rank::Or,
            Self::And(_) => Rank::And,
            Self::Not(_) => Rank::Not,
            Self::Compare(..) | Self::Like(..) | Self::Between(_) | Self::In(..) | Self::IsNull(_) => Rank::Comparison,
            Self::Arithmetic(_, rest) => rest[0].0.rank(),
            _ => Rank::Whole,
        }
    }

    /// In canonical form, as CQL2 text.
    pub(crate) fn print(&self, columns: &[Column]) -> String {
        let mut out = String::new();
        self.write(&mut out, columns, Rank::Or);
        out
    }

    /// Writes it, in parentheses if it binds less closely than asked for.
    fn write(&self, out: &mut String, columns: &[Column], least: Rank) {
        if self.rank() < least {
            out.push('(');
            self.write(out, columns, Rank::Or);
            out.push(')');
            return;
        }
        let mut list = |items: &[Self], between: &str, rank: Rank| {
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { between } else { "" });
                item.write(out, columns, rank);
            }
        };
        match self {
            Self::Text(text) => text::write_text(out, text),
            Self::Number(number) => write_number(out, *number),
            Self::Truth(truth) => out.push_str(if *truth { "TRUE" } else { "FALSE" }),
            Self::Shape(literal) => literal.write(out),
            Self::Geometry => out.push_str(GEOMETRY),
            Self::Property(at, _) => text::write_name(out, &columns[*at].name),
            Self::AnyCase(of) => {
                out.push_str("CASEI(");
                of.write(out, columns, Rank::Or);
                out.push(')');
            }
            Self::Arithmetic(first, rest) => {
                let rank = self.rank();
                let closer = if rank == Rank::Sum { Rank::Product } else { Rank::Power };
                first.write(out, columns, if rank == Rank::Power { Rank::Whole } else { closer });
                for (operator, operand) in rest {
                    out.push(' ');
                    out.push_str(name_of(operator, &Operator::ALL));
                    out.push(' ');
                    operand.write(out, columns, closer);
                }
            }
            Self::Compare(comparison, sides) => {
                list(&sides[..], &format!(" {} ", name_of(comparison, &Comparison::ALL)), Rank::Sum);
            }
            Self::Like(of, pattern) => {
                of.write(out, columns, Rank::Sum);
                out.push_str(" LIKE ");
                text::write_text(out, pattern.written());
            }
            Self::Between(sides) => {
                list(&sides[..1], "", Rank::Sum);
                out.push_str(" BETWEEN ");
                sides[1].write(out, columns, Rank::Sum);
                out.push_str(" AND ");
                sides[2].write(out, columns, Rank::Sum);
            }
            Self::In(value, items) => {
                value.write(out, columns, Rank::Sum);
                out.push_str(" IN (");
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    item.write(out, columns, Rank::Or);
                }
                out.push(')');
            }
            Self::IsNull(of) => {
                of.write(out, columns, Rank::Sum);
                out.push_str(" IS NULL");
            }
            Self::Spatial(spatial, sides) => {
                out.push_str(name_of(spatial, &Spatial::ALL));
                out.push('(');
                sides[0].write(out, columns, Rank::Or);
                out.push_str(", ");
                sides[1].write(out, columns, Rank::Or);
                out.push(')');
            }
            Self::Not(of) => {
                out.push_str("NOT ");
                of.write(out, columns, Rank::Not);
            }
            Self::And(parts) => list(parts, " AND ", Rank::Not),
            Self::Or(parts) => list(parts, " OR ", Rank::And),
        }
    }
}

/// The shorter of the two forms that lead back to the same number.
fn write_number(out: &mut String, number: f64) {
    let (plain, scientific) = (number.to_string(), format!("{number:e}"));
    out.push_str(if plain.len() <= scientific.len() { &plain } else { &scientific });
}

/// Text without regard to its case, character by character: ß is ss, and final σ is σ.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}
