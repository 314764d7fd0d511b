//! Policies by name, wherever something is computed by one.

use super::town::{ask, at, features, ids, town};
use carecircle_formats::policy;
use serde_json::Value;

/// Whether each facility counts.
async fn counted(query: &str) -> Vec<(String, bool)> {
    let found = features(&town(), &format!("/collections/facilities/items{query}")).await;
    let counts = found.iter().map(|f| f["properties"]["counted"].as_bool().unwrap());
    ids(&found).into_iter().zip(counts).collect()
}

#[tokio::test]
async fn a_policy_says_which_facilities_count_and_parameters_go_before_it() {
    let all = counted("").await;
    assert!(all.iter().all(|(_, counts)| *counts));
    let national = counted("?policy=national").await;
    assert_eq!(national, [("far", true), ("n1", true), ("n2", false)].map(|(id, counts)| (id.to_owned(), counts)));
    assert_eq!(counted("?policy=national&kinds=all").await, all);
    assert_eq!(counted("?kinds=all&policy=national").await, all);
    let only = counted("?policy=national&kinds=kindergarten").await;
    assert_eq!(only.into_iter().map(|(_, counts)| counts).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(counted("?policy=default").await, all);
}

#[tokio::test]
async fn every_analysis_is_by_the_policy_named() {
    let app = town();
    let national = policy::named("national").unwrap();
    let kinds = national.eligibility.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",");
    for collection in ["blocks", "gaps", "facilities", "areas"] {
        let path = format!("/collections/{collection}/items?limit=1000&minutes=6&");
        let (named, spelt) = (
            features(&app, &format!("{path}policy=national")).await,
            features(&app, &format!("{path}kinds={kinds}")).await,
        );
        assert_eq!(named, spelt, "{collection}");
        assert_ne!(named, features(&app, &path).await, "{collection}");
    }
    let (home, point) = (at(4.0, 3.1), "/tiles/blocks,circles/12/3371/1552?minutes=6");
    let named = ask(&app, &format!("{point}&policy=national")).await.body;
    assert_eq!(named, ask(&app, &format!("{point}&kinds={kinds}")).await.body);
    assert_ne!(named, ask(&app, point).await.body);
    for path in [
        "/collections/blocks/items?limit=1&".to_owned(),
        "/collections/gaps/items?limit=1&".to_owned(),
        "/collections/areas/items/city?".to_owned(),
        "/collections/circles/items?".to_owned(),
        "/summary?".to_owned(),
        format!("/nearest?lon={}&lat={}&", home.lon(), home.lat()),
        "/blocks/b1/explain?".to_owned(),
    ] {
        let said = |json: &Value| (json["parameters"]["policy"].clone(), json["parameters"]["minutes"].clone());
        let asked = ask(&app, &format!("{path}policy=hangzhou-2024")).await.json();
        assert_eq!(said(&asked), ("hangzhou-2024".into(), 15.0.into()), "{path}");
        let changed = ask(&app, &format!("{path}minutes=7&policy=hangzhou-2024")).await.json();
        assert_eq!(said(&changed), ("hangzhou-2024".into(), 7.0.into()), "{path}");
        let why = ask(&app, &format!("{path}policy=atlantis")).await.problem(400);
        assert!(policy::NAMES.iter().all(|name| why.contains(name)), "{why}");
    }
    let why = ask(&app, &format!("{point}&policy=atlantis")).await.problem(400);
    assert!(policy::NAMES.iter().all(|name| why.contains(name)), "{why}");
}
