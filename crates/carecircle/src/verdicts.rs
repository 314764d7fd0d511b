//! Where verdicts go: a file of whichever format its name asks for.

mod chinese;

use crate::bad_input;
use crate::inputs::{City, Rejected};
use crate::lang::Lang;
use crate::output::{beside, write_whole};
use anyhow::{Context, Result};
use carecircle_core::coverage::{BlockStatus, Coverage};
use carecircle_core::demand::Outline;
use carecircle_core::geometry::LonLat;
use carecircle_core::polygon;
use carecircle_formats::crs::Crs;
use carecircle_formats::geojson::{self, AREA_PROPERTIES, BLOCK_PROPERTIES, Drawing, Drawings, FACILITY_PROPERTIES};
use carecircle_formats::out::{Cell, Layer, Sheet, write_workbook};
use carecircle_formats::remark;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::{Cursor, Write};
use std::path::Path;

/// The formats that OUT can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    GeoJson,
    /// A feature on each line.
    GeoJsonLines,
    /// Features behind record separators (RFC 8142).
    GeoJsonSequence,
    Csv,
    Xlsx,
    FlatGeobuf,
    Parquet,
}

impl Format {
    /// The format that OUT's name asks for; `-` is GeoJSON.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::GeoJson);
        }
        let out = path.display();
        match path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase().as_str() {
            "geojson" => Ok(Self::GeoJson),
            "geojsonl" | "ndjson" => Ok(Self::GeoJsonLines),
            "geojsons" | "geojsonseq" => Ok(Self::GeoJsonSequence),
            "csv" => Ok(Self::Csv),
            "xlsx" => Ok(Self::Xlsx),
            "fgb" => Ok(Self::FlatGeobuf),
            "parquet" | "geoparquet" if cfg!(feature = "parquet") => Ok(Self::Parquet),
            "parquet" | "geoparquet" => Err(bad_input(remark!(
                "-o {out}: this carecircle was built without GeoParquet; build it with `--features parquet`, or write .fgb",
                "-o {out}：此版 carecircle 不含 GeoParquet；请以 `--features parquet` 编译，或改用 .fgb"
            ))),
            _ => Err(bad_input(remark!(
                "-o {out}: the name must end in .geojson, .geojsonl, .geojsons, .csv, .xlsx, .fgb, .parquet, or .json for the score card",
                "-o {out}：文件名应以 .geojson、.geojsonl、.geojsons、.csv、.xlsx、.fgb 或 .parquet 结尾，评分卡为 .json"
            ))),
        }
    }
}

/// A city's verdicts, ready to be written.
pub(crate) struct Verdicts<'a> {
    pub(crate) city: &'a City,
    pub(crate) coverage: &'a Coverage,
    /// The system that coordinates go out in.
    pub(crate) crs: &'a Crs,
    pub(crate) lang: Lang,
    /// Sheets before all others in a workbook.
    pub(crate) first_sheets: Vec<Sheet>,
}

impl Verdicts<'_> {
    /// Writes OUT whole, and beside it how it was made where the format has no place for that.
    pub(crate) fn write_to(&self, path: &Path, format: Format) -> Result<()> {
        write_whole(path, |out| self.write(out, format))?;
        if format != Format::GeoJson {
            let about = Value::Object(self.about());
            write_whole(&beside(path, ".about.json"), |out| Ok(writeln!(out, "{about:#}")?))?;
        }
        Ok(())
    }

    /// Writes OUT's bytes.
    pub(crate) fn write(&self, out: &mut impl Write, format: Format) -> Result<()> {
        match format {
            Format::GeoJson => geojson::write_collection(out, &self.about(), self.blocks()?.iter())?,
            Format::GeoJsonLines | Format::GeoJsonSequence => {
                for feature in self.blocks()? {
                    if format == Format::GeoJsonSequence {
                        out.write_all(b"\x1e")?;
                    }
                    out.write_all(&feature)?;
                    out.write_all(b"\n")?;
                }
            }
            Format::Csv => self.placed_blocks()?.write_csv(&mut *out)?,
            Format::Xlsx => {
                // A workbook is put together out of order.
                let mut bytes = Cursor::new(Vec::new());
                write_workbook(&self.sheets()?, &self.city.title, &mut bytes)?;
                out.write_all(bytes.get_ref())?;
            }
            Format::FlatGeobuf => self.block_layer()?.write_flatgeobuf(&mut *out)?,
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let mut bytes = Vec::new();
                self.block_layer()?.write_parquet(&mut bytes)?;
                out.write_all(&bytes)?;
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into()),
        }
        Ok(out.flush()?)
    }

    fn about(&self) -> serde_json::Map<String, Value> {
        let mut about = geojson::about(&self.city.study, self.coverage, self.city.extract_date.as_deref());
        geojson::about_crs(&mut about, self.crs);
        about
    }

    /// A drawing in the system asked for.
    fn drawn(&self, drawing: &Drawing, id: &str) -> Result<Drawing> {
        let name = self.crs.name();
        drawing.in_crs(self.crs).ok_or_else(|| {
            bad_input(remark!(
                "--out-crs {name}: {id} lies where it doesn't reach",
                "--out-crs {name}：{id} 超出该坐标系的范围"
            ))
        })
    }

    /// The blocks as features.
    fn blocks(&self) -> Result<Vec<Vec<u8>>> {
        let Self { city, coverage, .. } = self;
        let plain = *self.crs == Crs::wgs84();
        let drawings = Drawings::new(&city.study).blocks;
        let feature = |(i, drawing): (usize, &Drawing)| {
            let id = &city.study.demand().blocks[i].id;
            let drawing = if plain { Cow::Borrowed(drawing) } else { Cow::Owned(self.drawn(drawing, id)?) };
            let mut feature = Vec::with_capacity(drawing.json.len() + 400);
            geojson::block_feature(&mut feature, &city.study, coverage, &drawing, i);
            Ok(feature)
        };
        drawings.iter().enumerate().map(feature).collect()
    }

    fn block_layer(&self) -> Result<Layer> {
        let features = read_back(&self.blocks()?)?;
        Ok(Layer::of_features("blocks", &BLOCK_PROPERTIES, &features, self.crs.clone()))
    }

    /// The blocks as a table: the same properties, a point inside, and the limit.
    fn placed_blocks(&self) -> Result<Layer> {
        let study = &self.city.study;
        let limit = self.coverage.policy.minutes;
        let places = self.places();
        let mut features = read_back(&self.blocks()?)?;
        for (block, feature) in study.demand().blocks.iter().zip(&mut features) {
            let inside = match &block.outline {
                Outline::Point(at) => Some(*at),
                Outline::Shape(shape) => polygon::point_inside(shape),
            };
            // Far outside the plan there is no way back to degrees.
            let at = inside.map(|p| study.network().projection().unproject(p));
            let at = at.filter(|&(lon, lat)| LonLat::from_degrees(lon, lat).is_some());
            let at = at.and_then(|(lon, lat)| geojson::place_in(self.crs, lon, lat));
            for (i, place) in places.into_iter().enumerate() {
                feature["properties"][place] = json!(at.map(|at| at[i]));
            }
            feature["properties"]["minutes_limit"] = json!(limit);
        }
        Ok(Layer::of_features("blocks", &self.placed_properties(), &features, self.crs.clone()))
    }

    /// The columns of a place in tables.
    fn places(&self) -> [&'static str; 2] {
        if self.crs.is_degrees() { ["lon", "lat"] } else { ["x", "y"] }
    }

    /// The columns of [`Self::placed_blocks`] that are ours.
    fn placed_properties(&self) -> Vec<&'static str> {
        BLOCK_PROPERTIES.into_iter().chain(self.places()).chain(["minutes_limit"]).collect()
    }

    /// The sheets of a workbook.
    fn sheets(&self) -> Result<Vec<Sheet>> {
        let Self { city, coverage, lang, .. } = self;
        let study = &city.study;
        let drawings = Drawings::new(study);
        let features = |drawings: &[Drawing], write: &dyn Fn(&mut Vec<u8>, &Drawing, usize)| {
            let write_one = |(i, drawing)| {
                let mut feature = Vec::new();
                write(&mut feature, drawing, i);
                feature
            };
            read_back(&drawings.iter().enumerate().map(write_one).collect::<Vec<_>>())
        };
        let sheet = |layer: &Layer, own: &[&str], en: &str, zh: &str| {
            let mut sheet = Sheet::of(layer, lang.pick(en, zh));
            if *lang == Lang::Zh {
                chinese::translate(&mut sheet, own);
            }
            sheet
        };
        let areas = features(&drawings.areas, &|out, drawing, i| {
            geojson::area_feature(out, study, coverage, drawing, i);
        })?;
        let areas = Layer::of_features("areas", &AREA_PROPERTIES, &areas, self.crs.clone());
        let mut gaps = self.placed_blocks()?;
        let mut verdicts = coverage.verdicts.iter();
        gaps.features.retain(|_| verdicts.next().is_some_and(|v| v.status != BlockStatus::Covered));
        let mut facilities = features(&drawings.facilities, &|out, drawing, i| {
            geojson::facility_feature(out, study, coverage, drawing, i);
        })?;
        for (sited, feature) in study.facilities().iter().zip(&mut facilities) {
            let at = geojson::place_in(self.crs, sited.facility.at.lon(), sited.facility.at.lat());
            for (i, place) in self.places().into_iter().enumerate() {
                feature["properties"][place] = json!(at.map(|at| at[i]));
            }
        }
        let of_facilities: Vec<&str> = FACILITY_PROPERTIES.into_iter().chain(self.places()).collect();
        let facilities = Layer::of_features("facilities", &of_facilities, &facilities, self.crs.clone());
        let mut sheets = self.first_sheets.clone();
        sheets.extend([
            sheet(&areas, &AREA_PROPERTIES, "areas", "区域"),
            sheet(&gaps, &self.placed_properties(), "gaps", "未覆盖地块"),
            sheet(&facilities, &of_facilities, "facilities", "托育机构"),
            rejects(&city.rejected, *lang),
        ]);
        Ok(sheets)
    }
}

/// Our own features as JSON.
fn read_back(features: &[Vec<u8>]) -> Result<Vec<Value>> {
    features.iter().map(|feature| serde_json::from_slice(feature).context("our own feature")).collect()
}

/// Rows of tables that couldn't be used, with what they held.
fn rejects(rejected: &[Rejected], lang: Lang) -> Sheet {
    let header = match lang {
        Lang::En => ["table", "row", "column", "why", "cells"],
        Lang::Zh => ["表", "行", "列", "原因", "内容"],
    };
    let rows = rejected.iter().flat_map(|Rejected { table, rejects, .. }| {
        rejects.iter().map(|reject| {
            let held = reject.cells.iter().map(|(at, cell)| format!("{}={cell}", table.columns[*at]));
            let held = held.collect::<Vec<_>>().join("; ");
            let (column, why) = (reject.column.clone(), lang.tell(&reject.why).to_owned());
            let row = Cell::Count(reject.row as f64);
            vec![Cell::Text(table.name()), row, Cell::Text(column), Cell::Text(why), Cell::Text(held)]
        })
    });
    let rows = rows.collect();
    Sheet { name: lang.pick("rejects", "未采用的行").to_owned(), header: header.map(str::to_owned).into(), rows }
}
