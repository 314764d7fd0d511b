//! What the rows of a table are: facilities, blocks, areas and points, or rejects that say why not.
//!
//! Owns what each layer makes of a row. How a table is read as a layer is settled in `plan`, a row's cells are read in
//! `cells`, all rows are gone through in `sort`.

mod cells;
mod marks;
mod plan;
mod sort;
mod words;

use crate::crs::Crs;
use crate::geojson::{AREA_PROPERTIES, BLOCK_PROPERTIES, FACILITY_PROPERTIES};
pub use crate::headers::Mapping;
use crate::headers::{Column, Meaning, meanings};
use crate::out::guarded;
use crate::remark;
use crate::table::{Geometry, Remark, Table, TableError};
use crate::values;
pub use crate::values::number;
use carecircle_core::demand::{BlockPlace, BlockRow, UNDER3_PER_RESIDENT};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::place::Area;
use carecircle_core::population::{CellPlace, PopulationCell};
use carecircle_core::siting::Standing;
use cells::{Bad, is_no, sound};
use plan::Plan;
use sort::sort_rows;
use std::collections::BTreeSet;
use std::io;
use words::{CHOICES, KINDS, LEVELS, choice_named, kind_named, level_named};

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
    pub why: Remark,
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
    pub fn refuse(&mut self, table: &Table, declared: &Declared, fits: impl Fn(&T) -> Result<(), Remark>) {
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
    /// A place where a facility could stand.
    Candidates,
}

impl Layer {
    /// The properties that the output has of each.
    fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Facilities => &FACILITY_PROPERTIES,
            Self::Blocks => &BLOCK_PROPERTIES,
            Self::Areas => &AREA_PROPERTIES,
            Self::Points | Self::Cells | Self::Candidates => &[],
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
            Self::Candidates => &[C::Id, C::Name, C::Lon, C::Lat, C::Geometry, C::Crs, C::Places, C::Cost, C::Choice],
        }
    }
}

/// Reads `ours=theirs,…`; the error says which part is none, or which name is not ours.
pub fn parse_mapping(text: &str) -> Result<Mapping, Remark> {
    let mapping = parse_pairs(text)?;
    match mapping.keys().find(|ours| Column::named(ours).is_none()) {
        Some(ours) => {
            let names = Column::ALL.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ");
            Err(remark!("`{ours}` is none of our columns: {names}", "`{ours}` 不是可用的列：{names}"))
        }
        None => Ok(mapping),
    }
}

fn parse_pairs(text: &str) -> Result<Mapping, Remark> {
    let pairs = text.split(',').filter(|part| !part.trim().is_empty()).map(|part| match part.split_once('=') {
        Some((ours, theirs)) if !ours.trim().is_empty() && !theirs.trim().is_empty() => {
            Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
        }
        _ => Err(remark!(
            "`{part}` is no mapping; write ours=theirs, as in places=总托位",
            "`{part}` 不是列的对应；请写作 列=表中列名，如 places=总托位"
        )),
    });
    pairs.collect()
}

/// Facilities from a table.
pub fn facilities(table: &Table, declared: &Declared) -> Result<Sorted<Facility>, TableError> {
    let mut remarks = Vec::new();
    let plan = Plan::new(table, declared, Layer::Facilities, &mut remarks)?;
    plan.require_place()?;
    Ok(sort_rows(&plan, remarks, |cells, id| {
        let at = cells.point()?;
        let kind = cells.known(Column::Kind, KINDS.phrase(), kind_named).unwrap_or(Kind::Nursery);
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
        for column in [Column::Opened, Column::Closed] {
            if let Some(text) = cells.text(column) {
                let day = if column == Column::Opened { facility.opened } else { facility.closed };
                let day = day.map(|day| day.to_string());
                facility.other.insert(column.name(), day.as_deref().unwrap_or(text));
            }
        }
        for (column, why) in contradictions(&facility) {
            cells.doubt(column, why);
        }
        match (facility.enrolled, facility.places) {
            (Some(enrolled), Some(places)) if enrolled > places => {
                let why = remark!(
                    "{enrolled} children are more than its {places} places",
                    "在托 {enrolled} 人，多于托位数 {places}"
                );
                Err((Column::Enrolled, why))
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
        let why = remark!(
            "{certified} certified are more than its staff of {staff}",
            "持证 {certified} 人，多于职工总数 {staff}"
        );
        out.push((Column::StaffCertified, why));
    }
    let by_age = [facility.places_infant, facility.places_toddler, facility.places_senior];
    let sum: u32 = by_age.iter().flatten().sum();
    if let Some(places) = facility.places.filter(|places| sum > *places) {
        let why =
            remark!("its classes have {sum} places, more than its {places}", "各班托位合计 {sum}，多于托位数 {places}");
        out.push((Column::Places, why));
    }
    if let (Some(opened), Some(closed)) = (facility.opened, facility.closed)
        && closed < opened
    {
        let why = remark!("{closed} is before it opened, {opened}", "{closed} 早于开办日期 {opened}");
        out.push((Column::Closed, why));
    }
    if let (Some(least), Some(most)) = (facility.min_months, facility.max_months)
        && most < least
    {
        let why = remark!("{most} months are fewer than its youngest, {least}", "最大月龄 {most} 小于最小月龄 {least}");
        out.push((Column::MaxMonths, why));
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
    Ok(sort_rows(&plan, remarks, |cells, id| {
        let shape = match cells.geometry()? {
            Some(Geometry::Shape(shape)) => sound(&shape)?,
            // Known by name alone: blocks name it in their column `area`, or the map has its outline.
            _ => LonLatShape::new(Vec::new()),
        };
        let level = cells.text(Column::Level);
        let level =
            level.ok_or_else(|| (Column::Level, remark!("is empty; it must be a {}", "为空；应为{}"; *LEVELS)))?;
        Ok(Area {
            id,
            name: cells.owned(Column::Name),
            name_zh: cells.owned(Column::NameZh),
            name_en: cells.owned(Column::NameEn),
            level: level_named(level).ok_or_else(|| (Column::Level, is_no(level, LEVELS.phrase())))?,
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
        let children = children
            .ok_or_else(|| (counted, remark!("is empty; how many people live there?", "为空；那里有多少人？")))?;
        Ok(PopulationCell { place, children })
    }))
}

/// A place where a facility could stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Stable id, without dot or slash.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// Where.
    pub at: LonLat,
    /// How many children it could take.
    pub places: Option<u32>,
    /// What it costs, in the table's unit.
    pub cost: Option<f64>,
    /// Whether it must be picked, or must not.
    pub standing: Standing,
}

/// Candidates from a table.
pub fn candidates(table: &Table, declared: &Declared) -> Result<Sorted<Candidate>, TableError> {
    let mut remarks = Vec::new();
    let plan = Plan::new(table, declared, Layer::Candidates, &mut remarks)?;
    plan.require_place()?;
    Ok(sort_rows(&plan, remarks, |cells, id| {
        // Whoever forbids a place, in words that nobody knows, should not see it picked.
        let choice = cells.text(Column::Choice).filter(|text| !values::says_nothing(text));
        let standing = match choice.map(|text| choice_named(text).ok_or(text)) {
            None => Standing::Candidate,
            Some(Ok(standing)) => standing,
            Some(Err(text)) => return Err((Column::Choice, is_no(text, CHOICES.phrase()))),
        };
        let (at, name) = (cells.point()?, cells.owned(Column::Name));
        Ok(Candidate { id, name, at, places: cells.count(Column::Places)?, cost: cells.cost()?, standing })
    }))
}

/// Points from a table, each with its id and what `use_of` makes of its place; the error says why a place can't be used.
pub fn points<T: Send>(
    table: &Table,
    declared: &Declared,
    use_of: impl Fn(LonLat) -> Result<T, Remark> + Sync,
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

/// Writes rejects with their original columns, ready to be mended and read again, and what was wrong behind them. Where rows
/// lack coordinates and the table has no columns for them, empty ones stand there to be filled in. `told` chooses the
/// language of why.
pub fn write_rejects(
    mut out: impl io::Write,
    table: &Table,
    rejects: &[Reject],
    told: impl Fn(&Remark) -> &str,
) -> Result<(), csv::Error> {
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
        let cells = columns.iter().map(cell).chain(empty).chain([&*number, &reject.column, told(&reject.why)]);
        writer.write_record(cells.map(|text| guarded(text).into_owned()))?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::Validation;
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
        assert!(parse_mapping("places").unwrap_err().en.contains("ours=theirs"));
        assert!(parse_mapping("plcaes=总数").unwrap_err().en.contains("none of our columns"));
        let arcgis = csv("x,y,code,id,lon,lat\n9,9,z,a,1,2\n");
        let read = facilities(&arcgis, &Declared::default()).unwrap();
        assert_eq!((read.used[0].id.as_str(), read.used[0].at.lon()), ("a", 1.0), "our own names come first");
    }

    #[test]
    fn rejects_name_row_and_column_and_come_back_with_their_cells() {
        let table = csv("id,lon,lat,places,note\na,1,2,-3,x\nb,,2,,y\nc,1,2,4,z\nc,1,2,4,again\n");
        let read = facilities(&table, &Declared::default()).unwrap();
        assert_eq!(read.used.len(), 1);
        assert_eq!(&read.used[0].other["note"], "z");
        assert!(read.doubts.is_empty());
        let blamed: Vec<_> = read.rejects.iter().map(|r| (r.row, r.column.as_str())).collect();
        assert_eq!(blamed, [(2, "places"), (3, "lon"), (5, "id")]);
        let mut file = Vec::new();
        write_rejects(&mut file, &table, &read.rejects, |why| &why.zh).unwrap();
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
