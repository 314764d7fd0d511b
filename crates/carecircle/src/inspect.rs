//! `carecircle inspect`: what was understood of a table, and what was not, before anything rests on it.

use crate::bad_input;
use crate::check::thousands;
use crate::inputs::{Reading, describe, refuse_to_overwrite};
use crate::lang::Lang;
use crate::output::write_whole;
use anyhow::Result;
use carecircle_core::demand::BlockPlace;
use carecircle_core::facility::{Facility, Kind, Status};
use carecircle_core::geometry::LonLat;
use carecircle_core::place::AreaLevel;
use carecircle_core::polygon;
use carecircle_formats::columns::{self, Declared, Layer, Reject, Sorted};
use carecircle_formats::headers::{Column, Meaning, meanings};
use carecircle_formats::remark;
use carecircle_formats::survey::{Survey, survey};
use carecircle_formats::table::{Remark, Table};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// So many bad rows are told of.
const BAD_ROWS_TOLD: usize = 10;
/// So many of them go into the JSON file.
const BAD_ROWS_LISTED: usize = 1_000;
/// An example is cut to so many columns of a terminal.
const EXAMPLE_WIDTH: usize = 28;

#[derive(Args)]
pub(crate) struct Inspect {
    /// The table: of facilities, blocks or areas
    file: PathBuf,
    /// What its rows stand for [default: what its columns look like]
    #[arg(long = "as", value_enum, value_name = "LAYER")]
    layer: Option<Rows>,
    /// Coordinate system: wgs84, gcj02, bd09 or EPSG:… [default: what the file states, else wgs84]
    #[arg(long, value_name = "C", default_value = "", hide_default_value = true)]
    crs: String,
    /// Which column means what where the header doesn't tell: ours=theirs,…
    #[arg(long, value_name = "OURS=THEIRS,…", default_value = "", hide_default_value = true)]
    columns: String,
    /// The same as JSON
    #[arg(short, long, value_name = "OUT.json")]
    output: Option<PathBuf>,
    /// Language of tables and messages [default: the environment's]
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// What rows stand for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rows {
    Facilities,
    Blocks,
    Areas,
}

impl Rows {
    /// What a table's columns look like.
    fn guess(table: &Table, meanings: &[Meaning]) -> Self {
        let has = |columns: &[Column]| columns.iter().any(|c| meanings.contains(&Meaning::Is(*c)));
        let own = [Column::Kind, Column::Places, Column::Status, Column::Filed, Column::Inclusive, Column::Enrolled];
        if has(&[Column::Level]) {
            Self::Areas
        } else if has(&own) {
            Self::Facilities
        } else if has(&[Column::Population, Column::Under3]) || table.has_geometries() {
            Self::Blocks
        } else {
            Self::Facilities
        }
    }

    fn layer(self) -> Layer {
        match self {
            Self::Facilities => Layer::Facilities,
            Self::Blocks => Layer::Blocks,
            Self::Areas => Layer::Areas,
        }
    }

    /// The name on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Facilities => "facilities",
            Self::Blocks => "blocks",
            Self::Areas => "areas",
        }
    }

    fn name_zh(self) -> &'static str {
        match self {
            Self::Facilities => "托育机构",
            Self::Blocks => "居住地块",
            Self::Areas => "区域",
        }
    }
}

/// A sum over the rows.
struct Total {
    /// Its name in JSON and in English.
    en: String,
    zh: String,
    /// Over the rows that can be used.
    used: f64,
    /// With those that lack nothing but their place, where they are counted.
    with_unplaced: Option<f64>,
}

/// What the rows came to.
struct Contents {
    used: usize,
    rejects: Vec<Reject>,
    doubts: Vec<Reject>,
    remarks: Vec<Remark>,
    totals: Vec<Total>,
    /// West, south, east and north in degrees.
    bounds: Option<[f64; 4]>,
}

impl Contents {
    fn read(table: &Table, declared: &Declared, meanings: &[Meaning], rows: Rows) -> Result<Self> {
        Ok(match rows {
            Rows::Facilities => {
                let sorted = columns::facilities(table, declared)?;
                let mut totals = vec![Total::new("facilities", "托育机构", sorted.used.len() as f64)];
                totals.extend(facility_totals(&sorted.used));
                add_unplaced(&mut totals, table, meanings, &sorted.rejects);
                Self::of(sorted, totals, |facility| vec![facility.at])
            }
            Rows::Blocks => {
                let sorted = columns::blocks(table, declared)?;
                let under3 = sum(Column::Under3, sorted.used.iter().map(|block| block.under3));
                let population = sum(Column::Population, sorted.used.iter().map(|block| block.population));
                Self::of(sorted, [population, under3].into_iter().flatten().collect(), |block| match &block.place {
                    BlockPlace::Point(at) => vec![*at],
                    BlockPlace::Shape(shape) => corners(shape),
                })
            }
            Rows::Areas => {
                let sorted = columns::areas(table, declared)?;
                let level = |level: &AreaLevel| {
                    let n = sorted.used.iter().filter(|area| area.level == *level).count();
                    (n > 0).then(|| Total::new(level.name(), level.name(), n as f64))
                };
                let mut totals: Vec<Total> = AreaLevel::ALL.iter().filter_map(level).collect();
                totals.extend(sum(Column::Population, sorted.used.iter().map(|area| area.population)));
                totals.extend(sum(Column::Under3, sorted.used.iter().map(|area| area.under3)));
                Self::of(sorted, totals, |area| corners(&area.shape))
            }
        })
    }

    fn of<T>(sorted: Sorted<T>, totals: Vec<Total>, places: impl Fn(&T) -> Vec<LonLat>) -> Self {
        let mut bounds: Option<[f64; 4]> = None;
        for at in sorted.used.iter().flat_map(places) {
            let (lon, lat) = (at.lon(), at.lat());
            let [west, south, east, north] = bounds.unwrap_or([lon, lat, lon, lat]);
            bounds = Some([west.min(lon), south.min(lat), east.max(lon), north.max(lat)]);
        }
        let Sorted { used, rejects, doubts, remarks, .. } = sorted;
        Self { used: used.len(), rejects, doubts, remarks, totals, bounds }
    }
}

impl Total {
    fn new(en: &str, zh: &str, value: f64) -> Self {
        Self { en: en.to_owned(), zh: zh.to_owned(), used: value, with_unplaced: None }
    }

    /// All of it, and what is of rows that can be used.
    fn json(&self) -> (String, Value) {
        (self.en.clone(), json!({ "all": self.with_unplaced.unwrap_or(self.used), "used": self.used }))
    }
}

/// Adds to facilities and to the sums of columns what rows tell that lack nothing but a place: they are facilities too, if
/// on no map.
fn add_unplaced(totals: &mut [Total], table: &Table, meanings: &[Meaning], rejects: &[Reject]) {
    let at = |column: Column| meanings.iter().position(|m| *m == Meaning::Is(column));
    let place = [Column::Lon, Column::Lat, Column::Geometry];
    let of_place =
        |blamed: &str| place.iter().any(|c| at(*c).map_or(c.name(), |i| table.columns[i].as_str()) == blamed);
    let unplaced: Vec<&Reject> = rejects.iter().filter(|reject| of_place(&reject.column)).collect();
    for total in totals {
        if total.en == "facilities" {
            total.with_unplaced = Some(total.used + unplaced.len() as f64);
        } else if let Some(column) = Column::named(&total.en).and_then(at) {
            let cells = unplaced.iter().flat_map(|reject| &reject.cells).filter(|(i, _)| *i == column);
            let numbers = cells.filter_map(|(_, cell)| columns::number(cell)).filter(|v| *v >= 0.0);
            total.with_unplaced = Some(total.used + numbers.sum::<f64>());
        }
    }
}

/// The sum of what is known; nothing where nothing is.
fn sum(column: Column, values: impl Iterator<Item = Option<f64>>) -> Option<Total> {
    let total = values.flatten().fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or(0.0) + value));
    total.map(|value| Total::new(column.name(), column.name_zh(), value))
}

fn facility_totals(facilities: &[Facility]) -> Vec<Total> {
    let number = |column: Column, of: fn(&Facility) -> Option<u32>| {
        sum(column, facilities.iter().map(|facility| of(facility).map(f64::from)))
    };
    let mut out: Vec<Total> = [
        number(Column::Places, |f| f.places),
        number(Column::PlacesInfant, |f| f.places_infant),
        number(Column::PlacesToddler, |f| f.places_toddler),
        number(Column::PlacesSenior, |f| f.places_senior),
        number(Column::Enrolled, |f| f.enrolled),
        number(Column::Staff, |f| f.staff),
        number(Column::StaffCertified, |f| f.staff_certified),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut count = |en: &str, zh: &str, which: &dyn Fn(&Facility) -> bool| {
        let n = facilities.iter().filter(|facility| which(facility)).count();
        if n > 0 {
            out.push(Total::new(en, zh, n as f64));
        }
    };
    for kind in Kind::ALL {
        count(&format!("kind {}", kind.name()), &format!("类型 {}", kind.name()), &|f| f.kind == *kind);
    }
    for status in Status::ALL.iter().filter(|status| **status != Status::Unknown) {
        let name = status.name();
        count(&format!("at least {name}"), &format!("达到 {name}"), &|f| f.status >= *status);
    }
    count("inclusive", "普惠", &|f| f.inclusive == Some(true));
    out
}

/// The corners of a shape's box.
fn corners(shape: &carecircle_core::geometry::LonLatShape) -> Vec<LonLat> {
    let Some(bounds) = polygon::bounds(shape) else { return Vec::new() };
    [bounds.min(), bounds.max()].iter().filter_map(|c| LonLat::from_degrees(c.x, c.y)).collect()
}

/// A table looked at.
struct Findings<'a> {
    table: &'a Table,
    rows: Rows,
    guessed: bool,
    meanings: Vec<Meaning>,
    surveys: Vec<Survey>,
    contents: Contents,
    declared: Declared,
}

impl Inspect {
    /// The language to speak.
    pub(crate) fn lang(&self) -> Lang {
        self.lang.unwrap_or_else(Lang::of_environment)
    }

    pub(crate) fn run(&self) -> Result<()> {
        let lang = self.lang();
        if let Some(out) = &self.output {
            if out.extension().is_none_or(|e| e != "json") {
                let out = out.display();
                return Err(bad_input(remark!(
                    "-o {out}: the name must end in .json",
                    "-o {out}：文件名应以 .json 结尾"
                )));
            }
            refuse_to_overwrite("-o", out, std::slice::from_ref(&self.file))?;
        }
        let reading = Reading::new(&self.crs, &self.columns);
        // Before the work: a wrong parameter should not cost a minute.
        let any = reading.declared("facilities")?;
        let table = Table::read(&self.file)?;
        let meanings = meanings(&table, &any.mapping);
        if let Some((ours, theirs)) = any.mapping.iter().find(|(_, theirs)| !table.columns.contains(theirs)) {
            let found = table.columns.join(", ");
            return Err(bad_input(remark!(
                "--columns {ours}={theirs}: there is no column `{theirs}`, but {found}",
                "--columns {ours}={theirs}：没有 `{theirs}` 列；现有 {found}"
            )));
        }
        let rows = self.layer.unwrap_or_else(|| Rows::guess(&table, &meanings));
        let declared = reading.declared(rows.name())?;
        let contents = Contents::read(&table, &declared, &meanings, rows)?;
        let surveys = survey(&table);
        let guessed = self.layer.is_none();
        let findings = Findings { table: &table, rows, guessed, meanings, surveys, contents, declared };
        if let Some(path) = &self.output {
            write_whole(path, |out| Ok(writeln!(out, "{:#}", findings.json())?))?;
        }
        Ok(io::stdout().lock().write_all(findings.text(lang).as_bytes())?)
    }
}

impl Findings<'_> {
    /// Which of our columns the layer reads it as, or hands on under our name.
    fn ours(&self, at: usize) -> Option<(Column, bool)> {
        let column = self.meanings[at].column()?;
        Some((column, self.rows.layer().columns().contains(&column)))
    }

    /// What the mapping may say of an ambiguous column: what the layer would read, else whatever it may be.
    fn answers(&self, at: usize) -> Vec<String> {
        let Meaning::May(ambiguity) = self.meanings[at] else { return Vec::new() };
        let reads = self.rows.layer().columns();
        let read: Vec<Column> = ambiguity.may_be.iter().copied().filter(|column| reads.contains(column)).collect();
        let header = &self.table.columns[at];
        read.iter().map(|column| format!("--columns {}={header}", column.name())).collect()
    }

    /// The coordinate system, and what declared it.
    fn crs(&self) -> (String, &'static str, &'static str) {
        let name = |crs: &carecircle_formats::crs::Crs| crs.name().to_owned();
        let by_row = self.meanings.contains(&Meaning::Is(Column::Crs));
        match (&self.declared.crs, &self.table.crs) {
            _ if by_row => (
                self.declared.crs.as_ref().map_or("wgs84".to_owned(), name),
                "rows that don't state their own",
                "各行未注明时",
            ),
            (Some(crs), _) => (name(crs), "declared by --crs", "由 --crs 指定"),
            (None, Some(crs)) => (name(crs), "stated by the file", "文件自带"),
            (None, None) => {
                ("wgs84".to_owned(), "assumed, for nothing declares it; --crs does", "未声明，按默认；可用 --crs 指定")
            }
        }
    }

    fn text(&self, lang: Lang) -> String {
        let mut out = String::new();
        self.write_form(&mut out, lang);
        out.push('\n');
        self.write_columns(&mut out, lang);
        out.push('\n');
        self.write_questions(&mut out, lang);
        self.write_contents(&mut out, lang);
        out
    }

    fn write_form(&self, out: &mut String, lang: Lang) {
        let form = &self.table.form;
        let mut how = vec![form.format.to_owned()];
        how.extend(form.encoding.map(str::to_owned));
        how.extend(form.part.as_ref().map(|part| format!("{} {part}", lang.pick("sheet or layer", "工作表或图层"))));
        if let Some(delimiter) = form.delimiter {
            let sign =
                if delimiter == '\t' { lang.pick("tab", "制表符").to_owned() } else { format!("`{delimiter}`") };
            how.push(format!("{} {sign}", lang.pick("delimiter", "分隔符")));
        }
        how.extend(form.header_row.map(|row| match lang {
            Lang::En => format!("header in row {row}"),
            Lang::Zh => format!("表头在第 {row} 行"),
        }));
        let (name, rows) = (self.table.name(), thousands(self.table.rows().len() as f64));
        let how = how.join(lang.pick(", ", "，"));
        let by = if self.guessed {
            lang.pick(", by its columns; --as says otherwise", "（按列判断，可用 --as 指定）")
        } else {
            ""
        };
        let (layer, layer_zh) = (self.rows.name(), self.rows.name_zh());
        _ = match lang {
            Lang::En => writeln!(out, "{name}: {how}; rows: {rows}\nread as {layer}{by}"),
            Lang::Zh => writeln!(out, "{name}：{how}；共 {rows} 行\n按{layer_zh}读取{by}"),
        };
    }

    fn write_columns(&self, out: &mut String, lang: Lang) {
        let head = match lang {
            Lang::En => ["column", "understood as", "filled", "example", "range"],
            Lang::Zh => ["列", "含义", "非空", "示例", "范围"],
        };
        let mut lines = vec![head.map(str::to_owned)];
        for (i, (header, survey)) in self.table.columns.iter().zip(&self.surveys).enumerate() {
            let named = |column: Column| match lang {
                Lang::En => column.name().to_owned(),
                Lang::Zh => format!("{}（{}）", column.name_zh(), column.name()),
            };
            let through = lang.pick("passes through", "原样保留");
            let meaning = match (self.ours(i), self.meanings[i]) {
                (Some((column, true)), _) => named(column),
                (Some((column, false)), _) => format!("{through}{}{}", lang.pick(" as ", "："), named(column)),
                (None, Meaning::Again(column)) => {
                    format!("{through}{}{}", lang.pick(", also ", "，同为"), named(column))
                }
                (None, Meaning::May(_)) if !self.answers(i).is_empty() => {
                    lang.pick("? see below", "？见下文").to_owned()
                }
                _ => through.to_owned(),
            };
            let range = survey.range.map(|(low, high)| format!("{low} – {high}")).unwrap_or_default();
            let filled = thousands(survey.filled as f64);
            lines.push([cut(header), meaning, filled, cut(&survey.example), range]);
        }
        let widths: [usize; 5] = std::array::from_fn(|c| lines.iter().map(|l| l[c].width()).max().unwrap_or(0));
        for line in &lines {
            let mut text = String::new();
            for (c, cell) in line.iter().enumerate() {
                let pad = " ".repeat(widths[c] - cell.width());
                _ = if c == 2 { write!(text, "{pad}{cell}  ") } else { write!(text, "{cell}{pad}  ") };
            }
            _ = writeln!(out, "{}", text.trim_end());
        }
    }

    fn write_questions(&self, out: &mut String, lang: Lang) {
        let mut any = false;
        for (i, meaning) in self.meanings.iter().enumerate() {
            let Meaning::May(ambiguity) = meaning else { continue };
            let answers = self.answers(i);
            if answers.is_empty() {
                continue;
            }
            any = true;
            let (header, question) = (cut(&self.table.columns[i]), lang.pick(&ambiguity.en, &ambiguity.zh));
            let answers = answers.join(lang.pick(" or ", " 或 "));
            _ = match lang {
                Lang::En => writeln!(out, "{header}: {question} If so: {answers}"),
                Lang::Zh => writeln!(out, "{header}：{question}如是：{answers}"),
            };
        }
        if any {
            out.push('\n');
        }
    }

    fn write_contents(&self, out: &mut String, lang: Lang) {
        let Contents { used, rejects, doubts, remarks, totals, bounds } = &self.contents;
        let (used, bad, doubted) = (thousands(*used as f64), rejects.len(), doubts.len());
        _ = match lang {
            Lang::En => {
                writeln!(out, "rows that can be used: {used}; that can't: {bad}; cells in doubt: {doubted}")
            }
            Lang::Zh => writeln!(out, "可用 {used} 行；无法使用 {bad} 行；存疑单元格 {doubted} 个"),
        };
        for Total { en, zh, used, with_unplaced } in totals {
            let all = with_unplaced.filter(|all| all > used).map(|_| match lang {
                Lang::En => format!(" ({} in rows that have a place)", thousands(*used)),
                Lang::Zh => format!("（其中有位置的 {}）", thousands(*used)),
            });
            let value = thousands(with_unplaced.unwrap_or(*used));
            let all = all.unwrap_or_default();
            _ = match lang {
                Lang::En => writeln!(out, "{en}: {value}{all}"),
                Lang::Zh => writeln!(out, "{zh}：{value}{all}"),
            };
        }
        let (crs, how, how_zh) = self.crs();
        _ = match lang {
            Lang::En => writeln!(out, "coordinate system: {crs} ({how})"),
            Lang::Zh => writeln!(out, "坐标系：{crs}（{how_zh}）"),
        };
        if let Some([west, south, east, north]) = bounds {
            let label = lang.pick("bounding box in WGS 84: ", "范围（WGS 84）：");
            _ = writeln!(out, "{label}{west:.5},{south:.5} – {east:.5},{north:.5}");
        }
        for Remark { en, zh } in remarks {
            _ = writeln!(out, "{}", lang.pick(en, zh));
        }
        for (list, title, title_zh) in
            [(rejects, "rows that can't be used:", "无法使用的行："), (doubts, "cells in doubt:", "存疑的单元格：")]
        {
            if list.is_empty() {
                continue;
            }
            _ = writeln!(out, "\n{}", lang.pick(title, title_zh));
            for reject in list.iter().take(BAD_ROWS_TOLD) {
                _ = writeln!(out, "  {}", lang.tell(&describe(self.table, reject)));
            }
            if list.len() > BAD_ROWS_TOLD {
                let more = list.len() - BAD_ROWS_TOLD;
                _ = match lang {
                    Lang::En => writeln!(out, "  and {more} more"),
                    Lang::Zh => writeln!(out, "  另有 {more} 处"),
                };
            }
        }
    }

    fn json(&self) -> Value {
        let Contents { used, rejects, doubts, remarks, totals, bounds } = &self.contents;
        let form = &self.table.form;
        let columns: Vec<Value> = (0..self.table.columns.len())
            .map(|i| {
                let survey = &self.surveys[i];
                let question = match self.meanings[i] {
                    Meaning::May(ambiguity) if !self.answers(i).is_empty() => {
                        json!({ "en": ambiguity.en, "zh": ambiguity.zh, "answers": self.answers(i) })
                    }
                    _ => Value::Null,
                };
                json!({
                    "header": self.table.columns[i],
                    "means": self.ours(i).map(|(column, _)| column.name()),
                    "used": self.ours(i).is_some_and(|(_, read)| read),
                    "question": question,
                    "filled": survey.filled,
                    "example": survey.example,
                    "range": survey.range.map(|(low, high)| [low, high]),
                })
            })
            .collect();
        let listed = |list: &[Reject]| -> Vec<Value> {
            let first = list.iter().take(BAD_ROWS_LISTED);
            first
                .map(|r| json!({ "row": r.row, "column": r.column, "why": { "en": r.why.en, "zh": r.why.zh } }))
                .collect()
        };
        let (crs, how, _) = self.crs();
        json!({
            "file": self.table.name(),
            "format": form.format,
            "encoding": form.encoding,
            "delimiter": form.delimiter.map(String::from),
            "part": form.part,
            "header_row": form.header_row,
            "rows": self.table.rows().len(),
            "layer": self.rows.name(),
            "columns": columns,
            "used": used,
            "totals": totals.iter().map(Total::json).collect::<serde_json::Map<_, _>>(),
            "crs": { "name": crs, "how": how },
            "bounds": bounds,
            "remarks": remarks.iter().map(|r| json!({ "en": r.en, "zh": r.zh })).collect::<Vec<_>>(),
            "rejects": { "count": rejects.len(), "first": listed(rejects) },
            "doubts": { "count": doubts.len(), "first": listed(doubts) },
        })
    }
}

/// A text in a line of the table: no control characters, a terminal obeys some; cut where it is long.
fn cut(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.width() <= EXAMPLE_WIDTH {
        return clean;
    }
    let mut width = 0;
    let fits = clean.chars().take_while(|c| {
        width += c.width().unwrap_or(0);
        width < EXAMPLE_WIDTH
    });
    fits.chain(['…']).collect()
}
