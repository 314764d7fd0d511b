//! The facilities: where they stand, how the map draws them, and what the district's register says of them.

use super::canvas::Layer;
use super::geometry::{Prng, Pt, Rect, Side, pt};
use super::names::Name;
use super::plan::{Edge, community, field, street_on};
use super::town::Town;
use crate::pbf::{Tags, tags};

use Drawn::{Ground, Node, Relation, Table, Twice};
use Place::{Beside, Centre};
use Side::{East, North, South, West};

/// How the map draws a facility.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drawn {
    /// Not at all: only the register knows it.
    Table,
    Node,
    /// Its ground, as a closed way.
    Ground,
    /// Its ground, as a multipolygon around a yard.
    Relation,
    /// Its ground and once more as a node inside: the same facility mapped by two people.
    Twice,
}

/// Where in its field a facility stands.
#[derive(Clone, Copy)]
enum Place {
    /// By the street on this side, so many thousandths along it.
    Beside(Side, i32),
    /// In the middle of a village.
    Centre,
}

struct Spec {
    name: Name,
    field: (usize, usize),
    place: Place,
    drawn: Drawn,
    kind: &'static str,
    /// `unmapped` for those the register does not hold.
    status: &'static str,
    inclusive: Option<bool>,
    places: i32,
}

#[expect(clippy::too_many_arguments, reason = "one row of the table below")]
const fn spec(
    name: Name,
    field: (usize, usize),
    place: Place,
    drawn: Drawn,
    kind: &'static str,
    status: &'static str,
    inclusive: Option<bool>,
    places: i32,
) -> Spec {
    Spec { name, field, place, drawn, kind, status, inclusive, places }
}

/// Most stand in the old centre. The east bank and the land behind the railway have few, the south-east none.
#[rustfmt::skip]
const SPECS: [Spec; 42] = [
    spec(("和安区托育综合服务中心", "He'an District Childcare Service Centre"), (5, 5), Beside(North, 800), Ground, "service_centre", "filed", Some(true), 40),
    spec(("钟楼托育园", "Zhonglou Nursery"), (6, 6), Beside(South, 300), Node, "nursery", "filed", Some(true), 24),
    spec(("小桔灯托育中心", "Little Lantern Nursery"), (8, 6), Beside(East, 600), Table, "nursery", "registered", Some(false), 18),
    spec(("书院幼儿园托班", "Shuyuan Kindergarten Nursery Class"), (9, 7), Beside(North, 200), Ground, "kindergarten_class", "filed", Some(true), 20),
    spec(("柳巷社区托育点", "Liuxiang Community Childcare"), (7, 4), Beside(West, 300), Table, "community", "filed", Some(true), 12),
    spec(("青石社区托育点", "Qingshi Community Childcare"), (7, 5), Beside(North, 700), Table, "community", "registered", Some(true), 10),
    spec(("王姐家庭托育点", "Sister Wang's Family Childcare"), (6, 4), Beside(West, 620), Table, "family", "registered", Some(false), 5),
    spec(("北桥托育园", "Beiqiao Nursery"), (8, 8), Beside(North, 200), Ground, "nursery", "filed", Some(true), 24),
    spec(("桐花幼儿园托班", "Tonghua Kindergarten Nursery Class"), (6, 8), Beside(South, 800), Relation, "kindergarten_class", "filed", Some(true), 20),
    spec(("纺织社区托育点", "Fangzhi Community Childcare"), (7, 8), Beside(West, 300), Table, "community", "filed", Some(true), 12),
    spec(("和安机床厂托育园", "He'an Machine Works Nursery"), (4, 8), Beside(East, 500), Table, "employer", "filed", Some(true), 15),
    spec(("北苑宝贝托育", "Beiyuan Baby Nursery"), (8, 9), Beside(South, 750), Twice, "nursery", "registered", Some(false), 18),
    spec(("北苑幼儿园", "Beiyuan Kindergarten"), (9, 9), Beside(West, 250), Ground, "kindergarten", "unknown", None, 0),
    spec(("梧桐成长驿站", "Wutong Growth Station"), (9, 8), Beside(South, 300), Table, "growth_station", "filed", Some(true), 8),
    spec(("站前托育中心", "Zhanqian Nursery"), (4, 7), Beside(East, 250), Table, "nursery", "licensed", Some(false), 20),
    spec(("站前社区托育点", "Zhanqian Community Childcare"), (4, 5), Beside(East, 750), Table, "community", "filed", Some(true), 10),
    spec(("织锦幼儿园托班", "Zhijin Kindergarten Nursery Class"), (4, 4), Beside(North, 800), Table, "kindergarten_class", "filed", Some(true), 20),
    spec(("豆豆家庭托育点", "Doudou Family Childcare"), (5, 4), Beside(South, 300), Table, "family", "unknown", None, 0),
    spec(("文庙成长驿站", "Wenmiao Growth Station"), (8, 5), Beside(North, 600), Table, "growth_station", "filed", Some(true), 8),
    spec(("望江托育园", "Wangjiang Nursery"), (9, 5), Beside(East, 250), Table, "nursery", "filed", Some(true), 20),
    spec(("和安区人民医院托育点", "He'an People's Hospital Childcare"), (9, 6), Beside(South, 750), Table, "employer", "filed", Some(true), 12),
    spec(("听涛幼儿园", "Tingtao Kindergarten"), (9, 6), Beside(North, 200), Ground, "kindergarten", "unknown", None, 0),
    spec(("码头社区托育点", "Matou Community Childcare"), (6, 3), Beside(West, 700), Table, "community", "filed", Some(true), 12),
    spec(("映湖托育园", "Yinghu Nursery"), (8, 3), Beside(North, 200), Ground, "nursery", "licensed", Some(true), 20),
    spec(("南埠启蒙托育", "Nanbu Early Years"), (5, 2), Beside(East, 300), Node, "nursery", "registered", Some(false), 16),
    spec(("砖桥幼儿园托班", "Zhuanqiao Kindergarten Nursery Class"), (7, 2), Beside(West, 200), Ground, "kindergarten_class", "filed", Some(true), 20),
    spec(("橙子家庭托育点", "Orange Family Childcare"), (5, 3), Beside(West, 700), Table, "family", "registered", Some(false), 5),
    spec(("映湖成长驿站", "Yinghu Growth Station"), (8, 2), Beside(West, 300), Table, "growth_station", "registered", Some(true), 8),
    spec(("南塘托育中心", "Nantang Nursery"), (7, 1), Beside(North, 300), Table, "nursery", "registered", Some(false), 15),
    spec(("南塘幼儿园", "Nantang Kindergarten"), (6, 1), Beside(North, 750), Ground, "kindergarten", "unknown", None, 0),
    spec(("桥东托育园", "Qiaodong Nursery"), (12, 6), Beside(West, 250), Node, "nursery", "filed", Some(true), 20),
    spec(("澜湾幼儿园", "Lanwan Kindergarten"), (12, 7), Beside(West, 250), Ground, "kindergarten", "unknown", None, 0),
    spec(("安澜社区托育点", "Anlan Community Childcare"), (12, 4), Beside(West, 720), Table, "community", "registered", Some(true), 10),
    spec(("向阳宝宝屋", "Xiangyang Baby House"), (12, 5), Beside(South, 250), Table, "nursery", "registered", Some(false), 15),
    spec(("铁西托育园", "Tiexi Nursery"), (2, 6), Beside(East, 300), Node, "nursery", "filed", Some(true), 20),
    spec(("西环幼儿园托班", "Xihuan Kindergarten Nursery Class"), (1, 5), Beside(South, 800), Ground, "kindergarten_class", "registered", Some(true), 15),
    spec(("陂塘社区托育点", "Beitang Community Childcare"), (2, 8), Beside(East, 300), Table, "community", "registered", None, 10),
    spec(("石坎家庭托育点", "Shikan Family Childcare"), (0, 8), Centre, Table, "family", "unknown", None, 4),
    spec(("稻香幼儿园", "Daoxiang Kindergarten"), (14, 5), Centre, Node, "kindergarten", "unknown", None, 0),
    spec(("西陂镇成长驿站", "Xibei Town Growth Station"), (1, 6), Beside(North, 300), Table, "growth_station", "filed", Some(true), 8),
    spec(("小星星幼儿园", "Little Star Kindergarten"), (5, 8), Beside(North, 200), Ground, "kindergarten", "unmapped", None, 0),
    spec(("蓓蕾托儿所", "Beilei Day Nursery"), (5, 7), Beside(South, 300), Node, "nursery", "unmapped", None, 0),
];

/// A facility put in its place.
pub(super) struct Site {
    pub(super) at: Pt,
    /// Its ground, if the map draws it.
    pub(super) ground: Option<Rect>,
    /// The letter of its community.
    pub(super) community: u8,
    spec: &'static Spec,
}

impl Site {
    /// Whether it is a kindergarten, with or without a nursery class.
    pub(super) fn is_kindergarten(&self) -> bool {
        self.spec.kind.starts_with("kindergarten")
    }
}

/// All facilities, those of the register first.
pub(super) fn sites() -> Vec<Site> {
    SPECS.iter().map(place).collect()
}

fn place(spec: &'static Spec) -> Site {
    let (column, row) = spec.field;
    let whole = field(column, row);
    let has_ground = !matches!(spec.drawn, Table | Node);
    let (at, ground) = match spec.place {
        Centre => (whole.centre().shifted(-90, 70), None),
        Beside(side, permille) => {
            let on_street = whole.on_side(side, permille);
            let inwards = |by: i32| match side {
                North => on_street.shifted(0, -by),
                East => on_street.shifted(-by, 0),
                South => on_street.shifted(0, by),
                West => on_street.shifted(by, 0),
            };
            if has_ground {
                let (width, height) = if matches!(side, North | South) { (500, 360) } else { (360, 500) };
                (inwards(350), Some(Rect::around(inwards(350), width, height)))
            } else {
                (inwards(90), None)
            }
        }
    };
    let community = community(column as isize, row as isize).expect("facilities stand inside the district");
    Site { at, ground, community, spec }
}

/// Draws what the map knows of the facilities.
pub(super) fn draw(town: &mut Town) {
    for (number, site) in sites().into_iter().enumerate() {
        let spec = site.spec;
        let mut of_it = osm_tags(spec, number);
        let (Some(ground), Beside(side, permille)) = (site.ground, spec.place) else {
            if spec.drawn == Node {
                town.canvas.spot(site.at, of_it);
            }
            continue;
        };
        let mut outline = ground.ring();
        let (column, row) = spec.field;
        let street = field(column, row).on_side(side, permille);
        let door = match side {
            North => pt(street.x, ground.north),
            East => pt(ground.east, street.y),
            South => pt(street.x, ground.south),
            West => pt(ground.west, street.y),
        };
        super::geometry::insert_on_ring(&mut outline, door);
        town.canvas.line(0, &[street, door], &[("highway", "footway")]);
        town.canvas.mark(door, &[("entrance", "main")]);
        match spec.drawn {
            Relation => town.canvas.multipolygon(Layer::Ground, &outline, &[ground.inset(140).ring()], of_it),
            Twice => {
                town.canvas.ring(Layer::Ground, &outline, of_it.clone());
                of_it.truncate(2);
                town.canvas.spot(site.at.shifted(30, 20), of_it);
            }
            _ => {
                town.canvas.ring(Layer::Ground, &outline, of_it);
            }
        }
        let house = ground.inset(110);
        if spec.drawn != Relation {
            let building = tags(&[("building", "kindergarten"), ("building:levels", "3")]);
            town.canvas.ring(Layer::Roof, &house.ring(), building);
        }
    }
}

/// As mappers tag them: a nursery by `childcare`, any kindergarten by `kindergarten`, capacity and ages now and then.
fn osm_tags(spec: &Spec, number: usize) -> Tags {
    let kindergarten = spec.kind.starts_with("kindergarten");
    let amenity = if kindergarten { "kindergarten" } else { "childcare" };
    let (zh, en) = spec.name;
    let mut all = tags(&[("amenity", amenity), ("name", zh)]);
    if number % 3 != 2 {
        all.extend(tags(&[("name:en", en), ("name:zh", zh)]));
    }
    if spec.places > 0 && number % 2 == 1 {
        all.push(("capacity".to_owned(), spec.places.to_string()));
    }
    match spec.kind {
        "kindergarten_class" => all.extend(tags(&[("min_age", "2"), ("max_age", "6")])),
        "kindergarten" if number % 2 == 1 => all.extend(tags(&[("min_age", "3"), ("max_age", "6")])),
        "nursery" if number % 2 == 1 => all.extend(tags(&[("max_age", "3")])),
        _ => {}
    }
    all
}

/// The columns of the register.
const COLUMNS: &str = "id,name,name_en,lon,lat,kind,status,inclusive,places,places_infant,places_toddler,\
    places_senior,enrolled,staff,staff_certified,health_manager,hub,modes,opened,closed,min_months,max_months,price,address";

/// The register as CSV: UTF-8, one line for each facility, coordinates in WGS 84.
pub(super) fn register(sites: &[Site]) -> String {
    let mut csv = format!("{COLUMNS}\n");
    let held = sites.iter().filter(|site| site.spec.status != "unmapped");
    for (number, site) in held.enumerate() {
        csv.push_str(&row(site, number + 1));
        csv.push('\n');
    }
    csv
}

fn row(site: &Site, number: usize) -> String {
    let spec = site.spec;
    let mut prng = Prng::new(0xfa_c111, number);
    let (lon, lat) = site.at.to_e7();
    let text = |value: i32| value.to_string();
    let none = String::new;
    let known = spec.places > 0 && spec.status != "unknown";

    let infant = if spec.kind == "kindergarten_class" { 0 } else { spec.places * prng.between(8, 18) / 100 };
    let toddler = spec.places * prng.between(28, 40) / 100;
    let senior = spec.places - infant - toddler;
    let enrolled = spec.places * prng.between(45, 100) / 100;
    let staff = spec.places / 5 + 2;
    let certified = staff - prng.between(0, 2).min(staff / 4);
    let filed = matches!(spec.status, "filed" | "licensed");
    let health_manager = if filed { !prng.percent(15) } else { prng.percent(40) };
    // One demonstration facility on each side of the river and the railway looks after the small ones around it.
    let hub = match (spec.kind, spec.field.0) {
        ("community" | "family" | "growth_station", 0..=3) => "f35",
        ("community" | "family" | "growth_station", 4..=10) => "f01",
        ("community" | "family" | "growth_station", _) => "f31",
        _ => "",
    };
    let modes = match spec.kind {
        "service_centre" => "full_day;half_day;hourly;drop_in",
        "nursery" => "full_day;half_day",
        "community" => "full_day;half_day;hourly",
        "growth_station" => "hourly;drop_in",
        "family" => "full_day;hourly",
        _ => "full_day",
    };
    let opened = format!("{}-{:02}-01", prng.between(2018, 2024), prng.between(1, 12));
    let (opened, closed) =
        if spec.name.0 == "南塘托育中心" { ("2019-03-01".to_owned(), "2024-06-30") } else { (opened, "") };
    let (min_months, max_months) = match spec.kind {
        "kindergarten" => (36, 72),
        "kindergarten_class" => (24, 36),
        _ if infant > 0 => (6, 36),
        _ => (12, 36),
    };
    let price = if spec.inclusive == Some(true) { prng.between(24, 38) * 50 } else { prng.between(54, 86) * 50 };

    let fields = [
        format!("f{number:02}"),
        spec.name.0.to_owned(),
        spec.name.1.to_owned(),
        degrees(lon),
        degrees(lat),
        spec.kind.to_owned(),
        spec.status.to_owned(),
        spec.inclusive.map_or_else(none, |inclusive| inclusive.to_string()),
        if spec.places > 0 { text(spec.places) } else { none() },
        if known { text(infant) } else { none() },
        if known { text(toddler) } else { none() },
        if known { text(senior) } else { none() },
        if known { text(enrolled) } else { none() },
        if known { text(staff) } else { none() },
        if known { text(certified) } else { none() },
        if known { health_manager.to_string() } else { none() },
        hub.to_owned(),
        if known { modes.to_owned() } else { none() },
        if known { opened } else { none() },
        closed.to_owned(),
        text(min_months),
        text(max_months),
        if known { text(price) } else { none() },
        address(spec, number, &mut prng),
    ];
    fields.map(|field| if field.contains(',') { format!("\"{field}\"") } else { field }).join(",")
}

fn address(spec: &Spec, number: usize, prng: &mut Prng) -> String {
    let Beside(side, _) = spec.place else { return "和安区（村委会旁）".to_owned() };
    let street = street_on(Edge::beside(spec.field.0, spec.field.1, side)).and_then(|street| street.name);
    let (zh, _) = street.expect("facilities stand by streets with names");
    let house = prng.between(1, 300);
    // A comma now and then, as in real registers: the field has to be quoted.
    if number % 7 == 3 { format!("和安区{zh}{house}号,1-2层") } else { format!("和安区{zh}{house}号") }
}

/// A coordinate in degrees with seven decimals, from 1e-7 degrees; the town lies north and east of zero.
pub(super) fn degrees(e7: i32) -> String {
    format!("{}.{:07}", e7 / 10_000_000, e7 % 10_000_000)
}
