//! What tags say about walking: which ways are walked, in which direction, by whom, and what a node on them stops.
//!
//! Knows tags and nothing else: no position, no neighbour.

use super::extract::{Tags, tag};

/// The `highway=` values that are walked.
const WALKED: [&str; 23] = [
    "footway",
    "path",
    "pedestrian",
    "steps",
    "corridor",
    "living_street",
    "residential",
    "service",
    "unclassified",
    "track",
    "tertiary",
    "secondary",
    "primary",
    "trunk",
    "tertiary_link",
    "secondary_link",
    "primary_link",
    "trunk_link",
    "cycleway",
    "bridleway",
    "road",
    "platform",
    "elevator",
];

/// The values of `foot=` and `access=` for people who live there, or have business there.
const PRIVATE: [&str; 8] =
    ["private", "residents", "destination", "customers", "delivery", "permit", "agricultural", "forestry"];
/// Values that open a barrier whatever else is said of it.
const INVITING: [&str; 5] = ["yes", "permissive", "designated", "official", "public"];
/// Barriers without a way through.
const WALLS: [&str; 5] = ["wall", "fence", "hedge", "city_wall", "retaining_wall"];

/// How a way is used on foot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Footing {
    pub(super) forward: bool,
    pub(super) backward: bool,
    /// The whole crossing in seconds, when the way is a ferry.
    pub(super) ferry_s: Option<f64>,
    pub(super) lift: bool,
    /// Whether it may only be the first or the last leg of a walk.
    pub(super) private: bool,
}

/// What `foot=` says, or else `access=`.
fn access(tags: &Tags) -> Option<&str> {
    tag(tags, "foot").or_else(|| tag(tags, "access"))
}

/// How a way is used on foot; `None` when it is not.
pub(super) fn footing(tags: &Tags) -> Option<Footing> {
    let foot = tag(tags, "foot");
    if access(tags) == Some("no") || foot == Some("use_sidepath") {
        return None;
    }
    let invited = matches!(foot, Some("yes" | "designated" | "permissive" | "official"));
    if tag(tags, "motorroad") == Some("yes") && !invited {
        return None;
    }
    let highway = tag(tags, "highway").filter(|value| WALKED.contains(value));
    let platform = tag(tags, "highway").is_none() && tag(tags, "railway") == Some("platform");
    let ferry_s = if highway.is_some() || platform {
        None
    } else if tag(tags, "route") == Some("ferry") {
        Some(tag(tags, "duration").and_then(duration_s)?)
    } else {
        return None;
    };
    // `oneway:foot` speaks of walkers in so many words, so it is asked before the conveyor.
    let (forward, backward) = match tag(tags, "oneway:foot") {
        Some("yes" | "1" | "true") => (true, false),
        Some("-1" | "reverse") => (false, true),
        _ => match tag(tags, "conveying") {
            Some("forward") => (true, false),
            Some("backward") => (false, true),
            _ => (true, true),
        },
    };
    let lift = highway == Some("elevator");
    let private = access(tags).is_some_and(|value| PRIVATE.contains(&value));
    Some(Footing { forward, backward, ferry_s, lift, private })
}

/// Who passes a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Open,
    Private,
    Closed,
}

/// Who passes a node with these tags.
pub(super) fn passage(tags: &Tags) -> Passage {
    let barrier = tag(tags, "barrier");
    let access = access(tags);
    let door = tag(tags, "entrance").is_some() && access.is_some();
    if barrier.is_none() && !door {
        return Passage::Open;
    }
    match access {
        Some("no") => return Passage::Closed,
        Some(value) if PRIVATE.contains(&value) => return Passage::Private,
        Some(value) if INVITING.contains(&value) => return Passage::Open,
        _ => {}
    }
    let locked = tag(tags, "locked") == Some("yes");
    if locked || barrier.is_some_and(|value| WALLS.contains(&value)) { Passage::Closed } else { Passage::Open }
}

/// Whether a node with these tags is a lift.
pub(super) fn is_lift(tags: &Tags) -> bool {
    tag(tags, "highway") == Some("elevator")
}

/// Seconds of a `duration=` value: `MM`, `HH:MM`, `HH:MM:SS` or `PT…H…M…S`; `None` when unreadable or zero.
pub(super) fn duration_s(text: &str) -> Option<f64> {
    let whole = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse::<f64>().ok() } else { None }
    };
    let text = text.trim();
    let seconds = if let Some(mut rest) = text.strip_prefix("PT") {
        let mut sum = 0.0;
        for (unit, unit_s) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
            if let Some((digits, behind)) = rest.split_once(unit) {
                sum += whole(digits)? * unit_s;
                rest = behind;
            }
        }
        if !rest.is_empty() {
            return None;
        }
        sum
    } else {
        match text.split(':').collect::<Vec<_>>()[..] {
            [minutes] => whole(minutes)? * 60.0,
            [hours, minutes] => whole(hours)? * 3600.0 + whole(minutes)? * 60.0,
            [hours, minutes, seconds] => whole(hours)? * 3600.0 + whole(minutes)? * 60.0 + whole(seconds)?,
            _ => return None,
        }
    };
    (seconds > 0.0 && seconds.is_finite()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn directions(pairs: &[(&str, &str)]) -> Option<(bool, bool)> {
        footing(&tags(pairs)).map(|footing| (footing.forward, footing.backward))
    }

    #[test]
    fn tags_decide_what_is_walked() {
        for (pairs, open) in [
            (&[("highway", "footway")][..], true),
            (&[("highway", "trunk")], true),
            (&[("highway", "motorway")], false),
            (&[("highway", "construction")], false),
            (&[("building", "yes")], false),
            (&[("highway", "trunk"), ("motorroad", "yes")], false),
            (&[("highway", "trunk"), ("motorroad", "yes"), ("foot", "designated")], true),
            (&[("highway", "trunk"), ("motorroad", "yes"), ("foot", "private")], false),
            (&[("highway", "path"), ("foot", "no")], false),
            (&[("highway", "path"), ("access", "no")], false),
            (&[("highway", "path"), ("access", "no"), ("foot", "yes")], true),
            (&[("highway", "path"), ("access", "yes"), ("foot", "no")], false),
            (&[("highway", "primary"), ("foot", "use_sidepath")], false),
            (&[("highway", "primary"), ("sidewalk", "separate")], true),
            (&[("highway", "primary"), ("foot:conditional", "no @ (22:00-06:00)")], true),
            (&[("highway", "service"), ("access", "private")], true),
            (&[("highway", "pedestrian"), ("area", "yes")], true),
            (&[("route", "ferry")], false),
            (&[("route", "ferry"), ("duration", "0")], false),
            (&[("route", "ferry"), ("duration", "10")], true),
            (&[("route", "ferry"), ("duration", "10"), ("foot", "no")], false),
        ] {
            assert_eq!(footing(&tags(pairs)).is_some(), open, "{pairs:?}");
        }
    }

    #[test]
    fn tags_decide_what_is_private() {
        let path = ("highway", "path");
        for value in PRIVATE {
            assert!(footing(&tags(&[path, ("access", value)])).unwrap().private, "access={value}");
            assert!(footing(&tags(&[path, ("foot", value)])).unwrap().private, "foot={value}");
            assert!(!footing(&tags(&[path, ("access", value), ("foot", "yes")])).unwrap().private, "foot wins");
        }
        for value in ["yes", "permissive", "unknown"] {
            assert!(!footing(&tags(&[path, ("access", value)])).unwrap().private, "access={value}");
        }
    }

    #[test]
    fn only_tags_about_walkers_make_a_street_one_way() {
        let path = ("highway", "path");
        assert_eq!(directions(&[path, ("oneway", "yes")]), Some((true, true)));
        assert_eq!(directions(&[path, ("oneway:foot", "yes")]), Some((true, false)));
        assert_eq!(directions(&[path, ("oneway:foot", "-1")]), Some((false, true)));
        assert_eq!(directions(&[path, ("conveying", "forward")]), Some((true, false)));
        assert_eq!(directions(&[path, ("conveying", "backward")]), Some((false, true)));
        assert_eq!(directions(&[path, ("conveying", "yes")]), Some((true, true)));
    }

    #[test]
    fn tags_decide_who_passes_a_node() {
        use Passage::{Closed, Open, Private};
        for (pairs, expected) in [
            (&[][..], Open),
            (&[("access", "no")], Open),
            (&[("highway", "crossing"), ("foot", "no")], Open),
            (&[("barrier", "gate")], Open),
            (&[("barrier", "bollard")], Open),
            (&[("barrier", "yes")], Open),
            (&[("barrier", "wall")], Closed),
            (&[("barrier", "city_wall")], Closed),
            (&[("barrier", "fence"), ("access", "permissive")], Open),
            (&[("barrier", "hedge"), ("access", "private")], Private),
            (&[("barrier", "retaining_wall"), ("access", "unknown")], Closed),
            (&[("barrier", "gate"), ("locked", "yes")], Closed),
            (&[("barrier", "gate"), ("locked", "no")], Open),
            (&[("barrier", "gate"), ("locked", "yes"), ("foot", "yes")], Open),
            (&[("barrier", "gate"), ("locked", "yes"), ("access", "public")], Open),
            (&[("barrier", "gate"), ("locked", "yes"), ("access", "residents")], Private),
            (&[("barrier", "gate"), ("locked", "yes"), ("access", "forestry")], Private),
            (&[("barrier", "gate"), ("access", "no")], Closed),
            (&[("barrier", "gate"), ("access", "no"), ("foot", "permit")], Private),
            (&[("barrier", "gate"), ("access", "private"), ("foot", "designated")], Open),
            (&[("barrier", "gate"), ("access", "private"), ("foot", "no")], Closed),
            (&[("entrance", "yes")], Open),
            (&[("entrance", "yes"), ("locked", "yes")], Open),
            (&[("entrance", "yes"), ("access", "private")], Private),
            (&[("entrance", "main"), ("foot", "no")], Closed),
        ] {
            assert_eq!(passage(&tags(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn durations_are_read_in_four_notations() {
        for (text, seconds) in [
            ("20", Some(1200.0)),
            ("1:05", Some(3900.0)),
            ("00:10:30", Some(630.0)),
            ("PT1H2M3S", Some(3723.0)),
            ("PT90M", Some(5400.0)),
            ("PT", None),
            ("PT5M3H", None),
            ("0:00", None),
            ("", None),
            ("-5", None),
            ("1:2:3:4", None),
            ("soon", None),
        ] {
            assert_eq!(duration_s(text), seconds, "{text}");
        }
    }
}
