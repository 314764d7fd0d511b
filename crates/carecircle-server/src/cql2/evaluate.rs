//! What a filter says of a feature: true, false, or unknown where something that it asks for is missing.

use super::shape::{Place, Site};
use super::{Comparison, Expr, Operator, folded};
use crate::analysis::Features;
use crate::collections::{Column, ColumnType};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The values of one property, by feature.
pub(crate) enum Cells {
    /// Where each text stands in its feature, without its quotes; at zero where there is none.
    Text(Vec<(u32, u32)>),
    /// NaN where there is none.
    Number(Vec<f64>),
    Truth(Vec<Option<bool>>),
}

/// What filters are evaluated over: the columns that they name, and the places where they ask for those.
pub(crate) struct Table<'a> {
    features: &'a Features,
    cells: Vec<Option<&'a Cells>>,
    places: &'a [Option<Place>],
}

impl<'a> Table<'a> {
    /// Makes ready what a filter asks for. Not to be called by a thread of rayon's pool: what is made ready once may wait
    /// for that pool.
    pub(crate) fn new(
        filter: &Expr,
        features: &'a Features,
        columns: &[Column],
        places: impl FnOnce() -> &'a [Option<Place>],
    ) -> Self {
        let mut named = vec![false; columns.len()];
        let mut is_spatial = false;
        filter.visit(&mut |part| match part {
            Expr::Property(at, _) => named[*at] = true,
            Expr::Geometry => is_spatial = true,
            _ => {}
        });
        let cells = columns.iter().enumerate().map(|(at, column)| named[at].then(|| features.cells(at, column)));
        Self { features, cells: cells.collect(), places: if is_spatial { places() } else { &[] } }
    }

    fn value(&self, at: usize, i: usize) -> Value<'a> {
        match self.cells[at] {
            Some(Cells::Text(spans)) if spans[i] != (0, 0) => Value::Text(self.features.text(i, spans[i])),
            Some(Cells::Number(numbers)) if !numbers[i].is_nan() => Value::Number(numbers[i]),
            Some(Cells::Truth(truths)) => Value::truth(truths[i]),
            _ => Value::Unknown,
        }
    }
}

impl Cells {
    /// Bytes that a cell takes at most.
    pub(crate) const BYTES: usize = size_of::<f64>();

    /// The JSON texts of a property, read as what its column holds.
    pub(crate) fn read<'a>(column: &Column, spans: impl Iterator<Item = Option<(u32, &'a [u8])>>) -> Self {
        match column.holds {
            ColumnType::Text | ColumnType::Day => {
                let inner =
                    |(at, json): (u32, &[u8])| (json.first() == Some(&b'"')).then(|| (at + 1, json.len() as u32 - 2));
                Self::Text(spans.map(|span| span.and_then(inner).unwrap_or_default()).collect())
            }
            ColumnType::Number | ColumnType::Integer => {
                let number = |(_, json): (u32, &[u8])| std::str::from_utf8(json).ok()?.parse().ok();
                Self::Number(spans.map(|span| span.and_then(number).unwrap_or(f64::NAN)).collect())
            }
            ColumnType::Truth => {
                let truth = |(_, json): (u32, &[u8])| match json {
                    b"true" => Some(true),
                    b"false" => Some(false),
                    _ => None,
                };
                Self::Truth(spans.map(|span| span.and_then(truth)).collect())
            }
        }
    }
}

enum Value<'a> {
    Unknown,
    Text(Cow<'a, str>),
    Number(f64),
    Truth(bool),
}

impl Value<'_> {
    fn truth(truth: Option<bool>) -> Self {
        truth.map_or(Self::Unknown, Self::Truth)
    }

    /// How two of one kind compare; unknown where one is.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(other),
            (Self::Truth(one), Self::Truth(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

/// False if one is, true if all are, else unknown.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut out = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => out = None,
        }
    }
    out
}

/// True if one is, false if none is, else unknown.
fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.map(|part| part.map(|truth| !truth))).map(|truth| !truth)
}

impl Expr {
    /// Shows every part, from the whole inwards.
    fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match self {
            Self::AnyCase(of) | Self::Like(of, _) | Self::IsNull(of) | Self::Not(of) => of.visit(see),
            Self::Arithmetic(first, rest) => {
                first.visit(see);
                for (_, operand) in rest {
                    operand.visit(see);
                }
            }
            Self::Compare(_, sides) | Self::Spatial(_, sides) => sides.iter().for_each(|side| side.visit(see)),
            Self::Between(sides) => sides.iter().for_each(|side| side.visit(see)),
            Self::In(value, list) => {
                value.visit(see);
                for item in list {
                    item.visit(see);
                }
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit(see)),
            Self::Text(_) | Self::Number(_) | Self::Truth(_) | Self::Shape(_) | Self::Geometry | Self::Property(..) => {
            }
        }
    }

    /// What it says of the i-th feature; `None` is unknown.
    pub(crate) fn truth(&self, table: &Table, i: usize) -> Option<bool> {
        match self {
            Self::Compare(comparison, sides) => {
                let order = sides[0].value(table, i).compare(&sides[1].value(table, i))?;
                Some(match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::Differs => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::AtMost => order.is_le(),
                    Comparison::AtLeast => order.is_ge(),
                })
            }
            Self::Like(of, pattern) => match of.value(table, i) {
                Value::Text(text) => Some(pattern.fits(&text)),
                _ => None,
            },
            Self::Between(sides) => {
                let [value, low, high] = sides.each_ref().map(|side| side.value(table, i));
                let (from, to) = (value.compare(&low), value.compare(&high));
                all([from.map(Ordering::is_ge), to.map(Ordering::is_le)].into_iter())
            }
            Self::In(value, list) => {
                let value = value.value(table, i);
                any(list.iter().map(|item| value.compare(&item.value(table, i)).map(Ordering::is_eq)))
            }
            Self::IsNull(of) => Some(match &**of {
                Self::Geometry | Self::Shape(_) => of.site(table, i).is_none(),
                of => matches!(of.value(table, i), Value::Unknown),
            }),
            Self::Spatial(spatial, sides) => Some(spatial.holds(&sides[0].site(table, i)?, &sides[1].site(table, i)?)),
            Self::Not(of) => of.truth(table, i).map(|truth| !truth),
            Self::And(parts) => all(parts.iter().map(|part| part.truth(table, i))),
            Self::Or(parts) => any(parts.iter().map(|part| part.truth(table, i))),
            of => match of.value(table, i) {
                Value::Truth(truth) => Some(truth),
                _ => None,
            },
        }
    }

    fn value<'a>(&'a self, table: &Table<'a>, i: usize) -> Value<'a> {
        match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Number(number) => Value::Number(*number),
            Self::Truth(truth) => Value::Truth(*truth),
            Self::Property(at, _) => table.value(*at, i),
            Self::AnyCase(of) => match of.value(table, i) {
                Value::Text(text) => Value::Text(Cow::Owned(folded(&text))),
                other => other,
            },
            Self::Arithmetic(first, rest) => {
                let number = |of: &'a Self| match of.value(table, i) {
                    Value::Number(number) => Some(number),
                    _ => None,
                };
                let mut out = number(first);
                for (operator, operand) in rest {
                    out = out.zip(number(operand)).map(|(one, other)| match operator {
                        Operator::Plus => one + other,
                        Operator::Minus => one - other,
                        Operator::Times => one * other,
                        Operator::Over => one / other,
                        Operator::Modulo => one % other,
                        Operator::Div => (one / other).trunc(),
                        Operator::Power => one.powf(other),
                    });
                }
                // What is divided by nothing, or beyond all size, is not known.
                out.filter(|number| number.is_finite()).map_or(Value::Unknown, Value::Number)
            }
            Self::Shape(_) | Self::Geometry => Value::Unknown,
            of => Value::truth(of.truth(table, i)),
        }
    }

    fn site<'a>(&'a self, table: &Table<'a>, i: usize) -> Option<Site<'a>> {
        match self {
            Self::Shape(literal) => Some(literal.site()),
            Self::Geometry => table.places.get(i)?.as_ref().map(Place::site),
            _ => None,
        }
    }
}
