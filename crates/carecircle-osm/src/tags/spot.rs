//! What a node on a street or an outline is to whoever walks over it: a gate, a wall, a door, a kerb, a crossing, a lift.

use super::obstacle::is_wall;
use super::street::{Permission, is_conditional, permission};
use super::{Key, Tags};
use carecircle_core::street::Access;

/// What the tags of a node on a street or an outline say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Who may pass, where not everybody may, and whether that is a gate rather than a wall.
    pub(crate) barrier: Option<(Access, bool)>,
    /// Where one comes in, if it is on an outline: whether it is a gate in a wall.
    pub(crate) door: Option<bool>,
    pub(crate) raised_kerb: bool,
    pub(crate) signals: bool,
    pub(crate) lift: bool,
    pub(crate) conditional: bool,
}

impl Spot {
    /// The keys and values without which a node is nothing of the kind.
    pub(crate) fn is_word(text: &[u8]) -> bool {
        matches!(text, b"barrier" | b"entrance" | b"kerb" | b"crossing" | b"crossing:signals" | b"elevator")
    }
}

/// What a node is to whoever walks over it.
pub(crate) fn spot(tags: &Tags) -> Spot {
    let barrier = tags.set(Key::Barrier);
    let entrance = tags.set(Key::Entrance);
    let is_wall = barrier.is_some_and(is_wall);
    let is_gate = matches!(
        barrier,
        Some(
            "gate"
                | "lift_gate"
                | "swing_gate"
                | "sliding_gate"
                | "kissing_gate"
                | "wicket_gate"
                | "hampshire_gate"
                | "bump_gate"
                | "turnstile"
                | "full-height_turnstile"
                | "entrance"
                | "sally_port"
                | "stile"
        )
    );
    let permitted = tags.get(Key::Foot).or(tags.get(Key::Access));
    let is_passage = barrier.is_some() || (tags.get(Key::Entrance).is_some() && permitted.is_some());
    let access = match (permission(tags), permitted) {
        _ if !is_passage => Access::Public,
        (Some(Permission::Granted(access @ (Access::Destination | Access::Closed))), _) => access,
        (_, Some("yes" | "permissive" | "designated" | "official" | "public")) => Access::Public,
        _ if is_wall || tags.is(Key::Locked, "yes") => Access::Closed,
        _ => Access::Public,
    };
    let restricted = (access != Access::Public).then_some((access, !is_wall));
    Spot {
        barrier: restricted,
        door: (is_gate || entrance.is_some()).then_some(is_gate),
        raised_kerb: tags.is(Key::Kerb, "raised"),
        signals: tags.is(Key::Crossing, "traffic_signals") || tags.is(Key::CrossingSignals, "yes"),
        lift: tags.is(Key::Highway, "elevator"),
        conditional: is_passage && is_conditional(tags),
    }
}
