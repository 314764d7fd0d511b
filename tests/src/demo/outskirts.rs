//! Everything else that fills a field: villages, farmland, industry, commerce, the park, the school, the station square.

use super::canvas::Layer;
use super::geometry::{Pt, Rect, Side, hull, pt};
use super::names::{Name, VILLAGES};
use super::plan::{Edge, ISLET, field, street_on};
use super::quarters::Quarter;
use super::streets::islet;
use super::town::{Town, area_m2, bounds};
use crate::pbf::tags;

impl Quarter<'_> {
    /// Lanes that wind from edge to edge with houses beside them. The map knows an outline of some villages only; the
    /// district's own table knows them all.
    pub(super) fn village(&mut self, number: usize) {
        let centre = self.field.centre();
        let course_point = |side| Edge::beside(self.column, self.row, side).course()[1];
        let ends: Vec<Pt> = Side::ALL.into_iter().filter(|&side| self.has_street(side)).map(course_point).collect();
        let mut lanes: Vec<Vec<Pt>> = Vec::new();
        for &end in ends.iter().take(3) {
            lanes.push(self.winding(centre, end));
        }
        for branch in 0..4 {
            let main = &lanes[branch % ends.len().clamp(1, 3)];
            let from = main[2 + branch % 2];
            let aim = pt(centre.x + [-1_300, 1_300, 500, -700][branch], centre.y + [900, 600, -1_300, -1_000][branch]);
            let mut lane = self.winding(from, aim);
            lane[0] = from;
            lanes.push(lane);
        }
        for (index, lane) in lanes.iter().enumerate() {
            let highway =
                if index == 0 { "unclassified" } else { self.prng.pick(&["residential", "track", "path", "service"]) };
            self.town.canvas.line(0, lane, &[("highway", highway)]);
        }
        let mut houses: Vec<Vec<Pt>> = Vec::new();
        for segment in lanes.iter().flat_map(|lane| lane.windows(2)) {
            for side in [-1, 1] {
                let house =
                    beside(segment[0], segment[1], side * self.prng.between(95, 125), self.prng.between(45, 65));
                let middle = bounds(&house).centre();
                let near_lane = lanes
                    .iter()
                    .flat_map(|lane| lane.windows(2))
                    .any(|s| (0..=4).any(|k| s[0].towards(s[1], k, 4).distance2(middle) < 75 * 75));
                let crowded = houses.iter().any(|other| bounds(other).centre().distance2(middle) < 150 * 150);
                let far = middle.distance2(centre) > 1_650 * 1_650;
                if !near_lane && !crowded && !far && !self.prng.percent(18) {
                    houses.push(house);
                }
            }
        }
        let corners: Vec<Pt> = houses.concat();
        let outline: Vec<Pt> = hull(&corners).iter().map(|p| centre.towards(*p, 106, 100)).collect();
        let block = self.town.open_block(&outline, self.community, b'V', &mut self.prng);
        let (zh, en) = VILLAGES[number];
        self.town.blocks[block].name = Some((zh.to_owned(), en.to_owned()));
        if number % 3 != 1 {
            let block_tags = self.town.block_tags(block);
            self.town.canvas.ring(Layer::Ground, &outline, block_tags);
        }
        let place = [("place", "village"), ("name", zh), ("name:en", en), ("name:zh", zh)];
        self.town.canvas.spot(centre.shifted(60, -60), tags(&place));
        for house in houses {
            let levels = self.prng.pick(&[1, 2, 2, 3]);
            self.town.home(Some(block), &house, levels, &mut self.prng);
        }
    }

    /// A lane of about thirty-metre steps that wanders on its way; the ends are exact.
    fn winding(&mut self, from: Pt, to: Pt) -> Vec<Pt> {
        let metres = (from.distance2(to) as f64).sqrt() / 10.0;
        let steps = (metres / 32.0) as i32 + 3;
        let mut lane = vec![from];
        let mut drift = (0, 0);
        for step in 1..steps {
            // The drift fades towards the far end, where the lane has to meet the road.
            drift = (drift.0 + self.prng.between(-110, 110), drift.1 + self.prng.between(-110, 110));
            let left = steps - step;
            let fade = left.min(3);
            lane.push(from.towards(to, step, steps).shifted(drift.0 * fade / 3, drift.1 * fade / 3));
        }
        lane.push(to);
        lane
    }

    /// Farmland, and a house or two by the road that no polygon encloses.
    pub(super) fn farmland(&mut self) {
        if self.prng.percent(60) {
            let [north, east, south, west] = Side::ALL.map(|side| Edge::beside(self.column, self.row, side).course());
            let (north, west) = (north.into_iter().rev(), west.into_iter().rev());
            let mut ring: Vec<Pt> = south.into_iter().chain(east).chain(north).chain(west).collect();
            ring.dedup();
            ring.pop();
            self.town.canvas.ring(Layer::Border, &ring, tags(&[("landuse", "farmland")]));
        }
        for side in Side::ALL {
            if street_on(Edge::beside(self.column, self.row, side)).is_some_and(|s| s.name.is_none())
                && self.prng.percent(35)
            {
                let course = Edge::beside(self.column, self.row, side).course();
                let offset = if matches!(side, Side::South | Side::East) { 170 } else { -170 };
                let house = beside(course[1], course[2], offset, 55);
                let levels = self.prng.pick(&[1, 2]);
                self.town.home(None, &house, levels, &mut self.prng);
            }
        }
    }

    pub(super) fn industry(&mut self) {
        let inner = self.field.inset(170);
        self.town.canvas.ring(Layer::Ground, &inner.ring(), tags(&[("landuse", "industrial")]));
        let yard = inner.inset(300);
        self.loop_road(yard, &[("highway", "service")]);
        let Some(side) = Side::ALL.into_iter().find(|&side| self.has_street(side)) else { return };
        let (street, inside) = (self.field.on_side(side, 500), yard.on_side(side, 500));
        self.town.canvas.line(0, &[street, inside], &[("highway", "service"), ("access", "private")]);
        for cell in quarter_cells(yard.inset(120)) {
            let hall = Rect::around(
                cell.centre(),
                self.prng.between(700, cell.width() - 150),
                self.prng.between(400, cell.height() - 200),
            );
            let kind = self.prng.pick(&["industrial", "warehouse", "industrial", "yes"]);
            self.town.canvas.ring(Layer::Roof, &hall.ring(), tags(&[("building", kind)]));
        }
    }

    /// Shops and offices on either side of a street without cars.
    pub(super) fn commerce(&mut self) {
        let inner = self.field.inset(150);
        self.town.canvas.ring(Layer::Ground, &inner.ring(), tags(&[("landuse", "commercial")]));
        let (x, y) = (self.field.centre().x, self.field.centre().y);
        let mall = [("highway", "pedestrian"), ("name", "步行街"), ("name:en", "Pedestrian Mall")];
        self.town.canvas.line(0, &[pt(x, self.field.south), pt(x, self.field.north)], &mall);
        self.town.canvas.line(0, &[pt(self.field.west, y), pt(self.field.east, y)], &[("highway", "footway")]);
        for cell in quarter_cells(inner) {
            let shares = [self.prng.between(380, 620), self.prng.between(380, 620)];
            let (left, right) = cell.inset(60).split_x(shares[0], 120);
            let ((a, b), (c, d)) = (left.split_y(shares[1], 120), right.split_y(1000 - shares[1], 120));
            for (part, kind) in [(a, "retail"), (b, "office"), (c, "retail"), (d, "commercial")] {
                let house = part.inset(self.prng.between(60, 160));
                let levels = self.prng.between(3, 16).to_string();
                let building = tags(&[("building", kind), ("building:levels", &levels)]);
                if self.town.taken.iter().all(|taken| !taken.overlaps(house)) {
                    self.town.canvas.ring(Layer::Roof, &house.ring(), building);
                }
            }
            let shop = self.prng.pick(&["supermarket", "mall", "books", "clothes"]);
            self.town.canvas.spot(cell.centre().shifted(0, 40), tags(&[("shop", shop)]));
            self.town.canvas.spot(cell.centre().shifted(0, -40), tags(&[("office", "company")]));
        }
    }

    pub(super) fn school(&mut self) {
        let inner = self.field.inset(140);
        let (campus, homes) = inner.split_x(560, 60);
        self.campus(campus, "学宫小学", "Xuegong Primary School");
        let gate = pt(campus.centre().x, campus.south);
        self.town.canvas.line(0, &[pt(gate.x, self.field.south), gate, campus.centre()], &[("highway", "footway")]);
        self.kind = b'M';
        self.compound(homes, None);
    }

    fn campus(&mut self, campus: Rect, zh: &str, en: &str) {
        let school = [("amenity", "school"), ("name", zh), ("name:en", en), ("name:zh", zh)];
        self.town.canvas.ring(Layer::Border, &campus.ring(), tags(&school));
        let (low, high) = campus.split_y(500, 200);
        let pitch = tags(&[("leisure", "pitch"), ("sport", "athletics")]);
        self.town.canvas.ring(Layer::Roof, &low.inset(low.width() / 5).ring(), pitch);
        for part in [high.split_x(500, 100).0, high.split_x(500, 100).1] {
            let hall = tags(&[("building", "school"), ("building:levels", "4")]);
            self.town.canvas.ring(Layer::Roof, &part.inset(part.width() / 6).ring(), hall);
        }
    }

    /// One compound that fills the whole field around a school: a block with a hole.
    pub(super) fn compound_around_a_school(&mut self) {
        let inner = self.field.inset(140);
        let hole = Rect::around(inner.centre(), 1_300, 1_200);
        self.compound(inner, Some(hole));
        self.campus(hole, "映山小学", "Yingshan Primary School");
    }

    /// One compound over this field and its eastern neighbour.
    pub(super) fn great_compound(&mut self) {
        self.field.east += super::plan::field(self.column + 1, self.row).width();
        let inner = self.field.inset(140);
        self.compound(inner, None);
    }

    /// The square is crossed on foot in any direction; shops look on it, and cars stay out.
    pub(super) fn station_square(&mut self) {
        let west = self.field.west;
        let square = Rect { west: west + 160, south: 27_900, east: west + 1_500, north: 29_600 };
        let ring = [square.ring(), vec![pt(square.west, square.south)]].concat();
        let name = [("highway", "pedestrian"), ("area", "yes"), ("name", "站前广场"), ("name:en", "Station Square")];
        self.town.canvas.line(0, &ring, &name);
        let (middle, far) = (square.centre(), self.field.east);
        self.town.canvas.line(
            0,
            &[pt(west, middle.y), pt(square.west, middle.y)],
            &[("highway", "footway"), ("footway", "crossing")],
        );
        self.town.canvas.line(0, &[pt(square.east, middle.y), pt(far, middle.y)], &[("highway", "pedestrian")]);
        self.town.canvas.line(
            0,
            &[pt(middle.x, square.north), pt(middle.x, self.field.north)],
            &[("highway", "footway")],
        );
        self.town.canvas.line(
            0,
            &[pt(middle.x, self.field.south), pt(middle.x, square.south)],
            &[("highway", "footway")],
        );
        for cell in
            [pt(west + 2_400, 30_400), pt(west + 3_500, 30_400), pt(west + 2_400, 27_900), pt(west + 3_500, 27_900)]
        {
            let kind = self.prng.pick(&["retail", "hotel", "commercial", "office"]);
            let levels = self.prng.between(5, 20).to_string();
            let hotel = tags(&[("building", kind), ("building:levels", &levels)]);
            self.town.canvas.ring(Layer::Roof, &Rect::around(cell, 700, 420).ring(), hotel);
        }
    }

    /// The park lies over this field and the one to the north.
    pub(super) fn park(&mut self) {
        let (west, south, east) = (self.field.west, self.field.south, self.field.east);
        let north = super::plan::field(self.column, self.row + 1).north;
        let ground = Rect { west, south, east, north }.inset(150);
        let name = [("leisure", "park"), ("name", "映湖公园"), ("name:en", "Yinghu Park"), ("name:zh", "映湖公园")];
        self.town.canvas.ring(Layer::Ground, &ground.ring(), tags(&name));
        let at = |x: i32, y: i32| pt(ground.west + ground.width() * x / 100, ground.south + ground.height() * y / 100);
        let lake = [at(30, 30), at(48, 24), at(68, 30), at(74, 42), at(64, 56), at(46, 60), at(30, 52), at(24, 40)];
        self.town.canvas.ring(Layer::Border, &lake, tags(&[("natural", "water"), ("water", "lake"), ("name", "映湖")]));
        let shore = [
            at(22, 26),
            at(48, 18),
            at(76, 26),
            at(84, 43),
            at(70, 62),
            at(46, 67),
            at(22, 58),
            at(15, 41),
            at(22, 26),
        ];
        self.town.canvas.line(0, &shore, &[("highway", "footway"), ("name", "环湖路"), ("surface", "paving_stones")]);
        for (from, to) in [
            (pt(west, at(0, 41).y), at(15, 41)),
            (pt(east, at(0, 43).y), at(84, 43)),
            (pt(at(48, 0).x, south), at(48, 18)),
            (at(46, 67), pt(at(46, 0).x, north)),
        ] {
            self.town.canvas.line(0, &[from, to], &[("highway", "footway")]);
        }
        // A hill with stairs up one side, a winding path on the other, and a way down that may only be walked down.
        let (foot, summit) = (at(70, 62), at(74, 76));
        self.town.canvas.line(0, &[foot, summit], &[("highway", "steps"), ("step_count", "96"), ("incline", "up")]);
        self.town.canvas.line(0, &[summit, at(60, 84), at(46, 80)], &[("highway", "path"), ("surface", "ground")]);
        let down = [("highway", "footway"), ("oneway:foot", "yes"), ("name", "下山步道")];
        self.town.canvas.line(0, &[summit, at(92, 88), pt(east, at(0, 90).y)], &down);
        self.town.canvas.spot(summit.shifted(20, 20), tags(&[("tourism", "viewpoint"), ("name", "望江亭")]));
    }
}

/// Houses on the islet, and paths between them that lead nowhere else: the ferry has been given up.
pub(super) fn settle_islet(town: &mut Town, community: u8) {
    let mut prng = super::geometry::Prng::new(0x15_1e7, 1);
    let outline = islet(880);
    let block = town.open_block(&outline, community, b'V', &mut prng);
    town.blocks[block].name = Some(("江心洲".to_owned(), "Jiangxinzhou".to_owned()));
    let block_tags = town.block_tags(block);
    town.canvas.ring(Layer::Ground, &outline, block_tags);
    town.canvas.line(0, &[ISLET.shifted(0, -720), ISLET, ISLET.shifted(0, 720)], &[("highway", "footway")]);
    town.canvas.line(0, &[ISLET.shifted(-200, 0), ISLET, ISLET.shifted(200, 0)], &[("highway", "footway")]);
    for y in [-560, -340, -130, 130, 340, 560] {
        for x in [-110, 110] {
            let house = Rect::around(ISLET.shifted(x, y), 110, 100);
            town.home(Some(block), &house.ring(), 2, &mut prng);
        }
    }
}

/// A field, what stands there, and its name.
type Premises = ((usize, usize), (&'static str, &'static str), Name);

/// Premises that a nursery could be put into, as mappers put them beside the streets.
const PREMISES: [Premises; 6] = [
    ((12, 5), ("amenity", "community_centre"), ("桥东社区服务中心", "Qiaodong Community Centre")),
    ((13, 3), ("amenity", "community_centre"), ("柳堤社区服务中心", "Liudi Community Centre")),
    ((12, 9), ("amenity", "community_centre"), ("东苑社区服务中心", "Dongyuan Community Centre")),
    ((6, 4), ("amenity", "townhall"), ("柳巷街道办事处", "Liuxiang Subdistrict Office")),
    ((1, 6), ("amenity", "library"), ("铁西图书馆", "Tiexi Library")),
    ((6, 1), ("disused:amenity", "kindergarten"), ("原砖桥幼儿园", "Former Zhuanqiao Kindergarten")),
];

/// Puts the premises at corners of fields.
pub(super) fn place_premises(town: &mut Town) {
    for ((column, row), what, (zh, en)) in PREMISES {
        let Rect { west, south, .. } = field(column, row);
        let name = [what, ("name", zh), ("name:en", en)];
        town.canvas.spot(pt(west, south).shifted(100, 100), tags(&name));
    }
}

impl Quarter<'_> {
    fn loop_road(&mut self, rect: Rect, pairs: &[(&str, &str)]) {
        let closed = [rect.ring(), vec![pt(rect.west, rect.south)]].concat();
        self.town.canvas.line(0, &closed, pairs);
    }
}

/// A house beside a piece of lane, turned with it; a negative offset lies to the right.
fn beside(from: Pt, to: Pt, offset: i32, half_front: i32) -> Vec<Pt> {
    let (dx, dy) = (f64::from(to.x - from.x), f64::from(to.y - from.y));
    let length = (dx * dx + dy * dy).sqrt().max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let middle = from.towards(to, 1, 2);
    let at = |along: i32, across: i32| {
        let (along, across) = (f64::from(along), f64::from(across));
        middle.shifted((ux * along - uy * across).round() as i32, (uy * along + ux * across).round() as i32)
    };
    let ring = vec![
        at(-half_front, offset - 42),
        at(half_front, offset - 42),
        at(half_front, offset + 42),
        at(-half_front, offset + 42),
    ];
    debug_assert!(area_m2(&ring) > 20, "a house has a floor");
    ring
}

fn quarter_cells(rect: Rect) -> [Rect; 4] {
    let (west, east) = rect.split_x(500, 0);
    let ((a, b), (c, d)) = (west.split_y(500, 0), east.split_y(500, 0));
    [a, b, c, d]
}
