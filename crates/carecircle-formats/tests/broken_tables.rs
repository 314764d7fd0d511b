//! Tables as they come when something went wrong on the way: each gives the message that says where, or is read for what
//! it holds, and none is read for what it isn't.

use carecircle_core::facility::{Facility, Status};
use carecircle_formats::columns::{self, Declared, Sorted, parse_mapping};
use carecircle_formats::table::{LONGEST_CELL, Table, TableError};
use encoding_rs::GB18030;
use std::path::Path;

fn table(bytes: impl AsRef<[u8]>) -> Result<Table, TableError> {
    Table::from_csv(Path::new("t.csv"), bytes.as_ref())
}

fn refused(bytes: impl AsRef<[u8]>) -> String {
    told(&table(bytes).expect_err("a refusal"))
}

/// What an error says, which it says in Chinese too.
fn told(error: &TableError) -> String {
    assert_chinese(&error.in_chinese());
    error.to_string()
}

fn facilities(bytes: impl AsRef<[u8]>) -> Sorted<Facility> {
    let read = columns::facilities(&table(bytes).expect("a table"), &Declared::default()).expect("facilities");
    read.rejects.iter().chain(&read.doubts).for_each(|blamed| assert_chinese(&blamed.why.zh));
    read.remarks.iter().for_each(|remark| assert_chinese(&remark.zh));
    read
}

/// That a text is Chinese, whatever it quotes or names: no two English words stand beside each other.
fn assert_chinese(text: &str) {
    let unquoted: String = text.split('`').step_by(2).collect();
    let is_word = |word: &str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    let words: Vec<&str> = unquoted.split(' ').collect();
    assert!(!words.windows(2).any(|pair| pair.iter().all(|word| is_word(word))), "{text}");
    assert!(text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{text}");
}

/// The rejects, each as row, column and why.
fn rejects(bytes: impl AsRef<[u8]>) -> Vec<(usize, String, String)> {
    facilities(bytes).rejects.into_iter().map(|r| (r.row, r.column, r.why.en)).collect()
}

/// Of the only reject: row, column, and that its reason says so.
fn rejected(bytes: impl AsRef<[u8]>, row: usize, column: &str, why: &str) {
    let all = rejects(bytes);
    let [(found_row, found_column, found_why)] = all.as_slice() else { panic!("one reject, but {all:?}") };
    assert_eq!((*found_row, found_column.as_str()), (row, column), "{found_why}");
    assert!(found_why.contains(why), "{found_why}");
}

fn doubted(bytes: impl AsRef<[u8]>, row: usize, column: &str, why: &str) {
    let read = facilities(bytes);
    assert!(read.rejects.is_empty(), "{:?}", read.rejects);
    let [doubt] = read.doubts.as_slice() else { panic!("one doubt, but {:?}", read.doubts) };
    assert_eq!((doubt.row, doubt.column.as_str()), (row, column), "{}", doubt.why);
    assert!(doubt.why.en.contains(why), "{}", doubt.why);
}

fn ids(read: &Sorted<Facility>) -> Vec<&str> {
    read.used.iter().map(|f| f.id.as_str()).collect()
}

#[test]
fn an_unknown_delimiter_leaves_one_column_and_says_so() {
    let one = table("id^lon^lat\na^1^2\n").unwrap();
    let error = told(&columns::facilities(&one, &Declared::default()).unwrap_err());
    assert!(error.contains("one column alone, `id^lon^lat`") && error.contains("semicolon"), "{error}");
}

#[test]
fn a_table_with_another_delimiter_than_its_header_is_rejected_row_by_row() {
    rejected("id,lon,lat\na;1;2\n", 2, "lon", "is empty");
}

#[test]
fn a_bar_is_a_delimiter_and_a_semicolon_beats_decimal_commas() {
    assert_eq!(ids(&facilities("id|lon|lat\na|1|2\n")), ["a"]);
    let read = facilities("id;lon;lat\na;116,3;39,9\nb;116,4;39,8\n");
    assert_eq!((read.used[0].at.lon(), read.used[0].at.lat()), (116.3, 39.9));
}

#[test]
fn a_line_in_another_encoding_is_named() {
    let mut mixed = "id,name,lon,lat\na,幼苗托育,1,2\n".as_bytes().to_vec();
    mixed.extend_from_slice(&GB18030.encode("b,阳光托育,1,2\n").0);
    let error = refused(&mixed);
    assert!(error.contains("line 3") && error.contains("another encoding than line 2"), "{error}");
    let mut mixed = GB18030.encode("id,name,lon,lat\na,幼苗托育,1,2\nb,蓝天托育,1,2\n").0.into_owned();
    mixed.extend_from_slice("c,阳光托育,1,2\n".as_bytes());
    assert!(refused(&mixed).contains("line 4"), "{}", refused(&mixed));
}

#[test]
fn bytes_of_no_encoding_are_named_by_line() {
    let error = refused(b"id,lon,lat\na,1,2\nb\xff\xff,1,2\n");
    assert!(error.contains("t.csv line 3") && error.contains("neither UTF-8"), "{error}");
    let error = refused(b"\xEF\xBB\xBFid,name\na,\xC3\x28\n");
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn a_merged_title_above_the_header_is_left_out_and_said() {
    let read = facilities("杭州市托育机构名单,,,\n,,,\n机构编号,名称,经度,纬度\na,苗苗,120.1,30.2\n");
    assert_eq!(ids(&read), ["a"]);
    let said: Vec<&str> = read.remarks.iter().map(|r| r.en.as_str()).collect();
    assert!(said.iter().any(|en| en.contains("row 1") && en.contains("杭州市托育机构名单")), "{said:?}");
    // Two cells above the header, and neither is a name that we know.
    assert_eq!(ids(&facilities("托育机构名单,,单位：个\n编号,经度,纬度\na,1,2\n")), ["a"]);
}

#[test]
fn a_header_of_two_lines_under_a_merged_cell_is_one() {
    let read = facilities("编号,经度,纬度,托位数,,\n,,,乳儿班,托小班,托大班\na,1,2,10,20,30\n");
    let ages = [read.used[0].places_infant, read.used[0].places_toddler, read.used[0].places_senior];
    assert_eq!((ages, read.rejects.len()), ([Some(10), Some(20), Some(30)], 0));
    assert!(read.remarks.iter().any(|r| r.en.contains("row 2")));
}

#[test]
fn merged_cells_below_the_first_leave_rows_without_an_id() {
    rejected("id,lon,lat\na,1,2\n,1,2\n", 3, "id", "is empty");
}

#[test]
fn an_empty_file_is_refused() {
    for empty in ["", "\n\n\n", "\u{feff}", "  ", ",,,\n,,\n"] {
        assert!(refused(empty).contains("the table is empty"), "{empty:?}");
    }
}

#[test]
fn a_header_alone_is_a_table_without_a_row() {
    let table = table("id,lon,lat").unwrap();
    assert!(columns::facilities(&table, &Declared::default()).unwrap().used.is_empty());
    assert!(told(&table.require_rows("facility").unwrap_err()).contains("no row"));
}

#[test]
fn swapped_longitude_and_latitude_are_recognised() {
    let read = facilities("id,lon,lat\na,39.9,116.3\nb,39.8,116.4\n");
    assert!(read.rejects.iter().all(|r| r.column == "lat" && r.why.en.contains("look swapped")), "{:?}", read.rejects);
    assert!(read.remarks.iter().any(|r| r.en.contains("--columns lon=lat,lat=lon")), "{:?}", read.remarks);
    let one_of_many = facilities("id,lon,lat\na,39.9,116.3\nb,116.4,39.8\nc,116.4,39.8\n");
    assert_eq!((one_of_many.used.len(), one_of_many.remarks.len()), (2, 0));
}

#[test]
fn formulas_and_their_errors_are_no_values() {
    doubted("id,lon,lat,places\na,1,2,=A1+B1\n", 2, "places", "a formula without its value");
    doubted("id,lon,lat,places\na,1,2,#REF!\n", 2, "places", "a spreadsheet's error");
    rejected("id,lon,lat\na,#DIV/0!,2\n", 2, "lon", "a spreadsheet's error");
    rejected("id,lon,lat\na,1,=VLOOKUP(A2)\n", 2, "lat", "a formula without its value");
    rejected("id,lon,lat\na,1,#######\n", 2, "lat", "widen its column");
}

#[test]
fn a_quotation_mark_that_never_closes_is_named_by_its_line() {
    let error = refused("id,name,lon,lat\na,\"苗苗,1,2\nb,阳光,1,2\n");
    assert!(error.contains("line 2") && error.contains("quotation mark"), "{error}");
    let closed_by_the_next = refused("id,name,lon,lat\na,\"苗苗,1,2\nb,\"阳光\",1,2\n");
    assert!(closed_by_the_next.contains("line 2"), "{closed_by_the_next}");
}

#[test]
fn a_quotation_mark_inside_a_cell_is_text() {
    assert_eq!(
        facilities("id,name,lon,lat\na,the \"blue\" one,1,2\n").used[0].name.as_deref(),
        Some("the \"blue\" one")
    );
}

#[test]
fn a_zero_byte_is_no_text() {
    assert!(refused(b"id,lon,lat\na\0,1,2\n").contains("line 2: a zero byte"));
    let utf16: Vec<u8> = "id,lon,lat\na,1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refused(utf16).contains("UTF-16 without its byte order mark"));
    assert!(refused(b"PK\x03\x04\x14\x00\x06\x00").contains("no text"));
}

#[test]
fn two_million_rows_are_read_and_each_is_checked() {
    let mut text = "id,lon,lat\n".to_owned();
    for i in 0..2_000_000 {
        text.push_str(if i == 1_999_999 { "0,1,2\n" } else { "" });
        text.push_str(&i.to_string());
        text.push_str(",1,2\n");
    }
    let table = table(&text).unwrap();
    assert_eq!(table.rows().len(), 2_000_001);
    let read = columns::points(&table, &Declared::default(), Ok).unwrap();
    assert_eq!((read.used.len(), read.rejects[0].row, read.rejects.len()), (2_000_000, 2_000_001, 1));
}

#[test]
fn a_cell_as_long_as_a_file_is_refused() {
    let mut text = "id,lon,lat,note\na,1,2,".to_owned();
    text.push_str(&"x".repeat(LONGEST_CELL + 1));
    assert!(refused(&text).contains("t.csv row 2: a cell of more than"));
}

#[test]
fn a_file_that_claims_a_gigabyte_is_refused_before_it_is_read() {
    let path = std::env::temp_dir().join(format!("carecircle-gigabyte-{}.csv", std::process::id()));
    // A file with a hole: it takes no room.
    std::fs::File::create(&path).unwrap().set_len(2 << 30).unwrap();
    let error = told(&Table::read(&path).unwrap_err());
    std::fs::remove_file(&path).unwrap();
    assert!(error.contains("2147483648 bytes"), "{error}");
}

#[test]
fn a_row_of_a_million_cells_is_refused_and_one_of_a_million_blanks_is_not() {
    let wide = format!("id,lon,lat\na,1,2{}\n", ",x".repeat(1_000_000));
    assert!(refused(&wide).contains("more than 1000 columns"));
    let blank = format!("id,lon,lat{0}\na,1,2{0}\n", ",".repeat(1_000_000));
    let read = table(&blank).unwrap();
    assert_eq!(read.columns, ["id", "lon", "lat"]);
}

#[test]
fn a_byte_order_mark_in_the_middle_of_joined_files_is_nothing() {
    rejected("\u{feff}id,lon,lat\na,1,2\n\u{feff}id,lon,lat\nb,1,2\n", 3, "id", "header stands there again");
    assert_eq!(ids(&facilities("\u{feff}id,lon,lat\n\u{feff}a,1,2\n")), ["a"]);
}

#[test]
fn thousands_marks_in_degrees_are_not_guessed_away() {
    rejected("id,lon,lat\na,\"116,301,5\",39.9\n", 2, "lon", "`116,301,5` is no number of degrees");
}

#[test]
fn full_width_digits_are_digits() {
    let read = facilities("编号,经度,纬度,托位数\na,１２０．１５,３０．２,６０\n");
    assert_eq!((read.used[0].at.lon(), read.used[0].places), (120.15, Some(60)));
}

#[test]
fn degrees_minutes_and_seconds_are_degrees_and_half_of_them_is_nothing() {
    let read = facilities("id,lon,lat\na,\"120°9'0\"\"E\",北纬30度12分\n");
    assert_eq!((read.used[0].at.lon(), read.used[0].at.lat()), (120.15, 30.2));
    rejected("id,lon,lat\na,120°75',30\n", 2, "lon", "is no number of degrees");
    rejected("id,lon,lat\na,120 9 0,30\n", 2, "lon", "is no number of degrees");
}

#[test]
fn of_two_headers_with_one_meaning_the_first_counts_and_it_is_said() {
    let read = facilities("id,lon,lat,托位数,总托位数\na,1,2,30,40\n");
    assert_eq!((read.used[0].places, read.used[0].other.get("总托位数").unwrap()), (Some(30), "40"));
    assert!(read.remarks[0].en.contains("托位数 and 总托位数 both mean places; 托位数 counts"), "{:?}", read.remarks);
    let twice = facilities("id,lon,lat,note,note,places,places\na,1,2,x,y,5,6\n");
    let other = &twice.used[0].other;
    assert_eq!(
        (other.get("note").unwrap(), other.get("note_2").unwrap(), other.get("places_in_table").unwrap()),
        ("x", "y", "6")
    );
}

#[test]
fn cells_under_a_blank_header_are_kept_by_their_column() {
    let read = facilities("id,,lon,lat\na,kept,1,2,beyond\n");
    assert_eq!(
        (read.used[0].other.get("column_2").unwrap(), read.used[0].other.get("column_5").unwrap()),
        ("kept", "beyond")
    );
}

#[test]
fn a_row_of_totals_is_no_facility() {
    rejected("名称,经度,纬度,托位数\n苗苗,1,2,30\n合计：,,,30\n", 3, "名称", "a row of totals");
    let areas = table("id,level,under3\na,district,30\nTotal,city,30\n").unwrap();
    let read = columns::areas(&areas, &Declared::default()).unwrap();
    assert_eq!((read.used.len(), read.rejects[0].row), (1, 3));
}

#[test]
fn more_children_than_places_and_fewer_than_none_are_rejected() {
    rejected("id,lon,lat,places,enrolled\na,1,2,30,31\n", 2, "enrolled", "31 children are more than its 30 places");
    rejected("id,lon,lat,托位数（个）\na,1,2,-3\n", 2, "托位数（个）", "-3 is no whole number");
    rejected("id,lon,lat\na,1,2\na,1,2\n", 3, "id", "stands in an earlier row too");
}

#[test]
fn a_table_without_ids_calls_its_rows_by_number() {
    let read = facilities("名称,经度,纬度\n苗苗,1,2\n\n阳光,1,2\n");
    assert_eq!(ids(&read), ["row2", "row4"]);
    assert!(read.remarks.iter().any(|r| r.en.contains("no column id") && r.zh.contains("没有编号列")));
}

#[test]
fn a_register_of_addresses_is_all_rejects_that_can_be_filled_in() {
    let register = table("机构名称,地址\n苗苗,建设路1号\n阳光,解放路2号\n").unwrap();
    let read = columns::facilities(&register, &Declared::default()).unwrap();
    assert_eq!((read.used.len(), read.rejects.len()), (0, 2));
    assert!(read.rejects.iter().all(|r| r.column == "lon" && r.why.en.contains("fill in lon and lat")));
    let mut file = Vec::new();
    columns::write_rejects(&mut file, &register, &read.rejects, |why| &why.en).unwrap();
    let text = String::from_utf8(file).unwrap();
    assert!(text.starts_with("\u{feff}机构名称,地址,lon,lat,reject_row"), "{text}");
    let geocoded = text.replace("建设路1号,,", "建设路1号,120.1,30.1").replace("解放路2号,,", "解放路2号,120.2,30.2");
    let mended = facilities(geocoded);
    assert_eq!((mended.used.len(), mended.used[1].at.lon()), (2, 120.2));
    assert!(!mended.used[0].other.iter().any(|(name, _)| name.starts_with("reject")));
}

#[test]
fn a_coordinate_system_that_nobody_knows_is_the_rows_own_fault() {
    let text = "id,lon,lat,坐标系\na,1,2,wgs84\nb,1,2,月球坐标\nc,1,2,\n";
    rejected(text, 3, "坐标系", "月球坐标");
    assert_eq!(ids(&facilities(text)), ["a", "c"]);
}

#[test]
fn a_geometry_in_a_cell_that_is_none_is_rejected_by_its_column() {
    let head = "id,the_geom\n";
    rejected(format!("{head}a,LINESTRING (0 0)\n"), 2, "the_geom", "a POINT, MULTIPOINT");
    rejected(format!("{head}a,POINT (1\n"), 2, "the_geom", "is no geometry");
    rejected(format!("{head}a,\"{{'type': 'Point', 'coordinates': [1\"\n"), 2, "the_geom", "is no GeoJSON");
    rejected(format!("{head}a,\"{{'type': 'MultiPoint', 'coordinates': []}}\"\n"), 2, "the_geom", "has no point");
    rejected(format!("{head}a,POINT (39.9 116.3)\n"), 2, "the_geom", "look swapped");
    rejected(format!("{head}a,\n"), 2, "the_geom", "no coordinates");
    doubted(format!("{head}a,\"MULTIPOINT (1 2, 3 4)\"\n"), 2, "the_geom", "has 2 points; the first is taken");
    doubted("id,wkt,lon,lat\na,POINT (,1,2\n", 2, "wkt", "lon and lat are taken");
    let nested = format!("{head}a,{}1 2\n", "(".repeat(100_000));
    rejected(&nested, 2, "the_geom", "is no geometry");
    let nested = format!("{head}a,\"{{'coordinates':{}\"\n", "[".repeat(100_000));
    rejected(&nested, 2, "the_geom", "is no GeoJSON");
}

#[test]
fn days_that_could_be_months_are_unknown_and_said() {
    doubted("id,lon,lat,开办日期\na,1,2,03/04/2024\n", 2, "开办日期", "day can be told from its month");
    doubted("id,lon,lat,opened\na,1,2,spring\n", 2, "opened", "is no date; write 2024-05-01");
    let read = facilities("id,lon,lat,开办日期,停办日期\na,1,2,2024年5月1日,45413\n");
    let may = jiff::civil::date(2024, 5, 1);
    assert_eq!((read.used[0].opened, read.used[0].closed), (Some(may), Some(may)));
}

#[test]
fn a_status_is_the_highest_step_that_any_column_tells() {
    let text = "id,lon,lat,登记,是否备案\na,1,2,是,否\nb,1,2,是,是\nc,1,2,否,已备案\nd,1,2,,\n";
    let statuses: Vec<Status> = facilities(text).used.iter().map(|f| f.status).collect();
    assert_eq!(statuses, [Status::Registered, Status::Filed, Status::Filed, Status::Unknown]);
    doubted("id,lon,lat,备案\na,1,2,2023-001\n", 2, "备案", "is no yes or no");
}

#[test]
fn a_header_that_may_mean_two_things_is_not_guessed() {
    let read = facilities("id,lon,lat,持证\na,1,2,5\n");
    assert_eq!((read.used[0].staff_certified, read.used[0].status), (None, Status::Unknown));
    assert_eq!(&read.used[0].other["持证"], "5");
    assert!(read.remarks[0].en.contains("--columns licensed=持证"), "{:?}", read.remarks);
    let answered = Declared { mapping: parse_mapping("staff_certified=持证").unwrap(), ..Declared::default() };
    let read = columns::facilities(&table("id,lon,lat,持证\na,1,2,5\n").unwrap(), &answered).unwrap();
    assert_eq!((read.used[0].staff_certified, read.remarks.len()), (Some(5), 0));
}

#[test]
fn a_chinese_register_in_gb18030_reads_as_its_english_twin() {
    let chinese = "统一社会信用代码,机构名称,机构类型,经度,纬度,托位数（个）,乳儿班,托小班,托大班,是否普惠,备案,持证人员,在托人数,开办日期,地址,联系电话\n\
        91,苗苗,社区托育点,120.1,30.1,\"1,200\",１０,20,30,是,是,5,60,2021/9/1,建设路1号,0571-1\n\
        92,阳光,幼儿园托班,120.2,30.2,40,,,,否,否,,,,解放路2号,0571-2\n";
    let english = "id,Facility Name,Facility_Type,Longitude,Latitude,Licensed Capacity,infant spaces,toddlers,places_senior,affordable,is filed,Certified Staff,enrolment,Date Opened,Address,联系电话\n\
        91,苗苗,community,120.1,30.1,1200,10,20,30,yes,yes,5,60,2021-09-01,建设路1号,0571-1\n\
        92,阳光,kindergarten_class,120.2,30.2,40,,,,no,no,,,,解放路2号,0571-2\n";
    let (encoded, _, lossy) = GB18030.encode(chinese);
    assert!(!lossy);
    let (theirs, ours) = (facilities(&encoded), facilities(english));
    assert_eq!(theirs, ours);
    assert_eq!(
        (ours.used[0].places, ours.used[0].status, ours.used[0].inclusive),
        (Some(1_200), Status::Filed, Some(true))
    );
    assert_eq!(&ours.used[1].other["address"], "解放路2号");
}

#[test]
fn what_cannot_all_be_true_is_told_and_stands() {
    let header =
        "id,lon,lat,places,places_infant,places_toddler,staff,staff_certified,opened,closed,min_months,max_months";
    let read = facilities(format!(
        "{header}\na,1,2,20,15,10,5,9,2024-05-01,2020-01-01,24,12\nb,1,2,20,8,12,9,9,2020-01-01,2024-05-01,6,36\n"
    ));
    assert_eq!((read.used.len(), read.used[0].staff_certified), (2, Some(9)));
    let told: Vec<(usize, &str)> = read.doubts.iter().map(|doubt| (doubt.row, doubt.column.as_str())).collect();
    assert_eq!(told, [(2, "staff_certified"), (2, "places"), (2, "closed"), (2, "max_months")]);
}
