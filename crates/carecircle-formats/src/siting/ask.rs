//! What is asked of a siting study, by the names that its parameters have wherever it is asked: how they are checked, and
//! the places that are made of a map. An error begins with the name of the parameter that it is about.

use super::{SitePlan, as_facility, proof};
use crate::columns::{self, Candidate, Declared};
use crate::geojson;
use crate::headers::Column;
use crate::remark;
use crate::remark::Remark;
use crate::scenario::{in_our_words, table_of};
use crate::table::{Table, TableError};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::NodeId;
use carecircle_core::place::{AreaLevel, Premises, PremisesKind};
use carecircle_core::policy::Policy;
use carecircle_core::siting::{
    NewSite, Pick, Plan, Question, Search, SitingError, Solver, Standing, StudyInstance, Watch, bytes_needed,
};
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use carecircle_core::whatif::Basis;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// The most candidates that a study takes.
const MOST_CANDIDATES: usize = 200_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// The most children within the limit.
    #[default]
    MaxCoverage,
    /// The fewest or cheapest sites for a share of the children.
    SetCover,
    /// The shortest walks, all added up.
    PMedian,
    /// The shortest longest walk.
    PCenter,
    /// Which facilities would be missed least if they closed.
    Close,
}

impl Objective {
    /// Every objective.
    pub const ALL: [Self; 5] = [Self::MaxCoverage, Self::SetCover, Self::PMedian, Self::PCenter, Self::Close];

    /// Its name in questions and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxCoverage => "max-coverage",
            Self::SetCover => "set-cover",
            Self::PMedian => "p-median",
            Self::PCenter => "p-center",
            Self::Close => "close",
        }
    }

    /// The objective of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|objective| objective.name() == name)
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::MaxCoverage => "The most children within the limit (maximal covering)",
            Self::SetCover => "The fewest or cheapest sites for a share of the children (set covering)",
            Self::PMedian => "The shortest walks, all added up (p-median)",
            Self::PCenter => "The shortest longest walk (p-center)",
            Self::Close => "Which facilities would be missed least if they closed",
        }
    }
}

/// What a map has where facilities could stand, in the order in which candidates are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnMap {
    /// Residential blocks.
    Blocks,
    /// Street corners.
    Streets,
    /// Kindergartens that the policy does not count, and those that are no more.
    Kindergartens,
    /// Schools.
    Schools,
    /// Community centres.
    CommunityCentres,
    /// Buildings of the municipality.
    PublicBuildings,
}

/// Where facilities could stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Places {
    /// Where the map says.
    OnMap(BTreeSet<OnMap>),
    /// Where a list says.
    Given(Vec<Candidate>),
}

impl Default for Places {
    fn default() -> Self {
        Self::OnMap([OnMap::Blocks, OnMap::Streets].into())
    }
}

impl Places {
    /// What may be asked of a map, by name.
    pub const NAMED: [(&str, &[OnMap]); 8] = [
        ("blocks", &[OnMap::Blocks]),
        ("streets", &[OnMap::Streets]),
        ("anywhere", &[OnMap::Blocks, OnMap::Streets]),
        ("kindergartens", &[OnMap::Kindergartens]),
        ("schools", &[OnMap::Schools]),
        ("community_centres", &[OnMap::CommunityCentres]),
        ("public_buildings", &[OnMap::PublicBuildings]),
        ("osm", &[OnMap::Kindergartens, OnMap::Schools, OnMap::CommunityCentres, OnMap::PublicBuildings]),
    ];

    fn of_name(name: &str) -> Option<&'static [OnMap]> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, on_map)| *on_map)
    }

    /// Whether a text is the path of a table rather than names: `./schools` is.
    pub fn is_path(text: &str) -> bool {
        text.contains(['.', '/', '\\']) && !text.split(',').any(|word| Self::of_name(word).is_some())
    }

    /// Those of a map, by one name or several between commas.
    ///
    /// # Errors
    /// Which of them is no name, and what there is.
    pub fn named(names: &str) -> Result<Self, Remark> {
        let mut out = BTreeSet::new();
        for word in names.split(',') {
            let on_map = Self::of_name(word).ok_or_else(|| {
                let word: String = word.chars().take(60).collect();
                let known = Self::NAMED.map(|(name, _)| name);
                let (en, zh) = (known.join(", "), known.join("、"));
                Remark {
                    en: format!(
                        "candidates: there is no \"{word}\"; there is {en}, several of them between commas, or a table"
                    ),
                    zh: format!("candidates：没有“{word}”；可用 {zh}，多个以逗号分隔，或一张表"),
                }
            })?;
            out.extend(on_map);
        }
        Ok(Self::OnMap(out))
    }

    /// Those of a GeoJSON FeatureCollection, or of an array of objects with id, lon, lat and perhaps name, places, cost,
    /// choice. Every one of them must be good.
    ///
    /// # Errors
    /// What is wrong with them, and which it is.
    pub fn from_json(given: &Value) -> Result<Self, Remark> {
        let file = Path::new("candidates");
        let told = |why: TableError| Remark { en: why.to_string(), zh: why.in_chinese() };
        let table = if let Some(rows) = given.as_array() {
            let rows: Option<Vec<_>> = rows.iter().map(|row| in_our_words(row.as_object()?).ok()).collect();
            let has_place = |row: &Map<String, Value>| {
                let has = |column: Column| row.contains_key(column.name());
                has(Column::Geometry) || has(Column::Lon) && has(Column::Lat)
            };
            let rows = rows.filter(|rows| rows.iter().all(has_place)).ok_or_else(|| {
                remark!(
                    "candidates: an array of objects is wanted, each with id, lon and lat",
                    "candidates：应为对象数组，每个对象含 id、lon 和 lat"
                )
            })?;
            table_of(file, rows.into_iter()).map_err(told)?
        } else {
            Table::from_geojson(file, given.to_string().as_bytes()).map_err(told)?
        };
        let sorted = columns::candidates(&table, &Declared::default()).map_err(told)?;
        match sorted.rejects.first() {
            None => Ok(Self::Given(sorted.used)),
            Some(reject) => {
                let (row, column) = (reject.row, &reject.column);
                let at = if given.is_array() { format!("[{row}]") } else { format!(", feature {row}") };
                Err(remark!("candidates{at}, {column}: {}", "candidates{at}，{column}：{}"; reject.why))
            }
        }
    }
}

/// A question, its parameters by their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// What is asked for.
    pub objective: Objective,
    /// So many sites; or so many facilities that close.
    pub count: Option<usize>,
    /// Sites that cost no more than this together.
    pub budget: Option<f64>,
    /// For set covering: the part of all children who shall be within the limit.
    pub share: Option<f64>,
    /// For set covering: the cheapest sites rather than the fewest.
    pub by_cost: bool,
    /// At least this part of the children of every area.
    pub least_share: f64,
    /// Which areas that is asked of.
    pub level: AreaLevel,
    /// For maximal covering: how much more a child counts who is within the limit of a second site.
    pub backup: f64,
    /// Sites take no more children than they have places.
    pub limited: bool,
    /// For p-median: whoever walks longer counts as if it took so many minutes; twice the limit unless given.
    pub beyond: Option<f64>,
    /// How far apart street corners are taken, metres.
    pub spacing_m: f64,
    /// Seconds of search, for each number of sites.
    pub time_limit: f64,
    /// Draws where to look for plans.
    pub seed: u64,
    /// Who looks for them.
    pub solver: Solver,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            count: None,
            budget: None,
            share: None,
            by_cost: false,
            least_share: 0.0,
            level: AreaLevel::District,
            backup: 0.0,
            limited: false,
            beyond: None,
            spacing_m: 200.0,
            time_limit: 60.0,
            seed: 1,
            solver: Solver::default(),
        }
    }
}

impl Ask {
    /// The question itself.
    ///
    /// # Errors
    /// Which parameter is out of its range or missing, and what is wanted.
    pub fn question(&self, policy: &Policy) -> Result<Question, Remark> {
        let parts = [("share", self.share), ("least_share", Some(self.least_share)), ("backup", Some(self.backup))];
        for (name, part) in parts {
            if let Some(part) = part.filter(|part| !(0.0..=1.0).contains(part)) {
                return Err(remark!(
                    "{name} {part}: a number from 0 to 1 is wanted",
                    "{name} {part}：应为 0 至 1 的数"
                ));
            }
        }
        let Self { objective, time_limit, spacing_m, .. } = *self;
        if let Some(parameter) = self.idle() {
            let objective = objective.name();
            return Err(remark!(
                "{parameter} does not come into objective {objective}",
                "{parameter} 不适用于 objective {objective}"
            ));
        }
        if [self.least_share > 0.0, self.backup > 0.0, self.limited].into_iter().filter(|is_asked| *is_asked).count()
            > 1
        {
            return Err(remark!(
                "least_share, backup and limited: one of them at a time",
                "least_share、backup 与 limited：每次只能使用其一"
            ));
        }
        if !(time_limit > 0.0 && time_limit <= 1e6) {
            return Err(remark!(
                "time_limit {time_limit}: a number of seconds above 0 is wanted",
                "time_limit {time_limit}：应为大于 0 的秒数"
            ));
        }
        if !(10.0..=10_000.0).contains(&spacing_m) {
            return Err(remark!(
                "spacing_m {spacing_m}: a number of metres from 10 to 10000 is wanted",
                "spacing_m {spacing_m}：应为 10 至 10000 的米数"
            ));
        }
        if self.count == Some(0) {
            return Err(remark!(
                "count 0: one site at least; the analysis itself tells what is covered without any",
                "count 0：至少 1 个；不新增机构的覆盖情况即现状分析"
            ));
        }
        if let Some(budget) = self.budget.filter(|budget| !(budget.is_finite() && *budget > 0.0)) {
            return Err(remark!("budget {budget}: a number above 0 is wanted", "budget {budget}：应为大于 0 的数"));
        }
        if self.count.is_some() && self.budget.is_some() {
            return Err(remark!("budget: either that or count", "budget：与 count 只能择一"));
        }
        let wanted = |parameter: &str| {
            let objective = objective.name();
            remark!("objective {objective}: {parameter} is wanted as well", "objective {objective}：还需要 {parameter}")
        };
        let count = || self.count.ok_or_else(|| wanted("count"));
        let pick = || match (self.count, self.budget) {
            (Some(count), _) => Ok(Pick::Count(count)),
            (None, Some(budget)) => Ok(Pick::Budget(budget)),
            (None, None) => Err(wanted("count or budget")),
        };
        let Self { least_share, limited, backup, .. } = *self;
        Ok(match objective {
            Objective::MaxCoverage => Question::MaxCoverage { pick: pick()?, backup, least_share, limited },
            Objective::SetCover => {
                let share = self.share.ok_or_else(|| wanted("share"))?;
                Question::SetCover { share, least_share, by_cost: self.by_cost }
            }
            Objective::PMedian => {
                let minutes = self.beyond.unwrap_or(2.0 * policy.minutes);
                if !(0.0..=1_440.0).contains(&minutes) {
                    return Err(remark!(
                        "beyond {minutes}: a number of minutes from 0 to 1440 is wanted",
                        "beyond {minutes}：应为 0 至 1440 的分钟数"
                    ));
                }
                Question::Median { pick: pick()?, beyond: WalkTime::from_minutes(minutes), limited }
            }
            Objective::PCenter => Question::Center { count: count()? },
            Objective::Close => Question::Close { count: count()? },
        })
    }

    /// A parameter given that does not come into the objective: whoever gives it means something by it.
    fn idle(&self) -> Option<&'static str> {
        use Objective::{Close, MaxCoverage, PCenter, PMedian, SetCover};
        let given: [(&str, bool, &[Objective]); 8] = [
            ("count", self.count.is_some(), &[MaxCoverage, PMedian, PCenter, Close]),
            ("budget", self.budget.is_some(), &[MaxCoverage, PMedian]),
            ("share", self.share.is_some(), &[SetCover]),
            ("by_cost", self.by_cost, &[SetCover]),
            ("least_share", self.least_share > 0.0, &[MaxCoverage, SetCover]),
            ("backup", self.backup > 0.0, &[MaxCoverage]),
            ("limited", self.limited, &[MaxCoverage, PMedian]),
            ("beyond", self.beyond.is_some(), &[PMedian]),
        ];
        given.iter().find(|(_, is_given, of)| *is_given && !of.contains(&self.objective)).map(|(name, ..)| *name)
    }

    /// Where facilities could stand; nowhere where only some close.
    ///
    /// # Errors
    /// No place, too many, or one that the question or the policy can't do with.
    pub fn candidates(&self, study: &Study, policy: &Policy, places: Places) -> Result<Vec<Candidate>, Remark> {
        let taken: BTreeSet<&str> = study.facilities().iter().map(|f| f.facility.id.as_str()).collect();
        let with_kindergartens = matches!(&places, Places::OnMap(all) if all.contains(&OnMap::Kindergartens));
        let mut out = match places {
            _ if self.objective == Objective::Close => return Ok(Vec::new()),
            Places::Given(given) => given,
            Places::OnMap(all) => {
                let mut out: Vec<_> = all.into_iter().flat_map(|sort| self.on_map(study, policy, sort)).collect();
                // A scenario may have opened some of them.
                out.retain(|candidate| !taken.contains(candidate.id.as_str()));
                out
            }
        };
        if !out.iter().any(|candidate| candidate.standing != Standing::Forbidden) {
            let (mut en, mut zh) = ("", "");
            if with_kindergartens {
                en = "; kindergartens that the policy counts are facilities already";
                zh = "；政策已计入的幼儿园不再作为候选";
            }
            return Err(remark!(
                "candidates: there is no place where a facility could stand{en}",
                "candidates：没有可选的位置{zh}"
            ));
        }
        if out.len() > MOST_CANDIDATES {
            let n = out.len();
            return Err(remark!(
                "candidates: {n} places where facilities could stand; {MOST_CANDIDATES} at most: a larger spacing_m takes fewer corners",
                "candidates：共有 {n} 个可选位置；最多 {MOST_CANDIDATES} 个：增大 spacing_m 可减少路口"
            ));
        }
        if (self.budget.is_some() || self.by_cost)
            && let Some(Candidate { id, .. }) = out.iter().find(|candidate| candidate.cost.is_none())
        {
            let asks = if self.by_cost { "by_cost" } else { "budget" };
            return Err(remark!(
                "{asks}: the candidate {id} has no cost; give it in the column cost of a table",
                "{asks}：候选点 {id} 没有费用；请用候选点表的 cost 列给出"
            ));
        }
        if self.limited
            && let Some(Candidate { id, .. }) = out.iter().find(|candidate| candidate.places.is_none())
        {
            return Err(remark!(
                "limited: the candidate {id} has no number of places; give it in the column places of a table",
                "limited：候选点 {id} 没有托位数；请用候选点表的 places 列给出"
            ));
        }
        for candidate in &out {
            let id = &candidate.id;
            if taken.contains(id.as_str()) {
                return Err(remark!(
                    "candidates: a facility has the id {id} already",
                    "candidates：已有机构使用编号 {id}"
                ));
            }
            if !policy.eligibility.admits(&as_facility(candidate, &policy.eligibility)) {
                let name = &policy.name;
                return Err(remark!(
                    "candidates: policy {name} would not count {id}, for it has too few places or is not inclusive",
                    "candidates：政策 {name} 不会计入 {id}（托位数不足或非普惠）"
                ));
            }
        }
        out.shrink_to_fit();
        Ok(out)
    }

    /// The candidates of a sort that the map has.
    fn on_map(&self, study: &Study, policy: &Policy, sort: OnMap) -> Vec<Candidate> {
        let premises = |kind| study.premises_of(kind).map(in_premises);
        match sort {
            OnMap::Blocks => in_blocks(study).collect(),
            OnMap::Streets => at_corners(study, self.spacing_m),
            OnMap::Kindergartens => {
                in_kindergartens(study, policy).chain(premises(PremisesKind::FormerKindergarten)).collect()
            }
            OnMap::Schools => premises(PremisesKind::School).collect(),
            OnMap::CommunityCentres => premises(PremisesKind::CommunityCentre).collect(),
            OnMap::PublicBuildings => premises(PremisesKind::PublicBuilding).collect(),
        }
    }

    /// The walks to candidates and facilities, which take no more than so many bytes. `tell`, if there is one, hears beforehand
    /// how many they take at most, as if everybody walked as the crow flies. The watch is asked for each of them.
    ///
    /// # Errors
    /// That more are needed, or that the watch has ended it.
    pub fn instance(
        &self,
        study: &Study,
        policy: &Policy,
        candidates: &[Candidate],
        most_bytes: usize,
        tell: Option<&dyn Fn(usize)>,
        watch: &Watch<'_>,
    ) -> Result<StudyInstance, SitingError> {
        let projection = study.network().projection();
        let new_site = |candidate: &Candidate| NewSite {
            at: projection.project(candidate.at),
            standing: candidate.standing,
            cost: candidate.cost.unwrap_or(1.0),
            places: candidate.places.map(f64::from),
        };
        let new_sites: Vec<NewSite> = candidates.iter().map(new_site).collect();
        if let Some(tell) = tell {
            tell(bytes_needed(study, policy, &new_sites));
        }
        let level = Some(self.level).filter(|_| self.least_share > 0.0);
        StudyInstance::new(study, &Basis::new(study, &policy.profile), policy, &new_sites, level, most_bytes, watch)
    }

    /// The best plan; the best so far where the time is up, or the watch ends the search.
    ///
    /// # Errors
    /// No plan does what is asked.
    pub fn plan(&self, sited: &StudyInstance, question: &Question, watch: &Watch<'_>) -> Result<Plan, SitingError> {
        let Self { solver, seed, .. } = *self;
        let time_limit = Some(Duration::from_secs_f64(self.time_limit));
        sited.instance.solve(question, &Search { solver, time_limit, seed, watch: Some(watch) })
    }

    /// The best plan for each smaller number of sites, then this one; nothing but this where sites are not counted.
    ///
    /// # Errors
    /// A question that has no answer with fewer sites, though it should.
    pub fn curve(
        &self,
        sited: &StudyInstance,
        question: &Question,
        plan: &Plan,
        watch: &Watch<'_>,
    ) -> Result<Vec<Plan>, SitingError> {
        let with = |n: usize| match question.clone() {
            Question::MaxCoverage { pick: Pick::Count(_), backup, least_share, limited } => {
                Some(Question::MaxCoverage { pick: Pick::Count(n), backup, least_share, limited })
            }
            Question::Median { pick: Pick::Count(_), beyond, limited } => {
                Some(Question::Median { pick: Pick::Count(n), beyond, limited })
            }
            Question::Center { .. } => Some(Question::Center { count: n }),
            Question::Close { .. } => Some(Question::Close { count: n }),
            _ => None,
        };
        let required = sited.instance.sites().iter().filter(|site| site.standing == Standing::Required).count();
        let mut curve = vec![plan.clone()];
        for question in (required.max(1)..self.count.unwrap_or(0)).rev().map_while(with) {
            match self.plan(sited, &question, watch) {
                Ok(plan) => curve.push(plan),
                // So few sites may leave an area behind, and fewer do.
                Err(_) if self.least_share > 0.0 => break,
                Err(error) => return Err(error),
            }
        }
        curve.reverse();
        // Where fewer sites do all that can be done, more make no other plan.
        curve.dedup_by_key(|plan| plan.sites.len());
        Ok(curve)
    }

    /// What was asked, as the answer repeats it; `candidates` is what they are called.
    pub fn asked(&self, candidates: &str) -> Value {
        json!({
            "objective": self.objective.name(),
            "count": self.count,
            "budget": self.budget,
            "share": self.share,
            "by_cost": self.by_cost,
            "least_share": self.least_share,
            "level": self.level.name(),
            "backup": self.backup,
            "limited": self.limited,
            "beyond": self.beyond,
            "candidates": candidates,
            "spacing_m": self.spacing_m,
            "time_limit": self.time_limit,
            "seed": self.seed,
        })
    }
}

impl SitePlan<'_> {
    /// Writes the plan as GeoJSON, with what was asked and the curve.
    ///
    /// # Errors
    /// Whatever the writer says.
    pub fn write(
        &self,
        out: &mut impl Write,
        asked: Value,
        curve: &[Plan],
        extract_date: Option<&str>,
    ) -> io::Result<()> {
        let steps = self.steps();
        let mut about = self.about(&steps, asked, extract_date);
        about.insert("curve".to_owned(), curve.iter().map(proof).collect());
        let features = steps.iter().zip(1..).map(|(step, order)| self.feature(order, step));
        geojson::write_collection(out, &about, features)
    }
}

/// A place in every residential block: where people live, nearest to the middle of them.
fn in_blocks(study: &Study) -> impl Iterator<Item = Candidate> + '_ {
    let demand = study.demand();
    demand.blocks.iter().filter_map(move |block| {
        let points = &demand.points[block.points.start as usize..block.points.end as usize];
        let whole: f64 = points.iter().map(|point| point.weight).sum();
        let middle =
            points.iter().map(|point| point.at * (point.weight / whole)).fold(Point { x: 0.0, y: 0.0 }, |a, b| a + b);
        let off = |at: Point| (at.x - middle.x).hypot(at.y - middle.y);
        let nearest = points.iter().map(|point| point.at).min_by(|a, b| off(*a).total_cmp(&off(*b)))?;
        let name = block.name.clone();
        Some(Candidate { name, ..made(format!("block_{}", block.id), on_earth(study, nearest)?) })
    })
}

/// Corners of streets, one in each square so wide: the nearest to its middle, named by its place.
fn at_corners(study: &Study, spacing_m: f64) -> Vec<Candidate> {
    let network = study.network();
    let mut squares: BTreeMap<(i64, i64), (f64, NodeId)> = BTreeMap::new();
    for node in (0..network.node_count() as u32).map(NodeId) {
        let at = network.node_at(node);
        let square = ((at.x / spacing_m).floor(), (at.y / spacing_m).floor());
        let off = (at.x / spacing_m - square.0 - 0.5).hypot(at.y / spacing_m - square.1 - 0.5);
        let best = squares.entry((square.0 as i64, square.1 as i64)).or_insert((off, node));
        if off < best.0 {
            *best = (off, node);
        }
    }
    let corner = |(_, node)| {
        let at = on_earth(study, network.node_at(node))?;
        Some(made(format!("corner_{}_{}", at.lon_e7, at.lat_e7), at))
    };
    squares.into_values().filter_map(corner).collect()
}

/// Kindergartens that the policy does not count.
fn in_kindergartens<'a>(study: &'a Study, policy: &'a Policy) -> impl Iterator<Item = Candidate> + 'a {
    let is_one = |f: &&Facility| matches!(f.kind, Kind::Kindergarten | Kind::KindergartenClass);
    let kindergartens = study.facilities().iter().map(|sited| &sited.facility).filter(is_one);
    let others = kindergartens.filter(|facility| !policy.eligibility.admits(facility));
    others.map(|f| Candidate { name: f.name.clone(), ..made(format!("kindergarten_{}", f.id), f.at) })
}

fn in_premises(Premises { id, name, kind, at }: &Premises) -> Candidate {
    Candidate { name: name.clone(), ..made(format!("{}_{id}", kind.name()), *at) }
}

fn on_earth(study: &Study, at: Point) -> Option<LonLat> {
    let (lon, lat) = study.network().projection().unproject(at);
    LonLat::from_degrees(lon, lat)
}

fn made(id: String, at: LonLat) -> Candidate {
    Candidate { id, name: None, at, places: None, cost: None, standing: Standing::Candidate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::facility::Eligibility;
    use carecircle_core::network::{Network, NetworkOptions};
    use carecircle_core::place;
    use carecircle_core::street::Streets;

    /// A city without streets: three kindergartens and a nursery at one place, and premises east of there, the first at
    /// that place too.
    fn city(premises: &[PremisesKind]) -> Study {
        let at = |n: i32| LonLat { lon_e7: 1_143_000_000 + n, lat_e7: 309_000_000 };
        let facility = |id: &str, kind| Facility::new(id, at(0), kind);
        let facilities = vec![
            facility("k1", Kind::Kindergarten),
            facility("k2", Kind::KindergartenClass),
            facility("school_w2", Kind::Kindergarten),
            facility("n1", Kind::Nursery),
        ];
        let premises = premises.iter().zip(1..).map(|(&kind, n)| Premises {
            id: format!("w{n}"),
            name: Some(format!("No. {n}")),
            kind,
            at: at(n - 1),
        });
        let places = place::Places { facilities, premises: premises.collect(), ..place::Places::default() };
        let (network, _) = Network::build(&Streets::default(), NetworkOptions::default());
        Study::new(network, places, None, 250.0)
    }

    fn of_kinds(kinds: &[Kind]) -> Policy {
        Policy { eligibility: Eligibility { kinds: kinds.to_vec(), ..Eligibility::default() }, ..Policy::default() }
    }

    #[test]
    fn candidates_of_the_map_keep_their_ids_and_places() {
        use PremisesKind::{CommunityCentre, FormerKindergarten, PublicBuilding, School};
        let city = city(&[School, School, PublicBuilding, CommunityCentre, FormerKindergarten]);
        let asked = |names: &str, kinds: &[Kind]| {
            let places = Places::named(names).unwrap();
            Ask { count: Some(1), ..Ask::default() }.candidates(&city, &of_kinds(kinds), places).unwrap()
        };
        let ids = |names: &str, kinds: &[Kind]| asked(names, kinds).into_iter().map(|c| c.id).collect::<Vec<_>>();
        let (kindergartens, former) = (["kindergarten_k1", "kindergarten_k2"], "former_kindergarten_w5");
        let nurseries = ids("kindergartens", &[Kind::Nursery]);
        assert_eq!(nurseries, [kindergartens[0], kindergartens[1], "kindergarten_school_w2", former]);
        assert_eq!(ids("kindergartens", &[Kind::Kindergarten]), [kindergartens[1], former]);
        assert_eq!(ids("kindergartens", &[]), [former], "every kind counts");
        // A facility stands under the id of the second school already.
        let osm = [former, "school_w1", "community_centre_w4", "public_building_w3"];
        assert_eq!(ids("osm", &[]), osm);
        assert_eq!(ids("public_buildings,schools", &[]), [osm[1], osm[3]]);
        let centre = &asked("community_centres", &[])[0];
        assert_eq!((centre.name.as_deref(), centre.at.lon_e7), (Some("No. 4"), 1_143_000_003));
    }

    #[test]
    fn where_the_map_has_no_such_place_that_is_told() {
        let city = city(&[PremisesKind::School]);
        let refused = |names: &str| {
            let ask = Ask { count: Some(1), ..Ask::default() };
            ask.candidates(&city, &Policy::default(), Places::named(names).unwrap()).unwrap_err()
        };
        assert!(refused("community_centres").en.ends_with("where a facility could stand"));
        assert!(refused("kindergartens,public_buildings").en.contains("kindergartens that the policy counts"));
        assert!(refused("kindergartens").zh.contains("政策已计入的幼儿园"));
    }

    #[test]
    fn names_of_places_are_taken_together_in_one_order() {
        use OnMap::{Blocks, CommunityCentres, Kindergartens, PublicBuildings, Schools, Streets};
        let all = |names: &str| match Places::named(names).unwrap() {
            Places::OnMap(all) => all.into_iter().collect::<Vec<_>>(),
            Places::Given(_) => panic!("{names}"),
        };
        assert_eq!(all("schools"), [Schools]);
        assert_eq!(all("public_buildings,community_centres"), [CommunityCentres, PublicBuildings]);
        assert_eq!(all("osm"), [Kindergartens, Schools, CommunityCentres, PublicBuildings]);
        assert_eq!(all("osm,anywhere,schools,osm"), all("blocks,streets,osm"));
        assert_eq!(all("anywhere"), [Blocks, Streets]);
        assert_eq!(Places::named("anywhere").unwrap(), Places::default());
    }

    #[test]
    fn what_is_no_name_is_told_with_all_that_are() {
        for (names, word) in [
            ("", ""),
            ("school", "school"),
            ("schools,", ""),
            ("schools, streets", " streets"),
            ("osm,./c.csv", "./c.csv"),
        ] {
            let told = Places::named(names).unwrap_err();
            assert!(told.en.contains(&format!("there is no \"{word}\"; there is blocks, streets")), "{}", told.en);
            assert!(told.zh.contains(&format!("没有“{word}”")), "{}", told.zh);
            for (name, _) in Places::NAMED {
                assert!(told.en.contains(name) && told.zh.contains(name), "{name}");
            }
            assert!(!Places::is_path(names), "{names}");
        }
        assert!(Places::named(&"长".repeat(10_000)).unwrap_err().en.len() < 500);
    }

    #[test]
    fn a_file_may_be_called_as_a_sort_of_places() {
        for path in ["./schools", "/data/schools", "c.csv", "名单.xlsx#一,二", "..\\schools", "a,b.csv"] {
            assert!(Places::is_path(path) && Places::named(path).is_err(), "{path}");
        }
    }
}
