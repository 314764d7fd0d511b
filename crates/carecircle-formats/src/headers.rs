//! What headers mean: the usual names of columns in English and Chinese, kept as data in `data/headers.toml`.

use crate::table::Table;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

macro_rules! columns {
    ($($column:ident = $name:literal,)+) => {
        /// A column of ours.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names that users write; the design and headers.toml say what they mean")]
        pub enum Column { $($column,)+ }

        impl Column {
            /// Every column, in order.
            pub const ALL: &'static [Self] = &[$(Self::$column),+];

            /// The name in tables and in `--columns`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$column => $name),+ }
            }
        }
    };
}

columns! {
    Id = "id",
    Name = "name",
    NameZh = "name_zh",
    NameEn = "name_en",
    Lon = "lon",
    Lat = "lat",
    Geometry = "geometry",
    Crs = "crs",
    Kind = "kind",
    Status = "status",
    Registered = "registered",
    Filed = "filed",
    Licensed = "licensed",
    Inclusive = "inclusive",
    Places = "places",
    PlacesInfant = "places_infant",
    PlacesToddler = "places_toddler",
    PlacesSenior = "places_senior",
    Enrolled = "enrolled",
    Staff = "staff",
    StaffCertified = "staff_certified",
    HealthManager = "health_manager",
    Opened = "opened",
    Closed = "closed",
    MinMonths = "min_months",
    MaxMonths = "max_months",
    Hub = "hub",
    Modes = "modes",
    Price = "price",
    Address = "address",
    Population = "population",
    Under3 = "under3",
    Area = "area",
    Level = "level",
    Parent = "parent",
    Communities = "communities",
    Kindergartens = "kindergartens",
    Cost = "cost",
    Choice = "choice",
}

impl Column {
    /// The column of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|column| column.name() == name)
    }

    /// The name to show to people who read Chinese.
    pub fn name_zh(self) -> &'static str {
        &CATALOGUE.names_zh[self as usize]
    }
}

/// The user's own mapping from `--columns`: our name to the table's header.
pub type Mapping = BTreeMap<String, String>;

/// A header that may mean several things.
#[derive(Debug, PartialEq)]
pub struct Ambiguity {
    /// What it may mean; or something else.
    pub may_be: Vec<Column>,
    /// The question that tells, in English.
    pub en: String,
    /// The question in Chinese.
    pub zh: String,
}

/// What a table's column means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// One of ours.
    Is(Column),
    /// One of ours that an earlier column is already; it passes through.
    Again(Column),
    /// Nobody can tell without asking; it passes through.
    May(&'static Ambiguity),
    /// It passes through.
    Other,
}

impl Meaning {
    /// Which of our columns it is, if any.
    pub fn column(self) -> Option<Column> {
        if let Self::Is(column) = self { Some(column) } else { None }
    }
}

/// The data file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    units: Vec<String>,
    column: Vec<FileColumn>,
    ambiguous: Vec<FileAmbiguity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileColumn {
    is: String,
    zh: String,
    headers: Vec<String>,
    #[serde(default)]
    otherwise: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAmbiguity {
    headers: Vec<String>,
    may_be: Vec<String>,
    en: String,
    zh: String,
}

/// How surely a header means a column; the surest counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Surety {
    OurName,
    Usual,
    /// In the order of the list.
    Otherwise(usize),
}

enum Entry {
    Is(Column, Surety),
    May(Ambiguity),
}

/// All headers known, plain.
struct Catalogue {
    units: Vec<String>,
    entries: BTreeMap<String, Entry>,
    names_zh: Vec<String>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(include_str!("../data/headers.toml"))
        .expect("the file is part of the program, and a test reads it")
});

impl Catalogue {
    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let units: Vec<String> = file.units.iter().map(|unit| squeezed(unit)).collect();
        let column = |name: &str| Column::named(name).ok_or_else(|| format!("{name} is none of our columns"));
        let mut out = Self { units, entries: BTreeMap::new(), names_zh: vec![String::new(); Column::ALL.len()] };
        for &ours in Column::ALL {
            out.add(ours.name(), Entry::Is(ours, Surety::OurName))?;
        }
        for FileColumn { is, zh, headers, otherwise } in file.column {
            let is = column(&is)?;
            out.names_zh[is as usize] = zh;
            for header in headers {
                out.add(&header, Entry::Is(is, Surety::Usual))?;
            }
            for (i, header) in otherwise.iter().enumerate() {
                out.add(header, Entry::Is(is, Surety::Otherwise(i)))?;
            }
        }
        for FileAmbiguity { headers, may_be, en, zh } in file.ambiguous {
            let may_be: Vec<Column> = may_be.iter().map(|name| column(name)).collect::<Result<_, _>>()?;
            for header in headers {
                let ambiguity = Ambiguity { may_be: may_be.clone(), en: en.clone(), zh: zh.clone() };
                out.add(&header, Entry::May(ambiguity))?;
            }
        }
        match Column::ALL.iter().find(|c| out.names_zh[**c as usize].is_empty()) {
            Some(missing) => Err(format!("{} has no entry", missing.name())),
            None => Ok(out),
        }
    }

    fn add(&mut self, header: &str, entry: Entry) -> Result<(), String> {
        match self.entries.insert(self.plain(header), entry) {
            Some(_) => Err(format!("{header} stands there twice")),
            None => Ok(()),
        }
    }

    /// A header without what doesn't matter.
    fn plain(&self, header: &str) -> String {
        let header = half_width(header);
        let header = header.trim();
        let brackets = header.strip_suffix([')', ']', '】']).and_then(|rest| rest.rsplit_once(['(', '[', '【']));
        let without_unit = brackets.filter(|(name, unit)| !name.is_empty() && self.units.contains(&squeezed(unit)));
        squeezed(without_unit.map_or(header, |(name, _)| name))
    }

    fn entry(&self, header: &str) -> Option<&Entry> {
        self.entries.get(&self.plain(header))
    }
}

/// Full-width letters, digits and signs as their plain twins.
pub(crate) fn half_width(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        other => other,
    };
    text.chars().map(plain).collect()
}

fn squeezed(header: &str) -> String {
    let kept = half_width(header).to_lowercase();
    kept.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '~' | '—' | '*' | ':' | '.')).collect()
}

/// Whether a cell is a header that we know, sure or not.
pub(crate) fn is_known(cell: &str) -> bool {
    CATALOGUE.entry(cell).is_some()
}

/// The column that a usual header surely is.
pub(crate) fn column_of(header: &str) -> Option<Column> {
    match CATALOGUE.entry(header)? {
        Entry::Is(column, Surety::OurName | Surety::Usual) => Some(*column),
        _ => None,
    }
}

/// What each column of a table means: by the user's mapping, by our own name, by a usual header. A mapping to a header that
/// this table doesn't have is meant for another table.
pub fn meanings(table: &Table, mapping: &Mapping) -> Vec<Meaning> {
    let mut out = vec![Meaning::Other; table.columns.len()];
    let mut taken = [false; Column::ALL.len()];
    for (i, header) in table.columns.iter().enumerate() {
        let by_user = mapping.iter().find(|(_, theirs)| *theirs == header).and_then(|(ours, _)| Column::named(ours));
        if let Some(column) = by_user.filter(|column| !taken[*column as usize]) {
            taken[column as usize] = true;
            out[i] = Meaning::Is(column);
        }
    }
    let mut known = Vec::new();
    for (i, header) in table.columns.iter().enumerate() {
        match CATALOGUE.entry(header) {
            _ if out[i] != Meaning::Other => {}
            Some(Entry::Is(column, surety)) => known.push((*surety, i, *column)),
            Some(Entry::May(ambiguity)) => out[i] = Meaning::May(ambiguity),
            None => {}
        }
    }
    known.sort_unstable();
    for (surety, i, column) in known {
        // A header that means it only where nothing better does is no rival.
        out[i] = match (std::mem::replace(&mut taken[column as usize], true), surety) {
            (false, _) => Meaning::Is(column),
            (true, Surety::Otherwise(_)) => Meaning::Other,
            (true, _) => Meaning::Again(column),
        };
    }
    for meaning in &mut out {
        // What another column answers is no question any more.
        if matches!(meaning, Meaning::May(ambiguity) if ambiguity.may_be.iter().all(|c| taken[*c as usize])) {
            *meaning = Meaning::Other;
        }
    }
    out
}
