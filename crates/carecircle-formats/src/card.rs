//! The score card: indicators and targets as JSON, and as rows of typed cells for tables, sheets and pages, in words of two
//! languages.

use crate::geojson;
pub use crate::remark::Text;
use carecircle_core::coverage::{Coverage, Known};
use carecircle_core::indicators::{Figure, Figures, Indicator, Input, Lack, Mark, OTHER_MINUTES, Score, ScoreCard};
use carecircle_core::place::{Area, AreaLevel};
use carecircle_core::policy::{Goal, Policy};
use carecircle_core::study::Study;
use serde_json::{Map, Value, json};

/// What a target without a number lacks.
const NO_NUMBER: Text<&str> = Text { en: "the source names no number", zh: "来源未给出数值" };

impl Text<&str> {
    fn owned(self) -> Text {
        Text { en: self.en.to_owned(), zh: self.zh.to_owned() }
    }
}

/// What to call an indicator.
pub fn indicator_name(indicator: Indicator) -> Text<&'static str> {
    let (en, zh) = match indicator {
        Indicator::CoveredShare => ("children within the circle", "圈内儿童占比"),
        Indicator::PlacesPer1000 => ("places per 1,000 residents", "每千人口托位数"),
        Indicator::InclusiveShare => ("inclusive places", "普惠托位占比"),
        Indicator::CertifiedStaffShare => ("certified staff", "持证人员占比"),
        Indicator::CommunityShare => ("communities with a facility", "有托育机构的社区占比"),
        Indicator::KindergartenShare => ("kindergartens with a nursery class", "开设托班的幼儿园占比"),
        Indicator::HealthManagerShare => ("filed facilities with a health manager", "备案机构健康管理员配备率"),
        Indicator::FiledShare => ("facilities filed", "备案机构占比"),
        Indicator::RegisteredShare => ("facilities registered", "登记机构占比"),
        Indicator::EnrolmentRate => ("enrolment rate", "入托率"),
        Indicator::VacancyRate => ("vacancy rate", "托位空置率"),
        Indicator::UnderTwoShare => ("places for children under two", "两岁以下托位占比"),
        Indicator::AreaShare => ("sub-areas with a facility", "有托育机构的下级区域占比"),
    };
    Text { en, zh }
}

/// An indicator's numerator and denominator in words.
pub fn formula_text(indicator: Indicator) -> Text<&'static str> {
    let zh = match indicator {
        Indicator::CoveredShare => "圈内儿童数 / 儿童数",
        Indicator::PlacesPer1000 => "托位数 / 常住人口 × 1,000",
        Indicator::InclusiveShare => "普惠机构托位数 / 托位数",
        Indicator::CertifiedStaffShare => "持证人员数 / 从业人员数",
        Indicator::CommunityShare => "有托育机构的社区数 / 社区数",
        Indicator::KindergartenShare => "开设托班的幼儿园数 / 幼儿园数",
        Indicator::HealthManagerShare => "配备健康管理员的备案机构数 / 备案机构数",
        Indicator::FiledShare => "已备案及以上机构数 / 机构数",
        Indicator::RegisteredShare => "已登记及以上机构数 / 机构数",
        Indicator::EnrolmentRate => "在托人数 / 儿童数",
        Indicator::VacancyRate => "（托位数 - 在托人数）/ 托位数",
        Indicator::UnderTwoShare => "乳儿班和托小班托位数 / 托位数",
        Indicator::AreaShare => "有托育机构的下级区域数 / 下级区域数",
    };
    Text { en: indicator.formula(), zh }
}

fn input_zh(input: Input) -> &'static str {
    match input {
        Input::Places => "托位数",
        Input::InclusivePlaces => "普惠托位数",
        Input::UnderTwoPlaces => "乳儿班和托小班托位数",
        Input::VacantPlaces => "托位数和在托人数",
        Input::Enrolled => "在托人数",
        Input::Staff => "从业人员数",
        Input::CertifiedStaff => "持证人员数",
        Input::HealthManager => "健康管理员情况",
        Input::Status => "登记备案状态",
        Input::Population => "常住人口",
        Input::Communities => "社区数",
        Input::Kindergartens => "幼儿园数",
        Input::SubAreas => "下级区域",
        Input::Outline => "边界",
    }
}

/// What is missing, in words.
pub fn lack_text(lack: Lack) -> Text {
    match lack {
        Lack::Untold { input, missing: 1, of: 1 } if input.is_of_areas() => {
            Text { en: format!("{} of the area", input.name()), zh: format!("该区域的{}", input_zh(input)) }
        }
        Lack::Untold { input, missing, of } => {
            let (en, zh) = if input.is_of_areas() { ("areas", "个区域") } else { ("facilities", "家机构") };
            Text {
                en: format!("{} of {missing} of {of} {en}", input.name()),
                zh: format!("{of} {zh}中 {missing} 个的{}", input_zh(input)),
            }
        }
        Lack::Outside { missing, of } => Text {
            en: format!("the areas of {missing} of {of} facilities, which stand outside all areas"),
            zh: format!("{of} 家机构中 {missing} 家所在的区域（位于所有区域之外）"),
        },
        Lack::NoDenominator => Text { en: "the denominator is zero", zh: "分母为零" }.owned(),
        Lack::Exceeds => Text {
            en: "the numerator is larger than the denominator: one is wrong",
            zh: "分子大于分母，数据有误",
        }
        .owned(),
    }
}

/// What a target makes of an indicator, in words.
pub fn mark_name(mark: Mark) -> Text<&'static str> {
    let zh = match mark {
        Mark::Met => "达标",
        Mark::Missed => "未达标",
        Mark::Unknown => "无法判定",
    };
    Text { en: mark.name(), zh }
}

/// A value or a target as people write it: a share in percent, places with two decimals.
pub fn value_text(indicator: Indicator, value: f64) -> String {
    if is_share(indicator) { format!("{:.1} %", value * 100.0) } else { format!("{value:.2}") }
}

/// Whether an indicator is a share of one, rather than a number by the thousand.
fn is_share(indicator: Indicator) -> bool {
    indicator != Indicator::PlacesPer1000
}

/// What is asked, in words.
pub fn goal_text(indicator: Indicator, goal: Goal) -> Text {
    let number = value_text(indicator, goal.value());
    let (en, zh) = match goal {
        Goal::AtLeast(_) => ("at least", "不低于"),
        Goal::Over(_) => ("over", "超过"),
        Goal::AtMost(_) => ("at most", "不高于"),
    };
    Text { en: format!("{en} {number}"), zh: format!("{zh} {number}") }
}

/// One line of a score card.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which indicator.
    pub indicator: Indicator,
    /// What to call it.
    pub name: Text<&'static str>,
    /// Its value; a share is one of 1, to be shown in percent.
    pub value: Option<f64>,
    /// Whether it is a share.
    pub is_share: bool,
    /// The numerator, as far as it is known.
    pub numerator: Option<f64>,
    /// The denominator, as far as it is known.
    pub denominator: Option<f64>,
    /// What is asked, where there is a target with a number.
    pub goal: Option<Goal>,
    /// What the target makes of it, where there is one.
    pub mark: Option<Mark>,
    /// What is missing; empty where nothing is.
    pub missing: Text,
}

/// The score card line by line: the targets in the policy's order, then the indicators without one.
pub fn rows(card: &ScoreCard) -> Vec<Row> {
    let row = |figure: &Figure| Row {
        indicator: figure.indicator,
        name: indicator_name(figure.indicator),
        value: figure.value(),
        is_share: is_share(figure.indicator),
        numerator: known(figure.numerator),
        denominator: known(figure.denominator),
        goal: None,
        mark: None,
        missing: joined(lack_texts(figure)),
    };
    let scores = card.scores.iter().map(|score| Row {
        goal: score.target.goal,
        mark: Some(score.mark()),
        missing: joined(missing_of(score, &score.total)),
        ..row(&score.total)
    });
    let is_asked = |figure: &&Figure| card.scores.iter().any(|score| score.target.indicator == figure.indicator);
    scores.chain(card.figures.total.iter().filter(|figure| !is_asked(figure)).map(row)).collect()
}

fn lack_texts(figure: &Figure) -> Vec<Text> {
    figure.lacks.iter().copied().map(lack_text).collect()
}

/// What is missing to tell whether a figure is as a target asks.
fn missing_of(score: &Score, figure: &Figure) -> Vec<Text> {
    let mut missing = lack_texts(figure);
    if score.target.goal.is_none() {
        missing.push(NO_NUMBER.owned());
    }
    missing
}

fn joined(texts: Vec<Text>) -> Text {
    let (en, zh): (Vec<String>, Vec<String>) = texts.into_iter().map(|text| (text.en, text.zh)).unzip();
    Text { en: en.join("; "), zh: zh.join("；") }
}

/// A sum as far as it is known; nothing where nobody tells.
pub fn known(known: Known) -> Option<f64> {
    (known.told > 0 || known.missing == 0).then_some(known.sum)
}

fn english(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.en).collect()
}

/// What is missing of a figure, in the words of answers.
pub fn missing(figure: &Figure) -> Vec<String> {
    english(lack_texts(figure))
}

/// Indicators by their names.
pub fn figures_json(figures: &[Figure]) -> Value {
    let json = |figure: &Figure| {
        let members = json!({
            "value": figure.value(),
            "numerator": known(figure.numerator),
            "denominator": known(figure.denominator),
            "missing": missing(figure),
            "formula": figure.indicator.formula(),
        });
        (figure.indicator.name().to_owned(), members)
    };
    figures.iter().map(json).collect::<Map<_, _>>().into()
}

/// The score card alone: policy, targets with their marks, all indicators, what everything was computed with.
pub fn score_card(study: &Study, coverage: &Coverage, card: &ScoreCard, extract_date: Option<&str>) -> Value {
    let mut out = geojson::about(study, coverage, extract_date);
    let Figures { total, areas: of_areas } = &card.figures;
    let areas = study.areas().all().iter().zip(of_areas).map(|(area, figures)| {
        json!({ "id": area.id, "name": area.name, "level": area.level.name(), "indicators": figures_json(figures) })
    });
    let sensitivity = card.sensitivity.iter().flat_map(|at| {
        let shares = OTHER_MINUTES.iter().zip(at.covered_shares);
        shares.map(|(minutes, share)| json!({ "speed_kmh": at.speed_kmh, "minutes": minutes, "covered_share": share }))
    });
    let inequality = card.inequality.map(|found| {
        json!({
            "gini": found.gini,
            "worst_tenth_share": found.worst_tenth_share,
            "worst_tenth_minutes": found.worst_tenth_minutes,
            "worst_tenth_covered": found.worst_tenth_covered,
            "mean_minutes": found.mean_minutes,
            "children_beyond": found.children_beyond,
        })
    });
    let own = [
        ("policy", policy_json(&coverage.policy)),
        ("targets", targets_json(study, &card.scores, |_| true)),
        ("total", json!({ "indicators": figures_json(total) })),
        ("areas", areas.collect()),
        ("inequality", json!(inequality)),
        ("sensitivity", sensitivity.collect()),
    ];
    out.extend(own.map(|(name, value)| (name.to_owned(), value)));
    out.into()
}

/// Which policy it was.
pub fn policy_json(policy: &Policy) -> Value {
    json!({ "name": policy.name, "source": policy.source })
}

/// The targets with what becomes of each, in total and in the areas that are wanted.
pub fn targets_json(study: &Study, scores: &[Score], wanted: impl Fn(&Area) -> bool) -> Value {
    scores.iter().map(|score| target_json(study, score, &wanted)).collect()
}

fn target_json(study: &Study, score: &Score, wanted: impl Fn(&Area) -> bool) -> Value {
    let (target, total) = (&score.target, &score.total);
    let areas = study.areas().all().iter().zip(&score.areas).filter(|(area, _)| wanted(area));
    let areas = areas.map(|(area, figure)| {
        json!({
            "id": area.id,
            "value": figure.value(),
            "verdict": target.mark(figure).name(),
            "missing": english(missing_of(score, figure)),
        })
    });
    json!({
        "indicator": target.indicator.name(),
        "value": total.value(),
        "bound": target.goal.map(Goal::bound),
        "target": target.goal.map(Goal::value),
        "verdict": score.mark().name(),
        "missing": english(missing_of(score, total)),
        "numerator": known(total.numerator),
        "denominator": known(total.denominator),
        "formula": target.indicator.formula(),
        "sub_areas": target.sub_areas.map(AreaLevel::name),
        "year": target.year,
        "source": target.source,
        "areas": areas.collect::<Vec<_>>(),
    })
}
