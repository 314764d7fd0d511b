//! The district, its streets and its communities: rings built of border lines that neighbours share.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::{Canvas, Layer};
use super::geometry::Pt;
use super::names::{COMMUNITIES, DISTRICT, Name, STREETS};
use super::plan::{Edge, community};
use crate::pbf::{Member, tags};

/// An administrative area.
pub(super) struct Area {
    pub(super) id: String,
    pub(super) name: Name,
    pub(super) level: &'static str,
    pub(super) parent: Option<String>,
    /// The letters of the communities it is made of.
    pub(super) communities: Vec<u8>,
    /// Anticlockwise on the plan, the first point not repeated.
    pub(super) outline: Vec<Pt>,
}

/// A stretch of border between two communities, or between one and the world outside.
struct Border {
    points: Vec<Pt>,
    left: Option<u8>,
    right: Option<u8>,
}

/// The id of a community from its letter on the plan.
pub(super) fn community_id(letter: u8) -> String {
    let number = COMMUNITIES.iter().position(|(other, _)| *other == letter);
    format!("c{:02}", number.expect("every letter of the plan has a name") + 1)
}

/// Draws the boundary relations and returns the areas: the district, its streets, the communities street by street.
pub(super) fn draw(canvas: &mut Canvas) -> Vec<Area> {
    let borders = borders();
    let ways: Vec<i64> = borders
        .iter()
        .map(|border| {
            let level = match (border.left.map(street_of), border.right.map(street_of)) {
                (None, _) | (_, None) => "6",
                (left, right) if left == right => "10",
                _ => "8",
            };
            canvas.way(Layer::Border, &border.points, tags(&[("boundary", "administrative"), ("admin_level", level)]))
        })
        .collect();

    let district = "d1".to_owned();
    let everything = COMMUNITIES.iter().map(|(letter, _)| *letter).collect();
    let mut areas = vec![(district.clone(), DISTRICT, "district", None, everything)];
    for (number, (name, letters)) in STREETS.iter().enumerate() {
        let parent = Some(district.clone());
        areas.push((format!("s{}", number + 1), *name, "street", parent, letters.bytes().collect()));
    }
    for (letter, name) in COMMUNITIES {
        let parent = Some(format!("s{}", street_of(letter) + 1));
        areas.push((community_id(letter), name, "community", parent, vec![letter]));
    }
    areas
        .into_iter()
        .map(|(id, name, level, parent, communities): (_, Name, _, _, Vec<u8>)| {
            let inside = |letter: Option<u8>| letter.is_some_and(|letter| communities.contains(&letter));
            let around: Vec<usize> =
                (0..borders.len()).filter(|&i| inside(borders[i].left) != inside(borders[i].right)).collect();
            let outline = outline(&borders, &around, &inside);
            let admin_level = match level {
                "district" => "6",
                "street" => "8",
                _ => "10",
            };
            let members = around.iter().map(|&i| Member::way(ways[i], "outer")).collect();
            let boundary = [
                ("type", "boundary"),
                ("boundary", "administrative"),
                ("admin_level", admin_level),
                ("name", name.0),
                ("name:en", name.1),
                ("name:zh", name.0),
            ];
            canvas.relation(members, tags(&boundary));
            Area { id, name, level, parent, communities, outline }
        })
        .collect()
}

fn street_of(letter: u8) -> usize {
    let number = STREETS.iter().position(|(_, letters)| letters.bytes().any(|other| other == letter));
    number.expect("every community belongs to a street")
}

/// All border lines, each from one corner where three areas meet to the next.
fn borders() -> Vec<Border> {
    type Corner = (usize, usize);
    let sides = |edge: Edge| edge.fields().map(|(column, row)| community(column, row));
    let drawn: Vec<Edge> = Edge::all().filter(|&edge| sides(edge)[0] != sides(edge)[1]).collect();
    let mut at: BTreeMap<Corner, Vec<Edge>> = BTreeMap::new();
    for &edge in &drawn {
        at.entry((edge.i, edge.j)).or_default().push(edge);
        at.entry(edge.end()).or_default().push(edge);
    }
    let mut used: BTreeSet<Edge> = BTreeSet::new();
    let mut borders = Vec::new();
    for (&start, edges) in at.iter().filter(|(_, edges)| edges.len() > 2) {
        for &first in edges {
            if used.contains(&first) {
                continue;
            }
            let [left, right] = sides(first);
            let forwards = (first.i, first.j) == start;
            let (left, right) = if forwards { (left, right) } else { (right, left) };
            let mut border = Border { points: Vec::new(), left, right };
            let (mut here, mut edge) = (start, first);
            loop {
                used.insert(edge);
                let mut course = edge.course();
                if (edge.i, edge.j) == here {
                    here = edge.end();
                } else {
                    course.reverse();
                    here = (edge.i, edge.j);
                }
                border.points.extend(course);
                let Some(&next) = at[&here].iter().find(|next| !used.contains(next)) else { break };
                if at[&here].len() > 2 {
                    break;
                }
                edge = next;
            }
            border.points.dedup();
            borders.push(border);
        }
    }
    assert_eq!(used.len(), drawn.len(), "no community lies wholly inside another");
    borders
}

/// Joins borders end to end, with the area on the left.
fn outline(borders: &[Border], around: &[usize], inside: &dyn Fn(Option<u8>) -> bool) -> Vec<Pt> {
    let mut pieces: Vec<Vec<Pt>> = around
        .iter()
        .map(|&i| {
            let mut points = borders[i].points.clone();
            if !inside(borders[i].left) {
                points.reverse();
            }
            points
        })
        .collect();
    let mut ring = pieces.remove(0);
    while let Some(next) = pieces.iter().position(|piece| piece.first() == ring.last()) {
        ring.extend(pieces.remove(next).into_iter().skip(1));
    }
    assert!(pieces.is_empty() && ring.first() == ring.last(), "an area is one piece without holes");
    ring.pop();
    ring
}
