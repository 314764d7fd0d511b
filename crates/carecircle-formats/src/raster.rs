//! GeoTIFF in: population grids such as WorldPop's, as cells of children.
//!
//! Only the tiles or strips that meet the extract are read, so that memory follows the city, not the country. What the
//! header says of place (GeoTIFF 1.1, OGC 19-008) is believed; what it says of sizes is not.

use crate::crs::Crs;
use carecircle_core::geometry::LonLat;
use carecircle_core::population::{CellPlace, PopulationCell};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use tiff::TiffError;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

/// So many pixels may meet an extract: at 100 m a country of 80,000 square kilometres.
pub const MOST_PIXELS: u64 = 8_000_000;
/// So many numbers may be unpacked for them: strips are as wide as the whole raster.
const MOST_UNPACKED: u64 = 4_000_000_000;
/// The list of a large raster's tiles.
const LONGEST_TAG: usize = 1 << 25;
/// No pixel holds more people.
const MOST_PEOPLE: f64 = 1e8;
/// A millionth of a pixel is none.
const EDGE: f64 = 1e-6;
/// Points along each side of the extract by which its outline is found in a raster's coordinate system.
const OUTLINE_STEPS: i32 = 16;

/// Keys of the GeoTIFF directory.
const GEOGRAPHIC_CODE: u16 = 2048;
const PROJECTED_CODE: u16 = 3072;
const RASTER_KIND: u16 = 1025;
/// Coordinates are those of pixels' centres, not of their corners.
const PIXEL_IS_POINT: u16 = 2;
/// The code of a system that has none.
const USER_DEFINED: u16 = 32_767;

/// Why a raster can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// The file can't be opened.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no TIFF, or one that can't be decoded.
    #[error("{}: not a GeoTIFF that can be read", path.display())]
    Tiff {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: TiffError,
    },
    /// The file can be read, but not used.
    #[error("{}: {why}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not, and what would be accepted.
        why: String,
    },
}

/// A file of a grid, or one band of it, and how much its values count.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The file.
    pub path: PathBuf,
    /// Which band, from 1; all of them without.
    pub band: Option<u16>,
    /// What its values are multiplied by.
    pub weight: f64,
}

impl Layer {
    /// Reads `FILE`, `FILE=WEIGHT`, `FILE@BAND` or `FILE@BAND=WEIGHT`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rest, weight) = match text.rsplit_once('=') {
            None => (text, 1.0),
            Some((rest, weight)) => {
                let number = weight.trim().parse().ok().filter(|w| (0.0..=1_000.0).contains(w));
                (rest, number.ok_or_else(|| format!("`{weight}` is no weight, a number from 0 to 1,000"))?)
            }
        };
        let (path, band) = match rest.rsplit_once('@').map(|(path, band)| (path, band.parse())) {
            Some((path, Ok(band))) if band > 0 => (path, Some(band)),
            _ => (rest, None),
        };
        match path.trim() {
            "" => Err(format!("`{text}` names no file")),
            path => Ok(Self { path: path.into(), band, weight }),
        }
    }

    /// Whether the file's name is that of a raster.
    pub fn is_raster(&self) -> bool {
        let ending = self.path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        ["tif", "tiff"].contains(&ending.to_lowercase().as_str())
    }
}

/// The cells of rasters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pixels {
    /// A cell for each pixel that says something and meets the extract; pixels that several rasters share are summed up.
    pub cells: Vec<PopulationCell>,
    /// Pixels whose value is no number of people: below zero, not finite or too large. They say nothing.
    pub odd: usize,
}

/// Reads what of rasters meets the box from `extent.0` to `extent.1` and sums it up by pixel.
///
/// `declared` is the coordinate system in place of what the files state.
pub fn read(layers: &[Layer], declared: Option<&Crs>, extent: (LonLat, LonLat)) -> Result<Pixels, RasterError> {
    let mut sums: Vec<(&Layer, Window, Vec<f64>)> = Vec::new();
    let mut out = Pixels::default();
    for layer in layers {
        let mut raster = Raster::open(&layer.path, declared)?;
        let window = raster.window(extent)?;
        let values = raster.values(&window, layer, &mut out.odd)?;
        match sums.iter_mut().find(|(_, other, _)| *other == window) {
            Some((_, _, sum)) => {
                for (sum, value) in sum.iter_mut().zip(values).filter(|(_, value)| !value.is_nan()) {
                    *sum = if sum.is_nan() { value } else { *sum + value };
                }
            }
            None => sums.push((layer, window, values)),
        }
    }
    for (layer, window, values) in sums {
        window.cells(&values, &mut out.cells).map_err(|why| unfit(&layer.path, why))?;
    }
    Ok(out)
}

fn unfit(path: &Path, why: impl Into<String>) -> RasterError {
    RasterError::Unfit { path: path.to_owned(), why: why.into() }
}

/// From pixels to coordinates: x = a column + b row + c, y = d column + e row + f.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Affine([f64; 6]);

impl Affine {
    fn apply(&self, column: f64, row: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * column + b * row + c, d * column + e * row + f)
    }

    /// The pixel at a coordinate; `None` where pixels have no size.
    fn invert(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let [a, b, c, d, e, f] = self.0;
        let size = a * e - b * d;
        let (x, y) = (x - c, y - f);
        let pixel = ((e * x - b * y) / size, (a * y - d * x) / size);
        (pixel.0.is_finite() && pixel.1.is_finite()).then_some(pixel)
    }
}

/// A part of a raster.
#[derive(Clone, Debug, PartialEq)]
struct Window {
    place: Affine,
    crs: Crs,
    /// From this pixel to before that one.
    columns: (u32, u32),
    rows: (u32, u32),
}

impl Window {
    fn width(&self) -> usize {
        (self.columns.1 - self.columns.0) as usize
    }

    /// The corners of pixels along the upper edge of a row.
    fn corners(&self, row: u32) -> Result<Vec<LonLat>, String> {
        let corner = |column: u32| {
            let (x, y) = self.place.apply(f64::from(column), f64::from(row));
            let at = self.crs.to_wgs84(x, y).and_then(|(lon, lat)| LonLat::from_degrees(lon, lat));
            at.ok_or_else(|| format!("pixel {column}, {row} lies nowhere on earth in {}", self.crs.name()))
        };
        (self.columns.0..=self.columns.1).map(corner).collect()
    }

    fn cells(&self, values: &[f64], out: &mut Vec<PopulationCell>) -> Result<(), String> {
        let mut upper = self.corners(self.rows.0)?;
        for (row, values) in (self.rows.0..self.rows.1).zip(values.chunks(self.width().max(1))) {
            let lower = self.corners(row + 1)?;
            for (i, &children) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                let corners = [upper[i], upper[i + 1], lower[i + 1], lower[i]];
                out.push(PopulationCell { place: CellPlace::Pixel(corners), children });
            }
            upper = lower;
        }
        Ok(())
    }
}

/// An open raster.
struct Raster<R: Read + Seek> {
    path: PathBuf,
    decoder: Decoder<R>,
    size: (u32, u32),
    bands: u16,
    /// Whether each band has tiles of its own.
    is_planar: bool,
    /// Bytes of each tile or strip; those that were never written have none.
    bytes: Vec<u64>,
    place: Affine,
    crs: Crs,
    nodata: Option<f64>,
}

impl Raster<BufReader<File>> {
    fn open(path: &Path, declared: Option<&Crs>) -> Result<Self, RasterError> {
        let file = File::open(path).map_err(|source| RasterError::Io { path: path.to_owned(), source })?;
        Self::new(path, BufReader::new(file), declared)
    }
}

impl<R: Read + Seek> Raster<R> {
    fn new(path: &Path, file: R, declared: Option<&Crs>) -> Result<Self, RasterError> {
        let tiff = |source| RasterError::Tiff { path: path.to_owned(), source };
        let mut limits = Limits::default();
        limits.ifd_value_size = LONGEST_TAG;
        let mut decoder = Decoder::new(file).map_err(tiff)?.with_limits(limits);
        let size = decoder.dimensions().map_err(tiff)?;
        if decoder.colortype().map_err(tiff)?.bit_depth() < 8 {
            return Err(unfit(path, "its numbers have fewer than 8 bits"));
        }
        let bands = decoder.find_tag_unsigned(Tag::SamplesPerPixel).map_err(tiff)?.unwrap_or(1);
        let planes: u16 = decoder.find_tag_unsigned(Tag::PlanarConfiguration).map_err(tiff)?.unwrap_or(1);
        let counts = [Tag::TileByteCounts, Tag::StripByteCounts].map(|tag| decoder.find_tag_unsigned_vec(tag));
        let bytes = counts.into_iter().find_map(Result::transpose).transpose().map_err(tiff)?.unwrap_or_default();
        let mut tag = |tag: Tag| decoder.find_tag(tag).map_err(tiff);
        let mut numbers = |name: Tag| -> Result<Vec<f64>, RasterError> {
            tag(name)?.map_or_else(|| Ok(Vec::new()), |value| value.into_f64_vec().map_err(tiff))
        };
        let [scale, tie, matrix] =
            [Tag::ModelPixelScaleTag, Tag::ModelTiepointTag, Tag::ModelTransformationTag].map(&mut numbers);
        let keys = tag(Tag::GeoKeyDirectoryTag)?.map(|value| value.into_u16_vec().map_err(tiff)).transpose()?;
        let keys = keys.unwrap_or_default();
        let key = |wanted: u16| {
            // After four numbers of its own, the directory has four for each key; the second is 0 where the fourth is the value.
            keys.chunks_exact(4).skip(1).find(|key| key[0] == wanted && key[1] == 0).map(|key| key[3])
        };
        let nodata = tag(Tag::GdalNodata)?.map(|value| value.into_string().map_err(tiff)).transpose()?;
        let nodata = nodata.and_then(|text| text.trim_matches(['\0', ' ']).parse().ok());
        let place = place(&scale?, &tie?, &matrix?, key(RASTER_KIND) == Some(PIXEL_IS_POINT));
        let place = place.ok_or_else(|| {
            unfit(path, "it doesn't say where it lies: neither pixel scale and tie point nor a transformation")
        })?;
        let stated = key(PROJECTED_CODE).or(key(GEOGRAPHIC_CODE)).filter(|&code| code != USER_DEFINED);
        let crs = match (declared, stated) {
            (Some(declared), _) => declared.clone(),
            (None, Some(code)) => Crs::named(&format!("EPSG:{code}")).map_err(|why| unfit(path, why.en))?,
            (None, None) => {
                let why = "it names no coordinate system by an EPSG code; declare it with --crs population=EPSG:…";
                return Err(unfit(path, why));
            }
        };
        Ok(Self { path: path.to_owned(), decoder, size, bands, is_planar: planes == 2, bytes, place, crs, nodata })
    }

    /// The pixels whose box meets that of an extract.
    fn window(&self, (low, high): (LonLat, LonLat)) -> Result<Window, RasterError> {
        let along = |from: f64, to: f64, step: i32| from + (to - from) * f64::from(step) / f64::from(OUTLINE_STEPS);
        let (mut least, mut most) = ((f64::INFINITY, f64::INFINITY), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        for step in 0..=OUTLINE_STEPS {
            let (lon, lat) = (along(low.lon(), high.lon(), step), along(low.lat(), high.lat(), step));
            for (lon, lat) in [(lon, low.lat()), (lon, high.lat()), (low.lon(), lat), (high.lon(), lat)] {
                let at = self.crs.from_wgs84(lon, lat).and_then(|(x, y)| self.place.invert(x, y));
                let (column, row) = at.ok_or_else(|| {
                    unfit(&self.path, format!("{} doesn't reach the city, at {lon:.4}, {lat:.4}", self.crs.name()))
                })?;
                least = (least.0.min(column), least.1.min(row));
                most = (most.0.max(column), most.1.max(row));
            }
        }
        let inside = |low: f64, high: f64, size: u32| {
            let clamped = |value: f64| value.clamp(0.0, f64::from(size)) as u32;
            // A border between pixels, put off by rounding, is still one.
            (clamped((low + EDGE).floor()), clamped((high - EDGE).ceil()))
        };
        let (columns, rows) = (inside(least.0, most.0, self.size.0), inside(least.1, most.1, self.size.1));
        if columns.0 >= columns.1 || rows.0 >= rows.1 {
            let (x, y) = self.place.apply(0.0, 0.0);
            let name = self.crs.name();
            return Err(unfit(&self.path, format!("none of it lies in the city; its corner is at {x}, {y} in {name}")));
        }
        let pixels = u64::from(columns.1 - columns.0) * u64::from(rows.1 - rows.0);
        if pixels > MOST_PIXELS {
            let why =
                format!("{pixels} of its pixels lie in the city; {MOST_PIXELS} at most can be used, make it coarser");
            return Err(unfit(&self.path, why));
        }
        Ok(Window { place: self.place, crs: self.crs.clone(), columns, rows })
    }

    /// The values of a window, row by row, summed over the bands and weighted; not a number where none is given.
    fn values(&mut self, window: &Window, layer: &Layer, odd: &mut usize) -> Result<Vec<f64>, RasterError> {
        let bands: Vec<u16> = match layer.band {
            Some(band) if band > self.bands => {
                return Err(unfit(&self.path, format!("there is no band {band}, but {}", self.bands)));
            }
            Some(band) => vec![band - 1],
            None => (0..self.bands).collect(),
        };
        let (width, height) = self.decoder.chunk_dimensions();
        let across = self.size.0.div_ceil(width.max(1));
        let down = self.size.1.div_ceil(height.max(1));
        let tiles = |range: (u32, u32), size: u32| range.0 / size.max(1)..(range.1 - 1) / size.max(1) + 1;
        let (columns, rows) = (tiles(window.columns, width), tiles(window.rows, height));
        let planes: Vec<u16> = if self.is_planar { bands.clone() } else { vec![0] };
        let unpacked = [columns.len(), rows.len(), planes.len(), width as usize, height.min(self.size.1) as usize];
        let in_each = if self.is_planar { 1 } else { u64::from(self.bands) };
        let unpacked = unpacked.iter().fold(in_each, |all, &n| all.saturating_mul(n as u64));
        if unpacked > MOST_UNPACKED {
            let why = format!(
                "{unpacked} numbers would have to be unpacked, {MOST_UNPACKED} at most are; cut it to the city, or write \
                 it with tiles (gdal_translate -co TILED=YES -co COMPRESS=DEFLATE)"
            );
            return Err(unfit(&self.path, why));
        }
        let mut sums = vec![f64::NAN; window.width() * (window.rows.1 - window.rows.0) as usize];
        for plane in planes {
            for (row, column) in rows.clone().flat_map(|row| columns.clone().map(move |column| (row, column))) {
                let chunk = u64::from(plane) * u64::from(across) * u64::from(down)
                    + u64::from(row) * u64::from(across)
                    + u64::from(column);
                let Some(tile) = self.tile(u32::try_from(chunk).unwrap_or(u32::MAX), &bands)? else { continue };
                let (first_column, first_row) = (column * width, row * height);
                let to = |range: (u32, u32), first: u32, size: u32| {
                    range.0.saturating_sub(first)..range.1.saturating_sub(first).min(size)
                };
                for y in to(window.rows, first_row, tile.height) {
                    for x in to(window.columns, first_column, tile.width) {
                        let at = (first_row + y - window.rows.0) as usize * window.width()
                            + (first_column + x - window.columns.0) as usize;
                        for value in tile.at(x, y) {
                            if self.nodata.is_some_and(|nodata| is_nodata(&tile.values, value, nodata))
                                || value.is_nan()
                            {
                                continue;
                            }
                            if !(0.0..=MOST_PEOPLE).contains(&value) {
                                *odd += 1;
                                continue;
                            }
                            let sum = &mut sums[at];
                            *sum = if sum.is_nan() { 0.0 } else { *sum } + value * layer.weight;
                        }
                    }
                }
            }
        }
        Ok(sums)
    }

    /// A tile or strip; `None` for one that says nothing.
    fn tile(&mut self, chunk: u32, bands: &[u16]) -> Result<Option<Tile>, RasterError> {
        if self.bytes.get(chunk as usize) == Some(&0) {
            return Ok(None);
        }
        let tiff = |source| RasterError::Tiff { path: self.path.clone(), source };
        let (width, height) = self.decoder.chunk_data_dimensions(chunk);
        let values = self.decoder.read_chunk(chunk).map_err(tiff)?;
        // In planes of their own, each tile has one band.
        let (in_each, bands) = if self.is_planar { (1, vec![0]) } else { (self.bands, bands.to_vec()) };
        Ok(Some(Tile { width, height, in_each: in_each as usize, bands, values }))
    }
}

/// A tile or strip unpacked.
struct Tile {
    width: u32,
    height: u32,
    /// Numbers for each pixel.
    in_each: usize,
    /// Which of them count.
    bands: Vec<u16>,
    values: DecodingResult,
}

impl Tile {
    fn at(&self, x: u32, y: u32) -> impl Iterator<Item = f64> + '_ {
        let first = (y as usize * self.width as usize + x as usize) * self.in_each;
        self.bands.iter().filter_map(move |&band| value(&self.values, first + band as usize))
    }
}

fn value(values: &DecodingResult, at: usize) -> Option<f64> {
    match values {
        DecodingResult::U8(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::U16(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::U32(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::U64(v) => v.get(at).map(|&n| n as f64),
        DecodingResult::I8(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::I16(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::I32(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::I64(v) => v.get(at).map(|&n| n as f64),
        DecodingResult::F16(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::F32(v) => v.get(at).map(|&n| n.into()),
        DecodingResult::F64(v) => v.get(at).copied(),
    }
}

/// Whether a value stands for none. The mark is written in decimals, with as many digits as fit the raster's own numbers.
#[expect(clippy::float_cmp, reason = "the mark stands for itself alone")]
fn is_nodata(values: &DecodingResult, value: f64, nodata: f64) -> bool {
    match values {
        DecodingResult::F32(_) => value as f32 == nodata as f32,
        _ => value == nodata,
    }
}

/// Where pixels lie, by scale and tie point or by a matrix.
fn place(scale: &[f64], tie: &[f64], matrix: &[f64], is_point: bool) -> Option<Affine> {
    let affine = match (matrix, scale, tie) {
        ([a, b, _, c, d, e, _, f, ..], _, _) => [*a, *b, *c, *d, *e, *f],
        (_, [width, height, ..], [column, row, _, x, y, ..]) => {
            [*width, 0.0, x - column * width, 0.0, -height, y + row * height]
        }
        _ => return None,
    };
    // The corner of a pixel is half a pixel from its centre.
    let [a, b, c, d, e, f] = affine;
    let affine = if is_point { [a, b, c - f64::midpoint(a, b), d, e, f - f64::midpoint(d, e)] } else { affine };
    let size = affine[0] * affine[4] - affine[1] * affine[3];
    (affine.iter().all(|n| n.is_finite()) && size.is_normal()).then_some(Affine(affine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype::Gray16, colortype::Gray32Float};

    const CITY: (LonLat, LonLat) =
        (LonLat { lon_e7: 288_000_000, lat_e7: 470_000_000 }, LonLat { lon_e7: 288_040_000, lat_e7: 470_030_000 });

    /// Keys that say EPSG:4326, with pixels that are areas or points.
    fn keys(kind: u16) -> Vec<u16> {
        vec![1, 1, 0, 3, 1024, 0, 1, 2, RASTER_KIND, 0, 1, kind, GEOGRAPHIC_CODE, 0, 1, 4326]
    }

    /// A raster of pixels of 0.001° whose upper left corner is at 28.799, 47.005.
    fn write(
        values: &[f32],
        width: u32,
        tags: impl Fn(&mut dyn FnMut(Tag, &[f64]), &mut dyn FnMut(&[u16])),
    ) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut encoder =
            TiffEncoder::new(&mut file).unwrap().with_compression(Compression::Deflate(DeflateLevel::default()));
        let mut image = encoder.new_image::<Gray32Float>(width, values.len() as u32 / width).unwrap();
        image.rows_per_strip(2).unwrap();
        let (mut doubles, mut shorts) = (Vec::new(), Vec::new());
        tags(&mut |tag, values| doubles.push((tag, values.to_vec())), &mut |keys| shorts = keys.to_vec());
        for (tag, values) in &doubles {
            image.encoder().write_tag(*tag, &values[..]).unwrap();
        }
        image.encoder().write_tag(Tag::GeoKeyDirectoryTag, &shorts[..]).unwrap();
        image.encoder().write_tag(Tag::GdalNodata, "-99999").unwrap();
        image.write_data(values).unwrap();
        file.into_inner()
    }

    fn scaled(values: &[f32], width: u32, kind: u16) -> Vec<u8> {
        write(values, width, |double, keys_of| {
            double(Tag::ModelPixelScaleTag, &[0.001, 0.001, 0.0]);
            let half = if kind == PIXEL_IS_POINT { 0.0005 } else { 0.0 };
            double(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, 28.799 + half, 47.005 - half, 0.0]);
            keys_of(&keys(kind));
        })
    }

    fn cells(bytes: Vec<u8>, weight: f64) -> Result<Pixels, RasterError> {
        let path = Path::new("p.tif");
        let layer = Layer { path: path.to_owned(), band: None, weight };
        let mut raster = Raster::new(path, Cursor::new(bytes), None)?;
        let window = raster.window(CITY)?;
        let mut out = Pixels::default();
        let values = raster.values(&window, &layer, &mut out.odd)?;
        window.cells(&values, &mut out.cells).map_err(|why| unfit(path, why))?;
        Ok(out)
    }

    /// Ten columns and eight rows that count up.
    fn counting() -> Vec<f32> {
        (0..80_u8).map(f32::from).collect()
    }

    #[test]
    fn the_pixels_that_meet_the_city_come_with_their_corners() {
        let pixels = cells(scaled(&counting(), 10, 1), 2.0).unwrap();
        // Columns 1 to 4 and rows 2 to 4: 28.800 to 28.804, 47.003 to 47.000.
        let values: Vec<f64> = pixels.cells.iter().map(|cell| cell.children / 2.0).collect();
        assert_eq!(values, [21.0, 22.0, 23.0, 24.0, 31.0, 32.0, 33.0, 34.0, 41.0, 42.0, 43.0, 44.0]);
        let at = |lon_e7, lat_e7| LonLat { lon_e7, lat_e7 };
        let corners = [
            at(288_000_000, 470_030_000),
            at(288_010_000, 470_030_000),
            at(288_010_000, 470_020_000),
            at(288_000_000, 470_020_000),
        ];
        assert_eq!(pixels.cells[0].place, CellPlace::Pixel(corners));
    }

    #[test]
    fn scale_and_tie_point_a_matrix_and_centres_say_the_same() {
        let by_scale = cells(scaled(&counting(), 10, 1), 1.0).unwrap();
        let by_matrix = write(&counting(), 10, |double, keys_of| {
            let (x, y) = (28.799, 47.005);
            let rows = [[0.001, 0.0, 0.0, x], [0.0, -0.001, 0.0, y], [0.0; 4], [0.0, 0.0, 0.0, 1.0]];
            double(Tag::ModelTransformationTag, rows.as_flattened());
            keys_of(&keys(1));
        });
        assert_eq!(cells(by_matrix, 1.0).unwrap(), by_scale);
        assert_eq!(cells(scaled(&counting(), 10, PIXEL_IS_POINT), 1.0).unwrap(), by_scale);
    }

    #[test]
    fn what_is_no_number_of_people_says_nothing() {
        let mut values = counting();
        (values[21], values[22], values[23], values[24]) = (-99_999.0, f32::NAN, -3.0, f32::INFINITY);
        let pixels = cells(scaled(&values, 10, 1), 1.0).unwrap();
        assert_eq!((pixels.cells.len(), pixels.odd), (8, 2));
        assert!((pixels.cells[0].children - 31.0).abs() < 1e-12);
    }

    #[test]
    fn whole_numbers_are_read_too() {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).unwrap();
        let mut image = encoder.new_image::<Gray16>(10, 8).unwrap();
        image.encoder().write_tag(Tag::ModelPixelScaleTag, &[0.001, 0.001, 0.0][..]).unwrap();
        image.encoder().write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, 28.799, 47.005, 0.0][..]).unwrap();
        image.encoder().write_tag(Tag::GeoKeyDirectoryTag, &keys(1)[..]).unwrap();
        image.write_data(&(0..80).collect::<Vec<u16>>()).unwrap();
        assert_eq!(cells(file.into_inner(), 1.0).unwrap(), cells(scaled(&counting(), 10, 1), 1.0).unwrap());
    }

    #[test]
    fn a_raster_that_cannot_be_used_says_why() {
        let why = |bytes: Vec<u8>| cells(bytes, 1.0).unwrap_err().to_string();
        let placed = |tie: [f64; 6], keys: Vec<u16>| {
            write(&counting(), 10, move |double, keys_of| {
                double(Tag::ModelPixelScaleTag, &[0.001, 0.001, 0.0]);
                double(Tag::ModelTiepointTag, &tie);
                keys_of(&keys);
            })
        };
        assert!(why(placed([0.0, 0.0, 0.0, 8.0, 47.0, 0.0], keys(1))).contains("none of it lies in the city"));
        let unnamed = [0.0, 0.0, 0.0, 28.799, 47.005, 0.0];
        assert!(why(placed(unnamed, vec![1, 1, 0, 0])).contains("--crs population=EPSG"));
        let flat = write(&counting(), 10, |double, keys_of| {
            double(Tag::ModelPixelScaleTag, &[0.0, 0.0, 0.0]);
            keys_of(&keys(1));
        });
        assert!(why(flat).contains("where it lies"));
        assert!(why(b"II*\0".to_vec()).contains("not a GeoTIFF"));
        let fine = write(&counting(), 10, |double, keys_of| {
            double(Tag::ModelPixelScaleTag, &[1e-9, 1e-9, 0.0]);
            double(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, 28.8, 47.003, 0.0]);
            keys_of(&keys(1));
        });
        assert_eq!(cells(fine, 1.0).unwrap().cells.len(), 80, "as many as there are");
    }

    #[test]
    fn a_broken_raster_is_refused_or_read_but_never_a_panic() {
        let sound = scaled(&counting(), 10, 1);
        let header: Vec<usize> = (0..sound.len()).collect();
        for at in header {
            for change in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
                let mut broken = sound.clone();
                broken[at] ^= change;
                _ = cells(broken, 1.0);
            }
            _ = cells(sound[..at].to_vec(), 1.0);
        }
    }

    #[test]
    fn layers_have_bands_and_weights() {
        let layer = |path: &str, band, weight| Layer { path: path.into(), band, weight };
        assert_eq!(Layer::parse("a.tif").unwrap(), layer("a.tif", None, 1.0));
        assert_eq!(Layer::parse("a@b.tif@2=0.5").unwrap(), layer("a@b.tif", Some(2), 0.5));
        assert!(layer("A.TIFF", None, 1.0).is_raster() && !layer("tif", None, 1.0).is_raster());
        for bad in ["", "=2", "a.tif=x", "a.tif=-1", "a.tif=inf"] {
            assert!(Layer::parse(bad).is_err(), "{bad}");
        }
    }
}
