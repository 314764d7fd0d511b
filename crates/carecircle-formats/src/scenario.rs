//! Scenarios: facilities opened, closed and changed in thought, as JSON.
//!
//! A facility is written as a row of a table would be, its columns as members, and is read as one.

use crate::columns::{self, Declared, Reject};
use crate::geojson::facility_known;
use crate::headers::{Column, column_of};
use crate::remark;
use crate::remark::Remark;
use crate::table::geojson::cell_text;
use crate::table::{Builder, Table, TableError};
use carecircle_core::facility::Facility;
use carecircle_core::geometry::LonLatShape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A facility by its columns.
type Members = Map<String, Value>;

/// So many facilities may be opened, closed and changed together.
pub const MOST_EDITS: usize = 10_000;

/// An id has no more characters, nor has a scenario's name: blocks tell the ids of their facilities, each anew.
const LONGEST: usize = 200;

/// Facilities opened, closed and changed in thought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// What to call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New facilities: id, place, and whatever is known of them.
    pub(crate) open: Vec<Members>,
    /// The ids of those that are no more.
    pub(crate) close: Vec<String>,
    /// By id, what of a facility is different.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) change: Vec<Members>,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// What is wrong with the text, and what would be accepted; facilities are looked at by [`Scenario::apply`].
    pub fn parse(json: &[u8]) -> Result<Self, Remark> {
        let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
        // An array would do for serde, its items for members in their order.
        let object = serde_json::from_slice::<Members>(json).map(|_| ());
        let scenario: Self = object.and_then(|()| serde_json::from_slice(json)).map_err(|why| {
            remark!(
                "{why}; a scenario is {{\"open\": [{{\"id\", \"lon\", \"lat\", …}}], \"close\": [id, …], \"change\": [{{\"id\", …}}]}}",
                "{why}；情景应为 {{\"open\": [{{\"id\", \"lon\", \"lat\", …}}], \"close\": [id, …], \"change\": [{{\"id\", …}}]}}"
            )
        })?;
        if scenario.name.as_ref().is_some_and(|name| name.chars().count() > LONGEST) {
            return Err(remark!("name: {LONGEST} characters at most", "name：最多 {LONGEST} 个字符"));
        }
        let edits: usize = scenario.edits().iter().sum();
        if edits > MOST_EDITS {
            return Err(remark!(
                "it opens, closes and changes {edits} facilities; {MOST_EDITS} at most",
                "共开设、关闭、变更 {edits} 个机构；最多 {MOST_EDITS} 个"
            ));
        }
        Ok(scenario)
    }

    /// How many facilities it opens, closes and changes.
    pub fn edits(&self) -> [usize; 3] {
        [self.open.len(), self.close.len(), self.change.len()]
    }

    /// This scenario, and a later one that was made of the city after it, as one that bears the name of the later.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        // One that is not understood is refused when it is applied.
        let ours = |given: &Members| in_our_words(given).unwrap_or_else(|_| given.clone());
        let id = |given: &Members| id_of("", 0, &ours(given)).unwrap_or_default();
        for closed in later.close {
            let opened = self.open.len();
            self.open.retain(|given| id(given) != closed);
            self.change.retain(|given| id(given) != closed);
            if self.open.len() == opened {
                self.close.push(closed);
            }
        }
        for changed in later.change {
            match self.open.iter_mut().chain(&mut self.change).find(|given| id(given) == id(&changed)) {
                Some(given) => *given = ours(given).into_iter().chain(ours(&changed)).collect(),
                None => self.change.push(changed),
            }
        }
        self.open.extend(later.open);
        Self { name: later.name, ..self }
    }

    /// Opens, closes and changes facilities; the grounds of one that is closed or stands elsewhere are no longer its. What
    /// is opened and changed must be `fit`, whose error says why it isn't.
    ///
    /// # Errors
    /// What of the scenario doesn't fit the facilities, which are then as they were.
    pub fn apply(
        &self,
        facilities: &mut Vec<Facility>,
        grounds: &mut BTreeMap<String, LonLatShape>,
        fit: impl Fn(&Facility) -> Result<(), Remark>,
    ) -> Result<(), Remark> {
        let by_id: BTreeMap<&str, &Facility> = facilities.iter().map(|f| (f.id.as_str(), f)).collect();
        let unknown = |what: &str, i: usize, id: &str| {
            remark!("{what}[{i}]: there is no facility \"{id}\"", "{what}[{i}]：没有机构“{id}”")
        };
        let mut edited = BTreeSet::new();
        let mut only_once = |what: &str, i: usize, id: &str| {
            let is_new = edited.insert(id.to_owned());
            let twice = || remark!("{what}[{i}]: \"{id}\" stands there twice", "{what}[{i}]：“{id}”出现了两次");
            is_new.then_some(()).ok_or_else(twice)
        };
        for (i, id) in self.close.iter().enumerate() {
            only_once("close", i, id)?;
            by_id.get(id.as_str()).ok_or_else(|| unknown("close", i, id))?;
        }
        let mut changed = Vec::with_capacity(self.change.len());
        let in_our_words = |what: &str, i: usize, given: &Members| {
            in_our_words(given).map_err(|why| remark!("{what}[{i}]: {}", "{what}[{i}]：{}"; why))
        };
        for (i, given) in self.change.iter().enumerate() {
            let given = in_our_words("change", i, given)?;
            let id = id_of("change", i, &given)?;
            only_once("change", i, &id)?;
            let facility = by_id.get(id.as_str()).ok_or_else(|| unknown("change", i, &id))?;
            changed.push((overlaid(facility, &given), given));
        }
        let mut opened = Vec::with_capacity(self.open.len());
        for (i, given) in self.open.iter().enumerate() {
            let given = in_our_words("open", i, given)?;
            let id = id_of("open", i, &given)?;
            only_once("open", i, &id)?;
            if by_id.contains_key(id.as_str()) {
                return Err(remark!(
                    "open[{i}]: there is a facility \"{id}\" already: change it, or take another id",
                    "open[{i}]：机构“{id}”已存在：请改用 change，或换一个 id"
                ));
            }
            let has = |column: Column| given.contains_key(column.name());
            if !(has(Column::Geometry) || has(Column::Lon) && has(Column::Lat)) {
                return Err(remark!(
                    "open[{i}]: it has no place: \"lon\" and \"lat\", or a \"geometry\"",
                    "open[{i}]：缺少位置：\"lon\" 和 \"lat\"，或 \"geometry\""
                ));
            }
            opened.push((given.clone(), given));
        }
        let changed = as_facilities("change", &changed, &fit)?;
        let opened = as_facilities("open", &opened, &fit)?;
        drop(by_id);
        let closed: BTreeSet<&str> = self.close.iter().map(String::as_str).collect();
        facilities.retain(|facility| !closed.contains(facility.id.as_str()));
        grounds.retain(|id, _| !closed.contains(id.as_str()));
        let mut changed: BTreeMap<String, Facility> = changed.into_iter().map(|f| (f.id.clone(), f)).collect();
        for facility in facilities.iter_mut() {
            if let Some(now) = changed.remove(&facility.id) {
                if now.at != facility.at {
                    grounds.remove(&facility.id);
                }
                *facility = now;
            }
        }
        facilities.extend(opened);
        Ok(())
    }
}

/// Members under our own names for columns: two that mean the same are refused, and what holds members of its own, unless
/// it is the geometry.
pub(crate) fn in_our_words(given: &Members) -> Result<Members, Remark> {
    let mut out = Members::new();
    for (name, value) in given {
        let column = column_of(name);
        let ours = column.map_or_else(|| name.clone(), |column| column.name().to_owned());
        if value.is_object() && column != Some(Column::Geometry) {
            return Err(remark!(
                "\"{name}\" is an object; what is known of a facility stands beside its id",
                "“{name}”是对象；机构的各项信息应与 id 并列"
            ));
        }
        if out.insert(ours.clone(), value.clone()).is_some() {
            return Err(remark!("\"{name}\" and another member both mean {ours}", "“{name}”与另一成员都表示 {ours}"));
        }
    }
    Ok(out)
}

fn id_of(what: &str, i: usize, given: &Members) -> Result<String, Remark> {
    let id = given.get(Column::Id.name()).filter(|id| id.is_string() || id.is_number()).map(cell_text);
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| {
        remark!("{what}[{i}]: it has no \"id\", a text or a number", "{what}[{i}]：缺少 \"id\"（文本或数字）")
    })?;
    if id.chars().count() > LONGEST {
        return Err(remark!("{what}[{i}], id: {LONGEST} characters at most", "{what}[{i}]，id：最多 {LONGEST} 个字符"));
    }
    Ok(id)
}

/// A facility as the row that it would be, with what is given in place of what was.
fn overlaid(facility: &Facility, given: &Members) -> Members {
    let mut known = b"{".to_vec();
    facility_known(&mut known, facility);
    known.push(b'}');
    let known: Members = serde_json::from_slice(&known).unwrap_or_default();
    let mut row: Members = facility.other.iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
    row.extend(known.into_iter().filter(|(_, value)| !value.is_null()));
    row.insert(Column::Lon.name().to_owned(), facility.at.lon().into());
    row.insert(Column::Lat.name().to_owned(), facility.at.lat().into());
    // What says the same in another way gives way.
    let steps = [Column::Status, Column::Registered, Column::Filed, Column::Licensed];
    for (says, same) in [(&steps[..], &steps[..]), (&[Column::Geometry], &[Column::Lon, Column::Lat])] {
        if says.iter().any(|column| given.contains_key(column.name())) {
            row.retain(|name, _| !same.iter().any(|column| column.name() == name));
        }
    }
    row.extend(given.clone());
    row
}

/// Rows as a table; their numbers are from 0.
pub(crate) fn table_of(path: &Path, rows: impl Iterator<Item = impl Borrow<Members>>) -> Result<Table, TableError> {
    let mut table = Builder::new(path);
    for (i, row) in rows.enumerate() {
        table.row(i);
        for (name, value) in row.borrow() {
            let column = table.column(name)?;
            table.cell(column, &cell_text(value));
        }
    }
    table.finish()
}

/// The facilities that rows stand for, each with what was given of it, of which everything must be understood.
fn as_facilities(
    what: &str,
    rows: &[(Members, Members)],
    fit: impl Fn(&Facility) -> Result<(), Remark>,
) -> Result<Vec<Facility>, Remark> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let told = |why: TableError| Remark { en: why.to_string(), zh: why.in_chinese() };
    let table = table_of(Path::new(what), rows.iter().map(|(row, _)| row)).map_err(told)?;
    let mut sorted = columns::facilities(&table, &Declared::default()).map_err(told)?;
    sorted.refuse(&table, &Declared::default(), fit);
    let was_given = |doubt: &&Reject| rows[doubt.row].1.contains_key(&doubt.column);
    match sorted.rejects.iter().chain(sorted.doubts.iter().filter(was_given)).next() {
        None => Ok(sorted.used),
        Some(Reject { row, column, why, .. }) => {
            Err(remark!("{what}[{row}], {column}: {}", "{what}[{row}]，{column}：{}"; why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::facility::{Kind, Status};
    use carecircle_core::geometry::LonLat;

    fn facilities() -> Vec<Facility> {
        let at = |lon, lat| LonLat::from_degrees(lon, lat).unwrap();
        let mut known = Facility {
            name: Some("阳光托育".to_owned()),
            status: Status::Filed,
            inclusive: Some(true),
            places: Some(60),
            places_infant: Some(20),
            opened: "2020-01-31".parse().ok(),
            min_months: Some(6),
            ..Facility::new("a", at(114.3, 30.9), Kind::Community)
        };
        known.other.insert("address", "长江路 1 号");
        known.other.insert("opened", "2020-01-31");
        vec![known, Facility::new("b", at(114.31, 30.91), Kind::Kindergarten)]
    }

    fn in_the_north(facility: &Facility) -> Result<(), Remark> {
        let is_north = facility.at.lat() > 0.0;
        is_north.then_some(()).ok_or_else(|| Remark::same("south of the line"))
    }

    fn applied(json: &str) -> Result<Vec<Facility>, String> {
        let mut out = facilities();
        let result =
            Scenario::parse(json.as_bytes()).and_then(|s| s.apply(&mut out, &mut BTreeMap::new(), in_the_north));
        match result {
            Ok(()) => Ok(out),
            Err(why) => {
                assert_eq!(out, facilities(), "half applied");
                Err(why.en)
            }
        }
    }

    #[test]
    fn nothing_leaves_all_as_it_is() {
        assert_eq!(applied("{}").unwrap(), facilities());
        let same = r#"{"name": "none", "change": [{"id": "a"}, {"id": "b"}]}"#;
        assert_eq!(applied(same).unwrap(), facilities());
    }

    #[test]
    fn facilities_open_close_and_change() {
        let now = applied(
            r#"{"open": [{"id": 7, "name": "新园", "lon": 114.305, "lat": 30.905, "托位数": "40", "kind": "nursery"}],
                "close": ["b"], "change": [{"id": "a", "places": 80, "inclusive": null, "lon": 114.3001, "lat": 30.9}]}"#,
        )
        .unwrap();
        let [a, new] = &now[..] else { panic!("{now:?}") };
        let before = facilities().remove(0);
        assert_eq!(a.at, LonLat::from_degrees(114.3001, 30.9).unwrap());
        let expected = Facility { at: a.at, places: Some(80), inclusive: None, ..before };
        assert_eq!(*a, expected);
        assert_eq!((new.id.as_str(), new.name.as_deref(), new.places), ("7", Some("新园"), Some(40)));
    }

    #[test]
    fn a_step_taken_back_is_taken_back() {
        let now = applied(r#"{"change": [{"id": "a", "备案": "否"}]}"#).unwrap();
        assert!(now[0].status < Status::Filed);
    }

    #[test]
    fn one_after_the_other_is_both_at_once() {
        let before = r#"{"name": "before", "open": [{"id": "n", "lon": 114.302, "lat": 30.9}, {"id": "m", "lon": 114.304, "lat": 30.9}],
                         "close": ["b"], "change": [{"id": "a", "places": 70}]}"#;
        for (later, says) in [
            (
                r#"{"name": "later", "open": [{"id": "k", "lon": 114.303, "lat": 30.9}], "close": ["n"]}"#,
                r#""close":["b"]"#,
            ),
            (r#"{"close": ["a", "m"]}"#, r#""close":["b","a"]"#),
            (r#"{"change": [{"编号": "a", "enrolled": 9}, {"id": "n", "places": 8}]}"#, r#""enrolled":9"#),
        ] {
            let parsed = |json: &str| Scenario::parse(json.as_bytes()).unwrap();
            let apply = |scenario: &Scenario, to: &mut Vec<Facility>| {
                scenario.apply(to, &mut BTreeMap::new(), in_the_north).unwrap();
            };
            let (mut one_by_one, mut at_once) = (facilities(), facilities());
            apply(&parsed(before), &mut one_by_one);
            apply(&parsed(later), &mut one_by_one);
            let both = parsed(before).then(parsed(later));
            apply(&both, &mut at_once);
            assert_eq!(at_once, one_by_one, "{later}");
            assert_eq!(both.name, parsed(later).name);
            let json = serde_json::to_string(&both).unwrap();
            assert!(json.contains(says), "{json}");
            assert_eq!(parsed(&json), both);
        }
    }

    #[test]
    fn grounds_go_with_who_leaves_them() {
        let shape: LonLatShape = geo::MultiPolygon(Vec::new());
        let all = || ["a", "b"].map(|id| (id.to_owned(), shape.clone())).into_iter().collect::<BTreeMap<_, _>>();
        let left = |json: &str| {
            let (mut facilities, mut grounds) = (facilities(), all());
            Scenario::parse(json.as_bytes()).unwrap().apply(&mut facilities, &mut grounds, in_the_north).unwrap();
            grounds.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(left(r#"{"change": [{"id": "a", "places": 30}]}"#), ["a", "b"]);
        assert_eq!(left(r#"{"change": [{"id": "a", "lat": 30.95, "lon": 114.3}]}"#), ["b"]);
        assert_eq!(left(r#"{"close": ["b"]}"#), ["a"]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (json, says) in [
            ("[]", "a scenario is"),
            ("{\"opn\": []}", "unknown field `opn`"),
            (r#"{"close": ["a"], "close": []}"#, "duplicate field `close`"),
            (
                r#"{"open": [{"id": "n", "编号": "m", "lon": 114.3, "lat": 30.9}]}"#,
                "open[0]: \"编号\" and another member both mean id",
            ),
            (r#"{"open": [{"id": {}, "lon": 114.3, "lat": 30.9}]}"#, "open[0]: \"id\" is an object"),
            (r#"{"change": [{"id": "a", "properties": {"places": 5}}]}"#, "change[0]: \"properties\" is an object"),
            (
                r#"{"close": ["a"], "open": [{"id": true, "lon": 114.3, "lat": 30.9}]}"#,
                "open[0]: it has no \"id\", a text",
            ),
            (r#"{"close": ["c"]}"#, "close[0]: there is no facility \"c\""),
            (r#"{"close": ["a", "a"]}"#, "close[1]: \"a\" stands there twice"),
            (r#"{"close": ["a"], "change": [{"id": "a"}]}"#, "change[0]: \"a\" stands there twice"),
            (r#"{"change": [{"places": 3}]}"#, "change[0]: it has no \"id\""),
            (r#"{"change": [{"id": "a", "places": -3}]}"#, "change[0], places: "),
            (r#"{"change": [{"id": "a", "places": 10, "enrolled": 30}]}"#, "change[0], enrolled: 30 children"),
            (r#"{"change": [{"id": "a", "inclusive": "maybe"}]}"#, "change[0], inclusive: "),
            (r#"{"change": [{"id": "a", "lon": 200}]}"#, "change[0], "),
            (r#"{"change": [{"id": "a", "lat": -30.9}]}"#, "change[0], lon: south of the line"),
            (r#"{"open": [{"id": "a", "lon": 114.3, "lat": 30.9}]}"#, "open[0]: there is a facility \"a\" already"),
            (
                r#"{"open": [{"id": "n", "lon": 114.3, "lat": 30.9}, {"id": "m", "lon": 114.3}]}"#,
                "open[1]: it has no place",
            ),
            (r#"{"open": [{"id": "n", "lon": "east", "lat": 30.9}]}"#, "open[0], lon: "),
        ] {
            let told = applied(json).unwrap_err();
            assert!(told.contains(says), "{json}: {told}");
        }
    }
}
