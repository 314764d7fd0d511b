//! The rules in tables.

use super::facility::{age_months, capacity};
use super::street::duration_s;
use super::uses::{area, home, levels};
use super::*;
use carecircle_core::facility::Kind;
use carecircle_core::place::{AreaLevel, Home, PremisesKind};
use carecircle_core::street::{Access, StreetClass};

fn tags(pairs: &[(&'static str, &'static str)]) -> Tags<'static> {
    let mut tags = Tags::default();
    for (key, value) in pairs {
        if let Some(key) = Key::of(key.as_bytes()) {
            tags.push(key, value.as_bytes());
        }
    }
    tags
}

fn walk(pairs: &[(&'static str, &'static str)]) -> Walkable {
    walkable(&tags(pairs))
}

#[test]
fn keys_fit_the_bits_that_mark_them() {
    assert!(Key::ALL.len() <= 128);
}

#[test]
fn the_access_rule_in_a_table() {
    type Row = (&'static [(&'static str, &'static str)], Result<Access, Walkable>);
    use Access::{Destination, Public};
    let open = |access| Ok(access);
    let table: &[Row] = &[
        (&[("highway", "residential")], open(Public)),
        (&[("highway", "residential"), ("access", "no")], Err(Walkable::ClosedToFoot)),
        (&[("highway", "residential"), ("access", "no"), ("foot", "yes")], open(Public)),
        (&[("highway", "residential"), ("foot", "no")], Err(Walkable::ClosedToFoot)),
        (&[("highway", "residential"), ("access", "yes"), ("foot", "no")], Err(Walkable::ClosedToFoot)),
        (&[("highway", "service"), ("access", "private")], open(Destination)),
        (&[("highway", "service"), ("access", "private"), ("foot", "permissive")], open(Public)),
        (&[("highway", "service"), ("access", "no"), ("foot", "private")], open(Destination)),
        (&[("highway", "service"), ("access", "residents")], open(Destination)),
        (&[("highway", "service"), ("access", "destination")], open(Destination)),
        (&[("highway", "service"), ("access", "customers")], open(Destination)),
        (&[("highway", "service"), ("access", "delivery")], open(Destination)),
        (&[("highway", "track"), ("access", "agricultural")], open(Destination)),
        (&[("highway", "track"), ("access", "forestry")], open(Destination)),
        (&[("highway", "track"), ("access", "forestry"), ("foot", "yes")], open(Public)),
        (&[("highway", "primary"), ("foot", "use_sidepath")], Err(Walkable::UseSidepath)),
        (&[("railway", "platform")], open(Public)),
        (&[("railway", "platform"), ("highway", "construction")], Err(Walkable::NotBuilt)),
        (&[("highway", "trunk")], open(Public)),
        (&[("highway", "trunk"), ("motorroad", "yes")], Err(Walkable::Motorroad)),
        (&[("highway", "trunk"), ("motorroad", "yes"), ("foot", "designated")], open(Public)),
        (&[("highway", "trunk"), ("motorroad", "yes"), ("foot", "private")], Err(Walkable::Motorroad)),
        (&[("highway", "motorway")], Err(Walkable::Motorway)),
        (&[("highway", "motorway_link"), ("foot", "yes")], Err(Walkable::Motorway)),
        (&[("highway", "construction")], Err(Walkable::NotBuilt)),
        (&[("highway", "raceway")], Err(Walkable::OtherHighway)),
        (&[("building", "yes")], Err(Walkable::NoStreet)),
    ];
    for (pairs, expected) in table {
        let found = match walk(pairs) {
            Walkable::Yes(walk) => Ok(walk.access),
            closed => Err(closed),
        };
        assert_eq!(found, *expected, "{pairs:?}");
    }
}

#[test]
fn ways_are_of_the_class_that_walking_cares_about() {
    let class = |highway| match walk(&[("highway", highway)]) {
        Walkable::Yes(walk) => walk.class,
        closed => panic!("{highway}: {closed:?}"),
    };
    assert_eq!(class("steps"), StreetClass::Steps);
    assert_eq!(class("elevator"), StreetClass::Elevator);
    assert_eq!(class("platform"), StreetClass::Footway);
    assert_eq!(class("cycleway"), StreetClass::Street);
    assert_eq!(class("trunk_link"), StreetClass::Street);
}

#[test]
fn roads_are_ranked_as_the_map_does() {
    let rank = |pairs: &[(&'static str, &'static str)]| match walk(pairs) {
        Walkable::Yes(walk) => walk.rank.name(),
        closed => panic!("{pairs:?}: {closed:?}"),
    };
    for (highway, wanted) in [
        ("trunk", "primary"),
        ("primary", "primary"),
        ("secondary", "secondary"),
        ("tertiary", "tertiary"),
        ("tertiary_link", "link"),
        ("residential", "street"),
        ("pedestrian", "street"),
        ("service", "service"),
        ("track", "service"),
        ("cycleway", "path"),
        ("footway", "path"),
        ("steps", "path"),
    ] {
        assert_eq!(rank(&[("highway", highway)]), wanted, "{highway}");
    }
    assert_eq!(rank(&[("railway", "platform")]), "path");
    assert_eq!(rank(&[("route", "ferry"), ("duration", "5")]), "ferry");
}

#[test]
fn only_directions_for_feet_bind_feet() {
    let way = |pairs: &[(&'static str, &'static str)]| {
        let mut all = vec![("highway", "footway")];
        all.extend_from_slice(pairs);
        match walk(&all) {
            Walkable::Yes(walk) => (walk.forward, walk.backward),
            closed => panic!("{closed:?}"),
        }
    };
    assert_eq!(way(&[]), (true, true));
    assert_eq!(way(&[("oneway:foot", "yes")]), (true, false));
    assert_eq!(way(&[("oneway:foot", "-1")]), (false, true));
    assert_eq!(way(&[("oneway:foot", "no")]), (true, true));
    assert_eq!(way(&[("conveying", "forward")]), (true, false));
    assert_eq!(way(&[("conveying", "backward")]), (false, true));
    assert_eq!(way(&[("conveying", "reversible")]), (true, true));
}

#[test]
fn a_ferry_needs_a_timetable() {
    assert_eq!(walk(&[("route", "ferry")]), Walkable::FerryWithoutDuration);
    assert_eq!(walk(&[("route", "ferry"), ("duration", "soon")]), Walkable::FerryWithoutDuration);
    assert_eq!(walk(&[("route", "ferry"), ("duration", "5"), ("foot", "no")]), Walkable::ClosedToFoot);
    match walk(&[("route", "ferry"), ("duration", "00:05")]) {
        Walkable::Yes(walk) => assert_eq!((walk.class, walk.duration_s), (StreetClass::Ferry, Some(300.0))),
        closed => panic!("{closed:?}"),
    }
    match walk(&[("route", "ferry"), ("highway", "service"), ("duration", "00:05")]) {
        Walkable::Yes(walk) => assert_eq!((walk.class, walk.duration_s), (StreetClass::Street, None)),
        closed => panic!("{closed:?}"),
    }
}

#[test]
fn durations_are_read_in_all_their_forms() {
    let table = [
        ("12", Some(720.0)),
        ("1:30", Some(5_400.0)),
        ("00:12", Some(720.0)),
        ("00:01:30", Some(90.0)),
        ("PT1H5M10S", Some(3_910.0)),
        ("PT20M", Some(1_200.0)),
        ("P1DT1H", Some(90_000.0)),
        ("P1M", None),
        ("PT5", None),
        ("0", None),
        ("00:00", None),
        ("", None),
        ("-5", None),
        ("1:2:3:4", None),
        ("10 min", None),
        ("1::2", None),
    ];
    for (text, expected) in table {
        assert_eq!(duration_s(text), expected, "{text}");
    }
}

#[test]
fn a_kindergarten_that_takes_under_threes_has_a_class_for_them() {
    let kind = |pairs: &[(&'static str, &'static str)]| facility(&tags(pairs)).map(|f| f.kind);
    assert_eq!(kind(&[("amenity", "childcare")]), Some(Kind::Nursery));
    assert_eq!(kind(&[("amenity", "kindergarten")]), Some(Kind::Kindergarten));
    assert_eq!(kind(&[("amenity", "kindergarten"), ("min_age", "3")]), Some(Kind::Kindergarten));
    assert_eq!(kind(&[("amenity", "kindergarten"), ("min_age", "2")]), Some(Kind::KindergartenClass));
    assert_eq!(kind(&[("amenity", "kindergarten"), ("min_age", "18 months")]), Some(Kind::KindergartenClass));
    assert_eq!(kind(&[("amenity", "kindergarten"), ("nursery", "yes")]), Some(Kind::KindergartenClass));
    assert_eq!(kind(&[("amenity", "kindergarten"), ("isced:level", "010;020")]), Some(Kind::KindergartenClass));
    assert_eq!(kind(&[("amenity", "kindergarten"), ("isced:level", "0")]), Some(Kind::Kindergarten));
    assert_eq!(kind(&[("building", "kindergarten")]), None);
}

#[test]
fn a_facility_shows_a_name_in_some_language() {
    let names = facility(&tags(&[("amenity", "childcare"), ("name:zh", "阳光托育"), ("name:en", "Sunshine")]))
        .map(|f| (f.name, f.name_zh, f.name_en));
    let text = |s: &str| Some(s.to_owned());
    assert_eq!(names, Some((text("阳光托育"), text("阳光托育"), text("Sunshine"))));
}

#[test]
fn numbers_are_read_leniently() {
    assert_eq!(capacity("ca. 60 children"), Some(60));
    assert_eq!(capacity("many"), None);
    assert_eq!(capacity("99999999999"), None);
    assert_eq!(age_months("1.5"), Some(18));
    assert_eq!(age_months("6 months"), Some(6));
    assert_eq!(age_months("2 years"), Some(24));
    assert_eq!(age_months("baby"), None);
    assert_eq!(levels("5;6"), Some(5.0));
    assert_eq!(levels("4.5"), Some(4.5));
    assert_eq!(levels("0"), None);
    assert_eq!(levels("NaN"), None);
}

#[test]
fn a_building_is_a_home_unless_it_says_otherwise() {
    let home = |pairs: &[(&'static str, &'static str)]| home(&tags(pairs));
    assert_eq!(home(&[("building", "apartments"), ("shop", "bakery")]), Some(Home::Certain));
    assert_eq!(home(&[("building", "yes")]), Some(Home::Assumed));
    assert_eq!(home(&[("building", "yes"), ("shop", "no")]), Some(Home::Assumed));
    assert_eq!(home(&[("building", "yes"), ("tourism", "apartment")]), Some(Home::Assumed));
    assert_eq!(home(&[("building", "yes"), ("tourism", "hotel")]), None);
    assert_eq!(home(&[("building", "yes"), ("amenity", "school")]), None);
    assert_eq!(home(&[("building", "yes"), ("historic", "ruins")]), None);
    assert_eq!(home(&[("building", "yes"), ("historic", "building")]), Some(Home::Assumed));
    assert_eq!(home(&[("building", "yes"), ("building:use", "residential")]), Some(Home::Certain));
    assert_eq!(home(&[("building", "yes"), ("building:use", "office")]), None);
    assert_eq!(home(&[("building", "garage")]), None);
}

#[test]
fn land_where_nobody_lives_is_water_wilderness_woods_fields_and_public_grounds() {
    let land = |pairs: &[(&'static str, &'static str)]| {
        let uses = uses(&tags(pairs));
        (uses.uninhabited, uses.other_use)
    };
    for (key, value) in [
        ("natural", "water"),
        ("natural", "wood"),
        ("waterway", "riverbank"),
        ("landuse", "forest"),
        ("landuse", "farmland"),
        ("leisure", "park"),
        ("leisure", "pitch"),
    ] {
        assert!(tags(&[(key, value)]).may_matter());
        assert_eq!(land(&[(key, value)]), (true, false), "{key}={value}");
    }
    for (key, value) in [
        ("natural", "coastline"),
        ("natural", "tree_row"),
        ("waterway", "river"),
        ("landuse", "grass"),
        ("landuse", "allotments"),
        ("landuse", "farmyard"),
        ("leisure", "garden"),
        ("leisure", "playground"),
        ("leisure", "nature_reserve"),
        ("amenity", "parking"),
    ] {
        assert_eq!(land(&[(key, value)]), (false, false), "{key}={value}");
    }
    assert_eq!(land(&[("landuse", "residential"), ("natural", "wood")]), (false, false), "homes among trees");
    assert_eq!(land(&[("landuse", "industrial")]), (false, true));
    let reserve = [("type", "boundary"), ("boundary", "protected_area"), ("natural", "wood")];
    assert!(relation_uses(&tags(&reserve)).is_none());
}

#[test]
fn areas_take_their_level_from_the_map() {
    let level =
        |text: &'static str| area(&tags(&[("boundary", "administrative"), ("admin_level", text)])).map(|a| a.level);
    assert_eq!(level("2"), None);
    assert_eq!(level("4"), Some(AreaLevel::City));
    assert_eq!(level("6"), Some(AreaLevel::District));
    assert_eq!(level("9"), Some(AreaLevel::Street));
    assert_eq!(level("11"), Some(AreaLevel::Community));
    assert_eq!(level("8;9"), None);
    let area = area(&tags(&[("boundary", "administrative"), ("admin_level", "8"), ("population", "1200")]));
    assert_eq!(area.and_then(|a| a.population), Some(1_200.0));
}

#[test]
fn what_nobody_crosses_in_a_table() {
    type Row = (&'static [(&'static str, &'static str)], bool);
    let table: &[Row] = &[
        (&[("natural", "water")], true),
        (&[("natural", "water"), ("intermittent", "yes")], false),
        (&[("natural", "water"), ("intermittent", "no")], true),
        (&[("natural", "water"), ("layer", "-1")], true),
        (&[("natural", "water"), ("covered", "yes")], false),
        (&[("natural", "water"), ("location", "underground")], false),
        (&[("natural", "coastline")], true),
        (&[("natural", "cliff")], true),
        (&[("natural", "wetland")], false),
        (&[("natural", "bay")], false),
        (&[("landuse", "basin")], true),
        (&[("landuse", "reservoir"), ("intermittent", "yes")], false),
        (&[("waterway", "riverbank")], true),
        (&[("waterway", "dock")], true),
        (&[("waterway", "river")], true),
        (&[("waterway", "river"), ("tunnel", "culvert")], false),
        (&[("waterway", "river"), ("intermittent", "yes")], false),
        (&[("waterway", "canal")], true),
        // Carried over a road: who stands in the road below is not stopped, who walks beside the water is.
        (&[("waterway", "canal"), ("bridge", "aqueduct")], true),
        (&[("waterway", "stream")], false),
        (&[("waterway", "ditch")], false),
        (&[("waterway", "drain")], false),
        (&[("waterway", "weir")], false),
        (&[("railway", "rail")], true),
        (&[("railway", "rail"), ("tunnel", "yes")], false),
        (&[("railway", "rail"), ("tunnel", "no"), ("bridge", "no")], true),
        (&[("railway", "rail"), ("bridge", "viaduct")], false),
        (&[("railway", "rail"), ("disused", "yes")], false),
        (&[("railway", "light_rail")], true),
        (&[("railway", "subway")], true),
        (&[("railway", "subway"), ("location", "underground")], false),
        (&[("railway", "narrow_gauge")], true),
        (&[("railway", "tram")], false),
        (&[("railway", "monorail")], false),
        (&[("railway", "disused")], false),
        (&[("railway", "abandoned")], false),
        (&[("railway", "construction")], false),
        (&[("railway", "platform")], false),
        (&[("highway", "motorway")], true),
        (&[("highway", "motorway_link")], true),
        (&[("highway", "motorway"), ("bridge", "yes")], false),
        (&[("highway", "motorway"), ("tunnel", "yes")], false),
        (&[("highway", "trunk"), ("motorroad", "yes")], true),
        (&[("highway", "trunk"), ("motorroad", "yes"), ("foot", "yes")], false),
        (&[("highway", "trunk")], false),
        (&[("barrier", "wall")], true),
        (&[("barrier", "fence")], true),
        (&[("barrier", "hedge")], true),
        (&[("barrier", "city_wall")], true),
        (&[("barrier", "retaining_wall")], true),
        (&[("barrier", "guard_rail")], false),
        (&[("barrier", "kerb")], false),
        (&[("barrier", "ditch")], false),
        (&[("barrier", "gate")], false),
        (&[("barrier", "no")], false),
        (&[("building", "yes"), ("barrier", "wall")], true),
        (&[("leisure", "park"), ("barrier", "fence")], true),
        (&[("building", "yes")], false),
    ];
    for (pairs, expected) in table {
        assert_eq!(is_obstacle(&tags(pairs)), *expected, "{pairs:?}");
    }
    let outline = [("natural", "water"), ("type", "multipolygon")];
    assert!(is_obstacle_relation(&tags(&outline)));
    assert!(!is_obstacle_relation(&tags(&[("natural", "water"), ("type", "site")])));
    assert!(!is_obstacle_relation(&tags(&[("landuse", "residential"), ("type", "multipolygon")])));
}

#[test]
fn premises_are_what_a_municipality_may_dispose_of() {
    type Row = (&'static [(&'static str, &'static str)], Option<PremisesKind>);
    use PremisesKind::{CommunityCentre, FormerKindergarten, PublicBuilding, School};
    let table: &[Row] = &[
        (&[("amenity", "school")], Some(School)),
        (&[("amenity", "school"), ("building", "public")], Some(School)),
        (&[("amenity", "school"), ("ruins", "yes")], None),
        (&[("building", "school")], None),
        (&[("amenity", "community_centre"), ("office", "association")], Some(CommunityCentre)),
        (&[("amenity", "social_centre")], None),
        (&[("amenity", "social_facility")], None),
        (&[("amenity", "kindergarten"), ("building", "civic")], None),
        (&[("disused:amenity", "kindergarten")], Some(FormerKindergarten)),
        (&[("disused:amenity", "childcare"), ("amenity", "no")], Some(FormerKindergarten)),
        (&[("disused:amenity", "school"), ("amenity", "library")], Some(PublicBuilding)),
        (&[("disused:amenity", "school"), ("building", "yes")], Some(School)),
        (&[("disused:amenity", "restaurant")], None),
        (&[("disused:amenity", "restaurant"), ("building", "civic")], Some(PublicBuilding)),
        (&[("amenity", "townhall")], Some(PublicBuilding)),
        (&[("amenity", "public_building")], Some(PublicBuilding)),
        (&[("building", "public")], Some(PublicBuilding)),
        (&[("building", "government"), ("disused", "yes")], Some(PublicBuilding)),
        (&[("building", "civic"), ("abandoned", "yes")], None),
        (&[("building", "civic"), ("historic", "ruins")], None),
        (&[("building", "civic"), ("amenity", "police")], None),
        (&[("building", "public"), ("tourism", "museum")], None),
        (&[("building", "public"), ("office", "company")], None),
        (&[("building", "public"), ("office", "government")], Some(PublicBuilding)),
        (&[("building", "office"), ("office", "government")], None),
        (&[("building", "office"), ("office", "government"), ("government", "administrative")], Some(PublicBuilding)),
        (&[("building", "government"), ("office", "government"), ("government", "ministry")], None),
        (&[("office", "government"), ("government", "register_office")], Some(PublicBuilding)),
        (&[("office", "government"), ("government", "ministry")], None),
        (&[("office", "government"), ("admin_level", "2")], None),
        (&[("office", "government"), ("admin_level", "2"), ("government", "education")], None),
        (&[("building", "public"), ("admin_level", "4")], None),
        (&[("office", "government"), ("admin_level", "8")], Some(PublicBuilding)),
        (&[("office", "government"), ("amenity", "courthouse")], None),
        (&[("office", "diplomatic"), ("building", "government")], None),
        (&[("building", "yes")], None),
    ];
    for (pairs, expected) in table {
        assert_eq!(premises(&tags(pairs)).map(|premises| premises.kind), *expected, "{pairs:?}");
        assert_eq!(uses(&tags(pairs)).premises.map(|premises| premises.kind), *expected, "{pairs:?}");
    }
}
