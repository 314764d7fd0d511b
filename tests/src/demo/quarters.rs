//! The fields where most people live: the old town, open estates, and superblocks of gated compounds.

use super::canvas::Layer;
use super::geometry::{Prng, Pt, Rect, Side, insert_on_ring, pt};
use super::plan::{Edge, community, field, kind, street_on};
use super::town::Town;
use crate::pbf::tags;

/// One field of the plan while it is filled.
pub(super) struct Quarter<'a> {
    pub(super) town: &'a mut Town,
    pub(super) prng: Prng,
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) kind: u8,
    pub(super) community: u8,
    pub(super) field: Rect,
}

impl<'a> Quarter<'a> {
    pub(super) fn new(town: &'a mut Town, column: usize, row: usize) -> Self {
        let letters = (kind(column as isize, row as isize), community(column as isize, row as isize));
        let (Some(kind), Some(community)) = letters else { unreachable!("only fields of the plan are filled") };
        let prng = Prng::new(0x9_0417, row * 100 + column);
        Self { town, prng, column, row, kind, community, field: field(column, row) }
    }

    pub(super) fn has_street(&self, side: Side) -> bool {
        street_on(Edge::beside(self.column, self.row, side)).is_some()
    }

    /// Whether no facility's ground reaches into a rectangle.
    fn is_free(&self, rect: Rect) -> bool {
        !self.town.sites.iter().filter_map(|site| site.ground).any(|ground| ground.overlaps(rect))
    }

    /// Two to four compounds that share walls but no gates, and no street between them.
    pub(super) fn superblock(&mut self) {
        let inner = self.field.inset(140);
        let cut = self.prng.between(420, 580);
        let (west, east) = inner.split_x(cut, 40);
        for half in [west, east] {
            if self.prng.percent(60) {
                let cut = self.prng.between(430, 570);
                let (south, north) = half.split_y(cut, 40);
                self.compound(south, None);
                self.compound(north, None);
            } else {
                self.compound(half, None);
            }
        }
    }

    /// One compound behind a wall: gates on the streets, a ring road inside, rows of flats.
    pub(super) fn compound(&mut self, rect: Rect, hole: Option<Rect>) {
        // The ring road keeps clear of a kindergarten's ground at the edge of the compound.
        let mut insets = [100; 4];
        for site in self.town.sites.iter().filter_map(|site| site.ground) {
            if rect.overlaps(site) {
                let reaches =
                    [rect.north - site.south, rect.east - site.west, site.north - rect.south, site.east - rect.west];
                let nearest = (0..4).min_by_key(|&i| reaches[i]).unwrap_or(0);
                insets[nearest] = insets[nearest].max(reaches[nearest] + 60);
            }
        }
        let ring_road = rect.inset_sides(insets);
        let private = self.prng.percent(40);
        let mut gates: Vec<(Side, i32)> = Vec::new();
        let inner = self.field.inset(140);
        for side in Side::ALL {
            let on_edge = match side {
                Side::North => rect.north >= inner.north,
                Side::East => rect.east >= inner.east,
                Side::South => rect.south <= inner.south,
                Side::West => rect.west <= inner.west,
            };
            if on_edge && self.has_street(side) && (gates.is_empty() || self.prng.percent(55)) {
                // No drive leads through a kindergarten.
                let middle = self.prng.between(380, 620);
                let free = |permille: &i32| self.is_free(Rect::around(rect.on_side(side, *permille), 600, 600));
                gates.push((side, [middle, 800, 200].into_iter().find(free).unwrap_or(middle)));
            }
        }
        let mut outline = rect.ring();
        for &(side, permille) in &gates {
            insert_on_ring(&mut outline, rect.on_side(side, permille));
        }
        let block = self.town.open_block(&outline, self.community, self.kind, &mut self.prng);
        self.town.blocks[block].hole = hole.map(Rect::ring);
        let block_tags = self.town.block_tags(block);
        match hole {
            Some(hole) => self.town.canvas.multipolygon(Layer::Ground, &outline, &[hole.ring()], block_tags),
            None => {
                self.town.canvas.ring(Layer::Ground, &outline, block_tags);
            }
        }
        if self.prng.percent(55) {
            self.town.canvas.ring(Layer::Ground, &outline, tags(&[("barrier", "wall"), ("height", "2.2")]));
        }

        let closed = [ring_road.ring(), vec![pt(ring_road.west, ring_road.south)]].concat();
        let access: &[(&str, &str)] =
            if private { &[("highway", "service"), ("access", "private")] } else { &[("highway", "service")] };
        self.town.canvas.line(0, &closed, access);
        for &(side, permille) in &gates {
            let gate = rect.on_side(side, permille);
            let (street, inside) = match side {
                Side::North => (pt(gate.x, self.field.north), pt(gate.x, ring_road.north)),
                Side::East => (pt(self.field.east, gate.y), pt(ring_road.east, gate.y)),
                Side::South => (pt(gate.x, self.field.south), pt(gate.x, ring_road.south)),
                Side::West => (pt(self.field.west, gate.y), pt(ring_road.west, gate.y)),
            };
            self.town.canvas.line(0, &[street, gate], &[("highway", "service"), ("service", "driveway")]);
            self.town.canvas.line(0, &[gate, inside], access);
            match (private, self.prng.between(0, 9)) {
                (true, 0..=6) => self.town.canvas.mark(gate, &[("barrier", "gate"), ("access", "private")]),
                (_, 0..=2) => self.town.canvas.mark(gate, &[("barrier", "lift_gate"), ("foot", "yes")]),
                (_, 3) => {
                    self.town.canvas.mark(gate, &[("barrier", "gate"), ("foot", "yes"), ("motor_vehicle", "private")]);
                }
                _ => self.town.canvas.mark(gate, &[("barrier", "gate")]),
            }
        }
        if let Some(hole) = hole {
            self.town.taken.push(hole.inset(-60));
        }
        let levels: &[i32] = self.prng.pick(&[&[6, 6, 7], &[7, 9, 11], &[11, 11, 18], &[6, 6, 11]]);
        // Slabs, long slabs, or towers.
        let (size, pitch) =
            self.prng.pick(&[((410, 120), (560, 430)), ((640, 125), (790, 420)), ((270, 190), (450, 480))]);
        self.flats(block, ring_road, levels, size, pitch, hole.is_none());
    }

    /// Rows of flats that all face south, with a footpath across between every two rows.
    fn flats(
        &mut self,
        block: usize,
        ring_road: Rect,
        levels: &[i32],
        size: (i32, i32),
        pitch: (i32, i32),
        paths: bool,
    ) {
        let ground = ring_road.inset(70);
        let (columns, rows) = ((ground.width() + 120) / pitch.0, (ground.height() + 200) / pitch.1);
        if columns < 1 || rows < 1 {
            return;
        }
        let (step_x, step_y) = (ground.width() / columns, ground.height() / rows);
        for row in 0..rows {
            let y = ground.south + step_y * row + step_y / 2;
            if row > 0 && paths {
                let across = y - step_y / 2;
                let ends = [pt(ring_road.west, across), pt(ring_road.east, across)];
                self.town.canvas.line(0, &ends, &[("highway", "footway")]);
            }
            for column in 0..columns {
                let middle = pt(ground.west + step_x * column + step_x / 2 + self.prng.between(-15, 15), y);
                if self.prng.percent(6) {
                    let playground = tags(&[("leisure", "playground")]);
                    self.town.canvas.ring(Layer::Roof, &Rect::around(middle, 240, 160).ring(), playground);
                    continue;
                }
                let slab = Rect::around(middle, size.0.min(step_x - 60) + self.prng.between(-30, 0), size.1);
                let floors = self.prng.pick(levels);
                self.town.home(Some(block), &slab.ring(), floors, &mut self.prng);
            }
        }
    }

    /// Four to six small estates that anyone may walk through, with a lane between them.
    pub(super) fn estates(&mut self) {
        let (west, east) = self.field.split_x(self.prng.between(440, 560), 0);
        let lane = [pt(west.east, self.field.south), pt(west.east, self.field.north)];
        let name = self.town.names.next(b'O');
        let lane_tags = [("highway", "residential"), ("name", name.0.as_str()), ("name:en", name.1.as_str())];
        self.town.canvas.line(0, &lane, &lane_tags);
        for half in [west, east] {
            let thirds = self.prng.percent(30);
            let (south, rest) = half.split_y(if thirds { 340 } else { self.prng.between(440, 560) }, 0);
            let mut parts = vec![south];
            if thirds {
                let (middle, north) = rest.split_y(500, 0);
                parts.extend([middle, north]);
            } else {
                parts.push(rest);
            }
            for (number, &part) in parts.iter().enumerate() {
                if number > 0 {
                    let ends = [pt(part.west, part.south), pt(part.east, part.south)];
                    self.town.canvas.line(0, &ends, &[("highway", "residential")]);
                }
                self.estate(part);
            }
        }
    }

    /// One estate; `within` reaches to the middle of the streets around it.
    fn estate(&mut self, within: Rect) {
        let rect = within.inset_sides(Side::ALL.map(|side| {
            let on_edge = match side {
                Side::North => within.north == self.field.north,
                Side::East => within.east == self.field.east,
                Side::South => within.south == self.field.south,
                Side::West => within.west == self.field.west,
            };
            if on_edge { 130 } else { 50 }
        }));
        let mut outline = rect.ring();
        let mut paths = Vec::new();
        let (columns, rows) = (rect.width() / 480, rect.height() / 330);
        let (step_x, step_y) = (rect.width() / columns.max(1), rect.height() / rows.max(1));
        for row in (1..rows).step_by(2) {
            let y = rect.south + step_y * row;
            paths.push([pt(within.west, y), pt(rect.west, y), pt(rect.east, y), pt(within.east, y)]);
        }
        let x = rect.west + step_x * (columns / 2);
        paths.push([pt(x, within.south), pt(x, rect.south), pt(x, rect.north), pt(x, within.north)]);
        paths
            .retain(|path| self.is_free(Rect { west: path[0].x, south: path[0].y, east: path[3].x, north: path[3].y }));
        for path in &paths {
            insert_on_ring(&mut outline, path[1]);
            insert_on_ring(&mut outline, path[2]);
            self.town.canvas.line(0, path, &[("highway", "footway")]);
            if self.prng.percent(30) {
                self.town.canvas.mark(path[1], &[("barrier", "gate"), ("foot", "yes")]);
            }
        }
        let block = self.town.open_block(&outline, self.community, self.kind, &mut self.prng);
        let block_tags = self.town.block_tags(block);
        self.town.canvas.ring(Layer::Ground, &outline, block_tags);
        // Two estates are built around a yard.
        if matches!((self.column, self.row), (5 | 8, 8))
            && within.west == self.field.west
            && within.south == self.field.south
        {
            let corner = pt(rect.west + 330, rect.south + 300);
            self.town.courtyard_home(block, Rect::around(corner, 520, 480), 5);
        }
        for row in 0..rows {
            for column in 0..columns {
                let middle = pt(rect.west + step_x * column + step_x / 2, rect.south + step_y * row + step_y / 2);
                let slab = Rect::around(middle, step_x - 70 - self.prng.between(0, 60), 110);
                let levels = self.prng.pick(&[4, 5, 6, 6, 6, 7]);
                if !self.prng.percent(4) {
                    self.town.home(Some(block), &slab.ring(), levels, &mut self.prng);
                }
            }
        }
        if self.prng.percent(45) {
            let shop = self.prng.pick(&["convenience", "bakery", "greengrocer", "hairdresser", "pharmacy", "clothes"]);
            self.town.canvas.spot(pt(rect.west + 40, rect.south + 60), tags(&[("shop", shop)]));
        }
    }

    /// Four or five wards of courtyard houses between narrow lanes.
    pub(super) fn old_town(&mut self) {
        let mut lanes = Vec::new();
        let mut wards = Vec::new();
        cut(&mut self.prng, self.field, 2_900, &mut lanes, &mut wards);
        for lane in lanes {
            let highway = self.prng.pick(&["living_street", "residential", "pedestrian"]);
            let (zh, en) = self.town.names.next(b'O');
            let lane_tags = [("highway", highway), ("name", zh.as_str()), ("name:en", en.as_str())];
            self.town.canvas.line(0, &lane, &lane_tags);
        }
        for ward in wards {
            self.ward(ward);
        }
    }

    fn ward(&mut self, within: Rect) {
        let rect = within.inset(70);
        let mut outline = rect.ring();
        let (mut lanes, mut leaves) = (Vec::new(), Vec::new());
        cut(&mut self.prng, within, 1_050, &mut lanes, &mut leaves);
        for lane in &lanes {
            let highway = self.prng.pick(&["footway", "path", "living_street", "footway", "pedestrian"]);
            let inside = lane.map(|p| pt(p.x.clamp(rect.west, rect.east), p.y.clamp(rect.south, rect.north)));
            for p in inside {
                let on_outline = p.x == rect.west || p.x == rect.east || p.y == rect.south || p.y == rect.north;
                if on_outline {
                    insert_on_ring(&mut outline, p);
                }
            }
            self.town.canvas.line(0, &[lane[0], inside[0], inside[1], lane[1]], &[("highway", highway)]);
        }
        let block = self.town.open_block(&outline, self.community, self.kind, &mut self.prng);
        let block_tags = self.town.block_tags(block);
        self.town.canvas.ring(Layer::Ground, &outline, block_tags);
        for leaf in leaves {
            let clear = |near: i32, edge: i32| if near == edge { 100 } else { 30 };
            let ground = leaf.inset_sides([
                clear(leaf.north, within.north),
                clear(leaf.east, within.east),
                clear(leaf.south, within.south),
                clear(leaf.west, within.west),
            ]);
            self.courtyards(block, ground);
        }
    }

    /// Rows of low houses, wall to wall with a gap now and then.
    fn courtyards(&mut self, block: usize, ground: Rect) {
        let rows = (ground.height() / 270).max(1);
        let step = ground.height() / rows;
        for row in 0..rows {
            let south = ground.south + row * step;
            let mut west = ground.west;
            loop {
                let width = self.prng.between(150, 270);
                if west + width > ground.east {
                    break;
                }
                let depth = self.prng.between(120, 160).min(step - 30);
                let house = Rect { west, south, east: west + width, north: south + depth };
                let levels = self.prng.pick(&[1, 2, 2, 2, 3]);
                if !self.prng.percent(28) {
                    self.town.home(Some(block), &house.ring(), levels, &mut self.prng);
                }
                west += width + self.prng.pick(&[4, 4, 15, 40]);
            }
        }
    }
}

/// Halves a rectangle, and its halves, until no side is longer than `longest`; notes the cuts and what is left.
fn cut(prng: &mut Prng, rect: Rect, longest: i32, cuts: &mut Vec<[Pt; 2]>, leaves: &mut Vec<Rect>) {
    if rect.width().max(rect.height()) <= longest {
        leaves.push(rect);
        return;
    }
    let at = prng.between(400, 600);
    let halves = if rect.width() > rect.height() { rect.split_x(at, 0) } else { rect.split_y(at, 0) };
    let Rect { west, south, .. } = halves.1;
    let end = if rect.width() > rect.height() { pt(west, rect.north) } else { pt(rect.east, south) };
    cuts.push([pt(west, south), end]);
    for half in [halves.0, halves.1] {
        cut(prng, half, longest, cuts, leaves);
    }
}
