//! Why a siting question has no answer, and what is possible: for people.

use crate::remark;
use crate::remark::Remark;
use carecircle_core::siting::{Obstacle, Pick, SitingError};
use carecircle_core::study::Study;

/// So many areas are named at most.
const MOST_AREAS: usize = 10;

/// Why a question about a study has no answer, and what is possible instead; it begins with the parameter to change.
pub fn refused(why: &SitingError, study: &Study) -> Remark {
    match why {
        SitingError::TooLarge { sites, needed, allowed } => {
            let (needed, allowed) = (needed / 1_000_000, allowed / 1_000_000);
            remark!(
                "candidates: walks to {sites} sites would take about {needed} MB, and {allowed} MB are allowed: fewer sites or a shorter limit take less",
                "candidates：到 {sites} 个位置的步行时间表约需 {needed} MB，仅允许 {allowed} MB：请减少位置或缩短时限"
            )
        }
        SitingError::Instance(_) | SitingError::Question(_) | SitingError::Stopped => Remark::same(why.to_string()),
        SitingError::Impossible(obstacle) => impossible(obstacle, study),
    }
}

fn impossible(obstacle: &Obstacle, study: &Study) -> Remark {
    match *obstacle {
        Obstacle::NoCandidate => remark!("candidates: there is none to pick from", "candidates：没有可选的候选点"),
        Obstacle::NobodyReached => {
            remark!("candidates: none is within reach of anybody", "candidates：没有候选点在任何儿童的步行范围内")
        }
        Obstacle::Required(Pick::Count(count), required) => {
            remark!("count {count}: {required} sites are required already", "count {count}：必选位置已有 {required} 个")
        }
        Obstacle::Required(Pick::Budget(budget), cost) => remark!(
            "budget {budget}: the required sites cost {cost} already",
            "budget {budget}：必选位置的费用已达 {cost}"
        ),
        Obstacle::Share { wanted, most } => {
            let (wanted, most) = (percent(wanted), floored_percent(most));
            remark!(
                "share {wanted} %: all sites together reach {most} % of the children, and no more is possible",
                "share {wanted} %：全部位置合计最多覆盖 {most} % 的儿童"
            )
        }
        Obstacle::Areas { wanted, ref most } => {
            let wanted = percent(wanted);
            let areas = most.iter().take(MOST_AREAS).map(|&(area, most)| named(area, floored_percent(most), study));
            let mut areas: Vec<Remark> = areas.collect();
            let others = most.len().saturating_sub(MOST_AREAS);
            if others > 0 {
                areas.push(remark!("{others} more areas", "其余 {others} 个区域"));
            }
            let list = Remark {
                en: areas.iter().map(|area| area.en.as_str()).collect::<Vec<_>>().join(", "),
                zh: areas.iter().map(|area| area.zh.as_str()).collect::<Vec<_>>().join("、"),
            };
            remark!(
                "least_share {wanted} %: all sites together reach less of the children there: {}",
                "least_share {wanted} %：以下区域即使启用全部位置也达不到：{}";
                list
            )
        }
        Obstacle::TooFew(Pick::Count(count), enough) => remark!(
            "count {count}: so few sites do not do all that is asked; {enough} are enough",
            "count {count}：数量不足以满足全部要求；{enough} 个即可满足"
        ),
        Obstacle::TooFew(Pick::Budget(budget), enough) => remark!(
            "budget {budget}: too little for all that is asked; {enough} is enough",
            "budget {budget}：不足以满足全部要求；{enough} 即可满足"
        ),
        Obstacle::TooManyClose { count, existing } => remark!(
            "count {count}: so many can't close, for {existing} facilities count",
            "count {count}：无法关闭这么多，计入的机构只有 {existing} 家"
        ),
        Obstacle::NoPick => remark!(
            "objective: no pick of sites does all that is asked: allow for more sites or a greater budget, or ask for a smaller share",
            "objective：没有满足全部要求的方案：请增加数量或预算，或降低比例"
        ),
        Obstacle::OutOfTime => remark!(
            "time_limit: no plan was found in that time, a longer one may do",
            "time_limit：在该时间内未找到方案，请延长"
        ),
    }
}

/// An area by its name, and the part of its children that can be reached.
fn named(area: u32, most: f64, study: &Study) -> Remark {
    let area = &study.areas().all()[area as usize];
    let name = |own: &Option<String>| own.as_ref().or(area.name.as_ref()).unwrap_or(&area.id).clone();
    let (en, zh) = (name(&area.name_en), name(&area.name_zh));
    Remark { en: format!("{en} ({most} % at most)"), zh: format!("{zh}（最多 {most} %）") }
}

/// With a tenth at most.
fn percent(part: f64) -> f64 {
    (1_000.0 * part).round() / 10.0
}

/// What can be reached, never told as more than it is.
fn floored_percent(part: f64) -> f64 {
    (1_000.0 * part).floor() / 10.0
}
