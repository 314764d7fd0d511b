//! Filters in CQL2.

use super::town::{BASE, BLOCKS, Got, Seed, ask, at, features, ids, link, polygons, town};
use axum::Router;
use geo::{Coord, Intersects, Point, Rect};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn filtered(app: &Router, collection: &str, filter: &str) -> Got {
    ask(app, &format!("/collections/{collection}/items?limit=1000&filter={}", escaped(filter))).await
}

async fn found(app: &Router, collection: &str, filter: &str) -> Vec<String> {
    ids(&features(app, &format!("/collections/{collection}/items?limit=1000&filter={}", escaped(filter))).await)
}

/// A predicate that writes itself in both languages, and says for itself what it means.
enum Predicate {
    Truth(bool),
    Compare(&'static str, &'static str, Value),
    Columns(&'static str, &'static str, &'static str),
    Sum(&'static str, f64, &'static str, f64),
    Null(&'static str),
    Like(&'static str, String, bool),
    Between(&'static str, Value, Value),
    In(&'static str, Vec<Value>),
    Box([f64; 4]),
    Not(Box<Predicate>),
    Joined(bool, Vec<Predicate>),
}

use Predicate::{Between, Columns, Compare, In, Joined, Like, Not, Null, Sum, Truth};

const OPERATORS: [&str; 6] = ["=", "<>", "<", ">", "<=", ">="];

/// What a collection's properties hold.
struct Names {
    text: &'static [&'static str],
    number: &'static [&'static str],
    truth: &'static [&'static str],
}

fn name(name: &str) -> String {
    if name.contains(' ') { format!("\"{name}\"") } else { name.to_owned() }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn order(op: &str, one: &Value, other: &Value) -> Option<bool> {
    let order = match (one, other) {
        (Value::String(a), Value::String(b)) => a.chars().cmp(b.chars()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(_), Value::Number(_)) => one.as_f64()?.partial_cmp(&other.as_f64()?)?,
        _ => return None,
    };
    Some(match op {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        ">" => order.is_gt(),
        "<=" => order.is_le(),
        _ => order.is_ge(),
    })
}

fn and(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    parts.reduce(and).unwrap_or(Some(true))
}

fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.map(|part| part.map(|truth| !truth))).map(|truth| !truth)
}

fn is_like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|from| is_like(&text[from..], rest)),
        ['_', rest @ ..] => !text.is_empty() && is_like(&text[1..], rest),
        ['\\', wanted, rest @ ..] | [wanted, rest @ ..] => text.first() == Some(wanted) && is_like(&text[1..], rest),
    }
}

impl Predicate {
    fn any(seed: &mut Seed, names: &Names, all: &[Value], depth: usize) -> Self {
        let pick = |seed: &mut Seed, of: &[&'static str]| of[(seed.next() % of.len() as u64) as usize];
        let kinds = [names.text, names.number, names.truth];
        let of_kind = kinds[(seed.next() % 3) as usize];
        let column = pick(seed, if of_kind.is_empty() { names.text } else { of_kind });
        let value = |seed: &mut Seed, column: &str| {
            let some: Vec<&Value> = all.iter().map(|f| &f["properties"][column]).filter(|v| !v.is_null()).collect();
            let other = if names.text.contains(&column) {
                Value::from(["it's", "a\\", "\\'", "号", "1e300", ""][(seed.next() % 6) as usize])
            } else if names.truth.contains(&column) {
                Value::from(seed.next().is_multiple_of(2))
            } else {
                Value::from([0.0, -1.5, 1e300, 12.0, 0.1][(seed.next() % 5) as usize])
            };
            if some.is_empty() || seed.next().is_multiple_of(4) {
                other
            } else {
                some[(seed.next() % some.len() as u64) as usize].clone()
            }
        };
        match seed.next() % if depth < 4 { 14 } else { 9 } {
            0 => Truth(seed.next().is_multiple_of(2)),
            1 | 2 => Compare(pick(seed, &OPERATORS), column, value(seed, column)),
            3 => Columns(pick(seed, &OPERATORS), pick(seed, names.number), pick(seed, names.number)),
            4 => {
                let (by, than) = (seed.unit() * 4.0 - 2.0, seed.unit() * 100.0 - 20.0);
                Sum(pick(seed, names.number), by, pick(seed, &OPERATORS), than)
            }
            5 => Null(column),
            6 => {
                let column = pick(seed, names.text);
                let text = value(seed, column).as_str().unwrap().to_owned();
                let mut pattern = String::new();
                for character in text.chars() {
                    match (seed.next() % 6, character) {
                        (0, _) => pattern.push('%'),
                        (1, _) => pattern.push('_'),
                        (_, '%' | '_' | '\\') => pattern.extend(['\\', character]),
                        _ => pattern.push(character),
                    }
                }
                Like(
                    column,
                    pattern + if seed.next().is_multiple_of(2) { "%" } else { "" },
                    seed.next().is_multiple_of(2),
                )
            }
            7 => Between(column, value(seed, column), value(seed, column)),
            8 if seed.next().is_multiple_of(2) => {
                In(column, (0..=seed.next() % 3).map(|_| value(seed, column)).collect())
            }
            8 => {
                let (x, y) = (seed.unit() * 14.0 - 1.0, seed.unit() * 14.0 - 1.0);
                let (low, high) = (at(x, y), at(x + seed.unit() * 5.0, y + seed.unit() * 5.0));
                Self::Box([low.lon(), low.lat(), high.lon(), high.lat()])
            }
            9 => Not(Box::new(Self::any(seed, names, all, depth + 1))),
            n => Joined(n % 2 == 0, (0..2 + seed.next() % 2).map(|_| Self::any(seed, names, all, depth + 1)).collect()),
        }
    }

    fn text(&self) -> String {
        match self {
            Truth(truth) => truth.to_string(),
            Compare(op, column, value) => format!("{}{op}{}", name(column), literal(value)),
            Columns(op, one, other) => format!("{one}  {op}\n{other}"),
            Sum(column, by, op, than) => format!("2*{column} + {by} {op} {than}"),
            Null(column) => format!("{} is null", name(column)),
            Like(column, pattern, true) => format!("{} ILIKE {}", name(column), quoted(pattern)),
            Like(column, pattern, false) => format!("({} Like {})", name(column), quoted(pattern)),
            Between(column, low, high) => format!("{} BETWEEN {} AND {}", name(column), literal(low), literal(high)),
            In(column, list) => {
                let list: Vec<String> = list.iter().map(literal).collect();
                format!("{} IN({})", name(column), list.join(" ,"))
            }
            Self::Box([w, s, e, n]) => format!("S_Intersects(BBOX({w},{s}, {e},{n}),geometry)"),
            Not(of) => format!("NOT ({})", of.text()),
            Joined(all, parts) => {
                let parts: Vec<String> = parts.iter().map(|part| format!("({})", part.text())).collect();
                parts.join(if *all { " AND " } else { " or " })
            }
        }
    }

    fn json(&self) -> Value {
        let op = |op: &str, args: Value| json!({ "op": op, "args": args });
        let property = |name: &str| json!({ "property": name });
        match self {
            Truth(truth) => json!(truth),
            Compare(sign, column, value) => op(sign, json!([property(column), value])),
            Columns(sign, one, other) => op(sign, json!([property(one), property(other)])),
            Sum(column, by, sign, than) => {
                let product = op("*", json!([2, property(column)]));
                op(sign, json!([op("+", json!([product, by])), than]))
            }
            Null(column) => op("isNull", json!([property(column)])),
            Like(column, pattern, true) => {
                let casei = |of: Value| op("casei", json!([of]));
                op("like", json!([casei(property(column)), casei(json!(pattern))]))
            }
            Like(column, pattern, false) => op("like", json!([property(column), pattern])),
            Between(column, low, high) => op("between", json!([property(column), low, high])),
            In(column, list) => op("in", json!([property(column), list])),
            Self::Box(numbers) => op("s_intersects", json!([{ "bbox": numbers }, property("geometry")])),
            Not(of) => op("not", json!([of.json()])),
            Joined(all, parts) => {
                op(if *all { "and" } else { "or" }, parts.iter().map(Self::json).collect::<Vec<_>>().into())
            }
        }
    }

    fn holds(&self, feature: &Value) -> Option<bool> {
        let of = |column: &str| &feature["properties"][column];
        match self {
            Truth(truth) => Some(*truth),
            Compare(op, column, value) => order(op, of(column), value),
            Columns(op, one, other) => order(op, of(one), of(other)),
            Sum(column, by, op, than) => order(op, &json!(2.0 * of(column).as_f64()? + by), &json!(than)),
            Null(column) => Some(of(column).is_null()),
            Like(column, pattern, any_case) => {
                let lower = |text: &str| if *any_case { text.to_lowercase() } else { text.to_owned() };
                let (text, pattern) = (lower(of(column).as_str()?), lower(pattern));
                Some(is_like(&text.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>()))
            }
            Between(column, low, high) => and(order(">=", of(column), low), order("<=", of(column), high)),
            In(column, list) => any(list.iter().map(|item| order("=", of(column), item))),
            Self::Box([w, s, e, n]) => {
                let window = Rect::new(Coord { x: *w, y: *s }, Coord { x: *e, y: *n });
                let geometry = &feature["geometry"];
                Some(match geometry["type"].as_str()? {
                    "Point" => {
                        let degrees = |i: usize| geometry["coordinates"][i].as_f64();
                        window.intersects(&Point::new(degrees(0)?, degrees(1)?))
                    }
                    _ => polygons(feature).intersects(&window),
                })
            }
            Not(of) => of.holds(feature).map(|truth| !truth),
            Joined(true, parts) => all(parts.iter().map(|part| part.holds(feature))),
            Joined(false, parts) => any(parts.iter().map(|part| part.holds(feature))),
        }
    }
}

/// Text in quotes: before a quote or the end, backslashes are written twice.
fn quoted(text: &str) -> String {
    let doubled = |part: &str| format!("{part}{}", "\\".repeat(part.len() - part.trim_end_matches('\\').len()));
    let parts: Vec<String> = text.split('\'').map(doubled).collect();
    format!("'{}'", parts.join("''"))
}

#[tokio::test]
async fn as_many_match_as_a_count_over_the_download_finds() {
    let app = town();
    let blocks = Names {
        text: &["id", "name", "status", "reason", "nearest_facility", "area", "街道 no."],
        number: &["covered_share", "minutes", "children", "population"],
        truth: &[],
    };
    let facilities = Names {
        text: &["id", "name", "kind", "status", "opened", "closed"],
        number: &["places", "enrolled", "min_months", "snap_m"],
        truth: &["inclusive", "counted", "health_manager"],
    };
    let areas = Names {
        text: &["id", "name", "level", "parent"],
        number: &["population", "children", "covered", "covered_share"],
        truth: &[],
    };
    let mut seed = Seed(11);
    let mut matched = 0;
    for (collection, names) in [("blocks", &blocks), ("gaps", &blocks), ("facilities", &facilities), ("areas", &areas)]
    {
        let all = features(&app, &format!("/collections/{collection}/items?limit=1000")).await;
        for _ in 0..150 {
            let predicate = Predicate::any(&mut seed, names, &all, 0);
            let (text, json) = (predicate.text(), predicate.json().to_string());
            let wanted = ids(&all.iter().filter(|f| predicate.holds(f) == Some(true)).cloned().collect::<Vec<_>>());
            let by_text = filtered(&app, collection, &text).await;
            let page = by_text.json();
            assert_eq!(page["numberMatched"], wanted.len(), "{collection}: {text}: {page}");
            assert_eq!(ids(page["features"].as_array().unwrap()), wanted, "{collection}: {text}");
            matched += usize::from(!wanted.is_empty() && wanted.len() < all.len());
            // The JSON form is the same question, and so is the canonical one that links carry.
            let query = format!("limit=1000&filter-lang=cql2-json&filter={}", escaped(&json));
            let by_json = ask(&app, &format!("/collections/{collection}/items?{query}")).await;
            assert_eq!(by_json.header("etag"), by_text.header("etag"), "{text} {json}");
            let itself = link(&page, "self").unwrap().strip_prefix(BASE).unwrap().to_owned();
            assert!(!itself.contains("filter-lang"), "{itself}");
            assert_eq!(ask(&app, &itself).await.header("etag"), by_text.header("etag"), "{itself}");
        }
    }
    assert!(matched > 150, "only {matched} predicates tell features apart");
}

#[tokio::test]
async fn what_is_missing_is_unknown() {
    let app = town();
    // n1 is inclusive, n2 is not, and of the third nobody knows.
    for (filter, wanted) in [
        ("inclusive = true", &["n1"][..]),
        ("inclusive", &["n1"]),
        ("inclusive = 1", &["n1"]),
        ("0 = inclusive", &["n2"]),
        ("inclusive <> true", &["n2"]),
        ("NOT inclusive = true", &["n2"]),
        ("NOT (NOT inclusive)", &["n1"]),
        ("inclusive IS NULL", &["far"]),
        ("inclusive IS NOT NULL", &["n1", "n2"]),
        ("inclusive IN (true, false)", &["n1", "n2"]),
        ("inclusive NOT IN (1)", &["n2"]),
        ("inclusive OR TRUE", &["far", "n1", "n2"]),
        ("inclusive OR FALSE", &["n1"]),
        ("places > 50 OR inclusive = false", &["n1", "n2"]),
        ("places BETWEEN 40 AND 60", &["n1", "n2"]),
        ("places NOT BETWEEN 41 AND 60", &["n2"]),
        ("places NOT BETWEEN 50 AND enrolled", &["n2"]),
        ("places = 4E1", &["n2"]),
        ("places - enrolled = 1", &["n2"]),
        ("places / 0 = 1 OR places % 7 = 4", &["n1"]),
        ("places div 7 = 5", &["n2"]),
        ("2 ^ 3 ^ 2 = 512 AND places = 60", &["n1"]),
        ("-5 < .5 AND places = 6.0e+1", &["n1"]),
        ("opened >= DATE('2020-01-01')", &["n1"]),
        ("opened < TIMESTAMP('2020-01-01T00:00:00Z')", &["n1"]),
        ("name LIKE '甲\"乙\\\\丙%'", &["far"]),
        ("CASEI(kind) = casei('NURSERY')", &["n1"]),
        ("kind ILIKE 'KINDER%'", &["n2"]),
        ("kind LIKE 'KINDER%'", &[]),
        ("\"kind\" NOT LIKE '%ery'", &["far", "n2"]),
        ("geometry IS NULL", &[]),
    ] {
        assert_eq!(found(&app, "facilities", filter).await, wanted, "{filter}");
    }
}

#[tokio::test]
async fn what_gdal_writes_is_understood() {
    let app = town();
    let ask_as_gdal = async |filter: &str| {
        let filter = escaped(filter);
        let query = format!("/collections/blocks/items?limit=1000&filter={filter}&filter-lang=cql-text");
        features(&app, &query).await.len()
    };
    // A name with a space stands bare.
    assert_eq!(ask_as_gdal("街道 no. = '1号'").await, BLOCKS / 3);
    assert_eq!(ask_as_gdal("(街道 no. LIKE '1%') AND (id ILIKE 'B%')").await, BLOCKS / 3);
    assert_eq!(ask_as_gdal("(population IS NULL)").await, BLOCKS);
    assert_eq!(ask_as_gdal("NOT ((population IS NULL))").await, 0);
    assert_eq!(ask_as_gdal("((children >= 10) AND (children <= 10)) OR (children > 1e+20)").await, BLOCKS);
    assert_eq!(ask_as_gdal("minutes <> -0.1000000000000000").await, BLOCKS);
}

#[tokio::test]
async fn filters_join_the_other_parameters_and_have_one_form() {
    let app = town();
    let tag =
        async |query: &str| ask(&app, &format!("/collections/blocks/items?{query}")).await.header("etag").to_owned();
    let tags = [
        tag("filter=status='covered'").await,
        tag("filter=+(+status+%3D+'covered'+)+&filter-lang=cql2-text").await,
        tag("filter=%22status%22%3D%27covered%27&filter-lang=cql-text").await,
    ];
    assert!(tags.iter().all(|t| *t == tags[0]), "{tags:?}");
    assert_ne!(tags[0], tag("filter=status='partial'").await);
    assert_eq!(tag("filter-lang=cql2-json").await, tag("").await);
    let page = ask(&app, "/collections/blocks/items?limit=5&filter=status='covered'%20and%20children%3E1e0&%E8%A1%97%E9%81%93+no.=1%E5%8F%B7").await.json();
    let next = link(&page, "next").unwrap();
    assert!(next.contains("filter=status+%3D+%27covered%27+AND+children+%3E+1"), "{next}");
    let mut seen = 5;
    let mut next = Some(next.to_owned());
    while let Some(path) = next {
        let page = ask(&app, path.strip_prefix(BASE).unwrap()).await.json();
        seen += page["features"].as_array().unwrap().len();
        next = link(&page, "next").map(str::to_owned);
    }
    assert_eq!(page["numberMatched"], seen);
    let covered = found(&app, "blocks", "status='covered' AND \"街道 no.\"='1号'").await.len();
    assert_eq!(seen, covered);
    assert_eq!(found(&app, "gaps", "status='covered'").await.len(), 0);
    assert_eq!(found(&app, "circles", "id = 'all' AND S_INTERSECTS(geometry, POINT(116.3035 39.9018))").await, ["all"]);
}

#[tokio::test]
async fn places_are_compared_in_degrees() {
    let app = town();
    let (low, high) = (at(2.0, 2.0), at(4.0, 5.0));
    let (w, s, e, n) = (low.lon(), low.lat(), high.lon(), high.lat());
    let polygon = format!("POLYGON(({w} {s},{e} {s},{e} {n},{w} {n},{w} {s}))");
    let inside = found(&app, "blocks", &format!("S_WITHIN(geometry,{polygon})")).await;
    assert_eq!(inside.len(), 6);
    for filter in [
        format!("S_WITHIN(geometry, BBOX({w},{s},{e},{n}))"),
        format!("S_CONTAINS(BBOX({w},{s},0,{e},{n},9),geometry)"),
        format!("S_INTERSECTS(MULTIPOLYGON((({w} {s},{e} {s},{e} {n},{w} {n},{w} {s}))), geometry)"),
        format!("NOT S_DISJOINT(geometry, {polygon})"),
        format!("S_INTERSECTS(geometry, GEOMETRYCOLLECTION(POINT(0 0), {polygon}))"),
    ] {
        assert_eq!(found(&app, "blocks", &filter).await, inside, "{filter}");
    }
    let middle = at(2.5, 2.5);
    let point = format!("POINT Z ({} {} 5)", middle.lon(), middle.lat());
    let around = found(&app, "blocks", &format!("S_CONTAINS(geometry, {point})")).await;
    assert_eq!(
        around,
        found(&app, "blocks", &format!("S_INTERSECTS(geometry,MULTI{})", point.replace(" Z ", ""))).await
    );
    assert_eq!(around.len(), 1);
    let line = format!("LINESTRING({} {},{} {})", middle.lon(), middle.lat(), middle.lon(), n);
    assert_eq!(found(&app, "blocks", &format!("S_CROSSES({line}, geometry)")).await.len(), 3);
    assert_eq!(found(&app, "facilities", "S_EQUALS(geometry, POINT(117 40.5))").await, ["far"]);
    assert_eq!(found(&app, "facilities", "S_INTERSECTS(geometry, BBOX(177,-90,117.5,90))").await.len(), 3);

    // North first, and metres.
    let plain = escaped("S_INTERSECTS(geometry, POINT(117 40.5))");
    let swapped = escaped("S_INTERSECTS(geometry, POINT(40.5 117))");
    let of = async |query: &str| ask(&app, &format!("/collections/facilities/items?{query}")).await;
    let wgs84 = of(&format!("filter={swapped}&filter-crs=http://www.opengis.net/def/crs/EPSG/0/4326")).await;
    assert_eq!(wgs84.header("etag"), of(&format!("filter={plain}")).await.header("etag"));
    assert_eq!(ids(wgs84.json()["features"].as_array().unwrap()), ["far"]);
    let mercator = escaped("S_INTERSECTS(geometry, BBOX(13024380,4938000,13024390,4939400))");
    let mercator = of(&format!("filter={mercator}&filter-crs=http://www.opengis.net/def/crs/EPSG/0/3857")).await;
    assert_eq!(mercator.json()["numberMatched"], 1);
    of(&format!("filter={plain}&filter-crs=EPSG:4326")).await.problem(400);
}

#[tokio::test]
async fn wrong_filters_are_told_where_they_are_wrong() {
    let app = town();
    for (filter, wanted) in [
        ("", "at its end"),
        ("status", "compare it"),
        ("status = 'gap", "closing quote"),
        ("stattus = 'gap'", "there is no property \"stattus\": there are id, name, status"),
        ("children > 1 AND stattus = 'gap'", "at character 18"),
        ("status = 5", "text in single quotes"),
        ("children = '5'", "a number"),
        ("children LIKE 'a%'", "LIKE takes text"),
        ("status LIKE name", "pattern"),
        ("status = gap", "there is no property \"gap\""),
        ("status = NULL", "at character 10"),
        ("status IS 'gap'", "NULL is expected"),
        ("status IN ()", "is expected"),
        ("(status = 'gap'", ") is expected"),
        ("status = 'gap')", "AND, OR or the end"),
        ("status == 'gap'", "is expected"),
        ("children > 1e999", "a number is expected"),
        ("children > 12monkeys", "a number ends"),
        ("children BETWEEN 1 OR 2", "AND is expected"),
        ("NOT children", "NOT takes true or false"),
        ("children + status = 5", "+ takes a number"),
        ("UPPER(status) = 'GAP'", "there is no function UPPER"),
        ("opened > DATE('2020-13-01')", "not a date"),
        ("geometry = geometry", "S_INTERSECTS"),
        ("S_INTERSECTS(status, POINT(1 2))", "S_INTERSECTS takes geometry"),
        ("S_INTERSECTS(geometry, POLYGON((0 0,1 1,1 0)))", "ring"),
        ("S_INTERSECTS(geometry, POLYGON((0 0,1 1,1 0,0 1,0 0)))", "not valid"),
        ("S_INTERSECTS(geometry, POINT(1 2000))", "no place"),
        ("S_INTERSECTS(geometry, POINT(1))", "two numbers"),
        ("S_INTERSECTS(geometry, BBOX(1,2,3))", "four numbers"),
        ("S_INTERSECTS(geometry, BBOX(1,4,3,2))", "south"),
        ("S_INTERSECTS(geometry, POINT EMPTY)", "is expected"),
        ("a\"b = 1", "at character"),
        ("'\u{0}' = \u{0}", "at character"),
    ] {
        let collection = if filter.contains("opened") { "facilities" } else { "blocks" };
        let why = filtered(&app, collection, filter).await.problem(400);
        assert!(why.contains(wanted) && why.contains("parameter filter"), "{filter}: {why}");
    }
    for (filter, wanted) in [
        ("", "JSON"),
        ("null", "isNull"),
        ("[]", "list"),
        ("{}", "op with args"),
        (r#"{"op":"="}"#, "args"),
        (r#"{"op":"=","args":[1]}"#, "two args"),
        (r#"{"op":"plus","args":[1,2]}"#, "there is no op"),
        (
            r#"{"op":"and","args":[true,{"op":"=","args":[{"property":"x"},1]}]}"#,
            "at args[1].args[0]: there is no property",
        ),
        (r#"{"op":"=","args":[{"property":"status"},"\ud800"]}"#, "JSON"),
        (r#"{"op":"=","args":[{"property":"children"},1e999]}"#, "JSON"),
        (r#"{"op":"s_within","args":[{"property":"geometry"},{"type":"Blob","coordinates":[]}]}"#, "no GeoJSON"),
        (r#"{"op":"s_within","args":[{"property":"geometry"},{"type":"Polygon","coordinates":[[]]}]}"#, "coordinates"),
        (r#"{"op":"s_within","args":[{"property":"geometry"},{"type":"Point","coordinates":[[1]]}]}"#, "two numbers"),
    ] {
        let path = format!("/collections/blocks/items?filter-lang=cql2-json&filter={}", escaped(filter));
        let why = ask(&app, &path).await.problem(400);
        assert!(why.contains(wanted), "{filter}: {why}");
    }
    ask(&app, "/collections/blocks/items?filter-lang=ecql").await.problem(400);
    ask(&app, "/collections/blocks/items/b1?filter=true").await.problem(400);
    let long = format!("/collections/blocks/items?filter=id%20%3D%20'{}'", "'".repeat(3_900));
    ask(&app, &long).await.problem(414);
}

/// What would blow a stack, or take for ever.
#[test]
fn bombs_are_refused_at_once() {
    use crate::collections::Column;
    use crate::cql2::{Coordinates, Language, read};
    let columns = Column::of(&Column::BLOCKS, std::iter::empty());
    let ring: Vec<String> = (0..100_000).map(|i| format!("{} {}", i % 300, i / 1_000)).collect();
    let vertices = ring.join(",");
    let many = |open: &str, times: usize, middle: &str, close: &str| open.repeat(times) + middle + &close.repeat(times);
    let text = [
        many("(", 33, "TRUE", ")"),
        many("(", 2_000, "TRUE", ")"),
        many("(", 100_000, "", ""),
        many("NOT ", 33, "TRUE", ""),
        many("NOT ", 1_000, "TRUE", ""),
        many("not(", 800, "TRUE", ")"),
        many("CASEI(", 600, "status", ")") + "= 'a'",
        "children = ".to_owned() + &"2^".repeat(2_000) + "1",
        many("S_INTERSECTS(geometry,", 150, "POINT(1 2)", ")"),
        many("S_INTERSECTS(geometry,GEOMETRYCOLLECTION(", 80, "POINT(1 2)", "))"),
        many("S_INTERSECTS(geometry,POLYGON(", 1, &"(".repeat(3_000), ""),
        many("status IN (", 300, "'a'", ")"),
        format!("S_INTERSECTS(geometry, LINESTRING({vertices}))"),
        "children = ".to_owned() + &"1".repeat(4_000),
        "children = 1e".to_owned() + &"9".repeat(4_000),
        "status = '".to_owned() + &"\\".repeat(4_085),
        "-".repeat(4_000),
        "\"".repeat(4_001),
        "\u{feff}".repeat(1_000),
    ];
    let json = [
        many("[", 100_000, "", "]"),
        many("[", 100, "", "]"),
        many(r#"{"op":"not","args":["#, 33, "true", "]}"),
        many(r#"{"op":"not","args":["#, 120, "true", "]}"),
        many(r#"{"op":"+","args":[1,"#, 100, "1", "]}"),
        format!(
            r#"{{"op":"s_within","args":[{{"property":"geometry"}},{{"type":"MultiPoint","coordinates":[[{}]]}}]}}"#,
            vertices.replace(' ', ",").replacen(',', "],[", 1)
        ),
        format!(
            r#"{{"op":"s_within","args":[{{"property":"geometry"}},{{"type":"Polygon","coordinates":{}}}]}}"#,
            many("[", 90, "", "]")
        ),
        format!(r#"{{"op":"=","args":[1,{}]}}"#, "9".repeat(4_000)),
    ];
    let begun = Instant::now();
    let refused = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let cases = text.iter().map(|t| (Language::Text, t)).chain(json.iter().map(|j| (Language::Json, j)));
        for (language, filter) in cases {
            let found = read(language, filter, &columns, &Coordinates::default());
            assert!(found.is_err(), "{}", &filter[..filter.len().min(80)]);
        }
        // Long, but flat: taken.
        for filter in [
            vec!["TRUE"; 450].join(" AND "),
            vec!["children=1"; 250].join(" OR "),
            "children = 1".to_owned() + &" + 1".repeat(900),
            format!("children IN ({})", vec!["1"; 1_000].join(",")),
            many("(", 32, "TRUE", ")"),
        ] {
            read(Language::Text, &filter, &columns, &Coordinates::default()).unwrap();
        }
    });
    refused.unwrap().join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
