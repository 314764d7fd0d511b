//! What people write in cells: numbers, coordinates, dates, yes and no, geometries as text.

use crate::headers::half_width;
use crate::remark;
use crate::remark::{Phrase, Remark};
use crate::table::{Geometry, geojson};
use jiff::civil::Date;
use serde_json::{Value, json};

/// What people write where they have nothing to write.
const NOTHING: [&str; 12] = ["-", "--", "—", "——", "/", "n/a", "na", "null", "无数据", "未知", "不详", "暂无"];

/// Whether a cell says that there is nothing to say.
pub(crate) fn says_nothing(text: &str) -> bool {
    let may = text.len() < 10 && !text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    may && NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(text))
}

/// A cell's text in a message: its beginning, where it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// What spreadsheets leave in a cell instead of a value, where it is that.
pub(crate) fn not_a_value(text: &str) -> Option<Phrase<'static>> {
    const ERRORS: [&str; 9] = ["#REF!", "#DIV/0!", "#N/A", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"];
    if ERRORS.contains(&text) || text.len() > 1 && text.bytes().all(|b| b == b'#') {
        Some(Phrase {
            en: "a spreadsheet's error; mend its formula or widen its column",
            zh: "电子表格的错误值；请修正公式或加宽列",
        })
    } else if text.starts_with('=') && text.len() > 1 {
        Some(Phrase {
            en: "a formula without its value; save the sheet as values",
            zh: "没有结果的公式；请将工作表另存为数值",
        })
    } else {
        None
    }
}

/// A number as people write it: thousands marks, full-width digits, blanks around.
pub fn number(text: &str) -> Option<f64> {
    if let Some(value) = short_decimal(text) {
        return Some(value);
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-') {
        return text.parse().ok().filter(|value: &f64| value.is_finite());
    }
    let mut plain = half_width(text);
    plain.retain(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}'));
    let mut groups = plain.split('.').next().unwrap_or_default().split(',');
    let first = groups.next().unwrap_or_default();
    // 1,234 has a thousands mark; 1234,5 has something else, and 12345 it is not.
    let first = first.trim_start_matches('-');
    let marked = first.len() <= 3 && !first.starts_with('0') && groups.clone().all(|g| g.len() == 3);
    let whole = groups.next().is_none();
    let decimals_clean = !plain.split('.').skip(1).any(|d| d.contains(','));
    let value: f64 =
        if (whole || marked) && decimals_clean { plain.replace(',', "").parse().ok()? } else { return None };
    value.is_finite().then_some(value)
}

/// A number of fifteen digits at most, with a point and a sign or without: exact, as both parts of the fraction are.
fn short_decimal(text: &str) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mut sum, mut digits, mut whole) = (0_u64, 0, None);
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' if digits < 15 => {
                sum = sum * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if whole.is_none() => whole = Some(digits),
            _ => return None,
        }
    }
    let value = sum as f64 / POWERS[digits - whole.unwrap_or(digits)];
    (digits > 0).then_some(if unsigned.len() < text.len() { -value } else { value })
}

/// Which sign stands before decimals; the other one stands between thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// `1,234.5`
    Point,
    /// `1.234,5`
    Comma,
}

/// A number with such marks.
pub(crate) fn number_in(text: &str, marks: Marks) -> Option<f64> {
    let turned = |c: char| match c {
        '.' => ',',
        ',' => '.',
        other => other,
    };
    match marks {
        Marks::Point => number(text),
        Marks::Comma if text.bytes().all(|b| b.is_ascii_digit()) => number(text),
        Marks::Comma => number(&half_width(text).chars().map(turned).collect::<String>()),
    }
}

/// Whether a cell is a number that is the same whatever its marks, or none with any.
pub(crate) fn needs_no_marks(text: &str) -> bool {
    let mut points = text.bytes().enumerate().filter(|(_, b)| !b.is_ascii_digit());
    match (points.next(), points.next()) {
        (None, _) => true,
        (Some((at, b'.')), None) => at > 3 || text.len() != at + 4 || text.starts_with('0'),
        _ => !text.bytes().any(|b| b.is_ascii_digit()) || text.len() > 60,
    }
}

/// Whether a cell is digits and marks, a comma among them.
pub(crate) fn has_comma(text: &str) -> bool {
    let plain = half_width(text);
    plain.contains(',') && plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'.' | b'-' | b' '))
}

/// Along which axis a coordinate counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    East,
    North,
}

/// A coordinate in degrees: decimal, with a point or a comma, or in degrees, minutes and seconds.
pub(crate) fn degrees(text: &str, axis: Axis) -> Option<f64> {
    if let Some(value) = short_decimal(text) {
        return Some(value);
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-') {
        return number(text);
    }
    // Degrees have no thousands: a comma is a decimal one.
    let plain = half_width(text).replace(',', ".");
    number(&plain).filter(|_| !plain.contains(' ')).or_else(|| sexagesimal(&plain, axis))
}

/// `116°23'29"E`, `东经116度23分29秒`, `39.9°N`.
fn sexagesimal(plain: &str, axis: Axis) -> Option<f64> {
    let (forward, backward) = match axis {
        Axis::East => (["东经", "东", "E", "e"], ["西经", "西", "W", "w"]),
        Axis::North => (["北纬", "北", "N", "n"], ["南纬", "南", "S", "s"]),
    };
    let side = |letters: [&'static str; 4]| letters.into_iter().find(|letter| plain.contains(letter));
    let (sign, letter) = match (side(forward), side(backward)) {
        (Some(_), Some(_)) => return None,
        (Some(letter), None) => (1.0, letter),
        (None, Some(letter)) => (-1.0, letter),
        (None, None) => (1.0, ""),
    };
    if letter.is_empty() && !plain.contains(['°', '度', 'º']) {
        return None;
    }
    let bare = plain.replacen(letter, "", 1);
    let (sign, bare) = bare.trim().strip_prefix('-').map_or((sign, bare.trim()), |rest| (-sign, rest));
    let marks: &[char] = &['°', 'º', '度', '\'', '′', '’', '分', '"', '″', '”', '秒', ' '];
    let parts: Vec<f64> =
        bare.split(marks).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (last, whole) = parts.split_last().filter(|(_, whole)| whole.len() < 3)?;
    let clean = whole.iter().all(|part| part.fract() == 0.0) && parts.iter().skip(1).all(|part| *part < 60.0);
    let unsigned = parts.iter().all(|part| part.is_sign_positive());
    let total = whole.iter().chain([last]).rev().fold(0.0, |sum, part| sum / 60.0 + part);
    (clean && unsigned && total.is_finite()).then_some(sign * total)
}

/// A coordinate in metres: a number, with thousands marks or a decimal comma.
pub(crate) fn metres(text: &str, marks: Marks) -> Option<f64> {
    number_in(text, marks).or_else(|| number(&half_width(text).replace(',', ".")))
}

/// Yes or no.
pub(crate) fn flag(text: &str) -> Option<bool> {
    const YES: [&str; 9] = ["是", "有", "√", "✓", "✔", "1", "true", "yes", "y"];
    const NO: [&str; 9] = ["否", "无", "×", "✗", "✘", "0", "false", "no", "n"];
    let said = |text: &str| {
        let is = |words: [&str; 9]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        if is(YES) { Some(true) } else { is(NO).then_some(false) }
    };
    // The longest in full-width letters has fifteen bytes.
    said(text).or_else(|| said(&half_width(text)).filter(|_| text.len() < 16))
}

/// A day in a usual form; the error says what it is not.
pub(crate) fn date(text: &str) -> Result<Date, Phrase<'static>> {
    const NONE: Phrase<'static> = Phrase { en: "date; write 2024-05-01", zh: "日期；请写作 2024-05-01" };
    const EITHER: Phrase<'static> = Phrase {
        en: "date whose day can be told from its month; write 2024-05-01",
        zh: "分得清日与月的日期；请写作 2024-05-01",
    };
    if text.len() > 60 {
        return Err(NONE);
    }
    let day = |year: i64, month: i64, day: i64| {
        let fit = |v: i64| i8::try_from(v).map_err(|_| NONE);
        Date::new(i16::try_from(year).map_err(|_| NONE)?, fit(month)?, fit(day)?).map_err(|_| NONE)
    };
    let plain = half_width(text);
    let plain = plain.trim();
    if plain.bytes().all(|b| b.is_ascii_digit()) && plain.len() == 8 {
        let part = |range: std::ops::Range<usize>| plain[range].parse().map_err(|_| NONE);
        return day(part(0..4)?, part(4..6)?, part(6..8)?);
    }
    if let Some(serial) = number(plain) {
        // Days as spreadsheets count them, from 1954 to 2119; in between, no other way to write a day gives such a number.
        if !(20_000.0..80_000.0).contains(&serial) {
            return Err(NONE);
        }
        let days = jiff::Span::new().days(serial.floor() as i64);
        return jiff::civil::date(1899, 12, 30).checked_add(days).map_err(|_| NONE);
    }
    // Words, letters and numbers, as they stand: `23JAN24` is three.
    let mut parts: Vec<&str> = Vec::new();
    let kind = |c: char| if c.is_ascii_digit() { 1 } else { i32::from(c.is_alphabetic()) * 2 };
    let mut rest = plain;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
        if kind(first) > 0 && !matches!(&rest[..end], "年" | "月" | "日") {
            parts.push(&rest[..end]);
        }
        rest = &rest[end..];
    }
    let whole = |part: &str| part.parse::<i64>().ok();
    let full_year = |part: &str| {
        let year = whole(part)?;
        // Of two digits, as spreadsheets take them: up to 29 they are of this century.
        match part.len() {
            4 => Some(year),
            2 => Some(if year < 30 { 2_000 + year } else { 1_900 + year }),
            _ => None,
        }
    };
    let Some((&[first, second, third], _)) = parts.split_first_chunk::<3>() else { return Err(NONE) };
    match (whole(first), whole(second), whole(third)) {
        (Some(year), Some(month), Some(d)) if first.len() == 4 => day(year, month, d),
        (Some(a), Some(b), Some(_)) if third.len() == 4 => {
            let year = full_year(third).ok_or(NONE)?;
            match (a, b) {
                _ if a == b || b > 12 => day(year, a, b),
                _ if a > 12 => day(year, b, a),
                _ => Err(EITHER),
            }
        }
        (Some(d), None, Some(_)) => day(full_year(third).ok_or(NONE)?, month_named(second).ok_or(NONE)?, d),
        (None, Some(d), Some(_)) => day(full_year(third).ok_or(NONE)?, month_named(first).ok_or(NONE)?, d),
        _ => Err(NONE),
    }
}

fn month_named(word: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.to_lowercase();
    let named =
        |month: &&str| word.len() >= 3 && month.starts_with(word.as_str()) || word == "sept" && **month == *"september";
    MONTHS.iter().position(named).map(|at| at as i64 + 1)
}

/// A geometry as text: GeoJSON, the same as Python writes it, WKT or EWKT, or `longitude, latitude`; and the number of the
/// coordinate system in the EPSG register, where the text states it.
pub(crate) fn geometry(text: &str) -> Result<(Geometry, Option<u32>), Remark> {
    if text.starts_with('{') {
        let parsed: Result<Value, _> = serde_json::from_str(text);
        let value = parsed.or_else(|error| {
            // A dict, as Python prints it.
            let plain = text.replace('\'', "\"").replace('(', "[").replace(')', "]");
            let byte = error.column();
            serde_json::from_str(&plain)
                .map_err(|_| remark!("is no GeoJSON: {error}", "不是 GeoJSON：第 {byte} 字节处有误"))
        })?;
        return Ok((geojson::geometry(&value)?, None));
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        let numbers = text.split([',', '，', ' ', ';']).filter(|part| !part.is_empty()).map(number);
        return match numbers.collect::<Option<Vec<f64>>>().as_deref() {
            Some([x, y]) => Ok((Geometry::Point(*x, *y), None)),
            _ if text.len() >= 42 && text.bytes().all(|b| b.is_ascii_hexdigit()) => Err(remark!(
                "is binary (WKB in hexadecimal); export it as WKT or GeoJSON",
                "是二进制（十六进制 WKB）；请导出为 WKT 或 GeoJSON"
            )),
            _ => Err(no_geometry(text)),
        };
    }
    wkt(text)
}

fn no_geometry(text: &str) -> Remark {
    let text = quoted(text);
    remark!(
        "{text} is no geometry; GeoJSON, WKT or `lon, lat` is wanted",
        "{text} 不是几何；应为 GeoJSON、WKT 或 `经度, 纬度`"
    )
}

fn wkt(text: &str) -> Result<(Geometry, Option<u32>), Remark> {
    let fail = || no_geometry(text);
    let (srid, body) = match text.split_once(';') {
        Some((head, body)) if head.len() < 20 && head.to_uppercase().starts_with("SRID=") => {
            let number = head.get("SRID=".len()..).and_then(|number| number.trim().parse().ok());
            (Some(number.ok_or_else(fail)?), body.trim_start())
        }
        _ => (None, text),
    };
    let (words, list) = body.split_at(body.find('(').unwrap_or(body.len()));
    if words.len() > 40 {
        return Err(fail());
    }
    let words = words.to_uppercase();
    if words.ends_with("EMPTY") {
        return Err(remark!("is empty: no coordinates", "为空：没有坐标"));
    }
    let kind = match words.split_whitespace().next().map(|word| word.trim_end_matches(['Z', 'M'])) {
        Some("POINT") => "Point",
        Some("MULTIPOINT") => "MultiPoint",
        Some("POLYGON") => "Polygon",
        Some("MULTIPOLYGON") => "MultiPolygon",
        Some(other @ ("LINESTRING" | "MULTILINESTRING" | "GEOMETRYCOLLECTION")) => {
            return Err(remark!(
                "its geometry is `{other}`; a POINT, MULTIPOINT, POLYGON or MULTIPOLYGON is wanted",
                "几何类型是 `{other}`；应为 POINT、MULTIPOINT、POLYGON 或 MULTIPOLYGON"
            ));
        }
        _ => return Err(fail()),
    };
    let mut rest = list;
    let mut coordinates = nested(&mut rest, 0).filter(|_| rest.trim().is_empty()).ok_or_else(fail)?;
    if kind == "Point" {
        coordinates = coordinates.get_mut(0).map(Value::take).ok_or_else(fail)?;
    } else if kind == "MultiPoint" {
        for point in coordinates.as_array_mut().into_iter().flatten() {
            // Each may stand in brackets of its own.
            if point.get(0).is_some_and(Value::is_array) {
                *point = point[0].take();
            }
        }
    }
    Ok((geojson::geometry(&json!({ "type": kind, "coordinates": coordinates }))?, srid))
}

/// Lists in brackets, down to positions of numbers, as nested arrays.
fn nested(rest: &mut &str, depth: usize) -> Option<Value> {
    *rest = rest.trim_start().strip_prefix('(').filter(|_| depth < 3)?;
    let mut items = Vec::new();
    loop {
        *rest = rest.trim_start();
        if rest.starts_with('(') {
            items.push(nested(rest, depth + 1)?);
        } else {
            let (position, after) = rest.split_at(rest.find([',', ')'])?);
            *rest = after;
            let numbers: Option<Vec<Value>> =
                position.split_whitespace().map(|n| n.parse::<f64>().ok().map(Value::from)).collect();
            items.push(Value::Array(numbers?));
        }
        let sign = rest.trim_start();
        *rest = sign.get(1..)?;
        match sign.as_bytes()[0] {
            b',' => {}
            b')' => return Some(Value::Array(items)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_comma_is_a_thousands_mark_only_where_thousands_stand() {
        for (text, value) in
            [("1,234", Some(1_234.0)), ("1,234,567.5", Some(1_234_567.5)), ("１２，３４５", Some(12_345.0))]
        {
            assert_eq!(number(text), value, "{text}");
        }
        for text in ["1234,5", "1,23", "0,123", "1.5,000", "", "-", "1e999", "nan"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn short_numbers_are_those_of_the_standard_library(text in "-?[0-9]{0,9}[.]?[0-9]{0,9}") {
            prop_assert_eq!(number(&text).map(f64::to_bits), text.parse().ok().map(f64::to_bits));
        }
    }

    #[test]
    fn coordinates_are_read_as_people_write_them() {
        let east = |text: &str| degrees(text, Axis::East);
        let close = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
        for text in ["116.5", "116,5", "１１６．５", "116°30'", "116°30′0″E", "东经116度30分", "E 116.5", "116.5°"]
        {
            assert!(close(east(text), 116.5), "{text}: {:?}", east(text));
        }
        assert!(close(east("0°30'W"), -0.5) && close(degrees("33°51'36\"S", Axis::North), -33.86));
        for text in ["116°75'", "116 30 0", "39.9N", "116.5E W", "E", "116.5.5", "1.163,000", "°", "116°-3'"] {
            assert_eq!(east(text), None, "{text}");
        }
        assert_eq!(metres("4,345,678.25", Marks::Point), Some(4_345_678.25));
        assert_eq!(metres("345678,25", Marks::Point), Some(345_678.25));
        assert_eq!(metres("4.345.678,25", Marks::Comma), Some(4_345_678.25));
    }

    #[test]
    fn days_are_read_in_the_usual_forms() {
        let may = jiff::civil::date(2024, 5, 1);
        for text in [
            "2024-05-01",
            "2024/5/1",
            "2024.5.1",
            "20240501",
            "2024年5月1日",
            "01MAY24",
            "1-May-2024",
            "May 1, 2024",
            "45413",
            "45413.75",
            "2024-05-01T08:30:00+08:00",
            "2024/5/1 0:00",
            "２０２４－０５－０１",
        ] {
            assert_eq!(date(text), Ok(may), "{text}");
        }
        assert_eq!(date("25/12/2023"), Ok(jiff::civil::date(2023, 12, 25)));
        assert_eq!(date("12/25/2023"), Ok(jiff::civil::date(2023, 12, 25)));
        assert!(date("03/04/2024").unwrap_err().en.contains("told from its month"));
        for text in ["", "2024", "2024-05", "2024-13-01", "30FEB24", "soon", "1", "99999999", "5 of 3 in 7", "03/04/24"]
        {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn geometries_stand_in_cells_as_portals_write_them() {
        let point = Geometry::Point(-79.5, 43.6);
        for text in [
            "{'type': 'MultiPoint', 'coordinates': [[-79.5, 43.6]]}",
            "{'type': 'Point', 'coordinates': (-79.5, 43.6)}",
            r#"{"type":"Point","coordinates":[-79.5,43.6]}"#,
            "POINT (-79.5 43.6)",
            "point z(-79.5 43.6 12)",
            "POINTZ(-79.5 43.6 12)",
            "MULTIPOINT ((-79.5 43.6))",
            "MULTIPOINT (-79.5 43.6)",
            "-79.5, 43.6",
        ] {
            assert_eq!(geometry(text).unwrap(), (point.clone(), None), "{text}");
        }
        assert_eq!(geometry("SRID=4326;POINT(-79.5 43.6)").unwrap(), (point, Some(4326)));
        let square = geometry("POLYGON ((0 0, 1 0, 1 1, 0 0), (0.1 0.1,0.2 0.1,0.2 0.2,0.1 0.1))").unwrap().0;
        assert!(matches!(square, Geometry::Shape(s) if s.0[0].interiors().len() == 1));
        assert!(matches!(geometry("MULTIPOINT (1 2, 3 4)").unwrap().0, Geometry::Points(p) if p.len() == 2));
        for text in [
            "POINT",
            "POINT EMPTY",
            "POINT (1)",
            "POINT (1 2",
            "POINT (1 2) x",
            "((((((",
            "LINESTRING (0 0, 1 1)",
            "{'a",
            "1,2,3",
            "somewhere",
            "POLYGON ((0 0, 1 1))",
            "POINT (1 é)",
            "POINT (1 2é",
            "SRID=é;POINT(1 2)",
        ] {
            assert!(geometry(text).is_err(), "{text}");
        }
        assert!(geometry("0101000020E610000000000000000059400000000000004440").unwrap_err().en.contains("binary"));
    }
}
