//! What a map or a table says of a city besides its streets: homes, areas, facilities. All in degrees, as read.

use crate::facility::{Facility, named};
use crate::geometry::{LonLat, LonLatShape};
use crate::other::OtherColumns;
use crate::population::PopulationCell;
use std::collections::BTreeMap;

/// A polygon where people live, as drawn on a map or given in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidentialArea {
    /// Stable id, without dot or slash (`w2`, `r3`).
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// Its outline in degrees; self-crossing rings are already mended.
    pub shape: LonLatShape,
}

/// How sure it is that people live in a building.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Its tags say so (`building=apartments`).
    Certain,
    /// Nothing says otherwise (`building=yes`): a home unless the land it stands on is put to another use.
    Assumed,
}

/// A building where people live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Building {
    /// A point inside its footprint.
    pub at: LonLat,
    /// Ground covered, square metres.
    pub footprint_m2: f32,
    /// Storeys, where the map tells.
    pub levels: Option<f32>,
    /// How sure it is that people live there.
    pub home: Home,
}

/// The levels that areas nest in, from the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AreaLevel {
    /// A city or what is above a district.
    City,
    /// A district or county (区/县).
    District,
    /// A street or township (街道/镇).
    Street,
    /// A community or village (社区/村).
    Community,
}

impl AreaLevel {
    /// Every level, from the largest.
    pub const ALL: [Self; 4] = [Self::City, Self::District, Self::Street, Self::Community];

    /// The name in tables, queries and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::District => "district",
            Self::Street => "street",
            Self::Community => "community",
        }
    }

    /// The level of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }
}

/// An administrative area.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Stable id, without dot or slash.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// The Chinese name.
    pub name_zh: Option<String>,
    /// The English name.
    pub name_en: Option<String>,
    /// Which level it is of.
    pub level: AreaLevel,
    /// The id of the area that contains it, where a table tells; found by geometry otherwise.
    pub parent: Option<String>,
    /// Residents.
    pub population: Option<f64>,
    /// Children under three.
    pub under3: Option<f64>,
    /// Communities in it.
    pub communities: Option<u32>,
    /// Kindergartens in it, with or without a class for children under three.
    pub kindergartens: Option<u32>,
    /// Its outline in degrees; empty where a table knows it by name alone.
    pub shape: LonLatShape,
    /// Columns that pass through as they came.
    pub other: OtherColumns,
}

impl Area {
    /// An area of which only its id, level and outline are known.
    pub fn new(id: impl Into<String>, level: AreaLevel, shape: LonLatShape) -> Self {
        Self {
            id: id.into(),
            name: None,
            name_zh: None,
            name_en: None,
            level,
            parent: None,
            population: None,
            under3: None,
            communities: None,
            kindergartens: None,
            shape,
            other: OtherColumns::default(),
        }
    }
}

/// A gate or an entrance: where one comes in, if it lies on the outline of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// Where.
    pub at: LonLat,
    /// A gate in a wall or fence, rather than the entrance of a building.
    pub is_gate: bool,
    /// Whether nobody may pass.
    pub is_closed: bool,
}

named! {
    /// What premises are that a nursery could be put into.
    PremisesKind {
        /// A kindergarten or nursery that is no more.
        FormerKindergarten = "former_kindergarten",
        /// A school.
        School = "school",
        /// A community centre.
        CommunityCentre = "community_centre",
        /// A building of the municipality: its town hall, a library, an office.
        PublicBuilding = "public_building",
    }
}

/// Premises that a nursery could be put into.
#[derive(Clone, Debug, PartialEq)]
pub struct Premises {
    /// Stable id, without dot or slash.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// What they are.
    pub kind: PremisesKind,
    /// Where: their node, or a point inside their polygon.
    pub at: LonLat,
}

/// Lines through two places or more, kept in one piece: a city has tens of thousands, most of them short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polylines {
    places: Vec<LonLat>,
    /// Where each line ends in `places`.
    ends: Vec<u32>,
}

impl Polylines {
    /// Adds a line. A place that repeats the one before it is left out; what has no length then is no line.
    pub fn push(&mut self, line: &[LonLat]) {
        let start = self.places.len();
        self.places.extend(line.chunk_by(|a, b| a == b).map(|same| same[0]));
        match u32::try_from(self.places.len()) {
            Ok(end) if self.places.len() > start + 1 => self.ends.push(end),
            _ => self.places.truncate(start),
        }
    }

    /// The lines in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &[LonLat]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| &self.places[start as usize..end as usize])
    }

    /// All places, line after line, and where each line ends among them.
    pub fn parts(&self) -> (&[LonLat], &[u32]) {
        (&self.places, &self.ends)
    }

    /// Lines of their places and ends; `None` where the ends are none of lines through two places or more.
    pub fn of_parts(places: Vec<LonLat>, ends: Vec<u32>) -> Option<Self> {
        let starts = std::iter::once(&0).chain(&ends);
        let are_lines = starts.zip(&ends).all(|(&start, &end)| u64::from(start) + 2 <= u64::from(end));
        let is_whole = ends.last().map_or(0, |end| *end as usize) == places.len();
        (are_lines && is_whole).then_some(Self { places, ends })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives memory back that no line needs.
    pub fn shrink_to_fit(&mut self) {
        self.places.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// What an extract holds besides streets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    /// Facilities, by id.
    pub facilities: Vec<Facility>,
    /// Premises that a nursery could be put into, by id.
    pub premises: Vec<Premises>,
    /// Residential polygons, by id.
    pub residential: Vec<ResidentialArea>,
    /// Land put to other uses (industry, offices, schools, graves), where `building=yes` is no home.
    pub other_use: Vec<LonLatShape>,
    /// Land where nobody lives unless a home is mapped (water, woods, fields, parks): a building on it is a home as
    /// anywhere else.
    pub uninhabited: Vec<LonLatShape>,
    /// Residential buildings, by id.
    pub buildings: Vec<Building>,
    /// Administrative areas, by id.
    pub areas: Vec<Area>,
    /// Children counted by the cells of a grid; `None` without a grid.
    pub population: Option<Vec<PopulationCell>>,
    /// Outlines of facilities that are drawn as such, by the facility's id.
    pub grounds: BTreeMap<String, LonLatShape>,
    /// Gates and entrances on outlines.
    pub doors: Vec<Door>,
    /// Lines that nobody crosses but where a street does: banks of waters, railways, walls and fences; a ring repeats its
    /// first place.
    pub obstacles: Polylines,
    /// South-west and north-east corner of what the extract covers, where that is known: outlines may reach beyond it.
    pub extent: Option<(LonLat, LonLat)>,
}
