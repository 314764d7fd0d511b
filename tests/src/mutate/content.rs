//! What can be wrong inside a block whose framing and compression are in order.
//!
//! Field numbers are those of `osmformat.proto`.

use super::Dice;
use super::wire::{Message, Value, pack, unzigzag, zigzag};

/// What a block must hold for an edit to make sense, as the field number of its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    Dense = 2,
    Ways = 3,
    Relations = 4,
}

/// Changes a block in place and says how.
pub(super) type Edit = fn(&mut Message, &mut Dice) -> String;

/// Every edit by name.
pub(super) const EDITS: [(&str, Holding, Edit); 28] = [
    ("references to nowhere", Holding::Ways, references_to_nowhere),
    ("overflowing references", Holding::Ways, overflowing_references),
    ("way strings out of range", Holding::Ways, way_strings_out_of_range),
    ("keys without values", Holding::Ways, keys_without_values),
    ("endless way", Holding::Ways, endless_way),
    ("stub ways", Holding::Ways, stub_ways),
    ("shuffled outlines", Holding::Ways, shuffled_outlines),
    ("equal way ids", Holding::Ways, equal_way_ids),
    ("negative counts", Holding::Ways, negative_counts),
    ("overflowing deltas", Holding::Dense, overflowing_deltas),
    ("dense arrays of different lengths", Holding::Dense, dense_arrays_of_different_lengths),
    ("dense strings out of range", Holding::Dense, dense_strings_out_of_range),
    ("info out of step", Holding::Dense, info_out_of_step),
    ("equal node ids", Holding::Dense, equal_node_ids),
    ("all in one place", Holding::Dense, all_in_one_place),
    ("edge of the world", Holding::Dense, edge_of_the_world),
    ("granularity", Holding::Dense, granularity),
    ("offset", Holding::Dense, offset),
    ("date granularity", Holding::Dense, date_granularity),
    ("string table", Holding::Ways, string_table),
    ("deep nesting", Holding::Ways, deep_nesting),
    ("unknown fields", Holding::Ways, unknown_fields),
    ("broken wire", Holding::Ways, broken_wire),
    ("unknown member types", Holding::Relations, unknown_member_types),
    ("self-referring relations", Holding::Relations, self_referring_relations),
    ("relation arrays of different lengths", Holding::Relations, relation_arrays_of_different_lengths),
    ("overflowing members", Holding::Relations, overflowing_members),
    ("endless relation", Holding::Relations, endless_relation),
];

const INT32_EXTREMES: [i64; 5] = [0, -1, i32::MIN as i64, i32::MAX as i64, 1];
const HUGE: i64 = i64::MAX;

/// Edits one entity in the block, every seventh, or all; says how many.
fn edit_some(
    block: &mut Message,
    holding: Holding,
    dice: &mut Dice,
    mut edit: impl FnMut(&mut Message, &mut Dice),
) -> usize {
    let number = holding as u32;
    let count = entities(block, number).len();
    let every = dice.pick(&[1, 7, count.max(1)]);
    let phase = dice.below(every.min(count.max(1)));
    let (mut index, mut edited) = (0, 0);
    for (_, group) in block.0.iter_mut().filter(|field| field.0 == 2) {
        let Value::Bytes(bytes) = group else { continue };
        let Some(mut decoded) = Message::decode(bytes) else { continue };
        for (_, entity) in decoded.0.iter_mut().filter(|field| field.0 == number) {
            index += 1;
            let Value::Bytes(bytes) = entity else { continue };
            if (index - 1) % every != phase {
                continue;
            }
            let Some(mut message) = Message::decode(bytes) else { continue };
            edit(&mut message, dice);
            *bytes = message.encode();
            edited += 1;
        }
        *bytes = decoded.encode();
    }
    edited
}

/// The ways, relations or dense arrays of a block.
pub(super) fn entities(block: &Message, number: u32) -> Vec<Message> {
    let embedded = |message: &Message, number: u32| -> Vec<Message> {
        let of_number = message.0.iter().filter(|field| field.0 == number);
        let decoded = of_number.map(|(_, value)| match value {
            Value::Bytes(bytes) => Message::decode(bytes),
            _ => None,
        });
        decoded.flatten().collect()
    };
    embedded(block, 2).iter().flat_map(|group| embedded(group, number)).collect()
}

/// Appends a group that holds one more entity.
fn add(block: &mut Message, holding: Holding, entity: &Message) {
    let group = Message::default().bytes(holding as u32, entity.encode());
    block.0.push((2, Value::Bytes(group.encode())));
}

fn references_to_nowhere(block: &mut Message, dice: &mut Dice) -> String {
    let ways = edit_some(block, Holding::Ways, dice, |way, dice| {
        way.edit_packed(8, |refs| {
            let stray = zigzag((dice.roll() >> 2) as i64);
            match refs.len() {
                0 => refs.push(stray),
                // A stray delta and the way back, so that only one reference leads nowhere; or no way back.
                count => {
                    let at = dice.below(count);
                    refs.insert(at, stray);
                    if dice.below(2) == 0 {
                        refs.insert(at + 1, zigzag(-unzigzag(stray)));
                    }
                }
            }
        });
    });
    format!("in {ways} ways")
}

fn overflowing_references(block: &mut Message, dice: &mut Dice) -> String {
    let ways = edit_some(block, Holding::Ways, dice, |way, dice| {
        way.edit_packed(8, |refs| {
            let at = dice.below(refs.len() + 1);
            refs.splice(at..at, [HUGE, HUGE, i64::MIN, -1].map(zigzag));
        });
    });
    format!("in {ways} ways")
}

/// A string index that no table has.
fn stray_index(dice: &mut Dice) -> u64 {
    dice.pick(&[u64::from(u32::MAX), 1 << 31, 1 << 20, u64::MAX, (1 << 32) + 1])
}

fn way_strings_out_of_range(block: &mut Message, dice: &mut Dice) -> String {
    let ways = edit_some(block, Holding::Ways, dice, |way, dice| {
        let list = dice.pick(&[2, 3]);
        way.edit_packed(list, |indexes| match indexes.len() {
            0 => indexes.push(stray_index(dice)),
            count => indexes[dice.below(count)] = stray_index(dice),
        });
    });
    format!("in {ways} ways")
}

fn keys_without_values(block: &mut Message, dice: &mut Dice) -> String {
    let ways = edit_some(block, Holding::Ways, dice, |way, dice| {
        let list = dice.pick(&[2, 3]);
        if dice.below(2) == 0 {
            way.remove(list);
        }
        way.edit_packed(5 - list, |indexes| indexes.push(1));
    });
    format!("in {ways} ways")
}

fn endless_way(block: &mut Message, dice: &mut Dice) -> String {
    let length = dice.pick(&[400_000, 2_000_000]);
    let still = dice.below(2) == 0;
    let mut tail = vec![0; length];
    if !still {
        for (index, delta) in tail.iter_mut().enumerate() {
            *delta = zigzag(if index % 2 == 0 { 1 } else { -1 });
        }
    }
    let Some(mut way) = entities(block, Holding::Ways as u32).pop() else { return "no way".to_owned() };
    way.edit_packed(8, |refs| refs.extend(tail));
    add(block, Holding::Ways, &way);
    format!("{length} references that {}", if still { "stay where they are" } else { "go to and fro" })
}

fn stub_ways(block: &mut Message, dice: &mut Dice) -> String {
    let kept = dice.below(3);
    let ways = edit_some(block, Holding::Ways, dice, |way, _| way.edit_packed(8, |refs| refs.truncate(kept)));
    format!("{ways} ways of at most {kept} nodes")
}

fn shuffled_outlines(block: &mut Message, dice: &mut Dice) -> String {
    let ways = edit_some(block, Holding::Ways, dice, |way, dice| {
        way.edit_packed(8, |deltas| {
            let mut sum = 0_i64;
            let mut refs: Vec<i64> = deltas
                .iter()
                .map(|&delta| {
                    sum = sum.wrapping_add(unzigzag(delta));
                    sum
                })
                .collect();
            // The ends stay, so that what was closed stays closed and only crosses itself.
            if refs.len() > 3 {
                let last = refs.len() - 1;
                dice.shuffle(&mut refs[1..last]);
            } else {
                refs.extend_from_within(..);
            }
            let mut before = 0_i64;
            *deltas = refs.iter().map(|&id| zigzag(id.wrapping_sub(std::mem::replace(&mut before, id)))).collect();
        });
        // Also when the shuffle left the order as it was.
        way.set_varint(15, dice.roll());
    });
    format!("in {ways} ways")
}

fn equal_way_ids(block: &mut Message, dice: &mut Dice) -> String {
    let id = dice.pick(&[7, 0, -1, i64::MIN, i64::MAX]);
    let ways = edit_some(block, Holding::Ways, dice, |way, _| way.set_varint(1, id as u64));
    format!("{ways} ways are {id}")
}

fn negative_counts(block: &mut Message, dice: &mut Dice) -> String {
    let length = dice.pick(&[-1_i64, i64::MIN, i64::from(i32::MIN), i64::MAX, 1 << 31]);
    let ways = edit_some(block, Holding::Ways, dice, |way, _| {
        way.remove(8);
        // The tag of a packed list of references, and a length that no message can have.
        let mut raw = vec![8 << 3 | 2];
        raw.extend(pack(&[length as u64]));
        way.push_raw(raw);
    });
    format!("{length} bytes of references in {ways} ways")
}

fn overflowing_deltas(block: &mut Message, dice: &mut Dice) -> String {
    let (field, name) = dice.pick(&[(1, "ids"), (8, "latitudes"), (9, "longitudes")]);
    edit_some(block, Holding::Dense, dice, |dense, dice| {
        dense.edit_packed(field, |deltas| {
            for delta in [HUGE, HUGE, i64::MIN] {
                match deltas.len() {
                    0 => deltas.push(zigzag(delta)),
                    count => deltas[dice.below(count)] = zigzag(delta),
                }
            }
        });
    });
    name.to_owned()
}

fn dense_arrays_of_different_lengths(block: &mut Message, dice: &mut Dice) -> String {
    let (field, name) = dice.pick(&[(1, "ids"), (8, "latitudes"), (9, "longitudes"), (10, "tags")]);
    let how = dice.pick(&["cut short", "gone", "one too many"]);
    edit_some(block, Holding::Dense, dice, |dense, dice| match how {
        "gone" if dense.has(field) => dense.remove(field),
        "cut short" if dense.has(field) => dense.edit_packed(field, |values| values.truncate(dice.below(values.len()))),
        _ => dense.edit_packed(field, |values| values.push(2)),
    });
    format!("{name} {how}")
}

fn dense_strings_out_of_range(block: &mut Message, dice: &mut Dice) -> String {
    edit_some(block, Holding::Dense, dice, |dense, dice| {
        let nodes = dense.get_packed(1).len();
        dense.edit_packed(10, |tags| {
            tags.resize(tags.len().max(nodes), 0);
            let stray = dice.pick(&[i64::from(i32::MAX), -1, i64::from(i32::MIN), 1 << 20, 1]) as u64;
            let at = dice.below(tags.len() + 1);
            // Alone, and so out of step with every pair behind it, or as a pair.
            tags.splice(at..at, std::iter::repeat_n(stray, 1 + dice.below(2)));
        });
    });
    "in the tags of nodes".to_owned()
}

fn info_out_of_step(block: &mut Message, dice: &mut Dice) -> String {
    let field = dice.pick(&[1, 2, 3, 4, 5, 6]);
    let huge = dice.below(2) == 0;
    edit_some(block, Holding::Dense, dice, |dense, dice| {
        let mut info = dense.get_bytes(5).and_then(Message::decode).unwrap_or_default();
        info.edit_packed(field, |values| match huge {
            true => values.splice(..0, [HUGE, HUGE].map(zigzag)).for_each(drop),
            false if values.is_empty() => values.push(1),
            false => values.truncate(dice.below(values.len())),
        });
        dense.set_bytes(5, info.encode());
    });
    format!("field {field} {}", if huge { "huge" } else { "of another length" })
}

fn equal_node_ids(block: &mut Message, dice: &mut Dice) -> String {
    edit_some(block, Holding::Dense, dice, |dense, dice| {
        dense.edit_packed(1, |ids| {
            let from = dice.below(ids.len().max(1));
            ids.iter_mut().skip(from.max(1)).for_each(|delta| *delta = 0);
            ids.push(0);
        });
        for list in [8, 9] {
            dense.edit_packed(list, |places| places.push(zigzag(1000)));
        }
    });
    "from some node on".to_owned()
}

fn all_in_one_place(block: &mut Message, dice: &mut Dice) -> String {
    let lists = dice.pick(&[&[8_u32, 9][..], &[8], &[9]]);
    edit_some(block, Holding::Dense, dice, |dense, _| {
        for &list in lists {
            dense.edit_packed(list, |places| places.iter_mut().skip(1).for_each(|delta| *delta = 0));
        }
    });
    let what = if lists.len() == 2 { "point" } else { "line" };
    format!("every node on one {what}")
}

fn edge_of_the_world(block: &mut Message, dice: &mut Dice) -> String {
    let (list, degrees) = dice.pick(&[(8, 90), (8, -90), (8, 89), (9, 180), (9, -180), (8, 91), (9, 181), (9, 360)]);
    edit_some(block, Holding::Dense, dice, |dense, _| {
        dense.edit_packed(list, |places| {
            places.truncate(1);
            places.splice(.., [zigzag(degrees * 10_000_000)]);
        });
        let nodes = dense.get_packed(1).len();
        dense.edit_packed(list, |places| places.resize(nodes.max(1), zigzag(1)));
    });
    format!("{} of {degrees} degrees", if list == 8 { "latitude" } else { "longitude" })
}

fn granularity(block: &mut Message, dice: &mut Dice) -> String {
    let value = dice.pick(&INT32_EXTREMES);
    block.set_varint(17, value as u64);
    format!("{value}")
}

fn offset(block: &mut Message, dice: &mut Dice) -> String {
    let (field, name) = dice.pick(&[(19, "latitude"), (20, "longitude")]);
    let value = dice.pick(&[i64::MAX, i64::MIN, 360_000_000_000, -90_000_000_000, 1]);
    block.set_varint(field, value as u64);
    format!("{name} {value}")
}

fn date_granularity(block: &mut Message, dice: &mut Dice) -> String {
    let value = dice.pick(&INT32_EXTREMES);
    block.set_varint(18, value as u64);
    format!("{value}")
}

fn string_table(block: &mut Message, dice: &mut Dice) -> String {
    let how = dice.pick(&["gone", "empty", "not UTF-8", "control characters", "a string of 16 MiB", "twice"]);
    let table = block.get_bytes(1).and_then(Message::decode).unwrap_or_default();
    let strings = |change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let changed = table.0.iter().map(|(number, value)| match value {
            Value::Bytes(text) => (*number, Value::Bytes(change(text))),
            other => (*number, other.clone()),
        });
        Message(changed.collect()).encode()
    };
    match how {
        "gone" => block.remove(1),
        "empty" => block.set_bytes(1, []),
        "not UTF-8" => block.set_bytes(1, strings(&|text| [text, b"\xff\xc0"].concat())),
        "control characters" => block.set_bytes(1, strings(&|text| [text, b"\0\r\n\x1b[2J"].concat())),
        "twice" => block.0.push((1, Value::Bytes(table.encode()))),
        _ => block.set_bytes(1, table.bytes(1, vec![b'x'; 16 << 20]).encode()),
    }
    how.to_owned()
}

fn deep_nesting(block: &mut Message, dice: &mut Dice) -> String {
    let depth = dice.pick(&[200, 20_000, 1_000_000]);
    if dice.below(2) == 0 {
        // Unknown groups, opened and perhaps closed again: one byte each (field 15, wire types 3 and 4).
        block.push_raw(vec![15 << 3 | 3; depth]);
        if dice.below(2) == 0 {
            block.push_raw(vec![15 << 3 | 4; depth]);
        }
        format!("{depth} groups in each other")
    } else {
        let depth = depth.min(2000);
        let nested = (0..depth).fold(vec![], |inner, _| Message::default().bytes(2, inner).encode());
        block.push_raw(nested);
        format!("{depth} messages in each other")
    }
}

fn unknown_fields(block: &mut Message, dice: &mut Dice) -> String {
    let number = dice.pick(&[16, 99, (1 << 29) - 1]);
    block.0.insert(0, (number, Value::Varint(dice.roll())));
    block.0.insert(0, (number, Value::Eight(dice.roll().to_le_bytes())));
    block.0.push((number, Value::Four((dice.roll() as u32).to_le_bytes())));
    block.0.push((number, Value::Bytes(b"unknown".to_vec())));
    format!("number {number}, which a reader should skip")
}

fn broken_wire(block: &mut Message, dice: &mut Dice) -> String {
    let (how, raw) = dice.pick(&[
        ("a wire type that does not exist", &[2 << 3 | 6, 0][..]),
        ("field number zero", &[0, 0]),
        ("an end without its group", &[2 << 3 | 4]),
        ("a varint without end", &[0xff; 30]),
        ("a tag at the very end", &[2 << 3 | 2]),
        ("a group that is a number", &[2 << 3, 1]),
    ]);
    block.push_raw(raw);
    how.to_owned()
}

fn unknown_member_types(block: &mut Message, dice: &mut Dice) -> String {
    let kind = dice.pick(&[3, 99, u64::MAX, u64::from(u32::MAX)]);
    let relations = edit_some(block, Holding::Relations, dice, |relation, dice| {
        relation.edit_packed(10, |kinds| match kinds.len() {
            0 => kinds.push(kind),
            count => kinds[dice.below(count)] = kind,
        });
    });
    format!("{kind} in {relations} relations")
}

/// The same relation with other members, all of them relations.
fn with_members(relation: &Message, ids: &[i64]) -> Message {
    let mut relation = relation.clone();
    let mut before = 0_i64;
    let deltas: Vec<u64> = ids.iter().map(|&id| zigzag(id.wrapping_sub(std::mem::replace(&mut before, id)))).collect();
    relation.set_bytes(8, pack(&vec![0; ids.len()]));
    relation.set_bytes(9, pack(&deltas));
    relation.set_bytes(10, pack(&vec![2; ids.len()]));
    relation
}

fn self_referring_relations(block: &mut Message, dice: &mut Dice) -> String {
    let length = dice.pick(&[1, 2, 20_000]);
    let Some(model) = entities(block, Holding::Relations as u32).pop() else { return "no relation".to_owned() };
    let first = 1_i64 << 40;
    for step in 0..length {
        let mut relation = with_members(&model, &[first + (step + 1) % length]);
        relation.set_varint(1, (first + step) as u64);
        add(block, Holding::Relations, &relation);
    }
    format!("a ring of {length}")
}

fn relation_arrays_of_different_lengths(block: &mut Message, dice: &mut Dice) -> String {
    let (field, name) = dice.pick(&[(8, "roles"), (9, "members"), (10, "types")]);
    let relations = edit_some(block, Holding::Relations, dice, |relation, dice| {
        relation.edit_packed(field, |values| match values.len() {
            0 => values.push(1),
            count => values.truncate(dice.below(count)),
        });
    });
    format!("{name} in {relations} relations")
}

fn overflowing_members(block: &mut Message, dice: &mut Dice) -> String {
    let relations = edit_some(block, Holding::Relations, dice, |relation, dice| {
        let role = dice.pick(&[-1, i64::from(i32::MAX), i64::from(i32::MIN)]) as u64;
        relation.edit_packed(8, |roles| roles.extend([role; 3]));
        relation.edit_packed(9, |members| members.extend([HUGE, HUGE, i64::MIN].map(zigzag)));
        relation.edit_packed(10, |kinds| kinds.extend([1; 3]));
    });
    format!("and roles in {relations} relations")
}

fn endless_relation(block: &mut Message, dice: &mut Dice) -> String {
    let length = dice.pick(&[100_000, 1_000_000]);
    let Some(mut relation) = entities(block, Holding::Relations as u32).pop() else { return "no relation".to_owned() };
    // Members that repeat the last one, of whatever type it has.
    let kind = relation.get_packed(10).last().copied().unwrap_or(1);
    for (list, value) in [(8, 0), (9, 0), (10, kind)] {
        relation.edit_packed(list, |values| values.resize(values.len() + length, value));
    }
    add(block, Holding::Relations, &relation);
    format!("{length} members")
}
