//! The town's plan: what stands in each field of the grid, which community it belongs to, and the lines between fields.
//!
//! Columns count from the west, rows and level lines from the south; the maps below read north up.

use super::geometry::{Prng, Pt, Rect, Side, metres, pt};

pub(super) const COLUMNS: usize = 15;
pub(super) const ROWS: usize = 11;

/// Where the upright lines run, in metres. The railway has the narrow fourth column, the river the two after the tenth.
pub(super) const X: [i32; COLUMNS + 1] =
    [0, 500, 980, 1420, 1520, 1960, 2400, 2840, 3280, 3700, 4120, 4330, 4540, 5000, 5460, 5940];

/// The distance between level lines, in metres.
pub(super) const ROW_M: i32 = 450;

/// `O` old town, `M` estates of the eighties and nineties, `S` superblocks of gated compounds, `L` one compound over two
/// fields, `D` one compound around a school, `C` commerce, `I` industry, `P` park, `Q` station square, `U` school,
/// `V` village, `F` fields, `r` railway, `g` and `h` the river's two banks.
const KINDS: [&[u8; COLUMNS]; ROWS] = [
    b"FVFrFSSSSFghFFF",
    b"FFSrISSMSSghSFV",
    b"VSSrIMMMMSghSSF",
    b"FSSrMMOOCMghLLF",
    b"FMMrQCOOOMghMSF",
    b"FMSrMMOOOMghCSV",
    b"VMIrSMOOUPghSSF",
    b"FIIrSSMCMPghSSF",
    b"FFIrISDMSSghFSF",
    b"FVFrIFSSSFghFFV",
    b"FFFrFFFVFFghFVF",
];

/// One letter for each of the forty communities.
const COMMUNITIES: [&[u8; COLUMNS]; ROWS] = [
    b"AAAAHHIIJJJnnnn",
    b"AABBHIIIJJJaann",
    b"CBBBHLLLMMMaaan",
    b"CDDDNNQRSSSbbbn",
    b"CEEEOOQRTUUccdm",
    b"CFFFOOVWXYYccdm",
    b"GFGGPPVWXYYeeem",
    b"GGGGooppqqqfffm",
    b"ZZZZoorrqssllfl",
    b"ZZZZttrrsssllll",
    b"ZZZZttttsssllll",
];

/// The line where the railway is crossed at street level, or under it.
pub(super) const LEVEL_CROSSINGS: [usize; 2] = [2, 9];
pub(super) const UNDERPASS: usize = 7;
/// The lines that cross the river.
pub(super) const BRIDGES: [usize; 2] = [5, 8];

/// What stands in a field; `None` outside the district.
pub(super) fn kind(column: isize, row: isize) -> Option<u8> {
    let (column, row) = (usize::try_from(column).ok()?, usize::try_from(row).ok()?);
    (column < COLUMNS && row < ROWS).then(|| KINDS[ROWS - 1 - row][column])
}

/// The community's letter; `None` outside the district.
pub(super) fn community(column: isize, row: isize) -> Option<u8> {
    let (column, row) = (usize::try_from(column).ok()?, usize::try_from(row).ok()?);
    (column < COLUMNS && row < ROWS).then(|| COMMUNITIES[ROWS - 1 - row][column])
}

/// An edge of the grid: from a corner to the next one east or north.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) i: usize,
    pub(super) j: usize,
    pub(super) upright: bool,
}

impl Edge {
    /// Every edge of the grid: upright lines from the west, then level lines from the south.
    pub(super) fn all() -> impl Iterator<Item = Edge> {
        let upright = (0..=COLUMNS).flat_map(|i| (0..ROWS).map(move |j| Edge { i, j, upright: true }));
        let level = (0..=ROWS).flat_map(|j| (0..COLUMNS).map(move |i| Edge { i, j, upright: false }));
        upright.chain(level)
    }

    /// The edge along one side of a field.
    pub(super) fn beside(column: usize, row: usize, side: Side) -> Edge {
        match side {
            Side::North => Edge { i: column, j: row + 1, upright: false },
            Side::East => Edge { i: column + 1, j: row, upright: true },
            Side::South => Edge { i: column, j: row, upright: false },
            Side::West => Edge { i: column, j: row, upright: true },
        }
    }

    /// The corner where it ends.
    pub(super) fn end(self) -> (usize, usize) {
        if self.upright { (self.i, self.j + 1) } else { (self.i + 1, self.j) }
    }

    /// The fields to its left and right, as (column, row); either may lie outside.
    pub(super) fn fields(self) -> [(isize, isize); 2] {
        let (i, j) = (self.i as isize, self.j as isize);
        if self.upright { [(i - 1, j), (i, j)] } else { [(i, j), (i, j - 1)] }
    }

    /// What stands to its left and right.
    pub(super) fn kinds(self) -> [Option<u8>; 2] {
        self.fields().map(|(column, row)| kind(column, row))
    }

    /// Its course: corner, two points between, corner. Straight in town, winding in the country and along the edge.
    pub(super) fn course(self) -> Vec<Pt> {
        let (end_i, end_j) = self.end();
        let (from, to) = (corner(self.i, self.j), corner(end_i, end_j));
        let mut course = vec![from, from.towards(to, 1, 3), from.towards(to, 2, 3), to];
        if self.upright && self.i == 11 {
            for p in &mut course[1..3] {
                p.x = river_x(p.y);
            }
        } else if self.kinds().iter().all(|kind| is_country(*kind)) {
            let mut prng = Prng::new(0x00ed_6e00, self.i * 1000 + self.j * 10 + usize::from(self.upright));
            for p in &mut course[1..3] {
                *p = p.shifted(prng.between(-220, 220), prng.between(-220, 220));
            }
        }
        course
    }
}

/// Fields and villages, and whatever lies beyond the district.
pub(super) fn is_country(kind: Option<u8>) -> bool {
    matches!(kind, None | Some(b'F' | b'V'))
}

/// A corner of the grid; in the open country it is moved, so that fields are not squares.
pub(super) fn corner(i: usize, j: usize) -> Pt {
    let at = metres(X[i], ROW_M * j as i32);
    if i == 11 {
        return pt(river_x(at.y), at.y);
    }
    let (column, row) = (i as isize, j as isize);
    let around = [(column - 1, row - 1), (column, row - 1), (column - 1, row), (column, row)];
    if around.iter().all(|&(column, row)| is_country(kind(column, row))) {
        let mut prng = Prng::new(0xc0_44e4, i * 100 + j);
        return at.shifted(prng.between(-600, 600), prng.between(-600, 600));
    }
    at
}

/// The field before any inset.
pub(super) fn field(column: usize, row: usize) -> Rect {
    let low = metres(X[column], ROW_M * row as i32);
    let high = metres(X[column + 1], ROW_M * (row as i32 + 1));
    Rect { west: low.x, south: low.y, east: high.x, north: high.y }
}

/// The middle of the river at a height of the plan: two gentle bends.
pub(super) fn river_x(y: i32) -> i32 {
    let t = f64::from(y) / f64::from(ROW_M * ROWS as i32 * 10);
    let bend = t * (1.0 - t) * (0.5 - t) * 13_000.0;
    X[11] * 10 + bend.round() as i32
}

/// Half the river's width at a height of the plan: wider around the islet.
pub(super) fn river_half_width(y: i32) -> i32 {
    let off = f64::from(y - ISLET.y) / 3_400.0;
    450 + (560.0 * (1.0 - off * off).max(0.0)).round() as i32
}

/// The middle of the islet, between the south of the town and the eastern fields.
pub(super) const ISLET: Pt = metres(4355, 1240);

/// How a grid edge is built as a street.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Street {
    pub(super) highway: &'static str,
    /// Chinese and English name.
    pub(super) name: Option<(&'static str, &'static str)>,
}

const fn street(highway: &'static str, zh: &'static str, en: &'static str) -> Street {
    Street { highway, name: Some((zh, en)) }
}

const UPRIGHT: [Option<Street>; COLUMNS + 1] = [
    None,
    Some(street("tertiary", "望陂路", "Wangpi Road")),
    Some(street("secondary", "西环路", "Xihuan Road")),
    Some(street("tertiary", "铁西路", "Tiexi Road")),
    Some(street("secondary", "站前路", "Zhanqian Road")),
    Some(street("tertiary", "织锦路", "Zhijin Road")),
    Some(street("primary", "和安大道", "He'an Avenue")),
    Some(street("tertiary", "钟楼街", "Zhonglou Street")),
    Some(street("secondary", "鼓楼路", "Gulou Road")),
    Some(street("tertiary", "书院街", "Shuyuan Street")),
    Some(street("secondary", "滨江西路", "Binjiang West Road")),
    None,
    Some(street("secondary", "滨江东路", "Binjiang East Road")),
    Some(street("tertiary", "东澜路", "Donglan Road")),
    Some(street("unclassified", "稻香路", "Daoxiang Road")),
    None,
];

const LEVEL: [Option<Street>; ROWS + 1] = [
    None,
    Some(street("unclassified", "南塘路", "Nantang Road")),
    Some(street("tertiary", "南埠路", "Nanbu Road")),
    Some(street("secondary", "码头路", "Matou Road")),
    Some(street("tertiary", "柳巷路", "Liuxiang Road")),
    Some(street("primary", "安澜大道", "Anlan Avenue")),
    Some(street("tertiary", "文庙街", "Wenmiao Street")),
    Some(street("secondary", "人和路", "Renhe Road")),
    Some(street("primary", "北桥大道", "Beiqiao Avenue")),
    Some(street("tertiary", "桐花路", "Tonghua Road")),
    Some(street("unclassified", "北苑路", "Beiyuan Road")),
    None,
];

/// The street along an edge, if there is one.
pub(super) fn street_on(edge: Edge) -> Option<Street> {
    let class = if edge.upright { UPRIGHT[edge.i] } else { LEVEL[edge.j] };
    let kinds = edge.kinds();
    let [Some(left), Some(right)] = kinds else {
        return None;
    };
    match (left, right) {
        (b'F' | b'V', b'F' | b'V') => {
            let village = left == b'V' || right == b'V';
            let track = Prng::new(0x7_4ac4, edge.i * 100 + edge.j * 2 + usize::from(edge.upright)).percent(45);
            let highway = if village { "unclassified" } else { "track" };
            (village || track).then_some(Street { highway, name: None })
        }
        // A compound over two fields and the park have no street between their halves.
        (b'L', b'L') | (b'P', b'P') => None,
        (b'r', b'r') => class.filter(|_| edge.j == UNDERPASS || LEVEL_CROSSINGS.contains(&edge.j)),
        (b'g' | b'h', b'g' | b'h') => class.filter(|_| !edge.upright && BRIDGES.contains(&edge.j)),
        _ => class,
    }
}
