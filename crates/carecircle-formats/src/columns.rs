//! What the columns of a table mean: rows become facilities, blocks and areas, or rejects that say why not.

use crate::crs::Crs;
use crate::table::{Geometry, Row, Table, TableError};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind, Status};
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::place::{Area, AreaLevel};
use geo::{Area as _, BooleanOps, Coord, CoordsIter, MapCoords, Validation};
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
    ("communities", &["社区数", "社区数量"]),
    ("kindergartens", &["幼儿园数", "幼儿园数量"]),
    ("level", &["级别", "层级"]),
    ("parent", &["上级", "上级编号"]),
];

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
    /// The cells as they came, each with its column.
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
}

/// The user's own mapping from `--columns`: our name to the table's header.
pub type Mapping = BTreeMap<String, String>;

/// What the user says of a table, or of all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// Which column means what where the header doesn't tell.
    pub mapping: Mapping,
    /// The coordinate system; else what the file states, else WGS 84.
    pub crs: Option<Crs>,
}

/// Reads `ours=theirs,…`; the error says which part is none, or which name is not ours.
pub fn parse_mapping(text: &str) -> Result<Mapping, String> {
    let mapping = parse_pairs(text)?;
    match mapping.keys().find(|ours| !SYNONYMS.iter().any(|(name, _)| name == ours)) {
        Some(ours) => {
            let names = SYNONYMS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
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

/// A row with its cells by our names.
struct Cells<'a> {
    row: Row<'a>,
    /// For each column of the table: our name for it, or its own.
    names: &'a [String],
    crs: &'a Crs,
    doubts: RefCell<Vec<Bad>>,
}

/// What people write where they have nothing to write.
const NOTHING: [&str; 12] = ["-", "--", "—", "——", "/", "n/a", "na", "null", "无数据", "未知", "不详", "暂无"];

/// A cell that can't be understood: its column and why.
type Bad = (String, String);

impl<'a> Cells<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.row.cells().find(|(at, _)| self.names[*at] == name).map(|(_, cell)| cell)
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
        match self.geometry()? {
            Some(Geometry::Point(lon, lat)) => {
                return LonLat::from_degrees(lon, lat)
                    .ok_or_else(|| ("geometry".to_owned(), format!("{lon}, {lat} is no place on earth")));
            }
            Some(Geometry::Shape(shape)) => return centre(&shape),
            None => {}
        }
        if !self.names.iter().any(|n| n == "lon") {
            return Err(("geometry".to_owned(), "is missing: no coordinates".to_owned()));
        }
        let coordinate = |name: &'static str, most: f64| -> Result<f64, Bad> {
            let most = if self.crs.is_degrees() { most } else { MOST_METRES };
            let unit = if self.crs.is_degrees() { "degrees" } else { "metres" };
            let want = format!("number of {unit} between -{most} and {most}");
            // Coordinates have no thousands: a comma is a decimal one.
            let read = |text: &str| number(text.replace(',', ".").as_str()).filter(|v| v.abs() <= most);
            let parsed = self.parsed(name, &want, read)?;
            parsed.ok_or_else(|| (name.to_owned(), "is empty: no coordinates".to_owned()))
        };
        let (x, y) = (coordinate("lon", 180.0)?, coordinate("lat", 90.0)?);
        let at = self.crs.to_wgs84(x, y).and_then(|(lon, lat)| LonLat::from_degrees(lon, lat));
        at.ok_or_else(|| ("lon".to_owned(), format!("{x}, {y} is no place on earth in {}", self.crs.name())))
    }

    /// The row's own geometry, in degrees of WGS 84.
    fn geometry(&self) -> Result<Option<Geometry>, Bad> {
        let bad = |why: String| ("geometry".to_owned(), why);
        let Some(given) = self.row.geometry() else { return Ok(None) };
        let given = given.as_ref().map_err(|why| bad(why.clone()))?;
        let off = || bad(format!("lies nowhere on earth in {}", self.crs.name()));
        let place = |c: Coord<f64>| self.crs.to_wgs84(c.x, c.y).map(|(x, y)| Coord { x, y }).ok_or_else(off);
        Ok(Some(match given {
            Geometry::Point(x, y) => {
                let at = place(Coord { x: *x, y: *y })?;
                Geometry::Point(at.x, at.y)
            }
            Geometry::Shape(shape) => Geometry::Shape(shape.try_map_coords(place)?),
        }))
    }

    /// Columns that none of `known` reads, under their own names.
    fn others(&self, known: &[&str]) -> BTreeMap<String, String> {
        let named = self.row.cells().map(|(at, cell)| (&self.names[at], cell));
        let others = named.filter(|(name, _)| !known.contains(&name.as_str()) && !name.is_empty());
        // What an earlier run said of a row that has been mended since.
        let others = others.filter(|(name, _)| !REJECT_COLUMNS.contains(&name.as_str()));
        others.map(|(name, cell)| (name.clone(), cell.to_owned())).collect()
    }
}

/// No coordinate in metres is larger: a zone's number before the easting makes tens of millions.
const MOST_METRES: f64 = 1e8;

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
        .filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{3000}'))
        .map(|c| match c {
            '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32).unwrap_or(c),
            '．' => '.',
            '，' => ',',
            '－' => '-',
            other => other,
        })
        .collect();
    let mut groups = plain.split('.').next().unwrap_or_default().split(',');
    let first = groups.next().unwrap_or_default();
    // 1,234 has a thousands mark; 1234,5 has something else, and 12345 it is not.
    let marked = first.trim_start_matches('-').len() <= 3 && groups.clone().all(|g| g.len() == 3);
    let whole = groups.next().is_none();
    let decimals_clean = !plain.split('.').skip(1).any(|d| d.contains(','));
    let value: f64 =
        if (whole || marked) && decimals_clean { plain.replace(',', "").parse().ok()? } else { return None };
    value.is_finite().then_some(value)
}

/// What a header means, if anything.
type Meaning<'a> = Box<dyn Fn(&String) -> Option<String> + 'a>;

/// Our name for each column: by the user's mapping, by our own name, by a usual header; else its own. A mapping to a header
/// that this table doesn't have is meant for another table.
fn names(table: &Table, mapping: &Mapping) -> Vec<String> {
    let mut out: Vec<Option<String>> = vec![None; table.columns.len()];
    let is_ours = |name: &str| SYNONYMS.iter().any(|(ours, _)| *ours == name);
    let lower = |header: &String| header.trim().to_lowercase();
    // The user's word first, then our own names, then the usual headers: `x, y, code, id, lon, lat` has its place in `lon`
    // and `lat`. Of two columns with one meaning the first counts.
    let by_user: Meaning =
        Box::new(|header| mapping.iter().find(|(_, theirs)| *theirs == header).map(|(ours, _)| ours.clone()));
    let by_name: Meaning = Box::new(|header| Some(lower(header)).filter(|name| is_ours(name)));
    let by_usage: Meaning = Box::new(|header| {
        let usual = SYNONYMS.iter().find(|(_, others)| others.contains(&lower(header).as_str()));
        usual.map(|(name, _)| (*name).to_owned())
    });
    for meaning in [by_user, by_name, by_usage] {
        for (i, header) in table.columns.iter().enumerate().filter(|(_, header)| !header.is_empty()) {
            let found = meaning(header).filter(|name| !out.iter().flatten().any(|taken| taken == name));
            if out[i].is_none() && found.is_some() {
                out[i] = found;
            }
        }
    }
    let unnamed = |header: &String| if is_ours(header) { format!("{header}_in_table") } else { header.clone() };
    out.into_iter().zip(&table.columns).map(|(name, header)| name.unwrap_or_else(|| unnamed(header))).collect()
}

/// Turns every row into a thing or a reject.
fn sort_rows<T>(
    table: &Table,
    declared: &Declared,
    names: &[String],
    mut make: impl FnMut(&Cells<'_>) -> Result<T, Bad>,
) -> Sorted<T> {
    let mut out = Sorted { used: Vec::with_capacity(table.rows().len()), rejects: Vec::new(), doubts: Vec::new() };
    let wgs84 = Crs::wgs84();
    let crs = declared.crs.as_ref().or(table.crs.as_ref()).unwrap_or(&wgs84);
    // The column is blamed by the name that the table has for it.
    let blame = |row: Row<'_>, (column, why): Bad| {
        let theirs = names.iter().position(|n| *n == column).and_then(|i| table.columns.get(i));
        let cells = row.cells().map(|(at, cell)| (at, cell.to_owned())).collect();
        Reject { row: row.number(), column: theirs.cloned().unwrap_or(column), why, cells }
    };
    for row in table.rows() {
        let cells = Cells { row, names, crs, doubts: RefCell::default() };
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
    let placed = has("lon") && has("lat") || table.rows().any(|r| r.geometry().is_some());
    if placed || table.rows().len() == 0 {
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
    if names.iter().any(|n| n == "id") || table.rows().len() == 0 {
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
pub fn facilities(table: &Table, declared: &Declared) -> Result<Sorted<Facility>, TableError> {
    let names = names(table, &declared.mapping);
    require_id(table, &names)?;
    require_place(table, &names)?;
    let mut seen = BTreeSet::new();
    Ok(sort_rows(table, declared, &names, |cells| {
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
pub fn blocks(table: &Table, declared: &Declared) -> Result<Sorted<BlockRow>, TableError> {
    let names = names(table, &declared.mapping);
    require_id(table, &names)?;
    require_place(table, &names)?;
    let mut seen = BTreeSet::new();
    Ok(sort_rows(table, declared, &names, |cells| {
        let place = match cells.geometry()? {
            Some(Geometry::Shape(shape)) => BlockPlace::Shape(sound(&shape)?),
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
pub fn areas(table: &Table, declared: &Declared) -> Result<Sorted<Area>, TableError> {
    let names = names(table, &declared.mapping);
    require_id(table, &names)?;
    let mut seen = BTreeSet::new();
    let levels = one_of(AreaLevel::ALL.iter().map(|l| l.name()));
    Ok(sort_rows(table, declared, &names, |cells| {
        let shape = match cells.geometry()? {
            Some(Geometry::Shape(shape)) => sound(&shape)?,
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
            communities: cells.count("communities")?,
            kindergartens: cells.count("kindergartens")?,
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
                "communities",
                "kindergartens",
                "lon",
                "lat",
            ]),
            id: cells.id(&mut seen)?,
        })
    }))
}

/// Points from a table, each with its id and what `use_of` makes of its place; the error says why a place can't be used.
pub fn points<T>(
    table: &Table,
    declared: &Declared,
    use_of: impl Fn(LonLat) -> Result<T, String>,
) -> Result<Sorted<(String, T)>, TableError> {
    let names = names(table, &declared.mapping);
    require_id(table, &names)?;
    require_place(table, &names)?;
    let mut seen = BTreeSet::new();
    Ok(sort_rows(table, declared, &names, |cells| {
        let column = if cells.row.geometry().is_some() { "geometry" } else { "lon" };
        let used = use_of(cells.point()?).map_err(|why| (column.to_owned(), why))?;
        Ok((cells.id(&mut seen)?, used))
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
    let mut writer = csv::Writer::from_writer(out);
    let columns: Vec<usize> =
        (0..table.columns.len()).filter(|&i| !REJECT_COLUMNS.contains(&table.columns[i].as_str())).collect();
    writer.write_record(columns.iter().map(|&i| table.columns[i].as_str()).chain(REJECT_COLUMNS))?;
    for reject in rejects {
        let cell = |at: &usize| reject.cells.iter().find(|(i, _)| i == at).map_or("", |(_, cell)| cell.as_str());
        let number = reject.row.to_string();
        writer.write_record(columns.iter().map(cell).chain([&*number, &reject.column, &reject.why]))?;
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
    fn a_comma_is_a_thousands_mark_only_where_thousands_stand() {
        for (text, value) in
            [("1,234", Some(1_234.0)), ("1,234,567.5", Some(1_234_567.5)), ("１２，３４５", Some(12_345.0))]
        {
            assert_eq!(number(text), value, "{text}");
        }
        for text in ["1234,5", "1,23", "1.5,000", "", "-", "1e999", "nan"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn a_mapping_for_another_table_leaves_this_one_alone() {
        let read =
            facilities(&csv("id,lon,lat\na,\"116,3\",39.9\n"), &mapped(&parse_mapping("id=机构").unwrap())).unwrap();
        assert_eq!(read.used[0].at.lon_e7, 1_163_000_000, "a decimal comma is one");
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
        let table = csv("id,address\na,somewhere\n");
        let error = facilities(&table, &Declared::default()).unwrap_err().to_string();
        assert!(error.contains("no column lon") && error.contains("id, address"), "{error}");
    }
}
