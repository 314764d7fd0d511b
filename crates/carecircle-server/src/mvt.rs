//! Mapbox Vector Tiles 2.1, written: features with their properties on the grid of a tile.
//!
//! Owns the encoding alone (<https://github.com/mapbox/vector-tile-spec/tree/master/2.1>); what is drawn, and how, is
//! decided by whoever holds the [`Pen`].

use crate::analysis::Features;
use crate::collections::{Column, ColumnType};
use rayon::prelude::*;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// A place on the grid of a tile, from its upper left corner to the right and down.
pub(crate) type Place = [i32; 2];

/// Units along the side of a tile.
pub(crate) const EXTENT: i32 = 4_096;

/// What a feature's geometry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Point = 1,
    Line = 2,
    Polygon = 3,
}

/// Draws the geometry of a feature.
#[derive(Default)]
pub(crate) struct Pen {
    commands: Vec<u8>,
    at: Place,
}

const MOVE_TO: u32 = 1;
const LINE_TO: u32 = 2;
const CLOSE_PATH: u32 = 7;

impl Pen {
    /// Whether nothing has been drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Begins the next feature.
    pub(crate) fn clear(&mut self) {
        self.commands.clear();
        self.at = [0, 0];
    }

    /// A single place.
    pub(crate) fn point(&mut self, at: Place) {
        self.command(MOVE_TO, 1);
        self.go(at);
    }

    /// A line through two places or more.
    pub(crate) fn line(&mut self, places: impl ExactSizeIterator<Item = Place>) {
        let further = places.len() as u32 - 1;
        for (i, at) in places.enumerate() {
            match i {
                0 => self.command(MOVE_TO, 1),
                1 => self.command(LINE_TO, further),
                _ => {}
            }
            self.go(at);
        }
    }

    /// A ring through three places or more; the last leads back to the first by itself.
    pub(crate) fn ring(&mut self, places: impl ExactSizeIterator<Item = Place>) {
        self.line(places);
        self.command(CLOSE_PATH, 1);
    }

    fn command(&mut self, id: u32, count: u32) {
        push_varint(&mut self.commands, u64::from(id | (count << 3)));
    }

    fn go(&mut self, to: Place) {
        for (to, from) in to.into_iter().zip(self.at) {
            push_varint(&mut self.commands, zigzag(i64::from(to) - i64::from(from)));
        }
        self.at = to;
    }
}

/// A layer of a tile. Only those keys and values that its features have stand in it.
pub(crate) struct Layer<'a> {
    name: &'a str,
    columns: &'a Columns,
    features: Vec<u8>,
    keys: Numbering,
    values: Numbering,
    tags: Vec<u8>,
    message: Vec<u8>,
}

impl<'a> Layer<'a> {
    pub(crate) fn new(name: &'a str, columns: &'a Columns) -> Self {
        Self {
            name,
            columns,
            features: Vec::new(),
            keys: Numbering::new(columns.keys.len()),
            values: Numbering::new(columns.values.len()),
            tags: Vec::new(),
            message: Vec::new(),
        }
    }

    /// Adds the feature with the properties of a row of the columns.
    pub(crate) fn push(&mut self, row: usize, kind: Kind, drawn: &Pen) {
        self.tags.clear();
        for &(key, value) in self.columns.row(row) {
            push_varint(&mut self.tags, self.keys.of(u32::from(key)));
            push_varint(&mut self.tags, self.values.of(value));
        }
        self.message.clear();
        push_number(&mut self.message, 1, self.columns.ids[row]);
        push_bytes(&mut self.message, 2, &self.tags);
        push_number(&mut self.message, 3, kind as u64);
        push_bytes(&mut self.message, 4, &drawn.commands);
        push_bytes(&mut self.features, 2, &self.message);
    }

    /// Appends the layer to a tile; nothing when it has no features.
    pub(crate) fn finish(mut self, tile: &mut Vec<u8>) {
        if self.features.is_empty() {
            return;
        }
        let mut layer = Vec::with_capacity(self.features.len() + 1_024);
        push_bytes(&mut layer, 1, self.name.as_bytes());
        layer.append(&mut self.features);
        for &key in &self.keys.used {
            push_bytes(&mut layer, 3, self.columns.keys[key as usize].as_bytes());
        }
        for &value in &self.values.used {
            push_bytes(&mut layer, 4, &self.columns.values[value as usize]);
        }
        push_number(&mut layer, 5, EXTENT as u64);
        push_number(&mut layer, 15, 2);
        push_bytes(tile, 3, &layer);
    }
}

/// Numbers things anew in the order in which they are first met.
struct Numbering {
    new: Vec<u32>,
    used: Vec<u32>,
}

impl Numbering {
    const UNUSED: u32 = u32::MAX;

    fn new(most: usize) -> Self {
        Self { new: vec![Self::UNUSED; most], used: Vec::new() }
    }

    fn of(&mut self, old: u32) -> u64 {
        let new = &mut self.new[old as usize];
        if *new == Self::UNUSED {
            *new = self.used.len() as u32;
            self.used.push(old);
        }
        u64::from(*new)
    }
}

/// The number of a feature, and the key and the encoded value of each of its properties.
type Row = (u64, Vec<(u16, Box<[u8]>)>);

/// The properties of many features, each distinct value encoded once.
#[derive(Default)]
pub(crate) struct Columns {
    keys: Vec<String>,
    values: Vec<Box<[u8]>>,
    rows: Vec<(u16, u32)>,
    /// Where the row of each feature ends.
    ends: Vec<u32>,
    ids: Vec<u64>,
}

impl Columns {
    /// The properties of features that stand written, by the types of their columns. A property without a value is left
    /// out: a tile knows no null.
    pub(crate) fn read(features: &Features, columns: &[Column]) -> Self {
        let places: BTreeMap<&str, u16> = columns.iter().map(|c| c.name.as_str()).zip(0..).collect();
        let row = |i: usize| {
            let properties: Map<String, Value> = serde_json::from_slice(features.properties(i)).unwrap_or_default();
            let mut row: Vec<(u16, Box<[u8]>)> = properties
                .iter()
                .filter_map(|(name, value)| {
                    let key = *places.get(name.as_str())?;
                    Some((key, encoded(value, columns[usize::from(key)].holds)?))
                })
                .collect();
            row.sort_unstable_by_key(|(key, _)| *key);
            (id_of(properties.get("id").and_then(Value::as_str).unwrap_or_default()), row)
        };
        let rows: Vec<_> = (0..features.len()).into_par_iter().map(row).collect();
        Self::new(columns.iter().map(|c| c.name.clone()).collect(), rows)
    }

    /// Columns of text, the first of them the id.
    pub(crate) fn of_text<const N: usize>(keys: &[&str; N], rows: &[[Cow<'_, str>; N]]) -> Self {
        let rows = rows.iter().map(|row| {
            let values = row.iter().zip(0..).map(|(text, key)| (key, text_value(text))).collect();
            (row.first().map_or(0, |id| id_of(id)), values)
        });
        Self::new(keys.map(str::to_owned).into(), rows.collect())
    }

    fn new(keys: Vec<String>, rows: Vec<Row>) -> Self {
        let mut out = Self { keys, ..Self::default() };
        let mut known: HashMap<Box<[u8]>, u32> = HashMap::new();
        for (id, row) in rows {
            for (key, value) in row {
                let next = out.values.len() as u32;
                let number = *known.entry(value).or_insert_with_key(|value| {
                    out.values.push(value.clone());
                    next
                });
                out.rows.push((key, number));
            }
            out.ends.push(out.rows.len() as u32);
            out.ids.push(id);
        }
        out
    }

    fn row(&self, i: usize) -> &[(u16, u32)] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.rows[start as usize..self.ends[i] as usize]
    }
}

/// A number for an id, the same in every study that has it: FNV-1a folded to 53 bits, which JavaScript keeps exactly.
fn id_of(id: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = id.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    (hash >> 53) ^ (hash & ((1 << 53) - 1))
}

/// A value as it stands in a tile: one type for each column.
fn encoded(value: &Value, holds: ColumnType) -> Option<Box<[u8]>> {
    let mut out = Vec::new();
    match (holds, value) {
        (ColumnType::Text, Value::String(text)) => return Some(text_value(text)),
        (ColumnType::Number, Value::Number(number)) => {
            out.push(3 << 3 | 1);
            out.extend_from_slice(&number.as_f64()?.to_le_bytes());
        }
        (ColumnType::Integer, Value::Number(number)) => {
            let whole = number.as_i64()?;
            push_number(&mut out, 6, zigzag(whole));
        }
        (ColumnType::Truth, Value::Bool(truth)) => push_number(&mut out, 7, u64::from(*truth)),
        _ => return None,
    }
    Some(out.into())
}

fn text_value(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len() + 3);
    push_bytes(&mut out, 1, text.as_bytes());
    out.into()
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_number(out: &mut Vec<u8>, field: u32, number: u64) {
    push_varint(out, u64::from(field << 3));
    push_varint(out, number);
}

fn push_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    push_varint(out, u64::from(field << 3 | 2));
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
