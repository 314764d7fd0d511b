//! What one row's cells say, by our columns: each a value, unknown with a doubt, or why the row can't be used.

use super::plan::{Plan, Use};
use super::words::{STATUSES, status_named};
use crate::crs::Crs;
use crate::headers::Column;
use crate::remark;
use crate::remark::{Phrase, Remark};
use crate::table::{Geometry, Row};
use crate::values::{self, Axis, Marks, quoted};
use carecircle_core::facility::Status;
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::other::OtherColumns;
use geo::{Area as _, BooleanOps, Coord, CoordsIter, MapCoords, Validation};
use jiff::civil::Date;
use std::cell::RefCell;

/// A row with its cells by our columns; then another, in the same memory.
pub(super) struct Cells<'a> {
    plan: &'a Plan<'a>,
    pub(super) row: Row<'a>,
    /// The cells that are read.
    read: Vec<&'a str>,
    /// Which of them is each column's, counted from 1.
    own: [u16; Column::ALL.len()],
    /// The cells that pass through, each with its name's rank.
    passed: Vec<(usize, &'a str)>,
    pub(super) doubts: RefCell<Vec<Bad>>,
}

/// A cell that can't be understood: its column and why.
pub(super) type Bad = (Column, Remark);

impl<'a> Cells<'a> {
    /// The first row, of which nothing is known yet.
    pub(super) fn new(plan: &'a Plan<'a>) -> Self {
        let (read, passed) = (Vec::new(), Vec::new());
        Self { plan, row: plan.table.row(0), read, own: [0; Column::ALL.len()], passed, doubts: RefCell::default() }
    }

    /// Goes to another row.
    pub(super) fn turn_to(&mut self, row: Row<'a>) {
        self.row = row;
        self.own.fill(0);
        self.read.clear();
        self.passed.clear();
        self.doubts.get_mut().clear();
        for (at, cell) in row.cells() {
            match self.plan.uses[at] {
                Use::Read(column) => {
                    self.read.push(cell);
                    self.own[column as usize] = self.read.len() as u16;
                }
                Use::Pass(rank) => self.passed.push((rank, cell)),
                Use::Drop => {}
            }
        }
        self.passed.sort_unstable_by_key(|(rank, _)| *rank);
    }

    #[inline]
    pub(super) fn text(&self, column: Column) -> Option<&'a str> {
        usize::from(self.own[column as usize]).checked_sub(1).map(|at| self.read[at])
    }

    pub(super) fn owned(&self, column: Column) -> Option<String> {
        self.text(column).map(str::to_owned)
    }

    pub(super) fn doubt(&self, column: Column, why: Remark) {
        self.doubts.borrow_mut().push((column, why));
    }

    /// A cell that the row can do without: what can't be understood is unknown, and said so.
    pub(super) fn known<T>(&self, column: Column, want: Phrase<'_>, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let stated = self.text(column)?;
        let value = parse(stated);
        if value.is_none() && !values::says_nothing(stated) {
            self.doubt(column, remark!("{}; taken as unknown", "{}；按未知处理"; is_no(stated, want)));
        }
        value
    }

    /// A number that the row can do without, but that may not be a wrong one.
    fn amount(&self, column: Column, want: Phrase<'_>, fits: impl Fn(f64) -> bool) -> Result<Option<f64>, Bad> {
        let Some(text) = self.text(column) else { return Ok(None) };
        match values::number_in(text, self.marks(column, text)) {
            Some(value) if fits(value) => Ok(Some(value)),
            Some(value) => Err((column, remark!("{value} is no {}", "{value} 不是{}"; want))),
            None if values::has_comma(text) => {
                let why = remark!(
                    "{}; commas mark thousands here, a point decimals",
                    "{}；此处逗号为千位分隔符，小数点应写作点号";
                    is_no(text, want)
                );
                Err((column, why))
            }
            None => Ok(self.known(column, want, |_| None)),
        }
    }

    /// Which sign stands before a cell's decimals; where that makes no difference, any.
    fn marks(&self, column: Column, text: &str) -> Marks {
        if values::needs_no_marks(text) { Marks::Point } else { self.plan.marks(column) }
    }

    #[inline]
    pub(super) fn count(&self, column: Column) -> Result<Option<u32>, Bad> {
        // Nearly every count is a few digits.
        match self.text(column) {
            None => Ok(None),
            Some(text) if text.len() < 7 && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Some(text.bytes().fold(0, |sum, b| sum * 10 + u32::from(b - b'0'))))
            }
            Some(_) => self.odd_count(column),
        }
    }

    #[inline(never)]
    fn odd_count(&self, column: Column) -> Result<Option<u32>, Bad> {
        let fits = |v: f64| v.fract() == 0.0 && (0.0..=1e6).contains(&v);
        Ok(self.amount(column, COUNT, fits)?.map(|v| v as u32))
    }

    pub(super) fn people(&self, column: Column) -> Result<Option<f64>, Bad> {
        self.amount(column, PEOPLE, |v| (0.0..=1e8).contains(&v))
    }

    pub(super) fn cost(&self) -> Result<Option<f64>, Bad> {
        self.amount(Column::Cost, COST, |v| (0.0..=1e9).contains(&v))
    }

    pub(super) fn flag(&self, column: Column) -> Option<bool> {
        self.known(column, YES_OR_NO, values::flag)
    }

    pub(super) fn date(&self, column: Column) -> Option<Date> {
        let stated = self.text(column).filter(|text| !values::says_nothing(text))?;
        let date = values::date(stated);
        if let Err(want) = date {
            self.doubt(column, remark!("{}; taken as unknown", "{}；按未知处理"; is_no(stated, want)));
        }
        date.ok()
    }

    /// The highest step that any column tells: the status itself, or a column that asks for one step, `备案=是`.
    pub(super) fn status(&self) -> Status {
        let stated = self.known(Column::Status, STATUSES.phrase(), status_named);
        let columns = [
            (Column::Registered, Status::Registered),
            (Column::Filed, Status::Filed),
            (Column::Licensed, Status::Licensed),
        ];
        let reached = columns.into_iter().filter_map(|(column, step)| {
            let flag = |text: &str| values::flag(text).map(|yes| if yes { step } else { Status::Unknown });
            self.known(column, YES_OR_NO, |text| flag(text).or_else(|| status_named(text)))
        });
        reached.chain(stated).max().unwrap_or(Status::Unknown)
    }

    /// The row's id; where the table has none, the row's number makes one.
    pub(super) fn id(&self) -> Result<String, Bad> {
        if !self.plan.has(Column::Id) {
            return Ok(format!("row{}", self.row.number()));
        }
        let id = self
            .text(Column::Id)
            .ok_or_else(|| (Column::Id, remark!("is empty; every row needs one", "为空；每行都应有编号")))?;
        // A dot or slash in an id breaks links and desktop clients.
        if id.bytes().any(|b| matches!(b, b'.' | b'/')) {
            let id = quoted(id);
            let why = remark!(
                "{id} has a dot or slash; use letters, digits, - and _",
                "{id} 含有点号或斜线；请用字母、数字、- 和 _"
            );
            return Err((Column::Id, why));
        }
        Ok(id.to_owned())
    }

    /// The coordinate system of the row.
    fn crs(&self) -> Result<&Crs, Bad> {
        let stated = self.text(Column::Crs).and_then(|cell| self.plan.stated.get(cell));
        stated.map_or(Ok(&self.plan.crs), |crs| crs.as_ref().map_err(|why| (Column::Crs, why.clone())))
    }

    pub(super) fn point(&self) -> Result<LonLat, Bad> {
        match self.geometry()? {
            Some(Geometry::Shape(shape)) => centre(&shape),
            Some(Geometry::Point(lon, lat)) => {
                LonLat::from_degrees(lon, lat).ok_or_else(|| (Column::Geometry, nowhere(lon, lat, "wgs84")))
            }
            _ => self.lon_lat(),
        }
    }

    /// The place that stands in columns of its own.
    fn lon_lat(&self) -> Result<LonLat, Bad> {
        if !self.plan.has(Column::Lon) {
            let geometry = self.plan.has_geometries || self.plan.has(Column::Geometry);
            return Err(if geometry {
                (Column::Geometry, remark!("is missing: no coordinates", "缺失：没有坐标"))
            } else {
                (Column::Lon, remark!("no coordinates; fill in lon and lat", "没有坐标；请填写 lon 和 lat"))
            });
        }
        let crs = self.crs()?;
        let coordinate = |column: Column, axis: Axis, most: f64| -> Result<f64, Bad> {
            let empty = || (column, remark!("is empty: no coordinates", "为空：没有坐标"));
            let text = self.text(column).ok_or_else(empty)?;
            let (value, most, unit) = if crs.is_degrees() {
                (values::degrees(text, axis), most, Phrase { en: "degrees", zh: "度" })
            } else {
                (values::metres(text, self.marks(column, text)), MOST_METRES, Phrase { en: "metres", zh: "米" })
            };
            value.filter(|v| v.abs() <= most).ok_or_else(|| {
                if values::says_nothing(text) {
                    return empty();
                }
                let want = remark!("number of {} between -{most} and {most}", "数（-{most} 至 {most} {}）"; unit);
                let swapped = crs.is_degrees() && self.looks_swapped();
                (column, hinted(is_no(text, want.phrase()), swapped))
            })
        };
        let (x, y) = (coordinate(Column::Lon, Axis::East, 180.0)?, coordinate(Column::Lat, Axis::North, 90.0)?);
        let at = crs.to_wgs84(x, y).and_then(|(lon, lat)| LonLat::from_degrees(lon, lat));
        at.ok_or_else(|| (Column::Lon, nowhere(x, y, crs.name())))
    }

    /// Whether the row's degrees make sense the other way round alone.
    pub(super) fn looks_swapped(&self) -> bool {
        let read = |column: Column| {
            let text = self.text(column)?;
            values::degrees(text, Axis::East).or_else(|| values::degrees(text, Axis::North))
        };
        let pair = read(Column::Lon).zip(read(Column::Lat));
        pair.is_some_and(|(lon, lat)| lon.abs() <= 90.0 && lat.abs() > 90.0 && lat.abs() <= 180.0)
    }

    /// The row's own geometry, in degrees of WGS 84: as its format gives it, or as a cell has it. One that can't be read is
    /// a doubt where the row has coordinates besides.
    pub(super) fn geometry(&self) -> Result<Option<Geometry>, Bad> {
        let read = self.stated_geometry();
        if let Err((column, why)) = &read
            && self.text(Column::Lon).is_some()
            && self.text(Column::Lat).is_some()
        {
            self.doubt(*column, remark!("{}; lon and lat are taken", "{}；采用经纬度列"; why));
            return Ok(None);
        }
        read
    }

    fn stated_geometry(&self) -> Result<Option<Geometry>, Bad> {
        let bad = |why: Remark| (Column::Geometry, why);
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
                bad(hinted(nowhere(x, y, crs.name()), swapped))
            })
        };
        Ok(Some(match given {
            Geometry::Point(x, y) => {
                let at = place(Coord { x: *x, y: *y })?;
                Geometry::Point(at.x, at.y)
            }
            Geometry::Points(points) => {
                let [first, ..] = points.as_slice() else { return Err(bad(remark!("has no point", "没有点"))) };
                let at = place(*first)?;
                let n = points.len();
                self.doubt(Column::Geometry, remark!("has {n} points; the first is taken", "有 {n} 个点；取第一个"));
                Geometry::Point(at.x, at.y)
            }
            Geometry::Shape(shape) => Geometry::Shape(shape.try_map_coords(place)?),
        }))
    }

    /// What passes through.
    pub(super) fn others(&self) -> OtherColumns {
        let passed = self.passed.iter();
        OtherColumns::from_sorted(passed.map(|(rank, cell)| (self.plan.passing[*rank].as_str(), *cell)))
    }
}

/// Why a cell's text is not what is wanted.
pub(super) fn is_no(text: &str, want: Phrase<'_>) -> Remark {
    let told = quoted(text);
    if let Some(what) = values::not_a_value(text) {
        remark!("{told} is {}", "{told} 是{}"; what)
    } else {
        remark!("{told} is no {}", "{told} 不是{}"; want)
    }
}

/// Why coordinates are none.
fn nowhere(x: f64, y: f64, crs: &str) -> Remark {
    remark!("{x}, {y} is no place on earth in {crs}", "{x}, {y} 在 {crs} 中不是地球上的位置")
}

/// What is wrong with a place, and whether it would be right the other way round.
fn hinted(why: Remark, swapped: bool) -> Remark {
    if swapped { remark!("{}; longitude and latitude look swapped", "{}；经纬度似乎颠倒"; why) } else { why }
}

const COUNT: Phrase<'static> = Phrase { en: "whole number from 0 to 1,000,000", zh: "整数（0 至 1,000,000）" };
const PEOPLE: Phrase<'static> = Phrase { en: "number from 0 to 100,000,000", zh: "数（0 至 100,000,000）" };
const COST: Phrase<'static> = Phrase { en: "cost from 0 to 1,000,000,000", zh: "费用（0 至 1,000,000,000）" };
const YES_OR_NO: Phrase<'static> = Phrase { en: "yes or no", zh: "是或否" };

/// No coordinate in metres is larger: a zone's number before the easting makes tens of millions.
const MOST_METRES: f64 = 1e8;

/// A polygon's place for a thing that is a point.
fn centre(shape: &geo::MultiPolygon<f64>) -> Result<LonLat, Bad> {
    let inside = carecircle_core::polygon::point_inside(shape);
    inside
        .and_then(|p| LonLat::from_degrees(p.x, p.y))
        .ok_or_else(|| (Column::Geometry, remark!("its polygon has no inside", "多边形没有内部")))
}

/// A polygon as it came, or mended where its rings cross themselves or each other.
pub(super) fn sound(shape: &LonLatShape) -> Result<LonLatShape, Bad> {
    // Checking costs more than mending where there are very many vertices.
    let few = shape.coords_count() < 20_000;
    let sound = if few && shape.is_valid() { shape.clone() } else { shape.union(&LonLatShape::new(Vec::new())) };
    if sound.unsigned_area() > 0.0 {
        Ok(sound)
    } else {
        Err((Column::Geometry, remark!("its polygon has no area", "多边形没有面积")))
    }
}
