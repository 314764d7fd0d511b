//! What the rows of a table are: facilities, blocks, areas and points, or rejects that say why not.

use crate::crs::Crs;
use crate::geojson::{AREA_PROPERTIES, BLOCK_PROPERTIES, FACILITY_PROPERTIES};
pub use crate::headers::Mapping;
use crate::headers::{Column, Meaning, meanings};
use crate::out::guarded;
use crate::table::{Geometry, Remark, Row, Table, TableError};
pub use crate::values::number;
use crate::values::{self, Axis, quoted};
use carecircle_core::demand::{BlockPlace, BlockRow, UNDER3_PER_RESIDENT};
use carecircle_core::facility::{Facility, Kind, Status};
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::place::{Area, AreaLevel};
use carecircle_core::population::{CellPlace, PopulationCell};
use geo::{Area as _, BooleanOps, Coord, CoordsIter, MapCoords, Validation};
use jiff::civil::Date;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Mutex, PoisonError};

/// What stands behind the columns of a rejected row.
const REJECT_COLUMNS: [&str; 3] = ["reject_row", "reject_column", "reject_why"];

/// A row that can't be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    /// The row's number in its table.
    pub row: usize,
    /// The column that is to blame.
    pub column: String,
    /// Why, and what would be accepted.
    pub why: String,
    /// The cells as they came, each with its column; none for a doubt.
    pub cells: Vec<(usize, String)>,
}

/// Rows turned into things, and the rows that couldn't be.
#[derive(Clone, Debug, PartialEq)]
pub struct Sorted<T> {
    /// What could be used, in the table's order.
    pub used: Vec<T>,
    /// What couldn't.
    pub rejects: Vec<Reject>,
    /// Cells of used rows that could not be understood and count as unknown: an untidy remark must not cost a facility.
    pub doubts: Vec<Reject>,
    /// What else a reader of the table should know.
    pub remarks: Vec<Remark>,
}

impl<T> Sorted<T> {
    /// Sets rows aside whose place can't be used after all; the error says why.
    pub fn refuse(&mut self, table: &Table, declared: &Declared, fits: impl Fn(&T) -> Result<(), String>) {
        let place = if table.has_geometries() { Column::Geometry } else { Column::Lon };
        let mut named = meanings(table, &declared.mapping).into_iter().zip(&table.columns);
        let place =
            named.find(|(meaning, _)| *meaning == Meaning::Is(place)).map_or(place.name(), |(_, header)| header);
        let rejected: BTreeSet<usize> = self.rejects.iter().map(|reject| reject.row).collect();
        // What is used stands in the rows that were not rejected, in their order.
        let rows = table.rows().filter(|row| !rejected.contains(&row.number()));
        let mut used = Vec::with_capacity(self.used.len());
        for (thing, row) in std::mem::take(&mut self.used).into_iter().zip(rows) {
            match fits(&thing) {
                Ok(()) => used.push(thing),
                Err(why) => {
                    let cells = row.cells().map(|(at, cell)| (at, cell.to_owned())).collect();
                    self.rejects.push(Reject { row: row.number(), column: place.to_owned(), why, cells });
                }
            }
        }
        self.used = used;
        self.rejects.sort_by_key(|reject| reject.row);
    }
}

/// What the user says of a table, or of all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// Which column means what where the header doesn't tell.
    pub mapping: Mapping,
    /// The coordinate system, for rows that don't state their own; else what the file states, else WGS 84.
    pub crs: Option<Crs>,
}

/// What each row of a table stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A facility.
    Facilities,
    /// A block.
    Blocks,
    /// An area.
    Areas,
    /// A point, and no more.
    Points,
    /// A cell of a population grid.
    Cells,
}

impl Layer {
    /// The properties that the output has of each.
    fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Facilities => &FACILITY_PROPERTIES,
            Self::Blocks => &BLOCK_PROPERTIES,
            Self::Areas => &AREA_PROPERTIES,
            Self::Points | Self::Cells => &[],
        }
    }

    /// The columns that say something of a row; others pass through.
    pub fn columns(self) -> &'static [Column] {
        use Column as C;
        match self {
            Self::Facilities => &[
                C::Id,
                C::Name,
                C::NameZh,
                C::NameEn,
                C::Lon,
                C::Lat,
                C::Geometry,
                C::Crs,
                C::Kind,
                C::Status,
                C::Registered,
                C::Filed,
                C::Licensed,
                C::Inclusive,
                C::Places,
                C::PlacesInfant,
                C::PlacesToddler,
                C::PlacesSenior,
                C::Enrolled,
                C::Staff,
                C::StaffCertified,
                C::HealthManager,
                C::Opened,
                C::Closed,
                C::MinMonths,
                C::MaxMonths,
            ],
            Self::Blocks => &[C::Id, C::Name, C::Lon, C::Lat, C::Geometry, C::Crs, C::Population, C::Under3, C::Area],
            Self::Areas => &[
                C::Id,
                C::Name,
                C::NameZh,
                C::NameEn,
                C::Level,
                C::Parent,
                C::Population,
                C::Under3,
                C::Communities,
                C::Kindergartens,
                C::Lon,
                C::Lat,
                C::Geometry,
                C::Crs,
            ],
            Self::Points => &[C::Id, C::Lon, C::Lat, C::Geometry, C::Crs],
            Self::Cells => &[C::Lon, C::Lat, C::Geometry, C::Crs, C::Population, C::Under3],
        }
    }
}

/// Reads `ours=theirs,…`; the error says which part is none, or which name is not ours.
pub fn parse_mapping(text: &str) -> Result<Mapping, String> {
    let mapping = parse_pairs(text)?;
    match mapping.keys().find(|ours| Column::named(ours).is_none()) {
        Some(ours) => {
            let names = Column::ALL.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ");
            Err(format!("`{ours}` is none of our columns: {names}"))
        }
        None => Ok(mapping),
    }
}

fn parse_pairs(text: &str) -> Result<Mapping, String> {
    let pairs = text.split(',').filter(|part| !part.trim().is_empty()).map(|part| match part.split_once('=') {
        Some((ours, theirs)) if !ours.trim().is_empty() && !theirs.trim().is_empty() => {
            Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
        }
        _ => Err(format!("`{part}` is no mapping; write ours=theirs, as in places=总托位")),
    });
    pairs.collect()
}

/// What becomes of a column's cells.
enum Use {
    /// The layer reads them.
    Read(Column),
    /// They pass through under this name.
    Pass(String),
    /// They are dropped: what an earlier run said of rows that have been mended since.
    Drop,
}

/// How a table is read as a layer: settled once, for all rows.
struct Plan<'a> {
    table: &'a Table,
    layer: Layer,
    uses: Vec<Use>,
    /// For each of our columns that the layer reads, the table's own.
    at: [Option<usize>; Column::ALL.len()],
    crs: Crs,
    /// The coordinate systems that rows state, by what stands in the cell.
    stated: HashMap<&'a str, Result<Crs, String>>,
    has_geometries: bool,
}

impl<'a> Plan<'a> {
    fn new(table: &'a Table, declared: &Declared, layer: Layer, remarks: &mut Vec<Remark>) -> Result<Self, TableError> {
        let meanings = meanings(table, &declared.mapping);
        remarks.extend(table.remarks.iter().cloned());
        remarks.extend(remarks_on(table, &meanings, layer));
        let mut at = [None; Column::ALL.len()];
        let mut names = BTreeSet::new();
        let mut uses = Vec::with_capacity(meanings.len());
        for (i, (meaning, header)) in meanings.iter().zip(&table.columns).enumerate() {
            let column = meaning.column();
            uses.push(match column.filter(|column| layer.columns().contains(column)) {
                Some(column) => {
                    at[column as usize] = Some(i);
                    Use::Read(column)
                }
                None if REJECT_COLUMNS.contains(&header.as_str()) => Use::Drop,
                None => {
                    let name = match column {
                        // What the output says of a thing itself is not the table's to say.
                        Some(column) if layer.properties().contains(&column.name()) => format!("{header}_in_table"),
                        None if layer.properties().contains(&header.as_str()) => format!("{header}_in_table"),
                        Some(column) => column.name().to_owned(),
                        // A name of ours would stand for what it isn't.
                        None if Column::named(header).is_some() => format!("{header}_in_table"),
                        None => header.clone(),
                    };
                    let others = (2..).map(|n| format!("{name}_{n}"));
                    let mut free =
                        std::iter::once(name.clone()).chain(others).filter(|name| names.insert(name.clone()));
                    Use::Pass(free.next().unwrap_or(name))
                }
            });
        }
        let crs = table.crs_or_stated(declared.crs.as_ref())?;
        let mut stated = HashMap::new();
        if let Some(column) = at[Column::Crs as usize] {
            for row in table.rows() {
                for (_, cell) in row.cells().filter(|(at, _)| *at == column) {
                    stated.entry(cell).or_insert_with(|| crs_named(cell));
                }
            }
        }
        let has_geometries = table.has_geometries();
        Ok(Self { table, layer, uses, at, crs, stated, has_geometries })
    }

    fn has(&self, column: Column) -> bool {
        self.at[column as usize].is_some()
    }

    /// What the table calls a column.
    fn header(&self, column: Column) -> &str {
        self.at[column as usize].map_or(column.name(), |at| &self.table.columns[at])
    }

    /// A table without a way to say where its rows are is no table of ours; one with addresses can be mended.
    fn require_place(&self) -> Result<(), TableError> {
        let placed =
            self.has(Column::Lon) && self.has(Column::Lat) || self.has(Column::Geometry) || self.has_geometries;
        let addressed = self.uses.iter().any(|used| matches!(used, Use::Pass(name) if name == Column::Address.name()));
        if placed || addressed && !self.has(Column::Lon) && !self.has(Column::Lat) || self.table.rows().len() == 0 {
            return Ok(());
        }
        let path = self.table.path.clone();
        if let [only] = self.table.columns.as_slice() {
            return Err(TableError::OneColumn { path, header: quoted(only) });
        }
        let wanted = if self.has(Column::Lon) { "lat" } else { "lon" };
        Err(TableError::MissingColumn { path, wanted, found: self.table.columns.join(", "), example: "lon=X,lat=Y" })
    }

    /// A row that is no thing at all: the table's totals, or its header again.
    fn no_thing(&self, row: Row<'a>) -> Option<(usize, String)> {
        const TOTALS: [&str; 10] =
            ["合计", "总计", "小计", "共计", "总和", "total", "totals", "grand total", "subtotal", "sum"];
        let (at, first) = row.cells().next()?;
        if first == self.table.columns[at] && row.cells().all(|(at, cell)| self.table.columns[at] == cell) {
            return Some((at, "the header stands there again".to_owned()));
        }
        // The longest of them, and a colon.
        if first.len() > 14 {
            return None;
        }
        let bare = first.trim_end_matches([':', '：']);
        let is_total = TOTALS.iter().any(|total| total.eq_ignore_ascii_case(bare));
        is_total.then(|| (at, format!("{} makes it a row of totals", quoted(first))))
    }
}

/// A coordinate system as a cell names it: as on the command line, or by the number alone.
fn crs_named(cell: &str) -> Result<Crs, String> {
    if cell.bytes().all(|b| b.is_ascii_digit()) { Crs::named(&format!("EPSG:{cell}")) } else { Crs::named(cell) }
}

/// What headers leave open, as far as the layer would read it.
fn remarks_on(table: &Table, meanings: &[Meaning], layer: Layer) -> Vec<Remark> {
    let (name, mut out) = (table.name(), Vec::new());
    for (meaning, header) in meanings.iter().zip(&table.columns) {
        match *meaning {
            Meaning::Again(column) if layer.columns().contains(&column) => {
                let first = meanings.iter().position(|m| *m == Meaning::Is(column)).map_or("", |i| &table.columns[i]);
                let ours = column.name();
                out.push(Remark {
                    en: format!("{name}: columns {first} and {header} both mean {ours}; {first} counts"),
                    zh: format!("{name}：{first} 与 {header} 两列含义相同（{ours}），以 {first} 为准"),
                });
            }
            Meaning::May(ambiguity) => {
                let Some(first) = ambiguity.may_be.iter().find(|column| layer.columns().contains(column)) else {
                    continue;
                };
                let (question, question_zh, ours) = (&ambiguity.en, &ambiguity.zh, first.name());
                out.push(Remark {
                    en: format!(
                        "{name}: column {header} is not used: {question} If it means {ours}, say --columns {ours}={header}"
                    ),
                    zh: format!("{name}：未采用 {header} 列：{question_zh}如为 {ours}，请用 --columns {ours}={header}"),
                });
            }
            _ => {}
        }
    }
    out
}

/// A row with its cells by our columns.
struct Cells<'a> {
    plan: &'a Plan<'a>,
    row: Row<'a>,
    own: [Option<&'a str>; Column::ALL.len()],
    doubts: RefCell<Vec<Bad>>,
}

/// A cell that can't be understood: its column and why.
type Bad = (Column, String);

impl<'a> Cells<'a> {
    fn new(plan: &'a Plan<'a>, row: Row<'a>) -> Self {
        let mut own = [None; Column::ALL.len()];
        for (at, cell) in row.cells() {
            if let Use::Read(column) = plan.uses[at] {
                own[column as usize] = Some(cell);
            }
        }
        Self { plan, row, own, doubts: RefCell::default() }
    }

    fn text(&self, column: Column) -> Option<&'a str> {
        self.own[column as usize]
    }

    fn owned(&self, column: Column) -> Option<String> {
        self.text(column).map(str::to_owned)
    }

    fn doubt(&self, column: Column, why: String) {
        self.doubts.borrow_mut().push((column, why));
    }

    /// A cell that the row can do without: what can't be understood is unknown, and said so.
    fn known<T>(&self, column: Column, want: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let stated = self.text(column)?;
        let value = parse(stated);
        if value.is_none() && !values::says_nothing(stated) {
            self.doubt(column, format!("{}; taken as unknown", is_no(stated, want)));
        }
        value
    }

    /// A number that the row can do without, but that may not be a wrong one.
    fn amount(&self, column: Column, want: &str, fits: impl Fn(f64) -> bool) -> Result<Option<f64>, Bad> {
        match self.known(column, want, values::number) {
            Some(value) if !fits(value) => Err((column, format!("{value} is no {want}"))),
            value => Ok(value),
        }
    }

    fn count(&self, column: Column) -> Result<Option<u32>, Bad> {
        let fits = |v: f64| v.fract() == 0.0 && (0.0..=1e6).contains(&v);
        Ok(self.amount(column, "whole number from 0 to 1,000,000", fits)?.map(|v| v as u32))
    }

    fn people(&self, column: Column) -> Result<Option<f64>, Bad> {
        self.amount(column, "number from 0 to 100,000,000", |v| (0.0..=1e8).contains(&v))
    }

    fn flag(&self, column: Column) -> Option<bool> {
        self.known(column, "yes or no", values::flag)
    }

    fn date(&self, column: Column) -> Option<Date> {
        let stated = self.text(column).filter(|text| !values::says_nothing(text))?;
        let date = values::date(stated);
        if let Err(why) = date {
            self.doubt(column, format!("{}; taken as unknown", is_no(stated, why.trim_start_matches("no "))));
        }
        date.ok()
    }

    /// The highest step that any column tells: the status itself, or a column that asks for one step, `备案=是`.
    fn status(&self) -> Status {
        let steps = one_of(Status::ALL.iter().map(|s| s.name()));
        let stated = self.known(Column::Status, &steps, status_named);
        let columns = [
            (Column::Registered, Status::Registered),
            (Column::Filed, Status::Filed),
            (Column::Licensed, Status::Licensed),
        ];
        let reached = columns.into_iter().filter_map(|(column, step)| {
            let flag = |text: &str| values::flag(text).map(|yes| if yes { step } else { Status::Unknown });
            self.known(column, "yes or no", |text| flag(text).or_else(|| status_named(text)))
        });
        reached.chain(stated).max().unwrap_or(Status::Unknown)
    }

    /// The row's id; where the table has none, the row's number makes one.
    fn id(&self) -> Result<String, Bad> {
        if !self.plan.has(Column::Id) {
            return Ok(format!("row{}", self.row.number()));
        }
        let id = self.text(Column::Id).ok_or_else(|| (Column::Id, "is empty; every row needs one".to_owned()))?;
        // A dot or slash in an id breaks links and desktop clients.
        if id.bytes().any(|b| matches!(b, b'.' | b'/')) {
            return Err((Column::Id, format!("{} has a dot or slash; use letters, digits, - and _", quoted(id))));
        }
        Ok(id.to_owned())
    }

    /// The coordinate system of the row.
    fn crs(&self) -> Result<&Crs, Bad> {
        let stated = self.text(Column::Crs).and_then(|cell| self.plan.stated.get(cell));
        stated.map_or(Ok(&self.plan.crs), |crs| crs.as_ref().map_err(|why| (Column::Crs, why.clone())))
    }

    fn point(&self) -> Result<LonLat, Bad> {
        match self.geometry()? {
            Some(Geometry::Shape(shape)) => centre(&shape),
            Some(Geometry::Point(lon, lat)) => LonLat::from_degrees(lon, lat)
                .ok_or_else(|| (Column::Geometry, format!("{lon}, {lat} is no place on earth"))),
            _ => self.lon_lat(),
        }
    }

    /// The place that stands in columns of its own.
    fn lon_lat(&self) -> Result<LonLat, Bad> {
        if !self.plan.has(Column::Lon) {
            let wanted = "no coordinates; fill in lon and lat".to_owned();
            let geometry = self.plan.has_geometries || self.plan.has(Column::Geometry);
            return Err(if geometry {
                (Column::Geometry, "is missing: no coordinates".to_owned())
            } else {
                (Column::Lon, wanted)
            });
        }
        let crs = self.crs()?;
        let coordinate = |column: Column, axis: Axis, most: f64| -> Result<f64, Bad> {
            let empty = || (column, "is empty: no coordinates".to_owned());
            let text = self.text(column).ok_or_else(empty)?;
            let (value, most, unit) = if crs.is_degrees() {
                (values::degrees(text, axis), most, "degrees")
            } else {
                (values::metres(text), MOST_METRES, "metres")
            };
            value.filter(|v| v.abs() <= most).ok_or_else(|| {
                if values::says_nothing(text) {
                    return empty();
                }
                let swapped = crs.is_degrees() && self.looks_swapped();
                let hint = if swapped { "; longitude and latitude look swapped" } else { "" };
                let want = format!("number of {unit} between -{most} and {most}{hint}");
                (column, is_no(text, &want))
            })
        };
        let (x, y) = (coordinate(Column::Lon, Axis::East, 180.0)?, coordinate(Column::Lat, Axis::North, 90.0)?);
        let at = crs.to_wgs84(x, y).and_then(|(lon, lat)| LonLat::from_degrees(lon, lat));
        at.ok_or_else(|| (Column::Lon, format!("{x}, {y} is no place on earth in {}", crs.name())))
    }

    /// Whether the row's degrees make sense the other way round alone.
    fn looks_swapped(&self) -> bool {
        let read = |column: Column| {
            let text = self.text(column)?;
            values::degrees(text, Axis::East).or_else(|| values::degrees(text, Axis::North))
        };
        let pair = read(Column::Lon).zip(read(Column::Lat));
        pair.is_some_and(|(lon, lat)| lon.abs() <= 90.0 && lat.abs() > 90.0 && lat.abs() <= 180.0)
    }

    /// The row's own geometry, in degrees of WGS 84: as its format gives it, or as a cell has it. One that can't be read is
    /// a doubt where the row has coordinates besides.
    fn geometry(&self) -> Result<Option<Geometry>, Bad> {
        let read = self.stated_geometry();
        if let Err((column, why)) = &read
            && self.text(Column::Lon).is_some()
            && self.text(Column::Lat).is_some()
        {
            self.doubt(*column, format!("{why}; lon and lat are taken"));
            return Ok(None);
        }
        read
    }

    fn stated_geometry(&self) -> Result<Option<Geometry>, Bad> {
        let bad = |why: String| (Column::Geometry, why);
        let in_cell;
        let (given, srid) = match (self.row.geometry(), self.text(Column::Geometry)) {
            (Some(given), _) => (given.as_ref().map_err(|why| bad(why.clone()))?, None),
            (None, Some(text)) if !values::says_nothing(text) => {
                in_cell = values::geometry(text).map_err(bad)?;
                (&in_cell.0, in_cell.1)
            }
            _ => return Ok(None),
        };
        let of_cell = srid.map(|srid| Crs::named(&format!("EPSG:{srid}"))).transpose().map_err(bad)?;
        let crs = of_cell.as_ref().map_or_else(|| self.crs(), Ok)?;
        let place = |c: Coord<f64>| {
            let most = if crs.is_degrees() { (180.0, 90.0) } else { (MOST_METRES, MOST_METRES) };
            let inside = c.x.abs() <= most.0 && c.y.abs() <= most.1;
            let at = if inside { crs.to_wgs84(c.x, c.y) } else { None };
            at.map(|(x, y)| Coord { x, y }).ok_or_else(|| {
                let Coord { x, y } = c;
                let swapped = crs.is_degrees() && x.abs() <= 90.0 && y.abs() <= 180.0 && !inside;
                let hint = if swapped { "; longitude and latitude look swapped" } else { "" };
                bad(format!("{x}, {y} is no place on earth in {}{hint}", crs.name()))
            })
        };
        Ok(Some(match given {
            Geometry::Point(x, y) => {
                let at = place(Coord { x: *x, y: *y })?;
                Geometry::Point(at.x, at.y)
            }
            Geometry::Points(points) => {
                let [first, ..] = points.as_slice() else { return Err(bad("has no point".to_owned())) };
                let at = place(*first)?;
                self.doubt(Column::Geometry, format!("has {} points; the first is taken", points.len()));
                Geometry::Point(at.x, at.y)
            }
            Geometry::Shape(shape) => Geometry::Shape(shape.try_map_coords(place)?),
        }))
    }

    /// What passes through.
    fn others(&self) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (at, cell) in self.row.cells() {
            if let Use::Pass(name) = &self.plan.uses[at] {
                out.insert(name.clone(), cell.to_owned());
            }
        }
        out
    }
}

/// Why a cell's text is not what is wanted.
fn is_no(text: &str, want: &str) -> String {
    match values::not_a_value(text) {
        Some(what) => format!("{} is {what}", quoted(text)),
        None => format!("{} is no {want}", quoted(text)),
    }
}

/// No coordinate in metres is larger: a zone's number before the easting makes tens of millions.
const MOST_METRES: f64 = 1e8;

/// A polygon's place for a thing that is a point.
fn centre(shape: &geo::MultiPolygon<f64>) -> Result<LonLat, Bad> {
    let inside = carecircle_core::polygon::point_inside(shape);
    inside
        .and_then(|p| LonLat::from_degrees(p.x, p.y))
        .ok_or_else(|| (Column::Geometry, "its polygon has no inside".to_owned()))
}

/// A polygon as it came, or mended where its rings cross themselves or each other.
fn sound(shape: &LonLatShape) -> Result<LonLatShape, Bad> {
    // Checking costs more than mending where there are very many vertices.
    let few = shape.coords_count() < 20_000;
    let sound = if few && shape.is_valid() { shape.clone() } else { shape.union(&LonLatShape::new(Vec::new())) };
    if sound.unsigned_area() > 0.0 { Ok(sound) } else { Err((Column::Geometry, "its polygon has no area".to_owned())) }
}

/// What is to be said of a row, besides what it became.
enum Fault {
    Reject(Reject),
    Doubts(Vec<Bad>),
}

/// Turns every row into a thing or a reject. The rows are read on all threads; which of them has an id first is settled in
/// the table's order, and only rows that are used take one.
fn sort_rows<'a, T: Send>(
    plan: &'a Plan<'a>,
    remarks: Vec<Remark>,
    make: impl Fn(&Cells<'a>, String) -> Result<T, Bad> + Sync,
) -> Sorted<T> {
    let table = plan.table;
    // The column is blamed by the name that the table has for it.
    let reject = |row: Row<'a>, column: &str, why: String| {
        let cells = row.cells().map(|(at, cell)| (at, cell.to_owned())).collect();
        Reject { row: row.number(), column: column.to_owned(), why, cells }
    };
    let read = |row: Row<'a>| {
        if let Some((at, why)) = plan.no_thing(row) {
            return Err(reject(row, &table.columns[at], why));
        }
        let cells = Cells::new(plan, row);
        let made = cells.id().and_then(|id| make(&cells, id));
        let doubts = cells.doubts.take();
        let made = made.map_err(|(column, why)| reject(row, plan.header(column), why))?;
        Ok((made, cells.text(Column::Id), doubts))
    };
    let faults: Mutex<Vec<(usize, Fault)>> = Mutex::default();
    let blame = |i: usize, fault: Fault| faults.lock().unwrap_or_else(PoisonError::into_inner).push((i, fault));
    let things = (0..table.rows().len()).into_par_iter().with_min_len(1_024).map(|i| match read(table.row(i)) {
        Ok((thing, id, doubts)) => {
            if !doubts.is_empty() {
                blame(i, Fault::Doubts(doubts));
            }
            (Some(thing), id.map_or(0, fingerprint))
        }
        Err(reject) => {
            blame(i, Fault::Reject(reject));
            (None, 0)
        }
    });
    let (mut made, mut fingerprints) = (Vec::new(), Vec::new());
    things.unzip_into_vecs(&mut made, &mut fingerprints);
    let mut faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !all_differ(&fingerprints) {
        let mut seen: HashSet<&str> = HashSet::new();
        for (i, made) in made.iter_mut().enumerate() {
            let row = table.row(i);
            let id = plan.at[Column::Id as usize].and_then(|at| row.cells().find(|(i, _)| *i == at));
            if let Some((_, id)) = id.filter(|(_, id)| made.is_some() && !seen.insert(id)) {
                *made = None;
                let why = format!("{} stands in an earlier row too", quoted(id));
                faults.push((i, Fault::Reject(reject(row, plan.header(Column::Id), why))));
            }
        }
    }
    // A row that is rejected after all is told of once.
    faults.sort_by_key(|(i, fault)| (*i, matches!(fault, Fault::Doubts(_))));
    faults.dedup_by_key(|(i, _)| *i);
    let (mut rejects, mut doubts) = (Vec::new(), Vec::new());
    for (i, fault) in faults {
        match fault {
            Fault::Reject(reject) => rejects.push(reject),
            Fault::Doubts(bad) => doubts.extend(bad.into_iter().map(|(column, why)| {
                let column = plan.header(column).to_owned();
                Reject { row: table.row(i).number(), column, why, cells: Vec::new() }
            })),
        }
    }
    #[expect(
        clippy::filter_map_identity,
        reason = "in place, which `flatten` is not: a second copy costs a third of all time"
    )]
    let used = made.into_iter().filter_map(|made| made).collect();
    let mut out = Sorted { used, rejects, doubts, remarks };
    out.remarks.extend(remarks_on_rows(plan, &out.rejects));
    out
}

/// A number that is seldom the same for two ids, and never 0.
fn fingerprint(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish() | 1
}

/// Whether no two fingerprints are the same, those of rows without an id aside: then no two ids are.
fn all_differ(fingerprints: &[u64]) -> bool {
    let mut seen = HashSet::with_capacity_and_hasher(fingerprints.len(), BuildHasherDefault::<Fingerprint>::new());
    fingerprints.iter().all(|&fingerprint| fingerprint == 0 || seen.insert(fingerprint))
}

/// Takes a fingerprint for its own hash.
#[derive(Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What all rows together tell.
fn remarks_on_rows(plan: &Plan<'_>, rejects: &[Reject]) -> Vec<Remark> {
    let (name, mut out) = (plan.table.name(), Vec::new());
    if plan.layer.columns().contains(&Column::Id) && !plan.has(Column::Id) && plan.table.rows().len() > 0 {
        out.push(Remark {
            en: format!("{name}: no column id; rows are called by their number, as in row2"),
            zh: format!("{name}：没有编号列，以行号为编号，如 row2"),
        });
    }
    if !rejects.is_empty() && plan.has(Column::Lon) && plan.has(Column::Lat) && plan.crs.is_degrees() {
        let (lon, lat) = (plan.header(Column::Lon), plan.header(Column::Lat));
        let rows = plan.table.rows().map(|row| Cells::new(plan, row));
        let placed = rows.filter(|cells| cells.text(Column::Lon).is_some() && cells.text(Column::Lat).is_some());
        let (swapped, rest): (Vec<_>, Vec<_>) = placed.map(|cells| cells.looks_swapped()).partition(|swapped| *swapped);
        if swapped.len() > rest.len() {
            out.push(Remark {
                en: format!("{name}: longitude and latitude look swapped; say --columns lon={lat},lat={lon}"),
                zh: format!("{name}：经纬度似乎颠倒，请用 --columns lon={lat},lat={lon}"),
            });
        }
    }
    let is_metric = |reject: &Reject| {
        let lon = plan.at[Column::Lon as usize].and_then(|at| reject.cells.iter().find(|(column, _)| *column == at));
        lon.and_then(|(_, cell)| values::number(cell)).is_some_and(|east| east.abs() > 1_000.0)
    };
    if plan.crs.is_degrees() && rejects.iter().filter(|reject| is_metric(reject)).count() * 2 > plan.table.rows().len()
    {
        let crs = plan.crs.name();
        out.push(Remark {
            en: format!("{name}: coordinates look like metres, not degrees of {crs}; say which system: --crs EPSG:…"),
            zh: format!("{name}：坐标似乎以米为单位，而非 {crs} 的度；请用 --crs EPSG:… 声明坐标系"),
        });
    }
    out
}

/// Facilities from a table.
pub fn facilities(table: &Table, declared: &Declared) -> Result<Sorted<Facility>, TableError> {
    let mut remarks = Vec::new();
    let plan = Plan::new(table, declared, Layer::Facilities, &mut remarks)?;
    plan.require_place()?;
    let kinds = one_of(Kind::ALL.iter().map(|k| k.name()));
    Ok(sort_rows(&plan, remarks, |cells, id| {
        let at = cells.point()?;
        let kind = cells.known(Column::Kind, &kinds, kind_named).unwrap_or(Kind::Nursery);
        let mut facility = Facility {
            name: cells.owned(Column::Name),
            name_zh: cells.owned(Column::NameZh),
            name_en: cells.owned(Column::NameEn),
            status: cells.status(),
            inclusive: cells.flag(Column::Inclusive),
            places: cells.count(Column::Places)?,
            places_infant: cells.count(Column::PlacesInfant)?,
            places_toddler: cells.count(Column::PlacesToddler)?,
            places_senior: cells.count(Column::PlacesSenior)?,
            enrolled: cells.count(Column::Enrolled)?,
            staff: cells.count(Column::Staff)?,
            staff_certified: cells.count(Column::StaffCertified)?,
            health_manager: cells.flag(Column::HealthManager),
            min_months: cells.count(Column::MinMonths)?,
            max_months: cells.count(Column::MaxMonths)?,
            opened: cells.date(Column::Opened),
            closed: cells.date(Column::Closed),
            other: cells.others(),
            ..Facility::new(id, at, kind)
        };
        // What writers hand on: the day in one form, or what stands there instead.
        for (column, day) in [(Column::Opened, facility.opened), (Column::Closed, facility.closed)] {
            if let Some(text) = cells.text(column) {
                facility.other.insert(column.name().to_owned(), day.map_or_else(|| text.to_owned(), |d| d.to_string()));
            }
        }
        for (column, why) in contradictions(&facility) {
            cells.doubt(column, why);
        }
        match (facility.enrolled, facility.places) {
            (Some(enrolled), Some(places)) if enrolled > places => {
                Err((Column::Enrolled, format!("{enrolled} children are more than its {places} places")))
            }
            _ => Ok(facility),
        }
    }))
}

/// What can't all be true of a facility; nobody knows which of it is wrong, so that all stands as given.
fn contradictions(facility: &Facility) -> Vec<Bad> {
    let mut out = Vec::new();
    if let (Some(certified), Some(staff)) = (facility.staff_certified, facility.staff)
        && certified > staff
    {
        out.push((Column::StaffCertified, format!("{certified} certified are more than its staff of {staff}")));
    }
    let by_age = [facility.places_infant, facility.places_toddler, facility.places_senior];
    let sum: u32 = by_age.iter().flatten().sum();
    if let Some(places) = facility.places.filter(|places| sum > *places) {
        out.push((Column::Places, format!("its classes have {sum} places, more than its {places}")));
    }
    if let (Some(opened), Some(closed)) = (facility.opened, facility.closed)
        && closed < opened
    {
        out.push((Column::Closed, format!("{closed} is before it opened, {opened}")));
    }
    if let (Some(least), Some(most)) = (facility.min_months, facility.max_months)
        && most < least
    {
        out.push((Column::MaxMonths, format!("{most} months are fewer than its youngest, {least}")));
    }
    out
}

/// Blocks from a table.
pub fn blocks(table: &Table, declared: &Declared) -> Result<Sorted<BlockRow>, TableError> {
    let mut remarks = Vec::new();
    let plan = Plan::new(table, declared, Layer::Blocks, &mut remarks)?;
    plan.require_place()?;
    Ok(sort_rows(&plan, remarks, |cells, id| {
        let place = match cells.geometry()? {
            Some(Geometry::Shape(shape)) => BlockPlace::Shape(sound(&shape)?),
            _ => BlockPlace::Point(cells.point()?),
        };
        Ok(BlockRow {
            id,
            name: cells.owned(Column::Name),
            place,
            population: cells.people(Column::Population)?,
            under3: cells.people(Column::Under3)?,
            area: cells.owned(Column::Area),
            other: cells.others(),
        })
    }))
}

/// Areas from a table. Without polygons (a CSV of names and totals) their shapes are empty.
pub fn areas(table: &Table, declared: &Declared) -> Result<Sorted<Area>, TableError> {
    let mut remarks = Vec::new();
    let plan = Plan::new(table, declared, Layer::Areas, &mut remarks)?;
    let levels = one_of(AreaLevel::ALL.iter().map(|l| l.name()));
    Ok(sort_rows(&plan, remarks, |cells, id| {
        let shape = match cells.geometry()? {
            Some(Geometry::Shape(shape)) => sound(&shape)?,
            // Known by name alone: blocks name it in their column `area`, or the map has its outline.
            _ => LonLatShape::new(Vec::new()),
        };
        let level = cells.text(Column::Level);
        let level = level.ok_or_else(|| (Column::Level, format!("is empty; it must be a {levels}")))?;
        Ok(Area {
            id,
            name: cells.owned(Column::Name),
            name_zh: cells.owned(Column::NameZh),
            name_en: cells.owned(Column::NameEn),
            level: level_named(level).ok_or_else(|| (Column::Level, is_no(level, &levels)))?,
            parent: cells.owned(Column::Parent),
            population: cells.people(Column::Population)?,
            under3: cells.people(Column::Under3)?,
            communities: cells.count(Column::Communities)?,
            kindergartens: cells.count(Column::Kindergartens)?,
            shape,
            other: cells.others(),
        })
    }))
}

/// Cells of a population grid from a table: children under three, else residents times [`UNDER3_PER_RESIDENT`].
pub fn population(table: &Table, declared: &Declared) -> Result<Sorted<PopulationCell>, TableError> {
    let mut remarks = Vec::new();
    let plan = Plan::new(table, declared, Layer::Cells, &mut remarks)?;
    plan.require_place()?;
    let Some(counted) = [Column::Under3, Column::Population].into_iter().find(|column| plan.has(*column)) else {
        return Err(TableError::MissingColumn {
            path: table.path.clone(),
            wanted: "under3 or population",
            found: table.columns.join(", "),
            example: "population=COUNT",
        });
    };
    Ok(sort_rows(&plan, remarks, |cells, _| {
        let place = match cells.geometry()? {
            Some(Geometry::Shape(shape)) => CellPlace::Shape(sound(&shape)?),
            _ => CellPlace::Point(cells.point()?),
        };
        let residents = cells.people(Column::Population)?;
        let children = cells.people(Column::Under3)?.or(residents.map(|n| n * UNDER3_PER_RESIDENT));
        let children = children.ok_or_else(|| (counted, "is empty; how many people live there?".to_owned()))?;
        Ok(PopulationCell { place, children })
    }))
}

/// Points from a table, each with its id and what `use_of` makes of its place; the error says why a place can't be used.
pub fn points<T: Send>(
    table: &Table,
    declared: &Declared,
    use_of: impl Fn(LonLat) -> Result<T, String> + Sync,
) -> Result<Sorted<(String, T)>, TableError> {
    let mut remarks = Vec::new();
    let plan = Plan::new(table, declared, Layer::Points, &mut remarks)?;
    // What comes of points is known by their ids alone.
    if !plan.has(Column::Id) && table.rows().len() > 0 {
        let (path, found) = (table.path.clone(), table.columns.join(", "));
        return Err(TableError::MissingColumn { path, wanted: "id", found, example: "id=CODE" });
    }
    plan.require_place()?;
    Ok(sort_rows(&plan, remarks, |cells, id| {
        let column = if cells.row.geometry().is_some() { Column::Geometry } else { Column::Lon };
        let used = use_of(cells.point()?).map_err(|why| (column, why))?;
        Ok((id, used))
    }))
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("value out of {}", names.collect::<Vec<_>>().join(", "))
}

fn kind_named(text: &str) -> Option<Kind> {
    let named = Kind::ALL.iter().copied().find(|v| v.name().eq_ignore_ascii_case(text));
    named.or(match text {
        "托育机构" | "托育园" | "托儿所" | "托育中心" => Some(Kind::Nursery),
        "幼儿园托班" => Some(Kind::KindergartenClass),
        "社区托育点" | "社区托育" => Some(Kind::Community),
        "用人单位" | "用人单位托育" => Some(Kind::Employer),
        "家庭托育点" | "家庭托育" => Some(Kind::Family),
        "成长驿站" => Some(Kind::GrowthStation),
        "托育综合服务中心" => Some(Kind::ServiceCentre),
        "幼儿园" => Some(Kind::Kindergarten),
        _ => None,
    })
}

fn status_named(text: &str) -> Option<Status> {
    let named = Status::ALL.iter().copied().find(|v| v.name().eq_ignore_ascii_case(text));
    named.or(match text {
        "未登记" | "未备案" => Some(Status::Unknown),
        "登记" | "已登记" => Some(Status::Registered),
        "备案" | "已备案" => Some(Status::Filed),
        "许可" | "已许可" => Some(Status::Licensed),
        _ => None,
    })
}

fn level_named(text: &str) -> Option<AreaLevel> {
    let named = AreaLevel::ALL.iter().copied().find(|v| v.name().eq_ignore_ascii_case(text));
    named.or(match text {
        "市" | "城市" | "全市" => Some(AreaLevel::City),
        "区" | "县" | "区县" | "市辖区" | "县市区" => Some(AreaLevel::District),
        "街道" | "镇" | "乡" | "街镇" | "乡镇" | "街道办" | "街道办事处" | "乡镇街道" => {
            Some(AreaLevel::Street)
        }
        "社区" | "村" | "社区居委会" | "居委会" | "村委会" | "村居" | "社区村" => {
            Some(AreaLevel::Community)
        }
        _ => None,
    })
}

/// Writes rejects with their original columns, ready to be mended and read again, and what was wrong behind them. Where rows
/// lack coordinates and the table has no columns for them, empty ones stand there to be filled in.
pub fn write_rejects(mut out: impl io::Write, table: &Table, rejects: &[Reject]) -> Result<(), csv::Error> {
    // By its byte order mark Excel knows the text for UTF-8.
    out.write_all("\u{feff}".as_bytes())?;
    let mut writer = csv::Writer::from_writer(out);
    let columns: Vec<usize> =
        (0..table.columns.len()).filter(|&i| !REJECT_COLUMNS.contains(&table.columns[i].as_str())).collect();
    let lon = Column::Lon.name();
    let unplaced = rejects.iter().any(|reject| reject.column == lon) && !table.columns.iter().any(|c| c == lon);
    let to_fill: &[&str] = if unplaced { &[lon, Column::Lat.name()] } else { &[] };
    let headers = columns.iter().map(|&i| table.columns[i].as_str());
    let headers = headers.chain(to_fill.iter().copied()).chain(REJECT_COLUMNS);
    writer.write_record(headers.map(|text| guarded(text).into_owned()))?;
    for reject in rejects {
        let cell = |at: &usize| reject.cells.iter().find(|(i, _)| i == at).map_or("", |(_, cell)| cell.as_str());
        let number = reject.row.to_string();
        let empty = to_fill.iter().map(|_| "");
        let cells = columns.iter().map(cell).chain(empty).chain([&*number, &reject.column, &reject.why]);
        writer.write_record(cells.map(|text| guarded(text).into_owned()))?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn csv(text: &str) -> Table {
        Table::from_csv(Path::new("f.csv"), text.as_bytes()).unwrap()
    }

    fn mapped(mapping: &Mapping) -> Declared {
        Declared { mapping: mapping.clone(), ..Declared::default() }
    }

    #[test]
    fn chinese_and_english_headers_mean_the_same() {
        let english = csv("id,name,lon,lat,kind,inclusive,places\na,苗苗,116.3,39.9,community,yes,\"1,200\"\n");
        let chinese = csv("编号,名称,经度,纬度,机构类型,普惠,托位数\na,苗苗,116.3,39.9,社区托育点,是,１２００\n");
        let read = |t: &Table| facilities(t, &Declared::default()).unwrap();
        assert_eq!(read(&english), read(&chinese));
        assert_eq!(read(&english).used[0].places, Some(1_200));
    }

    #[test]
    fn the_users_mapping_wins_over_a_usual_header() {
        let table = csv("id,lon,lat,places,总数\na,1,2,5,7\n");
        let mapping = parse_mapping("places=总数").unwrap();
        let read = facilities(&table, &mapped(&mapping)).unwrap();
        assert_eq!(read.used[0].places, Some(7));
        assert!(parse_mapping("places").unwrap_err().contains("ours=theirs"));
        assert!(parse_mapping("plcaes=总数").unwrap_err().contains("none of our columns"));
        let arcgis = csv("x,y,code,id,lon,lat\n9,9,z,a,1,2\n");
        let read = facilities(&arcgis, &Declared::default()).unwrap();
        assert_eq!((read.used[0].id.as_str(), read.used[0].at.lon()), ("a", 1.0), "our own names come first");
    }

    #[test]
    fn rejects_name_row_and_column_and_come_back_with_their_cells() {
        let table = csv("id,lon,lat,places,note\na,1,2,-3,x\nb,,2,,y\nc,1,2,4,z\nc,1,2,4,again\n");
        let read = facilities(&table, &Declared::default()).unwrap();
        assert_eq!(read.used.len(), 1);
        assert_eq!(read.used[0].other["note"], "z");
        assert!(read.doubts.is_empty());
        let blamed: Vec<_> = read.rejects.iter().map(|r| (r.row, r.column.as_str())).collect();
        assert_eq!(blamed, [(2, "places"), (3, "lon"), (5, "id")]);
        let mut file = Vec::new();
        write_rejects(&mut file, &table, &read.rejects).unwrap();
        let mended = String::from_utf8(file).unwrap().replace("-3", "3").replace("b,,2", "b,1,2");
        assert_eq!(facilities(&csv(&mended), &Declared::default()).unwrap().used.len(), 3);
    }

    #[test]
    fn an_untidy_cell_costs_no_facility() {
        let table =
            csv("id,lon,lat,kind,备案状态,places,普惠\na,1,2,托儿所,未备案,N/A,√\nb,1,2,wigwam,正常,many,maybe\n");
        let read = facilities(&table, &Declared::default()).unwrap();
        assert_eq!((read.used.len(), read.rejects.len()), (2, 0));
        assert_eq!((read.used[0].inclusive, read.used[0].places), (Some(true), None));
        let doubted: Vec<_> = read.doubts.iter().map(|d| (d.row, d.column.as_str())).collect();
        assert_eq!(doubted, [(3, "kind"), (3, "备案状态"), (3, "普惠"), (3, "places")]);
    }

    #[test]
    fn a_mapping_for_another_table_leaves_this_one_alone() {
        let read =
            facilities(&csv("id,lon,lat\na,\"116,3\",39.9\n"), &mapped(&parse_mapping("id=机构").unwrap())).unwrap();
        assert_eq!(read.used[0].at.lon_e7, 1_163_000_000, "a decimal comma is one");
    }

    #[test]
    fn cells_of_a_grid_are_points_or_polygons_with_children_or_residents() {
        let read = population(&csv("x,y,人口\n116.3,39.9,1000\n116.4,39.9,\n"), &Declared::default()).unwrap();
        let at = LonLat::from_degrees(116.3, 39.9).unwrap();
        assert_eq!(
            read.used,
            [PopulationCell { place: CellPlace::Point(at), children: 1_000.0 * UNDER3_PER_RESIDENT }]
        );
        assert_eq!((read.rejects[0].row, &*read.rejects[0].column), (3, "人口"));
        let json =
            br#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"under3":7,"population":9},
            "geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}]}"#;
        let read =
            population(&Table::from_geojson(Path::new("g.geojson"), json).unwrap(), &Declared::default()).unwrap();
        assert!(matches!(&read.used[..], [PopulationCell { place: CellPlace::Shape(_), children: 7.0 }]));
        let error = population(&csv("lon,lat,n\n1,2,3\n"), &Declared::default()).unwrap_err().to_string();
        assert!(error.contains("under3 or population") && error.contains("lon, lat, n"), "{error}");
    }

    #[test]
    fn a_crossing_ring_is_mended_and_a_flat_one_refused() {
        let json = br#"{"type":"FeatureCollection","features":[
            {"type":"Feature","id":"x","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}},
            {"type":"Feature","id":"y","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[2,2],[0,0]]]}},
            {"type":"Feature","id":"z","properties":{},"geometry":null}]}"#;
        let table = Table::from_geojson(Path::new("b.geojson"), json).unwrap();
        let read = blocks(&table, &Declared::default()).unwrap();
        assert!(matches!(&read.used[0].place, BlockPlace::Shape(shape) if shape.is_valid() && shape.0.len() == 2));
        let blamed: Vec<_> = read.rejects.iter().map(|r| (r.row, r.column.as_str())).collect();
        assert_eq!(blamed, [(2, "geometry"), (3, "geometry")]);
    }

    #[test]
    fn a_table_without_coordinates_says_which_columns_it_has() {
        let table = csv("id,town\na,somewhere\n");
        let error = facilities(&table, &Declared::default()).unwrap_err().to_string();
        assert!(error.contains("no column lon") && error.contains("id, town"), "{error}");
    }
}
