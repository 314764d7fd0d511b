//! Siting studies on the command line: plans with proof, and the scenarios that they make.

mod program;

use program::{Folder, refuse, succeed};
use serde_json::Value;

const TOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/demo/town.osm.pbf");
const REGISTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/demo/facilities.csv");
const CANDIDATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/demo/candidates.csv");

fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("what was written")).expect("JSON")
}

/// The plan for the demo town by such options.
fn planned(folder: &Folder, options: &[&str]) -> Value {
    let out = folder.file("plan.geojson");
    succeed(&[&["site", "-o", &out], options].concat());
    json(&out)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn ids(plan: &Value) -> Vec<&str> {
    plan["features"].as_array().expect("features").iter().map(|site| site["id"].as_str().expect("an id")).collect()
}

/// Children within the limit after a scenario, as `check` finds them.
fn covered_after(folder: &Folder, scenario: &str, options: &[&str]) -> f64 {
    let after = folder.file("after.geojson");
    succeed(&[&["check", "--scenario", scenario, "-o", &after], options].concat());
    let covered =
        |block: &Value| number(&block["properties"]["children"]) * number(&block["properties"]["covered_share"]);
    json(&after)["features"].as_array().expect("blocks").iter().map(covered).sum()
}

#[test]
fn a_plan_promises_what_check_finds() {
    let folder = Folder::new("site");
    let scenario = folder.file("s.json");
    let strict = "name = \"strict\"\nfacility_status = \"filed\"\ninclusive = true\nmin_places = 20\n";
    let strict = folder.write("strict.toml", strict);
    for options in [
        &["--count", "3"][..],
        &["--count", "2", "--minutes", "10", "--profile", "toddler"],
        &["--count", "4", "--candidates", CANDIDATES, "--policy", &strict],
        &["--objective", "p-median", "--count", "3", "--candidates", CANDIDATES],
        &["--objective", "set-cover", "--share", "0.95", "--candidates", "blocks"],
        &["--count", "3", "--candidates", "osm", "--policy", &strict],
        &["--count", "4", "--candidates", "osm", "--minutes", "10", "--profile", "toddler"],
        &["--objective", "close", "--count", "12"],
    ] {
        let plan = planned(&folder, &[options, &["--write-scenario", &scenario]].concat());
        let own = |name: &&str| ["--minutes", "--profile", "--policy"].contains(name);
        let by = options.chunks(2).filter(|pair| own(&pair[0])).flatten().copied().collect::<Vec<_>>();
        let found = covered_after(&folder, &scenario, &by);
        let promised = number(&plan["coverage"]["covered_after"]);
        assert!((found - promised).abs() < 1e-6, "{options:?}: {promised} promised, {found} found");
        let gains: f64 =
            plan["features"].as_array().unwrap().iter().map(|site| number(&site["properties"]["gain"])).sum();
        assert!((number(&plan["coverage"]["covered_before"]) + gains - promised).abs() < 1e-6, "{options:?}");
        assert_eq!(plan["plan"]["optimal"], true, "{options:?}");
        assert!(number(&plan["plan"]["gap"]) < 1e-6, "{options:?}");
    }
}

#[test]
fn premises_of_the_map_are_candidates_from_extract_and_prepared_file_alike() {
    let folder = Folder::new("site-premises");
    let (city, out) = (folder.file("town.carecircle"), folder.file("plan.geojson"));
    let nurseries = folder.write("nurseries.toml", "name = \"nurseries\"\nkinds = [\"nursery\"]\n");
    succeed(&["import", TOWN, "-o", &city]);
    let planned_in = |city: &str, options: &[&str]| {
        succeed(&[&["site", city, "--policy", &nurseries, "--count", "3", "-o", &out], options].concat());
        let mut plan = json(&out);
        plan["plan"]["seconds"].take();
        plan["curve"].take();
        plan
    };
    let register = ["--candidates", "osm", "--add-osm", "--facilities", REGISTER];
    for options in [&["--candidates", "osm"][..], &["--candidates", "kindergartens,schools"], &register] {
        let plan = planned_in(TOWN, options);
        assert_eq!(plan, planned_in(&city, options), "{options:?}");
        for id in ids(&plan) {
            let mut kinds =
                ["kindergarten_", "former_kindergarten_", "school_", "community_centre_", "public_building_"].iter();
            assert!(kinds.any(|kind| id.starts_with(kind)), "{options:?}: {id}");
        }
        assert!(!ids(&plan).is_empty(), "{options:?}");
    }
    let plan = planned_in(&city, &["--candidates", "osm"]);
    let called =
        |site: &Value| (site["id"].as_str().map(str::to_owned), site["properties"]["name"].as_str().map(str::to_owned));
    let first = called(&plan["features"][0]);
    assert_eq!(first.1.as_deref(), Some("柳堤社区服务中心"));
    assert!(first.0.is_some_and(|id| id.starts_with("community_centre_n")));
    assert!(ids(&plan).iter().any(|id| id.starts_with("kindergarten_w")), "the policy counts nurseries alone");
}

#[test]
fn a_plan_goes_on_where_another_ended() {
    let folder = Folder::new("site-again");
    let (first, both) = (folder.file("first.json"), folder.file("both.json"));
    let premises = ["--count", "1", "--candidates", "community_centres"];
    let before = planned(&folder, &[&premises[..], &["--write-scenario", &first]].concat());
    let after = planned(&folder, &[&premises[..], &["--scenario", &first, "--write-scenario", &both]].concat());
    let (left, there) = (number(&before["coverage"]["covered_after"]), number(&after["coverage"]["covered_before"]));
    assert!((left - there).abs() < 1e-6, "{left} left, {there} there");
    assert!(ids(&after).len() == 1 && ids(&after) != ids(&before), "{:?} after {:?}", ids(&after), ids(&before));
    // What is written holds both, and facilities that the first has opened close in it again.
    let promised = number(&after["coverage"]["covered_after"]);
    assert!((covered_after(&folder, &both, &[]) - promised).abs() < 1e-6);
    let fewer = folder.file("fewer.json");
    let closing = ["--objective", "close", "--count", "30", "--scenario", &both, "--write-scenario", &fewer];
    let promised = number(&planned(&folder, &closing)["coverage"]["covered_after"]);
    assert!((covered_after(&folder, &fewer, &[]) - promised).abs() < 1e-6);
}

#[test]
fn more_sites_never_cover_less() {
    let folder = Folder::new("site-curve");
    let plan = planned(&folder, &["--count", "5", "--candidates", "streets", "--spacing-m", "400"]);
    let curve = plan["curve"].as_array().expect("a curve");
    assert_eq!(curve.len(), 5);
    let objectives: Vec<f64> = curve.iter().map(|point| number(&point["objective"])).collect();
    assert!(objectives.is_sorted() && objectives[0] < objectives[4], "{objectives:?}");
    assert_eq!(curve[4], plan["plan"]);
}

#[test]
fn costs_and_choices_are_respected() {
    let folder = Folder::new("site-costs");
    let table = std::fs::read_to_string(CANDIDATES).expect("candidates");
    let row =
        |id: &str| table.lines().find(|line| line.starts_with(&format!("{id},"))).expect("the candidate").split(',');
    let cost = |id: &str| row(id).nth(5).and_then(|cost| cost.parse::<f64>().ok()).expect("a cost");
    let chosen = |choice: &str| {
        let line = table.lines().find(|line| line.ends_with(&format!(",{choice}"))).expect("such a candidate");
        line.split(',').next().expect("an id").to_owned()
    };
    for limited in [&[][..], &["--limited"]] {
        let plan = planned(&folder, &[&["--budget", "600", "--candidates", CANDIDATES], limited].concat());
        let ids = ids(&plan);
        assert!(ids.len() > 1 && ids.iter().map(|id| cost(id)).sum::<f64>() <= 600.0, "{ids:?}");
        assert!(ids.contains(&&*chosen("required")) && !ids.contains(&&*chosen("forbidden")), "{ids:?}");
        for site in plan["features"].as_array().unwrap().iter().filter(|_| !limited.is_empty()) {
            assert!(number(&site["properties"]["load"]) <= number(&site["properties"]["places"]), "{site}");
        }
    }
}

#[test]
fn what_is_impossible_is_told_with_what_is_possible() {
    let folder = Folder::new("site-impossible");
    let table = |text: &str| folder.write("c.csv", text);
    let one = folder.write("one.csv", "id,lon,lat\nk,114.28,30.9\n");
    let every = ["--objective", "set-cover", "--share", "0.1", "--least-share", "1", "--candidates", &one];
    let all: &[(&[&str], &str)] = &[
        (&["--count", "0"], "--count 0: one site at least"),
        (&[], "--objective max-coverage: count or budget is wanted as well"),
        (&["--objective", "set-cover"], "--objective set-cover: share is wanted as well"),
        (&["--objective", "set-cover", "--share", "1.2"], "a number from 0 to 1"),
        (&["--objective", "set-cover", "--share", "1", "--candidates", "streets", "--spacing-m", "5000"], "% "),
        (&["--count", "2", "--candidates", &table("id,lon,lat\n")], "no row"),
        (&["--count", "2", "--level", "planet", "--least-share", "0.1"], "there is city, district, street, community"),
        (&["--budget", "5", "--candidates", "streets"], "has no cost"),
        (&["--budget", "5", "--candidates", "osm"], "has no cost; give it in the column cost of a table"),
        (&["--count", "2", "--limited", "--candidates", "schools"], "has no number of places; give it in the column"),
        (&["--count", "2", "--candidates", "school"], "--candidates: there is no \"school\"; there is blocks, streets"),
        (&["--count", "2", "--candidates", "schools,libraries"], "no \"libraries\"; there is"),
        (&["--count", "2", "--candidates", "./schools"], "./schools"),
        (&["--objective", "set-cover", "--share", "0.9", "--by-cost"], "has no cost"),
        (&["--objective", "set-cover", "--share", "0.9", "--count", "3"], "--count does not come into"),
        (&["--objective", "close", "--count", "2", "--limited"], "--limited does not come into"),
        (&["--count", "2", "--limited"], "has no number of places"),
        (&["--count", "2", "-o", &folder.file("plan.csv")], "must end in .geojson"),
        (&["--count", "2", "--memory-mb", "0"], "MB are allowed"),
        (&[&every[..], &["--lang", "en"]].concat(), "--least-share 100 %: all sites together reach less"),
        (&[&every[..], &["--lang", "en"]].concat(), "% at most)"),
        (
            &[&every[..], &["--lang", "zh"]].concat(),
            "--least-share 100 %：以下区域即使启用全部位置也达不到：和安区（最多",
        ),
        (&["--count", "1", "--least-share", "0.95"], "--count 1: so few sites do not do all that is asked;"),
        (&["--count", "1", "--least-share", "0.5", "--backup", "0.5"], "one of them at a time"),
        (&["--count", "1", "--solver", "cbc"], "there is own and highs"),
    ];
    for (options, says) in all {
        let told = refuse(&[&["site"], *options].concat());
        assert!(told.contains(says), "{options:?}: {told}");
    }
}
