//! The little of the protobuf wire format that is needed before a block may be trusted to a decoder.
//!
//! Owns the fields of a message and the survey of a block's structure; it decodes no element.

use std::ops::{BitOr, BitOrAssign};

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It breaks the format.
    Broken(&'static str),
    /// It holds more of something than any writer puts in one block.
    TooMany { what: &'static str, limit: u64 },
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes: nothing in the format uses them.
    Fixed,
}

/// The fields of a message in order, each with its number.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Fault> {
        let tag = varint(&mut self.rest)?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(Fault::Broken("a field without a number"));
        }
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => self.skip(8).map(|_| Value::Fixed)?,
            2 => {
                let length = varint(&mut self.rest)?;
                Value::Bytes(self.skip(length)?)
            }
            5 => self.skip(4).map(|_| Value::Fixed)?,
            _ => return Err(Fault::Broken("a field of no known type")),
        };
        Ok((number, value))
    }

    fn skip(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(length).map_err(|_| Fault::Broken("a field that ends behind its message"))?;
        let (value, rest) =
            self.rest.split_at_checked(length).ok_or(Fault::Broken("a field that ends behind its message"))?;
        self.rest = rest;
        Ok(value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for (i, &byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *rest = &rest[i + 1..];
            return Ok(value);
        }
    }
    Err(Fault::Broken("a number that does not end"))
}

/// Appends a number as the wire writes it.
pub(crate) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Which kinds of element a block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(pub(crate) u8);

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NODES: Self = Self(1);
    pub(crate) const WAYS: Self = Self(2);
    pub(crate) const RELATIONS: Self = Self(4);

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it holds that kind, or one that comes after it in a sorted file.
    pub(crate) fn reaches(self, kind: Self) -> bool {
        self.0 >= kind.0
    }

    /// Whether it holds a kind that comes before that one in a sorted file.
    pub(crate) fn precedes(self, kind: Self) -> bool {
        self.0 & (kind.0 - 1) != 0
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Writers put 8,000 elements in a block. A decoder makes a hundred bytes and more of an element that takes two in the
/// file, so a block that claims very many is refused before it is decoded.
const MAX_ENTRIES: u64 = 250_000;
/// Strings are cheaper, and a block of 8,000 elements may well have 100,000.
const MAX_STRINGS: u64 = 1_000_000;

/// Looks through an inflated block: which kinds it holds, that it is no bomb, and that it holds nothing at which
/// osmpbf panics (a relation member that is neither node, way nor relation).
pub(crate) fn survey(block: &[u8]) -> Result<Kinds, Fault> {
    let mut kinds = Kinds::NONE;
    let (mut strings, mut entries) = (0, 0);
    for field in Fields::new(block) {
        count(&mut entries, MAX_ENTRIES, "groups")?;
        match field? {
            (1, Value::Bytes(table)) => {
                for string in Fields::new(table) {
                    string?;
                    count(&mut strings, MAX_STRINGS, "strings")?;
                }
            }
            (2, Value::Bytes(group)) => {
                for field in Fields::new(group) {
                    count(&mut entries, MAX_ENTRIES, "elements")?;
                    match field? {
                        (1, Value::Bytes(_)) => kinds |= Kinds::NODES,
                        (2, Value::Bytes(dense)) if !dense.is_empty() => kinds |= Kinds::NODES,
                        (3, Value::Bytes(_)) => kinds |= Kinds::WAYS,
                        (4, Value::Bytes(relation)) => {
                            kinds |= Kinds::RELATIONS;
                            survey_members(relation)?;
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(kinds)
}

fn survey_members(relation: &[u8]) -> Result<(), Fault> {
    const TYPES: u64 = 10;
    let known = |kind: u64| if kind <= 2 { Ok(()) } else { Err(Fault::Broken("a relation member of no known type")) };
    for field in Fields::new(relation) {
        match field? {
            (TYPES, Value::Varint(kind)) => known(kind)?,
            (TYPES, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    known(varint(&mut packed)?)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn count(so_far: &mut u64, limit: u64, what: &'static str) -> Result<(), Fault> {
    *so_far += 1;
    if *so_far > limit { Err(Fault::TooMany { what, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_wire() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut rest = bytes.as_slice();
            assert_eq!(varint(&mut rest), Ok(value));
            assert!(rest.is_empty());
        }
        assert!(varint(&mut [0x80_u8; 12].as_slice()).is_err());
        assert!(varint(&mut [0x80_u8].as_slice()).is_err());
    }

    #[test]
    fn a_field_that_ends_behind_its_message_is_broken() {
        let fields: Vec<_> = Fields::new(&[0x0a, 0x05, 1, 2]).collect();
        assert_eq!(fields.len(), 1);
        assert!(fields[0].is_err());
    }

    #[test]
    fn a_bomb_of_empty_elements_is_refused() {
        let group: Vec<u8> = [0x1a, 0x00].repeat(300_000);
        let mut block = vec![0x12];
        push_varint(&mut block, group.len() as u64);
        block.extend(group);
        assert_eq!(survey(&block), Err(Fault::TooMany { what: "elements", limit: MAX_ENTRIES }));
        let groups = [0x12, 0x00].repeat(300_000);
        assert_eq!(survey(&groups), Err(Fault::TooMany { what: "groups", limit: MAX_ENTRIES }));
    }

    #[test]
    fn a_relation_member_of_unknown_type_is_refused() {
        let block = |kind: u8| [0x12, 5, 0x22, 3, 0x52, 1, kind];
        assert_eq!(survey(&block(2)), Ok(Kinds::RELATIONS));
        assert_eq!(survey(&block(3)), Err(Fault::Broken("a relation member of no known type")));
        assert!(survey(&[0x12, 4, 0x22, 2, 0x50, 7]).is_err());
    }
}
