//! What reading an extract found out, and how it may fail.

use carecircle_core::geometry::LonLat;
use std::io;
use thiserror::Error;

/// Why an extract could not be read. `offset` is the byte at which the blob in question begins.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be opened.
    #[error("cannot open the extract")]
    Open {
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file could not be read.
    #[error("cannot read the blob at byte {offset}")]
    Io {
        /// Where the blob begins.
        offset: u64,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file does not begin like an OpenStreetMap extract.
    #[error("not an OpenStreetMap extract in PBF format: it does not begin with an OSMHeader blob")]
    NotPbf,
    /// The file ends inside a blob: an interrupted download, most often.
    #[error("the file ends inside the blob at byte {offset}")]
    Truncated {
        /// Where the blob begins.
        offset: u64,
    },
    /// A blob is compressed in a way other than zlib.
    #[error("the blob at byte {offset} is compressed with {name}, only zlib and uncompressed blobs can be read")]
    UnsupportedCompression {
        /// Where the blob begins.
        offset: u64,
        /// The compression's name.
        name: &'static str,
    },
    /// The file's header asks for what this reader doesn't know, history for example.
    #[error("the header at byte {offset} requires the feature {name}, which is not supported")]
    UnsupportedFeature {
        /// Where the blob begins.
        offset: u64,
        /// The feature's name.
        name: String,
    },
    /// A blob's content is not as large as the blob says.
    #[error("the blob at byte {offset} declares {declared} bytes and holds {actual}")]
    WrongSize {
        /// Where the blob begins.
        offset: u64,
        /// Bytes that it declares.
        declared: u64,
        /// Bytes found.
        actual: u64,
    },
    /// Something is larger than the format, or good sense, allows.
    #[error("the blob at byte {offset} exceeds the limit of {limit} for {what}")]
    TooLarge {
        /// Where the blob begins.
        offset: u64,
        /// What is too large or too many.
        what: &'static str,
        /// The most that is read: bytes, or a count.
        limit: u64,
    },
    /// A blob breaks the format.
    #[error("the blob at byte {offset} is malformed: {what}")]
    Malformed {
        /// Where the blob begins.
        offset: u64,
        /// What was found.
        what: String,
    },
}

/// A box in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Its corner with the smallest longitude and latitude.
    pub south_west: LonLat,
    /// Its corner with the largest.
    pub north_east: LonLat,
}

/// What an extract's header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtractHeader {
    /// How old the data is, seconds since 1970 (the replication timestamp).
    pub date: Option<i64>,
    /// The program that wrote the file.
    pub writing_program: Option<String>,
    /// The box that the extract was cut to.
    pub bounds: Option<Bounds>,
}

/// What reading an extract found. Bad map data is counted here; it is never an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportReport {
    /// Nodes in the file.
    pub nodes: u64,
    /// Ways in the file.
    pub ways: u64,
    /// Relations in the file.
    pub relations: u64,
    /// Whether nodes, ways and relations stood out of order; such a file is read more than once.
    pub unsorted: bool,
    /// Elements whose id stood earlier in the file, where the first counts.
    pub duplicate_ids: u64,
    /// Needed nodes whose coordinates lie outside the earth; they count as missing.
    pub bad_coordinates: u64,
    /// What became of ways that might be walked.
    pub streets: StreetCounts,
    /// What stands on streets.
    pub spots: SpotCounts,
    /// What became of polygons.
    pub polygons: PolygonCounts,
    /// Areas that are not whole in the extract and so were left out, by id.
    pub clipped: Vec<Clipped>,
    /// Facilities that turned out to be one, by the id dropped.
    pub merged: Vec<Merged>,
    /// Facilities of which the extract holds no place at all, by id.
    pub lost: Vec<Lost>,
    /// What became of premises that a nursery could be put into.
    pub premises: PremisesCounts,
}

/// What became of ways with `highway=*` or `route=ferry`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreetCounts {
    /// Ways that may be walked, ferries among them.
    pub walkable: u64,
    /// Ferries among them.
    pub ferries: u64,
    /// Ways among them for those who live or have business there only.
    pub destination_only: u64,
    /// Ways among them whose access depends on conditions (`access:conditional`, `foot:conditional`): taken as open.
    pub conditional: u64,
    /// Ways among them that are walked in one direction only.
    pub one_way: u64,
    /// Streets among them that are crossed, not walked along: squares.
    pub squares: u64,
    /// Left out: squares drawn as relations that are not whole in the extract.
    pub squares_lost: u64,
    /// Streets among them whose sidewalks are drawn apart; they are walked all the same.
    pub sidewalks_apart: u64,
    /// Left out: closed by `foot=no` or `access=no`.
    pub closed_to_foot: u64,
    /// Left out: people walk on the path beside it (`foot=use_sidepath`).
    pub use_sidepath: u64,
    /// Left out: motorways.
    pub motorways: u64,
    /// Left out: motorroads not opened to foot.
    pub motorroads: u64,
    /// Left out: under construction or proposed.
    pub not_built: u64,
    /// Left out: other values of `highway`.
    pub other_highways: u64,
    /// Left out: ferries without a `duration` that can be read.
    pub ferries_without_duration: u64,
    /// Left out: fewer than two places in the extract.
    pub too_short: u64,
    /// Ways cut into pieces, or shortened, by missing nodes.
    pub cut: u64,
    /// References of walkable ways to nodes that the extract doesn't hold.
    pub missing_nodes: u64,
}

impl StreetCounts {
    /// Adds the counts of another part.
    pub(crate) fn add(&mut self, more: Self) {
        let Self {
            walkable,
            ferries,
            destination_only,
            conditional,
            one_way,
            squares,
            squares_lost,
            sidewalks_apart,
            closed_to_foot,
            use_sidepath,
            motorways,
            motorroads,
            not_built,
            other_highways,
            ferries_without_duration,
            too_short,
            cut,
            missing_nodes,
        } = more;
        self.walkable += walkable;
        self.ferries += ferries;
        self.destination_only += destination_only;
        self.conditional += conditional;
        self.one_way += one_way;
        self.squares += squares;
        self.squares_lost += squares_lost;
        self.sidewalks_apart += sidewalks_apart;
        self.closed_to_foot += closed_to_foot;
        self.use_sidepath += use_sidepath;
        self.motorways += motorways;
        self.motorroads += motorroads;
        self.not_built += not_built;
        self.other_highways += other_highways;
        self.ferries_without_duration += ferries_without_duration;
        self.too_short += too_short;
        self.cut += cut;
        self.missing_nodes += missing_nodes;
    }
}

/// Nodes that stand on walkable streets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpotCounts {
    /// Gates for those who live or have business behind them.
    pub private_gates: u64,
    /// Gates that are closed.
    pub closed_gates: u64,
    /// Walls and fences across a street.
    pub walls: u64,
    /// Barriers whose access depends on conditions: taken as without them.
    pub conditional: u64,
    /// Raised kerbs.
    pub raised_kerbs: u64,
    /// Crossings with traffic lights.
    pub signals: u64,
    /// Lifts.
    pub lifts: u64,
}

/// What became of polygons: facilities, residential and other land, buildings, areas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolygonCounts {
    /// Ways tagged as a polygon that don't return to their start.
    pub unclosed: u64,
    /// Polygons that miss nodes.
    pub missing_nodes: u64,
    /// Member ways of polygons that the extract doesn't hold.
    pub missing_members: u64,
    /// Rings of relations that don't close.
    pub open_rings: u64,
    /// Holes outside every outer ring.
    pub stray_holes: u64,
    /// Polygons without any area.
    pub degenerate: u64,
    /// Relations from which no polygon could be made, areas not counted.
    pub not_assembled: u64,
    /// Shapes left out because they cross themselves ten thousand times and more, or enclose nothing when mended.
    pub tangled: u64,
    /// Shapes whose rings crossed themselves or each other and were mended.
    pub mended: u64,
    /// Ways left out because they are tagged like the relation whose outline they are.
    pub repeated: u64,
}

impl PolygonCounts {
    /// Adds the counts of another part.
    pub(crate) fn add(&mut self, more: Self) {
        let Self {
            unclosed,
            missing_nodes,
            missing_members,
            open_rings,
            stray_holes,
            degenerate,
            not_assembled,
            tangled,
            mended,
            repeated,
        } = more;
        self.unclosed += unclosed;
        self.missing_nodes += missing_nodes;
        self.missing_members += missing_members;
        self.open_rings += open_rings;
        self.stray_holes += stray_holes;
        self.degenerate += degenerate;
        self.not_assembled += not_assembled;
        self.tangled += tangled;
        self.mended += mended;
        self.repeated += repeated;
    }
}

/// Premises that came to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PremisesCounts {
    /// Those that turned out to be others, drawn twice.
    pub merged: u64,
    /// Those of which the extract holds no place at all.
    pub lost: u64,
}

/// An area cut by the extract's edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clipped {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// A facility that could not be placed: none of its nodes is in the extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// Two facilities on the map that are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The id that stays.
    pub kept: String,
    /// The id that goes.
    pub dropped: String,
    /// The name of what was dropped.
    pub name: Option<String>,
    /// Why they are one.
    pub reason: &'static str,
}
