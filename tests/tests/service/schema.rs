//! What collections say of their features: schemas, queryables, counts.

use crate::client::ids;
use crate::town::town;
use serde_json::Value;
use std::collections::BTreeSet;

const COLLECTIONS: [&str; 5] = ["blocks", "gaps", "facilities", "areas", "circles"];
const SCHEMA: &str = "application/schema+json";
const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";

fn features(collection: &str, query: &str) -> Vec<Value> {
    town().get(&format!("/collections/{collection}/items?limit=10000{query}")).features()
}

/// The document that the link with that relation leads to, from the collection alone and in the list.
fn linked(collection: &str, rel: &str) -> Value {
    let alone = town().get(&format!("/collections/{collection}")).ok();
    let list = town().get("/collections").ok();
    let listed = list["collections"].as_array().unwrap().iter().find(|c| c["id"] == collection).unwrap().clone();
    assert_eq!(alone["links"], listed["links"]);
    let found = alone["links"].as_array().unwrap().iter().find(|l| l["rel"] == rel).cloned();
    let link = found.unwrap_or_else(|| panic!("{collection} has a link {rel}"));
    assert_eq!(link["type"], SCHEMA);
    let answer = town().get(town().path(link["href"].as_str().unwrap()));
    assert_eq!(answer.header("content-type"), SCHEMA);
    let document = answer.ok();
    assert_eq!(document["$id"], link["href"]);
    assert_eq!(document["$schema"], "https://json-schema.org/draft/2020-12/schema");
    document
}

fn agrees(schema: &Value, value: &Value) -> bool {
    let is_day = |text: &str| text.len() == 10 && text.split('-').count() == 3;
    let kind = match schema["type"].as_str().expect("one word: GDAL reads no list") {
        "string" => value.as_str().is_some_and(|text| schema["format"] != "date" || is_day(text)),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        other => panic!("no property is of type {other}"),
    };
    kind && schema["enum"].as_array().is_none_or(|words| words.contains(value))
}

#[test]
fn a_schema_says_what_whole_features_hold() {
    for collection in COLLECTIONS {
        let schema = linked(collection, "describedby");
        assert_eq!(schema, linked(collection, "describedBy"), "as GDAL spells it");
        assert_eq!(schema["type"], "object");
        let properties = schema["properties"]["properties"]["properties"].as_object().unwrap();
        let kinds = schema["properties"]["geometry"]["properties"]["type"]["enum"].as_array().unwrap();
        let all = features(collection, "");
        assert!(!all.is_empty());
        let mut met = BTreeSet::new();
        for feature in &all {
            assert!(feature["geometry"].is_null() || kinds.contains(&feature["geometry"]["type"]), "{feature}");
            assert_eq!(feature["properties"]["id"], feature["id"]);
            // GDAL makes a field of the feature's own id, and would make a second one of this.
            for (name, value) in feature["properties"].as_object().unwrap().iter().filter(|(name, _)| *name != "id") {
                let declared = properties.get(name).unwrap_or_else(|| panic!("{collection} declare {name}"));
                assert!(value.is_null() || agrees(declared, value), "{collection} {name}: {value} is no {declared}");
                met.insert(name.as_str());
            }
        }
        assert!(properties.keys().all(|name| met.contains(name.as_str())), "{collection}: nothing else is declared");
    }
    for bad in ["/collections/streets/schema", "/collections/streets/queryables"] {
        town().get(bad).problem(404);
    }
    town().get("/collections/blocks/schema?minutes=5").problem(400);
}

#[test]
fn whatever_is_queryable_chooses_features() {
    for collection in COLLECTIONS {
        let queryables = linked(collection, QUERYABLES);
        assert_eq!((&queryables["type"], &queryables["additionalProperties"]), (&"object".into(), &false.into()));
        let all = features(collection, "");
        for (name, declared) in queryables["properties"].as_object().unwrap() {
            let value = |feature: &Value| feature["properties"][name].clone();
            let Some(wanted) = all.iter().map(value).find(|v| !v.is_null()) else { continue };
            assert!(agrees(declared, &wanted));
            // As a parameter it says which facilities count as well, so that other features change with it.
            if name == "inclusive" {
                continue;
            }
            let encode =
                |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
            let text = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
            let quoted = wanted.as_str().map_or_else(|| text.clone(), |text| format!("'{}'", text.replace('\'', "''")));
            let filter = ("filter", &*format!("\"{name}\" = {quoted}"));
            let is_for_filters = declared["description"].as_str().is_some_and(|told| told.contains("For filter alone"));
            let parameter = Some((&**name, &*text)).filter(|_| !is_for_filters);
            let expected: Vec<Value> = all.iter().filter(|f| value(f) == wanted).cloned().collect();
            for (name, text) in [filter].into_iter().chain(parameter) {
                let pair = [name, text].map(|text| text.bytes().map(encode).collect::<String>()).join("=");
                let chosen = features(collection, &format!("&{pair}"));
                assert_eq!(ids(&chosen), ids(&expected), "{collection} {pair}");
            }
        }
    }
    let blocks = linked("blocks", QUERYABLES);
    let told = |name: &str| blocks["properties"][name]["description"].as_str().unwrap_or_default().to_owned();
    assert!(told("minutes").contains("For filter alone"), "as a parameter it is the limit");
    assert!(!told("status").contains("For filter alone"));
    assert_eq!(blocks["properties"]["geometry"]["format"], "geometry-any");
    assert!(!features("blocks", "&filter=S_INTERSECTS(geometry,BBOX(-180,-90,180,90))").is_empty());
}

#[test]
fn days_are_compared_as_days() {
    for bad in ["yesterday", "2024", "2024-02-30", "2024-2-3"] {
        assert!(town().get(&format!("/collections/facilities/items?opened={bad}")).problem(400).contains("day"));
    }
}

#[test]
fn hits_are_counted_and_not_sent() {
    let api = town().get("/api").ok();
    assert_eq!(api["components"]["parameters"]["resultType"]["schema"]["enum"], serde_json::json!(["results", "hits"]));
    for query in ["", "&status=partial", "&limit=7&offset=3", "&bbox=0,0,1,1"] {
        let page = |kind: &str| town().get(&format!("/collections/blocks/items?resultType={kind}{query}")).ok();
        let (hits, results) = (page("hits"), page("results"));
        assert_eq!(hits["numberMatched"], results["numberMatched"], "{query}");
        assert_eq!((&hits["numberReturned"], &hits["features"]), (&0.into(), &serde_json::json!([])));
        let links = hits["links"].as_array().unwrap();
        assert!(links.iter().all(|l| l["rel"] != "next" && l["rel"] != "prev"));
    }
    town().get("/collections/blocks/items?resultType=count").problem(400);
}
