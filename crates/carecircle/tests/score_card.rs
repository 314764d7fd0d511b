//! The score card as its users get it: a file of its own, a table, and the figures that cities published.

mod program;

use program::{Folder, refuse, succeed};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The score card of a check.
fn card(folder: &Folder, arguments: &[&str]) -> Value {
    let out = folder.file("card.json");
    succeed(&[&["check", "-o", &out], arguments].concat());
    serde_json::from_str(&std::fs::read_to_string(out).expect("the card")).expect("JSON")
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The columns of the demo town's register that are asked for, row by row.
fn demo_register<const N: usize>(columns: [&str; N]) -> Vec<[String; N]> {
    let mut reader = csv::Reader::from_path(repository("fixtures/demo/facilities.csv")).expect("the demo's register");
    let head = reader.headers().expect("a header").clone();
    let at = columns.map(|name| head.iter().position(|column| column == name).expect("the column"));
    reader.records().map(|row| row.expect("a row")).map(|row| at.map(|i| row[i].to_owned())).collect()
}

#[test]
fn every_target_of_every_policy_is_met_missed_or_lacks_something() {
    let folder = Folder::new("card-targets");
    let mut verdicts = Vec::new();
    for policy in ["default", "national", "hangzhou-2024", "chengdu-2025", "shijiazhuang-2023", "xiacheng-2025"] {
        let card = card(&folder, &["--policy", policy]);
        assert_eq!(card["policy"]["name"], policy);
        assert_eq!(card["parameters"]["policy"], policy);
        assert_eq!(card["attribution"], "© OpenStreetMap contributors (ODbL)");
        assert!(card["extract_date"].is_string() && card["policy"]["source"].as_str().is_some_and(|s| s.len() > 20));
        for target in card["targets"].as_array().expect("targets") {
            let indicator = target["indicator"].as_str().expect("a name");
            if target["sub_areas"].is_null() {
                assert_eq!(target["value"], card["total"]["indicators"][indicator]["value"]);
            }
            let told = target["value"].as_f64().zip(target["target"].as_f64());
            let verdict = match told {
                None => "unknown",
                Some((value, goal)) if target["bound"] == "over" && value > goal => "met",
                Some((value, goal)) if target["bound"] == "at_least" && value >= goal => "met",
                Some(_) => "missed",
            };
            assert_eq!(target["verdict"], verdict, "{target}");
            assert_eq!(target["missing"] == serde_json::json!([]), verdict != "unknown", "{target}");
            assert_eq!(target["areas"].as_array().map(Vec::len), card["areas"].as_array().map(Vec::len));
            verdicts.push(format!("{policy} {indicator} {verdict}"));
        }
        assert_eq!(card["sensitivity"].as_array().map(Vec::len), Some(9));
        assert!(card["inequality"]["gini"].as_f64().is_some_and(|gini| (0.0..1.0).contains(&gini)));
    }
    assert_eq!(
        verdicts,
        [
            "national places_per_1000 unknown",
            "hangzhou-2024 places_per_1000 unknown",
            "hangzhou-2024 inclusive_share unknown",
            "hangzhou-2024 certified_staff_share unknown",
            "hangzhou-2024 covered_share unknown",
            "hangzhou-2024 under_two_share unknown",
            "chengdu-2025 places_per_1000 unknown",
            "chengdu-2025 health_manager_share missed",
            "shijiazhuang-2023 area_share met",
            "xiacheng-2025 community_share met",
            "xiacheng-2025 kindergarten_share missed",
        ]
    );
}

#[test]
fn indicators_are_the_registers_own_sums() {
    let folder = Folder::new("card-sums");
    // The demo's register is complete but for a few: those left out, its sums are the card's.
    let columns =
        ["id", "places", "inclusive", "staff", "staff_certified", "enrolled", "places_infant", "places_toddler"];
    let rows = demo_register(columns);
    let complete: Vec<_> = rows.into_iter().filter(|row| row.iter().all(|cell| !cell.is_empty())).collect();
    let ids: Vec<&str> = complete.iter().map(|row| row[0].as_str()).collect();
    let whole = std::fs::read_to_string(repository("fixtures/demo/facilities.csv")).expect("the register");
    let kept = whole
        .lines()
        .enumerate()
        .filter(|(i, line)| *i == 0 || ids.iter().any(|id| line.starts_with(&format!("{id},"))));
    let register = folder.write("r.csv", kept.map(|(_, line)| line).collect::<Vec<_>>().join("\n"));
    let card = card(&folder, &["--facilities", &register, "--policy", "hangzhou-2024"]);
    let sum = |column: usize| complete.iter().map(|row| row[column].parse::<f64>().expect("a number")).sum::<f64>();
    let (places, staff, certified, enrolled) = (sum(1), sum(3), sum(4), sum(5));
    let inclusive: f64 =
        complete.iter().filter(|row| row[2] == "true").map(|row| row[1].parse::<f64>().expect("a number")).sum();
    let indicators = &card["total"]["indicators"];
    for (name, numerator, denominator, factor) in [
        ("places_per_1000", places, 120_000.0, 1_000.0),
        ("inclusive_share", inclusive, places, 1.0),
        ("certified_staff_share", certified, staff, 1.0),
        ("enrolment_rate", enrolled, 2_520.0, 1.0),
        ("vacancy_rate", places - enrolled, places, 1.0),
        ("under_two_share", sum(6) + sum(7), places, 1.0),
    ] {
        let found = &indicators[name];
        let number = |member: &str| found[member].as_f64().unwrap_or_else(|| panic!("{name} {member}: {found}"));
        assert!((number("numerator") - numerator).abs() < 1e-6, "{name}: {found} {numerator}");
        assert!((number("denominator") - denominator).abs() < 1e-6, "{name}: {found} {denominator}");
        assert!((number("value") - numerator * factor / denominator).abs() < 1e-9, "{name}: {found}");
        assert_eq!(found["missing"], serde_json::json!([]), "{name}");
    }
    // What the district has is what its communities have together.
    let areas = card["areas"].as_array().expect("areas");
    let of = |level: &str, name: &str, member: &str| -> f64 {
        let of_level = areas.iter().filter(|area| area["level"] == level);
        of_level.map(|area| area["indicators"][name][member].as_f64().unwrap_or(0.0)).sum()
    };
    for name in
        ["covered_share", "places_per_1000", "inclusive_share", "community_share", "kindergarten_share", "filed_share"]
    {
        for member in ["numerator", "denominator"] {
            let [district, streets, communities] =
                ["district", "street", "community"].map(|level| of(level, name, member));
            assert!((district - streets).abs() < 1e-6 && (district - communities).abs() < 1e-6, "{name} {member}");
        }
    }
}

#[test]
fn the_table_shows_the_score_card_where_there_are_targets() {
    let english = succeed(&["check", "--policy", "hangzhou-2024", "--lang", "en"]);
    for words in [
        "score card",
        "places per 1,000 residents",
        "at least 4.50",
        "over 75.0 %",
        "unknown",
        "of 35 facilities",
        "Gini",
    ] {
        assert!(english.contains(words), "{words}\n{english}");
    }
    let chinese = succeed(&["check", "--policy", "xiacheng-2025", "--lang", "zh"]);
    for words in ["评分表", "有托育机构的社区占比", "不低于 50.0 %", "达标", "未达标", "基尼系数"]
    {
        assert!(chinese.contains(words), "{words}\n{chinese}");
    }
    assert!(!succeed(&["check"]).contains("score card"), "without targets there is none");
}

#[test]
fn a_policy_file_brings_its_own_targets() {
    let folder = Folder::new("card-policy");
    let text = "name = \"ours\"\nkinds = [\"nursery\"]\n[[targets]]\nindicator = \"covered_share\"\nat_least = 0.05\nsource = \"us\"\n";
    let policy = folder.write("p.toml", text);
    let card = card(&folder, &["--policy", &policy]);
    assert_eq!(card["targets"][0]["verdict"], "met");
    assert_eq!(card["parameters"]["kinds"], serde_json::json!(["nursery"]));
    let wrong = folder.write("w.toml", text.replace("0.05", "5"));
    let told = refuse(&["check", "--policy", &wrong]);
    assert!(told.contains("w.toml: target 1: at_least = 5: a number from 0 to 1 is wanted"), "{told}");
    let told = refuse(&["check", "--policy", "atlantis"]);
    assert!(told.contains("hangzhou-2024") && told.contains(".toml"), "{told}");
}

#[test]
fn age_vacancy_and_date_choose_which_facilities_count() {
    let folder = Folder::new("card-counted");
    let counted = |arguments: &[&str]| {
        let card = card(&folder, arguments);
        let found = &card["total"]["indicators"]["registered_share"]["denominator"];
        (found.as_f64().expect("a number") as usize, card["parameters"].clone())
    };
    let number = |text: &String| text.parse::<u32>().ok();
    let rows = demo_register(["min_months", "places", "enrolled", "places_infant"]);
    let of_ten =
        rows.iter().filter(|row| number(&row[0]).is_some_and(|m| m <= 10) && number(&row[3]) != Some(0)).count();
    let vacant = rows.iter().filter(|row| number(&row[1]).zip(number(&row[2])).is_some_and(|(p, e)| p > e)).count();
    assert!(0 < of_ten && of_ten < rows.len() && 0 < vacant && vacant < rows.len());
    assert_eq!(counted(&["--child-months", "10"]).0, of_ten);
    assert_eq!(counted(&["--with-vacancy"]).0, vacant);
    let (_, parameters) = counted(&["--child-months", "10", "--with-vacancy", "--on", "2024-06-30"]);
    assert_eq!(
        (&parameters["child_months"], &parameters["with_vacancy"], &parameters["on"]),
        (&10.into(), &true.into(), &"2024-06-30".into())
    );
    for (arguments, hint) in [
        (["--child-months", "37"], "--child-months = 37: whole months from 0 to 36"),
        (["--child-months", "-1"], "--child-months = -1: whole months from 0 to 36"),
        (["--child-months", "ten"], "--child-months = ten: whole months from 0 to 36"),
        (["--on", "30.6.2024"], "--on = 30.6.2024: a day is wanted, as in 2024-06-30"),
    ] {
        for command in [&["check"][..], &["isochrone", "--at", "114.29,30.9"]] {
            let told = refuse(&[command, &arguments].concat());
            assert!(told.contains(hint), "{told}");
        }
    }
}

/// A city as it was published: facilities, of them registered and filed, and places where they are told.
struct City {
    name: &'static str,
    policy: &'static str,
    facilities: usize,
    registered: usize,
    filed: usize,
    places: Option<usize>,
    /// Counties and districts, where they are told.
    districts: usize,
    /// Places per 1,000 residents as published, and to how much it was rounded.
    published: (f64, f64),
    /// Residents, millions, and when.
    residents: &'static [(f64, &'static str)],
}

const CITIES: [City; 3] = [
    City {
        name: "Hangzhou",
        policy: "hangzhou-2024",
        facilities: 1_356,
        registered: 0,
        filed: 0,
        places: Some(54_000),
        districts: 0,
        published: (4.4, 0.1),
        residents: &[(12.38, "end of 2022"), (12.52, "end of 2023")],
    },
    City {
        name: "Shijiazhuang",
        policy: "shijiazhuang-2023",
        facilities: 402,
        registered: 402,
        filed: 402,
        places: Some(39_262),
        districts: 23,
        published: (3.69, 0.01),
        residents: &[(11.23, "resident population")],
    },
    City {
        name: "Chengdu",
        policy: "chengdu-2025",
        facilities: 1_609,
        registered: 804,
        filed: 341,
        places: None,
        districts: 0,
        published: (3.56, 0.01),
        residents: &[(21.27, "end of 2022")],
    },
];

impl City {
    /// The city's totals spread over as many facilities, somewhere in the demo town.
    fn register(&self, places: Option<usize>) -> String {
        let mut out = String::from("id,lon,lat,kind,status,places\n");
        for i in 0..self.facilities {
            let status = match i {
                i if i < self.filed => "filed",
                i if i < self.registered => "registered",
                _ => "",
            };
            let share = |total: usize| total / self.facilities + usize::from(i < total % self.facilities);
            let places = places.map(|total| share(total).to_string()).unwrap_or_default();
            let (lon, lat) = (114.28 + 0.0005 * (i % 50) as f64, 30.89 + 0.0005 * (i / 50) as f64);
            _ = writeln!(out, "f{i:04},{lon:.4},{lat:.4},nursery,{status},{places}");
        }
        out
    }

    /// The score card of the city with so many residents.
    fn card(&self, folder: &Folder, places: Option<usize>, millions: f64) -> Value {
        let register = folder.write("register.csv", self.register(places));
        let residents = (millions * 1e6).round();
        let area = |properties: &str, west: f64, east: f64| {
            format!(
                r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Polygon",
                "coordinates":[[[{west},30.8],[{east},30.8],[{east},31.0],[{west},31.0],[{west},30.8]]]}}}}"#
            )
        };
        let city = format!(r#""id":"city","name":"{}","level":"city","population":{residents}"#, self.name);
        let mut features = vec![area(&city, 114.2, 114.4)];
        let width = 0.025 / self.districts as f64;
        features.extend((0..self.districts).map(|i| {
            let west = 114.2797 + width * i as f64;
            area(&format!(r#""id":"d{i}","level":"district""#), west, west + width)
        }));
        let areas = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
        let areas = folder.write("areas.geojson", &areas);
        card(folder, &["--facilities", &register, "--areas", &areas, "--policy", self.policy])
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The tables of `docs/published-figures.md`, from score cards.
fn published_figures() -> String {
    let folder = Folder::new("card-published");
    let mut out = String::from(
        "| city | facilities | places | residents | places per 1,000 by the score card | published | what the published figure implies |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for city in &CITIES {
        for &(millions, when) in city.residents {
            let found = city.card(&folder, city.places, millions);
            let indicator = &found["total"]["indicators"]["places_per_1000"];
            let residents = millions * 1e6;
            assert_eq!(indicator["denominator"].as_f64(), Some(residents.round()), "{}", city.name);
            let (published, step) = city.published;
            let (low, high) = (published - step / 2.0, published + step / 2.0);
            let (value, implied) = if let Some(places) = city.places {
                let places = places as f64;
                let value = indicator["value"].as_f64().expect("a value");
                assert!((value - 1_000.0 * places / residents).abs() < 1e-9, "{} {value}", city.name);
                let fits = if (low..high).contains(&value) {
                    "rounds to the published figure"
                } else {
                    "does not round to the published figure"
                };
                let millions = |per_1000: f64| places / per_1000 / 1_000.0;
                let implied = format!(
                    "{fits}, which asks for {:.2} million residents ({:.2} to {:.2} by its rounding)",
                    millions(published),
                    millions(high),
                    millions(low)
                );
                (format!("{value:.2}"), implied)
            } else {
                assert!(indicator["value"].is_null());
                let missing = indicator["missing"][0].as_str().expect("what is missing");
                let places = |per_1000: f64| per_1000 * residents / 1_000.0;
                // Given that many places, the card gives the published figure back.
                let so_many = places(published).round() as usize;
                let back = city.card(&folder, Some(so_many), millions);
                let back = back["total"]["indicators"]["places_per_1000"]["value"].as_f64().expect("a value");
                assert!((low..high).contains(&back), "{back}");
                let implied = format!(
                    "{} places ({} to {} by its rounding)",
                    thousands(so_many as f64),
                    thousands(places(low)),
                    thousands(places(high))
                );
                (format!("none: {missing}"), implied)
            };
            let places = city.places.map_or_else(|| "not published".to_owned(), |places| thousands(places as f64));
            _ = writeln!(
                out,
                "| {} 2023 | {} | {places} | {millions:.2} million, {when} | {value} | {published} | {implied} |",
                city.name,
                thousands(city.facilities as f64)
            );
        }
    }
    out.push_str("\n| city, policy | target | value | asked | verdict | missing |\n|---|---|---|---|---|---|\n");
    for city in &CITIES {
        let found = city.card(&folder, city.places, city.residents[0].0);
        // The circle is that of the demo town, where the register was put.
        let targets = found["targets"].as_array().expect("targets").iter();
        for target in targets.filter(|target| target["indicator"] != "covered_share") {
            let value = target["value"].as_f64().map_or_else(|| "none".to_owned(), |value| format!("{value:.3}"));
            let asked = target["target"].as_f64().map_or_else(
                || "no number".to_owned(),
                |goal| format!("{} {goal}", target["bound"].as_str().expect("a bound").replace('_', " ")),
            );
            let missing: Vec<&str> =
                target["missing"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
            let (indicator, verdict) =
                (target["indicator"].as_str().expect("a name"), target["verdict"].as_str().expect("a verdict"));
            _ = writeln!(
                out,
                "| {}, {} | `{indicator}` | {value} | {asked} | {verdict} | {} |",
                city.name,
                city.policy,
                missing.join("; ")
            );
        }
    }
    out.push_str("\n| city | facilities | registered | filed | `registered_share` | `filed_share` |\n|---|---|---|---|---|---|\n");
    for city in CITIES.iter().filter(|city| city.registered > 0) {
        let found = city.card(&folder, city.places, city.residents[0].0);
        let [registered, filed] = ["registered_share", "filed_share"].map(|name| &found["total"]["indicators"][name]);
        assert_eq!(
            (registered["numerator"].as_f64(), filed["numerator"].as_f64()),
            (Some(city.registered as f64), Some(city.filed as f64))
        );
        let percent = |found: &Value| format!("{:.1} %", 100.0 * found["value"].as_f64().expect("a value"));
        let numbers = [city.facilities, city.registered, city.filed].map(|n| thousands(n as f64)).join(" | ");
        _ = writeln!(out, "| {} 2023 | {numbers} | {} | {} |", city.name, percent(registered), percent(filed));
    }
    out
}

/// `BLESS=1` writes what comes out now.
#[test]
fn published_figures_come_out_of_the_score_card() {
    const MARKS: [&str; 2] = ["<!-- computed -->\n", "<!-- end -->\n"];
    let path = repository("docs/published-figures.md");
    let text = std::fs::read_to_string(&path).expect("the page");
    let (head, rest) = text.split_once(MARKS[0]).expect("where the tables begin");
    let (written, tail) = rest.split_once(MARKS[1]).expect("where the tables end");
    let computed = published_figures();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{head}{}{computed}{}{tail}", MARKS[0], MARKS[1])).expect("a page to write");
    } else {
        assert_eq!(written, computed, "docs/published-figures.md tells other figures");
    }
}
