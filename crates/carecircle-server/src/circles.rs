//! The circles of the facilities that count: drawn once for each question, and kept as long as there is room.

use crate::Served;
use crate::analysis::{AnalysisKey, Features, Snapshot, kept};
use crate::collections::{Collection, Column};
use crate::cql2::Place;
use crate::mvt;
use crate::problem::ApiError;
use crate::query::Query;
use crate::tiles::Sheet;
use crate::work::Workers;
use carecircle_core::geometry::{Point, Shape};
use carecircle_core::isochrone::{self, Circle, Split};
use carecircle_core::policy::Policy;
use carecircle_formats::geojson::{self, Drawing};
use geo::CoordsIter;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};

/// The parameters that only circles have.
pub(crate) const CIRCLE_NAMES: [&str; 3] = ["split", "depth", "tolerance"];

/// The id of the circle around all facilities together. Other circles go by their facility's.
const TOGETHER: &str = "all";

/// What circles depend on.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Whose block share and gates are of no account.
    pub(crate) policy: Policy,
    pub(crate) split: Split,
    pub(crate) drawing: isochrone::Drawing,
}

/// A [`Question`] as a key: its numbers by their bits.
pub(crate) type CirclesKey = (AnalysisKey, &'static str, [u64; 2]);

impl Question {
    /// All circles as one, by a policy.
    pub(crate) fn plain(policy: &Policy) -> Self {
        Self { policy: policy.clone(), split: Split::None, drawing: isochrone::Drawing::default() }
    }

    /// What a query asks of the circles by a policy.
    pub(crate) fn read(query: &mut Query, policy: Policy) -> Result<Self, ApiError> {
        Ok(Self { policy, split: query.split()?, drawing: query.drawing()? })
    }

    fn key(&self, snapshot: &Snapshot) -> CirclesKey {
        let policy = Policy { what_if_gates: false, ..self.policy.clone() };
        let numbers = [self.drawing.depth_m, self.drawing.tolerance_m].map(f64::to_bits);
        (AnalysisKey::new(snapshot, &policy), self.split.name(), numbers)
    }
}

/// Circles drawn, and their features as bytes.
pub(crate) struct Circles {
    pub(crate) question: Question,
    pub(crate) features: Features,
    pub(crate) drawings: Vec<Drawing>,
    /// On the plan.
    pub(crate) shapes: Vec<Shape>,
    places: OnceLock<Vec<Option<Place>>>,
    /// The same as tiles have them, made when a tile is first asked for.
    in_tiles: OnceLock<(Sheet, mvt::Columns)>,
    ids: Vec<String>,
    /// About what they take in memory.
    pub(crate) bytes: usize,
}

/// Circles drawn at a time where each facility has one of its own: between two lots it is seen how much they take.
const LOT: usize = 16;

/// Where each facility has a circle of its own, their squares of the limit as a walk straight on add up to no more, square
/// kilometres: a quarter of an hour of 2,700 facilities, two hours of 43. Beyond that nobody would wait.
pub(crate) const MOST_KM2: f64 = 4_000.0;
/// However small, no more circles are drawn apart.
const MOST_CIRCLES: usize = 3_000;

impl Circles {
    /// Draws them; one circle for each facility adds up without bound, so that is given up beyond `most_bytes`.
    fn new(snapshot: &Snapshot, question: &Question, most_bytes: usize) -> Result<Self, ApiError> {
        let Question { policy, split, drawing } = question;
        let study = &snapshot.served.study;
        let walkers = snapshot.walkers(&policy.profile);
        let counts: Vec<bool> = study.facilities().iter().map(|f| policy.eligibility.admits(&f.facility)).collect();
        let draw = |counts: &(dyn Fn(usize) -> bool + Sync)| {
            isochrone::circles(study, walkers.weights(), counts, &[policy.limit()], *split, drawing)
        };
        let mut out = Self {
            question: question.clone(),
            features: Features::default(),
            drawings: Vec::new(),
            shapes: Vec::new(),
            places: OnceLock::new(),
            in_tiles: OnceLock::new(),
            ids: Vec::new(),
            bytes: size_of::<Self>(),
        };
        let mut whose = Vec::new();
        if *split == Split::Facility {
            let counted: Vec<usize> = (0..counts.len()).filter(|&f| counts[f]).collect();
            let reach_km = policy.minutes / 60.0 * policy.profile.speed.kmh();
            let advice = "ask for fewer minutes, fewer facilities (kinds, facility_status, min_places), or split=nearest or none";
            if counted.len() > MOST_CIRCLES || counted.len() as f64 * reach_km * reach_km > MOST_KM2 {
                let (of, minutes) = (counted.len(), policy.minutes);
                return Err(ApiError::unanswerable(format!(
                    "{of} circles of {minutes} minutes are too many: {advice}"
                )));
            }
            for lot in counted.chunks(LOT) {
                whose.extend(out.take(snapshot, draw(&|f| lot.binary_search(&f).is_ok())));
                if out.bytes > most_bytes {
                    let (drawn, of) = (whose.len(), counted.len());
                    let megabytes = most_bytes >> 20;
                    return Err(ApiError::unanswerable(format!(
                        "the first {drawn} of {of} circles take more than {megabytes} MB: take a larger tolerance, or {advice}"
                    )));
                }
            }
        } else {
            whose.extend(out.take(snapshot, draw(&|f| counts[f])));
        }
        let id = |facility: Option<usize>| facility.map_or(TOGETHER, |f| &study.facilities()[f].facility.id);
        out.features = Features::write(whose.len(), Column::CIRCLES.len(), |bytes, blank, i| {
            let whose = (whose[i], policy.limit());
            geojson::circle_feature(bytes, study, &policy.profile, blank, id(whose.0), whose);
        });
        out.ids = whose.iter().map(|&facility| id(facility).to_owned()).collect();
        out.bytes += 2 * out.features.bytes() + out.ids.iter().map(|id| id.len() + size_of_val(id)).sum::<usize>();
        Ok(out)
    }

    /// Takes circles in; says whose they are.
    fn take(&mut self, snapshot: &Snapshot, circles: Vec<Circle>) -> Vec<Option<usize>> {
        let projection = snapshot.served.study.network().projection();
        let drawings: Vec<Drawing> =
            circles.par_iter().map(|circle| Drawing::shape(projection, &circle.isochrone.shape)).collect();
        self.bytes += drawings.iter().map(|drawing| drawing.json.len() + size_of_val(drawing)).sum::<usize>();
        self.drawings.extend(drawings);
        let mut whose = Vec::with_capacity(circles.len());
        for circle in circles {
            // On the plan, in degrees once a filter asks, and in tiles as much once again.
            self.bytes += 2 * circle.isochrone.shape.coords_count() * size_of::<Point>();
            self.shapes.push(circle.isochrone.shape);
            whose.push(circle.facility);
        }
        whose
    }

    /// What they say of themselves.
    pub(crate) fn about(&self, served: &Served) -> Map<String, Value> {
        let Question { policy, split, drawing } = &self.question;
        let date = served.extract_date.as_deref();
        geojson::about_circles(&served.study, policy, &json!(policy.minutes), *split, drawing, date)
    }

    /// Where they are.
    pub(crate) fn places(&self) -> &[Option<Place>] {
        self.places.get_or_init(|| Place::all(&self.drawings))
    }

    /// Their shapes and properties, as tiles have them.
    pub(crate) fn in_tiles(&self, snapshot: &Snapshot) -> &(Sheet, mvt::Columns) {
        self.in_tiles.get_or_init(|| {
            let projection = snapshot.served.study.network().projection();
            let columns = snapshot.columns(Collection::Circles);
            (Sheet::of_shapes(projection, self.shapes.iter().enumerate()), mvt::Columns::read(&self.features, columns))
        })
    }

    /// The number of the circle of that id.
    pub(crate) fn index_of(&self, id: &str) -> Option<usize> {
        self.ids.iter().position(|own| own == id)
    }
}

impl Snapshot {
    /// The circles asked for, and whether they were there already.
    pub(crate) async fn circles_of(
        self: &Arc<Self>,
        workers: &Workers,
        question: Question,
    ) -> Result<(Arc<Circles>, bool), ApiError> {
        let (snapshot, key) = (Arc::clone(self), question.key(self));
        kept(&self.circles, workers, key, move || Circles::new(&snapshot, &question, snapshot.circle_bytes)).await
    }
}
