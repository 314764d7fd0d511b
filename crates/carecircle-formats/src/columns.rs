//! What the columns of a table mean: rows become facilities, blocks and areas, or rejects that say why not.

use crate::table::{Geometry, Row, Table, TableError};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind, Status};
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::place::{Area, AreaLevel};
use geo::{Area as _, BooleanOps, CoordsIter, Validation};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Our column names, each with the headers that mean the same. Case and outer blanks don't matter.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("id", &["编号", "机构编号", "编码", "机构编码", "统一社会信用代码", "代码", "序号", "code"]),
    ("name", &["名称", "机构名称", "小区名称", "小区", "地块名称"]),
    ("name_zh", &["中文名称"]),
    ("name_en", &["英文名称"]),
    ("lon", &["经度", "longitude", "lng", "long", "x"]),
    ("lat", &["纬度", "latitude", "y"]),
    ("kind", &["机构类型", "类型"]),
    ("status", &["状态", "备案状态"]),
    ("inclusive", &["普惠", "是否普惠"]),
    ("places", &["托位数", "托位", "总托位", "总托位数"]),
    ("places_infant", &["乳儿班", "乳儿班托位"]),
    ("places_toddler", &["托小班", "托小班托位"]),
    ("places_senior", &["托大班", "托大班托位"]),
    ("enrolled", &["在托人数", "在托", "入托人数"]),
    ("staff", &["职工数", "从业人员", "员工数"]),
    ("staff_certified", &["持证人员", "持证人数"]),
    ("health_manager", &["保健员", "卫生保健人员", "健康管理员"]),
    ("min_months", &["最小月龄"]),
    ("max_months", &["最大月龄"]),
    ("population", &["常住人口", "人口", "人口数", "总人口", "pop"]),
    ("under3", &["3岁以下", "三岁以下", "3岁以下人口", "婴幼儿数", "0-3岁"]),
    ("area", &["所属区域", "所属社区", "社区"]),
    ("level", &["级别", "层级"]),
    ("parent", &["上级", "上级编号"]),
];

/// A row that can't be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    /// The row's number in its table.
    pub row: usize,
    /// The column that is to blame.
    pub column: String,
    /// Why, and what would be accepted.
    pub why: String,
    /// The cells as they came.
    pub cells: Vec<String>,
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
}

/// The user's own mapping from `--columns`: our name to the table's header.
pub type Mapping = BTreeMap<String, String>;

/// Reads `ours=theirs,…`; the error says which part is none.
pub fn parse_mapping(text: &str) -> Result<Mapping, String> {
    let pairs = text.split(',').filter(|part| !part.trim().is_empty()).map(|part| match part.split_once('=') {
        Some((ours, theirs)) if !ours.trim().is_empty() && !theirs.trim().is_empty() => {
            Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
        }
        _ => Err(format!("`{part}` is no mapping; write ours=theirs, as in places=总托位")),
    });
    pairs.collect()
}

/// A row with its cells by our names.
struct Cells<'a> {
    row: &'a Row,
    /// For each column of the table: our name for it, or its own.
    names: &'a [String],
    doubts: RefCell<Vec<Bad>>,
}

/// What people write where they have nothing to write.
const NOTHING: [&str; 12] = ["-", "--", "—", "——", "/", "n/a", "na", "null", "无数据", "未知", "不详", "暂无"];

/// A cell that can't be understood: its column and why.
type Bad = (String, String);

impl<'a> Cells<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let at = self.names.iter().position(|n| n == name)?;
        self.row.cells.get(at).map(String::as_str).filter(|cell| !cell.is_empty())
    }

    fn parsed<T>(&self, name: &str, want: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Bad> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| (name.to_owned(), format!("`{text}` is no {want}")))
    }

    /// A cell that the row can do without: what can't be understood is unknown, and said so.
    fn known<T>(&self, name: &str, want: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let stated = self.text(name).filter(|text| !NOTHING.contains(&text.to_lowercase().as_str()))?;
        let value = parse(stated);
        if value.is_none() {
            self.doubts.borrow_mut().push((name.to_owned(), format!("`{stated}` is no {want}; taken as unknown")));
        }
        value
    }

    /// A number that the row can do without, but that may not be a wrong one.
    fn amount(&self, name: &str, want: &str, fits: impl Fn(f64) -> bool) -> Result<Option<f64>, Bad> {
        match self.known(name, want, number) {
            Some(value) if !fits(value) => Err((name.to_owned(), format!("{value} is no {want}"))),
            value => Ok(value),
        }
    }

    fn count(&self, name: &str) -> Result<Option<u32>, Bad> {
        let fits = |v: f64| v.fract() == 0.0 && (0.0..=1e6).contains(&v);
        Ok(self.amount(name, "whole number from 0 to 1,000,000", fits)?.map(|v| v as u32))
    }

    fn people(&self, name: &str) -> Result<Option<f64>, Bad> {
        self.amount(name, "number from 0 to 100,000,000", |v| (0.0..=1e8).contains(&v))
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.known(name, "yes or no", |text| match text.to_lowercase().as_str() {
            "1" | "true" | "yes" | "y" | "是" | "有" | "√" | "✓" => Some(true),
            "0" | "false" | "no" | "n" | "否" | "无" | "×" | "✗" => Some(false),
            _ => None,
        })
    }

    fn id(&self, seen: &mut BTreeSet<String>) -> Result<String, Bad> {
        let id = self.text("id").ok_or_else(|| ("id".to_owned(), "is empty; every row needs one".to_owned()))?;
        // A dot or slash in an id breaks links and desktop clients.
        if id.contains(['.', '/']) {
            return Err(("id".to_owned(), format!("`{id}` has a dot or slash; use letters, digits, - and _")));
        }
        if !seen.insert(id.to_owned()) {
            return Err(("id".to_owned(), format!("`{id}` stands in an earlier row too")));
        }
        Ok(id.to_owned())
    }

    fn point(&self) -> Result<LonLat, Bad> {
        if let Some(geometry) = &self.row.geometry {
            return match geometry {
                Ok(Geometry::Point(lon, lat)) => LonLat::from_degrees(*lon, *lat)
                    .ok_or_else(|| ("geometry".to_owned(), format!("{lon}, {lat} is no place on earth"))),
                Ok(Geometry::Shape(shape)) => centre(shape),
                Err(why) => Err(("geometry".to_owned(), why.clone())),
            };
        }
        if !self.names.iter().any(|n| n == "lon") {
            return Err(("geometry".to_owned(), "is missing: no coordinates".to_owned()));
        }
        let degrees = |name: &'static str, most: f64| -> Result<f64, Bad> {
            let want = format!("number of degrees between -{most} and {most}");
            // Degrees have no thousands: a comma is a decimal one.
            let read = |text: &str| number(text.replace(',', ".").as_str()).filter(|v| v.abs() <= most);
            let parsed = self.parsed(name, &want, read)?;
            parsed.ok_or_else(|| (name.to_owned(), "is empty: no coordinates".to_owned()))
        };
        let (lon, lat) = (degrees("lon", 180.0)?, degrees("lat", 90.0)?);
        LonLat::from_degrees(lon, lat).ok_or_else(|| ("lon".to_owned(), format!("{lon}, {lat} is no place on earth")))
    }

    /// Columns that none of `known` reads, under their own names.
    fn others(&self, known: &[&str]) -> BTreeMap<String, String> {
        let cells = self.names.iter().zip(&self.row.cells);
        cells
            .filter(|(name, cell)| !known.contains(&name.as_str()) && !name.is_empty() && !cell.is_empty())
            .map(|(name, cell)| (name.clone(), cell.clone()))
            .collect()
    }
}

/// A polygon's place for a thing that is a point.
fn centre(shape: &geo::MultiPolygon<f64>) -> Result<LonLat, Bad> {
    let inside = carecircle_core::polygon::point_inside(shape);
    inside
        .and_then(|p| LonLat::from_degrees(p.x, p.y))
        .ok_or_else(|| ("geometry".to_owned(), "its polygon has no inside".to_owned()))
}

/// A polygon as it came, or mended where its rings cross themselves or each other.
fn sound(shape: &LonLatShape) -> Result<LonLatShape, Bad> {
    // Checking costs more than mending where there are very many vertices.
    let few = shape.coords_count() < 20_000;
    let sound = if few && shape.is_valid() { shape.clone() } else { shape.union(&LonLatShape::new(Vec::new())) };
    if sound.unsigned_area() > 0.0 {
        Ok(sound)
    } else {
        Err(("geometry".to_owned(), "its polygon has no area".to_owned()))
    }
}

/// A number as people write it: thousands marks, full-width digits, blanks around.
fn number(text: &str) -> Option<f64> {
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, ',' | '，' | ' ' | '\u{a0}' | '\u{3000}'))
        .map(|c| match c {
            '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32).unwrap_or(c),
            '．' => '.',
            '－' => '-',
            other => other,
        })
        .collect();
    plain.parse().ok().filter(|v: &f64| v.is_finite())
}

/// The columns by our names. A mapping to a header that this table doesn't have is meant for another table.
fn names(table: &Table, mapping: &Mapping) -> Vec<String> {
    let here: Mapping = mapping
        .iter()
        .filter(|(_, theirs)| table.columns.contains(theirs))
        .map(|(o, t)| (o.clone(), t.clone()))
        .collect();
    name_columns(table, &here)
}

/// Our name for each column: by the user's mapping, by our own name, by a usual header; else its own.
fn name_columns(table: &Table, mapping: &Mapping) -> Vec<String> {
    let meaning = |header: &String| {
        let lower = header.trim().to_lowercase();
        let mapped = mapping.iter().find(|(_, theirs)| *theirs == header).map(|(ours, _)| ours.clone());
        let usual = || SYNONYMS.iter().find(|(name, others)| *name == lower || others.contains(&lower.as_str()));
        // A column that the user has named is not found a second time by its usual header.
        mapped.or_else(|| usual().map(|(name, _)| (*name).to_owned()).filter(|name| !mapping.contains_key(name)))
    };
    let mut out: Vec<String> = Vec::with_capacity(table.columns.len());
    for header in &table.columns {
        // Of two columns with one meaning the first counts.
        let name = meaning(header).filter(|name| !out.contains(name)).unwrap_or_else(|| {
            let ours = SYNONYMS.iter().any(|(name, _)| name == header) || out.contains(header);
            if ours { format!("{header}_in_table") } else { header.clone() }
        });
        out.push(name);
    }
    out
}

/// Turns every row into a thing or a reject.
fn sort_rows<T>(table: &Table, names: &[String], mut make: impl FnMut(&Cells<'_>) -> Result<T, Bad>) -> Sorted<T> {
    let mut out = Sorted { used: Vec::with_capacity(table.rows.len()), rejects: Vec::new(), doubts: Vec::new() };
    // The column is blamed by the name that the table has for it.
    let blame = |row: &Row, (column, why): Bad| {
        let theirs = names.iter().position(|n| *n == column).and_then(|i| table.columns.get(i));
        Reject { row: row.number, column: theirs.cloned().unwrap_or(column), why, cells: row.cells.clone() }
    };
    for row in &table.rows {
        let cells = Cells { row, names, doubts: RefCell::default() };
        match make(&cells) {
            Ok(thing) => {
                out.used.push(thing);
                out.doubts.extend(cells.doubts.into_inner().into_iter().map(|doubt| blame(row, doubt)));
            }
            Err(bad) => out.rejects.push(blame(row, bad)),
        }
    }
    out
}

/// A table without a way to say where its rows are is no table of ours.
fn require_place(table: &Table, names: &[String]) -> Result<(), TableError> {
    let has = |name: &str| names.iter().any(|n| n == name);
    let placed = has("lon") && has("lat") || table.rows.iter().any(|r| r.geometry.is_some());
    if placed || table.rows.is_empty() {
        return Ok(());
    }
    Err(TableError::MissingColumn {
        path: table.path.clone(),
        wanted: if has("lon") { "lat" } else { "lon" },
        found: table.columns.join(", "),
        example: "lon=X,lat=Y",
    })
}

fn require_id(table: &Table, names: &[String]) -> Result<(), TableError> {
    if names.iter().any(|n| n == "id") || table.rows.is_empty() {
        return Ok(());
    }
    Err(TableError::MissingColumn {
        path: table.path.clone(),
        wanted: "id",
        found: table.columns.join(", "),
        example: "id=CODE",
    })
}

const FACILITY_COLUMNS: &[&str] = &[
    "id",
    "name",
    "name_zh",
    "name_en",
    "lon",
    "lat",
    "kind",
    "status",
    "inclusive",
    "places",
    "places_infant",
    "places_toddler",
    "places_senior",
    "enrolled",
    "staff",
    "staff_certified",
    "health_manager",
    "min_months",
    "max_months",
];

/// Facilities from a table.
pub fn facilities(table: &Table, mapping: &Mapping) -> Result<Sorted<Facility>, TableError> {
    let names = names(table, mapping);
    require_id(table, &names)?;
    require_place(table, &names)?;
    let mut seen = BTreeSet::new();
    Ok(sort_rows(table, &names, |cells| {
        let at = cells.point()?;
        let kind = cells.known("kind", &one_of(Kind::ALL.iter().map(|k| k.name())), kind_named);
        let status = cells.known("status", &one_of(Status::ALL.iter().map(|s| s.name())), status_named);
        let facility = Facility {
            name: cells.text("name").map(str::to_owned),
            name_zh: cells.text("name_zh").map(str::to_owned),
            name_en: cells.text("name_en").map(str::to_owned),
            status: status.unwrap_or(Status::Unknown),
            inclusive: cells.flag("inclusive"),
            places: cells.count("places")?,
            places_infant: cells.count("places_infant")?,
            places_toddler: cells.count("places_toddler")?,
            places_senior: cells.count("places_senior")?,
            enrolled: cells.count("enrolled")?,
            staff: cells.count("staff")?,
            staff_certified: cells.count("staff_certified")?,
            health_manager: cells.flag("health_manager"),
            min_months: cells.count("min_months")?,
            max_months: cells.count("max_months")?,
            other: cells.others(FACILITY_COLUMNS),
            ..Facility::new(String::new(), at, kind.unwrap_or(Kind::Nursery))
        };
        // Last, so that only rows which are used take an id.
        Ok(Facility { id: cells.id(&mut seen)?, ..facility })
    }))
}

/// Blocks from a table.
pub fn blocks(table: &Table, mapping: &Mapping) -> Result<Sorted<BlockRow>, TableError> {
    let names = names(table, mapping);
    require_id(table, &names)?;
    require_place(table, &names)?;
    let mut seen = BTreeSet::new();
    Ok(sort_rows(table, &names, |cells| {
        let place = match &cells.row.geometry {
            Some(Ok(Geometry::Shape(shape))) => BlockPlace::Shape(sound(shape)?),
            _ => BlockPlace::Point(cells.point()?),
        };
        Ok(BlockRow {
            name: cells.text("name").map(str::to_owned),
            place,
            population: cells.people("population")?,
            under3: cells.people("under3")?,
            area: cells.text("area").map(str::to_owned),
            other: cells.others(&["id", "name", "lon", "lat", "population", "under3", "area"]),
            id: cells.id(&mut seen)?,
        })
    }))
}

/// Areas from a table. Without polygons (a CSV of names and totals) their shapes are empty.
pub fn areas(table: &Table, mapping: &Mapping) -> Result<Sorted<Area>, TableError> {
    let names = names(table, mapping);
    require_id(table, &names)?;
    let mut seen = BTreeSet::new();
    let levels = one_of(AreaLevel::ALL.iter().map(|l| l.name()));
    Ok(sort_rows(table, &names, |cells| {
        let shape = match &cells.row.geometry {
            Some(Ok(Geometry::Shape(shape))) => sound(shape)?,
            Some(Err(why)) => return Err(("geometry".to_owned(), why.clone())),
            // Known by name alone: blocks name it in their column `area`, or the map has its outline.
            _ => LonLatShape::new(Vec::new()),
        };
        let level = cells.parsed("level", &levels, level_named)?;
        Ok(Area {
            name: cells.text("name").map(str::to_owned),
            name_zh: cells.text("name_zh").map(str::to_owned),
            name_en: cells.text("name_en").map(str::to_owned),
            level: level.ok_or_else(|| ("level".to_owned(), format!("is empty; it must be a {levels}")))?,
            parent: cells.text("parent").map(str::to_owned),
            population: cells.people("population")?,
            under3: cells.people("under3")?,
            shape,
            other: cells.others(&[
                "id",
                "name",
                "name_zh",
                "name_en",
                "level",
                "parent",
                "population",
                "under3",
                "lon",
                "lat",
            ]),
            id: cells.id(&mut seen)?,
        })
    }))
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("value out of {}", names.collect::<Vec<_>>().join(", "))
}

fn kind_named(text: &str) -> Option<Kind> {
    Kind::named(&text.to_lowercase()).or(match text {
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
    Status::named(&text.to_lowercase()).or(match text {
        "未登记" | "未备案" => Some(Status::Unknown),
        "登记" | "已登记" => Some(Status::Registered),
        "备案" | "已备案" => Some(Status::Filed),
        _ => None,
    })
}

fn level_named(text: &str) -> Option<AreaLevel> {
    AreaLevel::named(&text.to_lowercase()).or(match text {
        "市" => Some(AreaLevel::City),
        "区" | "县" | "区县" => Some(AreaLevel::District),
        "街道" | "镇" | "乡" | "街镇" => Some(AreaLevel::Street),
        "社区" | "村" => Some(AreaLevel::Community),
        _ => None,
    })
}

/// Writes rejects with their original columns, ready to be mended and read again, and what was wrong behind them.
pub fn write_rejects(out: impl io::Write, table: &Table, rejects: &[Reject]) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(out);
    let more = ["reject_row", "reject_column", "reject_why"];
    writer.write_record(table.columns.iter().map(String::as_str).chain(more))?;
    for reject in rejects {
        let mut cells = reject.cells.clone();
        cells.resize(table.columns.len(), String::new());
        let number = reject.row.to_string();
        writer.write_record(cells.iter().map(String::as_str).chain([&*number, &reject.column, &reject.why]))?;
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

    #[test]
    fn chinese_and_english_headers_mean_the_same() {
        let english = csv("id,name,lon,lat,kind,inclusive,places\na,苗苗,116.3,39.9,community,yes,\"1,200\"\n");
        let chinese = csv("编号,名称,经度,纬度,机构类型,普惠,托位数\na,苗苗,116.3,39.9,社区托育点,是,１２００\n");
        let read = |t: &Table| facilities(t, &Mapping::new()).unwrap();
        assert_eq!(read(&english), read(&chinese));
        assert_eq!(read(&english).used[0].places, Some(1_200));
    }

    #[test]
    fn the_users_mapping_wins_over_a_usual_header() {
        let table = csv("id,lon,lat,places,总数\na,1,2,5,7\n");
        let mapping = parse_mapping("places=总数").unwrap();
        let read = facilities(&table, &mapping).unwrap();
        assert_eq!(read.used[0].places, Some(7));
        assert!(parse_mapping("places").unwrap_err().contains("ours=theirs"));
    }

    #[test]
    fn rejects_name_row_and_column_and_come_back_with_their_cells() {
        let table = csv("id,lon,lat,places,note\na,1,2,-3,x\nb,,2,,y\nc,1,2,4,z\nc,1,2,4,again\n");
        let read = facilities(&table, &Mapping::new()).unwrap();
        assert_eq!(read.used.len(), 1);
        assert_eq!(read.used[0].other["note"], "z");
        assert!(read.doubts.is_empty());
        let blamed: Vec<_> = read.rejects.iter().map(|r| (r.row, r.column.as_str())).collect();
        assert_eq!(blamed, [(2, "places"), (3, "lon"), (5, "id")]);
        let mut file = Vec::new();
        write_rejects(&mut file, &table, &read.rejects).unwrap();
        let mended = String::from_utf8(file).unwrap().replace("-3", "3").replace("b,,2", "b,1,2");
        assert_eq!(facilities(&csv(&mended), &Mapping::new()).unwrap().used.len(), 3);
    }

    #[test]
    fn an_untidy_cell_costs_no_facility() {
        let table =
            csv("id,lon,lat,kind,备案状态,places,普惠\na,1,2,托儿所,未备案,N/A,√\nb,1,2,wigwam,正常,many,maybe\n");
        let read = facilities(&table, &Mapping::new()).unwrap();
        assert_eq!((read.used.len(), read.rejects.len()), (2, 0));
        assert_eq!((read.used[0].inclusive, read.used[0].places), (Some(true), None));
        let doubted: Vec<_> = read.doubts.iter().map(|d| (d.row, d.column.as_str())).collect();
        assert_eq!(doubted, [(3, "kind"), (3, "备案状态"), (3, "普惠"), (3, "places")]);
    }

    #[test]
    fn a_mapping_for_another_table_leaves_this_one_alone() {
        let read = facilities(&csv("id,lon,lat\na,\"116,3\",39.9\n"), &parse_mapping("id=机构").unwrap()).unwrap();
        assert_eq!(read.used[0].at.lon_e7, 1_163_000_000, "a decimal comma is one");
    }

    #[test]
    fn a_crossing_ring_is_mended_and_a_flat_one_refused() {
        let json = br#"{"type":"FeatureCollection","features":[
            {"type":"Feature","id":"x","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}},
            {"type":"Feature","id":"y","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[2,2],[0,0]]]}},
            {"type":"Feature","id":"z","properties":{},"geometry":null}]}"#;
        let table = Table::from_geojson(Path::new("b.geojson"), json).unwrap();
        let read = blocks(&table, &Mapping::new()).unwrap();
        assert!(matches!(&read.used[0].place, BlockPlace::Shape(shape) if shape.is_valid() && shape.0.len() == 2));
        let blamed: Vec<_> = read.rejects.iter().map(|r| (r.row, r.column.as_str())).collect();
        assert_eq!(blamed, [(2, "geometry"), (3, "geometry")]);
    }

    #[test]
    fn a_table_without_coordinates_says_which_columns_it_has() {
        let table = csv("id,address\na,somewhere\n");
        let error = facilities(&table, &Mapping::new()).unwrap_err().to_string();
        assert!(error.contains("no column lon") && error.contains("id, address"), "{error}");
    }
}
