//! The words that registers have for kinds, steps of registration and levels, in Chinese and in our own names.

use crate::remark::Remark;
use carecircle_core::facility::{Kind, Status};
use carecircle_core::place::AreaLevel;
use carecircle_core::siting::Standing;
use std::sync::LazyLock;

/// The Chinese words for each, the usual one first.
type Words<T> = [(T, &'static [&'static str])];

const KIND_WORDS: &Words<Kind> = &[
    (Kind::Nursery, &["托育机构", "托育园", "托儿所", "托育中心"]),
    (Kind::KindergartenClass, &["幼儿园托班"]),
    (Kind::Community, &["社区托育点", "社区托育"]),
    (Kind::Employer, &["用人单位托育", "用人单位"]),
    (Kind::Family, &["家庭托育点", "家庭托育"]),
    (Kind::GrowthStation, &["成长驿站"]),
    (Kind::ServiceCentre, &["托育综合服务中心"]),
    (Kind::Kindergarten, &["幼儿园"]),
];

const STATUS_WORDS: &Words<Status> = &[
    (Status::Unknown, &["未登记", "未备案"]),
    (Status::Registered, &["已登记", "登记"]),
    (Status::Filed, &["已备案", "备案"]),
    (Status::Licensed, &["已许可", "许可"]),
];

const LEVEL_WORDS: &Words<AreaLevel> = &[
    (AreaLevel::City, &["市", "城市", "全市"]),
    (AreaLevel::District, &["区", "县", "区县", "市辖区", "县市区"]),
    (AreaLevel::Street, &["街道", "镇", "乡", "街镇", "乡镇", "街道办", "街道办事处", "乡镇街道"]),
    (AreaLevel::Community, &["社区", "村", "社区居委会", "居委会", "村委会", "村居", "社区村"]),
];

const STANDING_WORDS: &Words<Standing> = &[
    (Standing::Candidate, &["可选", "候选"]),
    (Standing::Required, &["必选"]),
    (Standing::Forbidden, &["排除", "禁选", "不可选"]),
];
/// What may be done with a candidate.
const STANDINGS: [Standing; 3] = [Standing::Candidate, Standing::Required, Standing::Forbidden];

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Existing => "existing",
        Standing::Candidate => "free",
        Standing::Required => "required",
        Standing::Forbidden => "forbidden",
    }
}

/// What a choice may be called.
pub(super) static CHOICES: LazyLock<Remark> =
    LazyLock::new(|| one_of(STANDINGS.into_iter().map(standing_name), STANDING_WORDS));

pub(super) fn choice_named(text: &str) -> Option<Standing> {
    named(text, &STANDINGS, standing_name, STANDING_WORDS)
}

/// What a kind may be called.
pub(super) static KINDS: LazyLock<Remark> = LazyLock::new(|| one_of(Kind::ALL.iter().map(|v| v.name()), KIND_WORDS));
/// What a status may be called.
pub(super) static STATUSES: LazyLock<Remark> =
    LazyLock::new(|| one_of(Status::ALL.iter().map(|v| v.name()), STATUS_WORDS));
/// What a level may be called.
pub(super) static LEVELS: LazyLock<Remark> =
    LazyLock::new(|| one_of(AreaLevel::ALL.iter().map(|v| v.name()), LEVEL_WORDS));

pub(super) fn kind_named(text: &str) -> Option<Kind> {
    named(text, Kind::ALL, Kind::name, KIND_WORDS)
}

pub(super) fn status_named(text: &str) -> Option<Status> {
    named(text, Status::ALL, Status::name, STATUS_WORDS)
}

pub(super) fn level_named(text: &str) -> Option<AreaLevel> {
    named(text, &AreaLevel::ALL, AreaLevel::name, LEVEL_WORDS)
}

fn named<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str, words: &Words<T>) -> Option<T> {
    let ours = all.iter().copied().find(|v| name(*v).eq_ignore_ascii_case(text));
    ours.or_else(|| words.iter().find(|(_, words)| words.contains(&text)).map(|(v, _)| *v))
}

fn one_of<'a, T>(names: impl Iterator<Item = &'a str>, words: &Words<T>) -> Remark {
    let zh: Vec<&str> = words.iter().map(|(_, words)| words[0]).collect();
    Remark {
        en: format!("value out of {}", names.collect::<Vec<_>>().join(", ")),
        zh: format!("下列之一：{}", zh.join("、")),
    }
}
