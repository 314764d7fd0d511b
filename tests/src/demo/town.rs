//! The town while it is being built: the canvas, the blocks people live in, and the ground already spoken for.

use super::canvas::{Canvas, Layer};
use super::facilities::Site;
use super::geometry::{Prng, Pt, Rect};
use super::names::BlockNames;
use crate::pbf::{Tags, tags};

/// Where people live and what the district's own table says of them.
pub(super) struct Block {
    pub(super) name: Option<(String, String)>,
    pub(super) outline: Vec<Pt>,
    pub(super) hole: Option<Vec<Pt>>,
    /// The community's letter on the plan.
    pub(super) community: u8,
    /// Floor area of its homes in square metres, by which the residents are shared out.
    pub(super) floor_m2: i64,
    /// Residents on ten thousand square metres of floor: the old town lives closest together.
    pub(super) crowding: i64,
    /// Children under three among ten thousand residents, before the total is set right.
    pub(super) under3_rate: i64,
}

#[derive(Default)]
pub(super) struct Town {
    pub(super) canvas: Canvas,
    pub(super) blocks: Vec<Block>,
    pub(super) names: BlockNames,
    pub(super) sites: Vec<Site>,
    /// Ground on which no home may stand.
    pub(super) taken: Vec<Rect>,
}

impl Town {
    /// A home, unless its ground is taken; its floors count for the block.
    pub(super) fn home(&mut self, block: Option<usize>, ring: &[Pt], levels: i32, prng: &mut Prng) -> bool {
        if self.taken.iter().any(|taken| bounds(ring).overlaps(*taken)) {
            return false;
        }
        let kind = match levels {
            ..=3 => prng.pick(&["house", "house", "house", "residential", "yes"]),
            _ => prng.pick(&["apartments", "apartments", "apartments", "residential", "yes"]),
        };
        let mut building = tags(&[("building", kind)]);
        if prng.percent(85) {
            building.push(("building:levels".to_owned(), levels.to_string()));
        }
        self.canvas.ring(Layer::Roof, ring, building);
        if let Some(block) = block {
            self.blocks[block].floor_m2 += area_m2(ring) * i64::from(levels);
        }
        true
    }

    /// A block of homes around a yard: one building with a hole, drawn as a relation.
    pub(super) fn courtyard_home(&mut self, block: usize, outer: Rect, levels: i32) {
        let yard = outer.inset(130);
        let levels_text = levels.to_string();
        let building = tags(&[("building", "apartments"), ("building:levels", &levels_text)]);
        self.canvas.multipolygon(Layer::Roof, &outer.ring(), &[yard.ring()], building);
        self.blocks[block].floor_m2 += (area_m2(&outer.ring()) - area_m2(&yard.ring())) * i64::from(levels);
        self.taken.push(outer.inset(-40));
    }

    /// Opens a block: its outline is drawn later, once the gates are known.
    pub(super) fn open_block(&mut self, outline: &[Pt], community: u8, kind: u8, prng: &mut Prng) -> usize {
        let named = kind == b'L' || !prng.percent(6);
        let name = named.then(|| self.names.next(kind));
        let (crowding, under3_rate) = match kind {
            b'M' => (prng.between(240, 320), prng.between(150, 230)),
            b'O' => (prng.between(320, 460), prng.between(110, 190)),
            b'V' => (prng.between(520, 760), prng.between(90, 150)),
            _ => (prng.between(150, 260), prng.between(200, 340)),
        };
        self.blocks.push(Block {
            name,
            outline: outline.to_vec(),
            hole: None,
            community,
            floor_m2: 0,
            crowding: i64::from(crowding),
            under3_rate: i64::from(under3_rate),
        });
        self.blocks.len() - 1
    }

    /// The tags of a block's polygon; mappers give the English name of most blocks, not of all.
    pub(super) fn block_tags(&self, block: usize) -> Tags {
        let mut out = tags(&[("landuse", "residential")]);
        if let Some((zh, en)) = &self.blocks[block].name {
            out.push(("name".to_owned(), zh.clone()));
            if block % 4 != 3 {
                out.push(("name:en".to_owned(), en.clone()));
                out.push(("name:zh".to_owned(), zh.clone()));
            }
        }
        out
    }
}

/// The upright rectangle around a ring.
pub(super) fn bounds(ring: &[Pt]) -> Rect {
    let start = Rect { west: i32::MAX, south: i32::MAX, east: i32::MIN, north: i32::MIN };
    ring.iter().fold(start, |r, p| Rect {
        west: r.west.min(p.x),
        south: r.south.min(p.y),
        east: r.east.max(p.x),
        north: r.north.max(p.y),
    })
}

/// The area of a ring on the plan in square metres, rounded down.
pub(super) fn area_m2(ring: &[Pt]) -> i64 {
    let twice: i64 = (0..ring.len())
        .map(|i| {
            let (a, b) = (ring[i], ring[(i + 1) % ring.len()]);
            i64::from(a.x) * i64::from(b.y) - i64::from(b.x) * i64::from(a.y)
        })
        .sum();
    twice.abs() / 200
}
