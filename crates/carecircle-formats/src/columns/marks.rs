//! Which sign stands before decimals: what a table's own numbers show, for `1.234` and `1,234` don't tell by themselves.

use super::plan::{Plan, Use};
use crate::headers::Column;
use crate::remark;
use crate::remark::Remark;
use crate::values::{self, Marks, quoted};

/// The columns that hold numbers.
const NUMBERS: [Column; 15] = [
    Column::Lon,
    Column::Lat,
    Column::Places,
    Column::PlacesInfant,
    Column::PlacesToddler,
    Column::PlacesSenior,
    Column::Enrolled,
    Column::Staff,
    Column::StaffCertified,
    Column::MinMonths,
    Column::MaxMonths,
    Column::Population,
    Column::Under3,
    Column::Communities,
    Column::Kindergartens,
];

/// A cell of a column: its row's number and its text.
type At<'a> = (Column, usize, &'a str);

/// What the numbers of one column show.
#[derive(Clone, Copy, Default)]
struct Evidence<'a> {
    /// The first that makes sense with a decimal comma alone, `12,5`.
    comma: Option<At<'a>>,
    /// Whether some make sense with a decimal point alone, `12.5`.
    point: bool,
    /// Whether some may have a comma between thousands, `1,234`.
    thousands: bool,
    /// The first that is one number with a decimal comma and another with a decimal point.
    open: Option<At<'a>>,
}

impl<'a> Evidence<'a> {
    fn look(&mut self, at: At<'a>, is_degrees: bool) {
        let (_, _, text) = at;
        let [with_point, with_comma] = if is_degrees {
            // Degrees have no thousands.
            let is_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'-'));
            [b'.', b','].map(|mark| (is_number && text.as_bytes().contains(&mark)).then_some(0.0))
        } else {
            [Marks::Point, Marks::Comma].map(|marks| values::number_in(text, marks))
        };
        match (with_point, with_comma) {
            (Some(_), None) => self.point = true,
            (None, Some(_)) => self.comma = self.comma.or(Some(at)),
            (Some(a), Some(b)) if a.total_cmp(&b).is_ne() => {
                self.thousands |= text.contains([',', '，']);
                self.open = self.open.or(Some(at));
            }
            _ => {}
        }
    }

    fn with(self, other: Self) -> Self {
        Self { comma: self.comma.or(other.comma), point: self.point || other.point, ..self }
    }

    /// The column's marks: its own word counts first, that of the other columns where it has none.
    fn marks(&self, others: &Self) -> Marks {
        let others_agree = others.comma.is_some() && !others.point;
        let is_comma = match (self.comma, self.thousands) {
            _ if self.point => false,
            // One `12,34` among thousands may be a slip.
            (Some(_), true) => others_agree,
            (Some(_), false) => true,
            (None, thousands) => others_agree && !thousands,
        };
        if is_comma { Marks::Comma } else { Marks::Point }
    }
}

/// The marks of every column, and what to say of them.
pub(super) struct Shown {
    marks: [Marks; Column::ALL.len()],
    /// What a decimal comma made another number of.
    pub(super) remark: Option<Remark>,
}

impl Shown {
    /// Looks through a whole table.
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        let mut found = [Evidence::default(); Column::ALL.len()];
        for row in plan.table.rows() {
            for (at, cell) in row.cells() {
                if let Use::Read(column) = plan.uses[at]
                    && NUMBERS.contains(&column)
                    && !cell.bytes().all(|b| b.is_ascii_digit())
                {
                    let is_degrees = matches!(column, Column::Lon | Column::Lat) && plan.crs.is_degrees();
                    found[column as usize].look((column, row.number(), cell), is_degrees);
                }
            }
        }
        let (mut marks, mut remark) = ([Marks::Point; Column::ALL.len()], None);
        for column in NUMBERS {
            let own = &found[column as usize];
            let others = NUMBERS.into_iter().filter(|other| *other != column).map(|other| found[other as usize]);
            let others = others.fold(Evidence::default(), Evidence::with);
            marks[column as usize] = own.marks(&others);
            if let (Marks::Comma, Some(open), Some(shown)) =
                (marks[column as usize], own.open, own.comma.or(others.comma))
            {
                remark = remark.or_else(|| Some(told(plan, open, shown)));
            }
        }
        Self { marks, remark }
    }

    pub(super) fn marks(&self, column: Column) -> Marks {
        self.marks[column as usize]
    }
}

fn told(plan: &Plan<'_>, (column, row, text): At<'_>, (shown_in, shown_row, shown): At<'_>) -> Remark {
    let (name, column, shown_in) = (plan.table.name(), plan.header(column), plan.header(shown_in));
    let value = values::number_in(text, Marks::Comma).unwrap_or_default();
    let (text, shown) = (quoted(text), quoted(shown));
    remark!(
        "{name}: decimals stand behind a comma, as in {shown} (row {shown_row}, column {shown_in}), so that {text} (row {row}, \
         column {column}) is {value}",
        "{name}：小数点写作逗号，如第 {shown_row} 行“{shown_in}”列 {shown}；因此第 {row} 行“{column}”列 {text} 为 {value}"
    )
}

#[cfg(test)]
mod tests {
    use crate::columns::{Declared, blocks, facilities};
    use crate::table::Table;
    use proptest::prelude::*;
    use std::fmt::Write as _;
    use std::path::Path;

    fn table(text: &str) -> Table {
        Table::from_csv(Path::new("t.csv"), text.as_bytes()).unwrap()
    }

    /// The residents of each block, or the column that its row is rejected for.
    fn residents(rows: &[[&str; 3]]) -> Vec<Result<f64, String>> {
        let mut text = "id;lon;lat;population\n".to_owned();
        for (i, [lon, lat, population]) in rows.iter().enumerate() {
            _ = writeln!(text, "{i};{lon};{lat};{population}");
        }
        let read = blocks(&table(&text), &Declared::default()).unwrap();
        assert!(read.doubts.is_empty(), "{:?}", read.doubts);
        let rejected = |i: usize| read.rejects.iter().find(|reject| reject.row == i + 2);
        let used = |i: usize| read.used.iter().find(|block| block.id == i.to_string()).and_then(|b| b.population);
        (0..rows.len()).map(|i| rejected(i).map_or_else(|| Ok(used(i).unwrap()), |r| Err(r.column.clone()))).collect()
    }

    #[test]
    fn decimal_commas_elsewhere_make_a_point_a_thousands_mark() {
        let comma = [["116,3", "39,9", "1.234"], ["116,4", "39,8", "987"]];
        assert_eq!(residents(&comma), [Ok(1_234.0), Ok(987.0)]);
        let point = [["116.3", "39.9", "1.234"], ["116.4", "39.8", "1,234"]];
        assert_eq!(residents(&point), [Ok(1.234), Ok(1_234.0)]);
        let own = [["116", "39", "1.234,5"], ["116", "38", "1.234"], ["116", "37", "12,5"]];
        assert_eq!(residents(&own), [Ok(1_234.5), Ok(1_234.0), Ok(12.5)]);
        // Nothing else tells.
        assert_eq!(residents(&[["116", "39", "1.234"]]), [Ok(1.234)]);
    }

    #[test]
    fn where_a_column_speaks_for_itself_the_others_do_not_count() {
        let raster = [["116.3", "39.9", "0,5"], ["116.4", "39.8", "12,25"]];
        assert_eq!(residents(&raster), [Ok(0.5), Ok(12.25)]);
        // A slip among thousands is no decimal comma.
        let slip = [["116.3", "39.9", "1,234"], ["116.4", "39.8", "12,34"]];
        assert_eq!(residents(&slip), [Ok(1_234.0), Err("population".to_owned())]);
        let thousands = [["116,3", "39,9", "1,234"]];
        assert_eq!(residents(&thousands), [Ok(1_234.0)]);
    }

    #[test]
    fn a_decimal_comma_that_matters_is_told_of() {
        let read =
            facilities(&table("id;lon;lat;places\na;116,3;39,9;1.200\nb;116;39;40\n"), &Declared::default()).unwrap();
        assert_eq!(read.used[0].places, Some(1_200));
        let told = "as in `116,3` (row 2, column lon), so that `1.200` (row 2, column places) is 1200";
        assert!(read.remarks.iter().any(|remark| remark.en.contains(told)), "{:?}", read.remarks);
        let read = facilities(&table("id;lon;lat;places\na;116,3;39,9;40\n"), &Declared::default()).unwrap();
        assert!(read.remarks.is_empty(), "{:?}", read.remarks);
        let read = facilities(&table("id;lon;lat;places\na;116.3;39.9;1,200\nb;116;39;12,5\n"), &Declared::default());
        assert!(read.unwrap().rejects[0].why.en.contains("commas mark thousands here"));
    }

    /// A number with a mark between thousands and another before decimals.
    fn written(hundredths: u32, thousands: char, decimal: char) -> String {
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        let grouped = match whole {
            0..1_000 => whole.to_string(),
            _ => format!("{}{thousands}{:03}", whole / 1_000, whole % 1_000),
        };
        if rest == 0 { grouped } else { format!("{grouped}{decimal}{rest:02}") }
    }

    proptest! {
        #[test]
        fn both_conventions_give_the_same_numbers(numbers in prop::collection::vec(0_u32..99_999_999, 1..20)) {
            let read = |thousands, decimal| {
                let rows: Vec<[String; 3]> = numbers
                    .iter()
                    .map(|n| [format!("116{decimal}3"), format!("39{decimal}9"), written(*n, thousands, decimal)])
                    .collect();
                residents(&rows.iter().map(|row| row.each_ref().map(String::as_str)).collect::<Vec<_>>())
            };
            let expected: Vec<_> = numbers.iter().map(|n| Ok(f64::from(*n) / 100.0)).collect();
            prop_assert_eq!(read(',', '.'), expected.clone());
            prop_assert_eq!(read('.', ','), expected);
        }
    }
}
