//! Why a table can't be read at all.

use super::{LARGEST_FILE, LONGEST_CELL, MOST_CELLS, MOST_COLUMNS, MOST_ROWS};
use crate::headers::Column;
use crate::remark::Remark;
use std::path::{Path, PathBuf};

/// Why a table can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file can't be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{} has {bytes} bytes; a table may have {LARGEST_FILE} at most", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The ending of the file's name is none that is read.
    #[error(
        "{}: tables are read from .csv, .tsv, .txt, .xlsx, .xls, .ods, .geojson, .json, .geojsonl, .geojsons, .ndjson, .fgb, \
         .gpkg and .shp",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Text that is neither UTF-8 nor GB18030.
    #[error("{} line {line}: the text is neither UTF-8, UTF-16 nor GB18030; save it as \"CSV UTF-8\"", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The first line that is neither.
        line: usize,
    },
    /// Some lines are UTF-8, others GB18030.
    #[error(
        "{} line {line}: written in another encoding than line {first}, one is UTF-8 and one GB18030; save all as \"CSV UTF-8\"",
        path.display()
    )]
    MixedEncodings {
        /// The file.
        path: PathBuf,
        /// The first line in another encoding than the first that shows one.
        line: usize,
        /// The first line that shows an encoding.
        first: usize,
    },
    /// A zero byte stands in the text.
    #[error(
        "{} line {line}: a zero byte; the file is damaged, no text, or UTF-16 without its byte order mark; save it as \"CSV UTF-8\"",
        path.display()
    )]
    Binary {
        /// The file.
        path: PathBuf,
        /// The first line that has one.
        line: usize,
    },
    /// A cell's quotation mark is not closed where the cell ends.
    #[error("{} line {line}: a quotation mark opens a cell here and is not closed at its end", path.display())]
    OpenQuote {
        /// The file.
        path: PathBuf,
        /// The line of the mark.
        line: usize,
    },
    /// The table has too many columns.
    #[error("{}: more than {MOST_COLUMNS} columns", path.display())]
    TooManyColumns {
        /// The file.
        path: PathBuf,
    },
    /// The table has too many rows.
    #[error("{}: more than {MOST_ROWS} rows; split the table", path.display())]
    TooManyRows {
        /// The file.
        path: PathBuf,
    },
    /// The table has too many cells.
    #[error("{}: more than {MOST_CELLS} filled cells, or more than 4 GiB of text; split the table", path.display())]
    TooManyCells {
        /// The file.
        path: PathBuf,
    },
    /// A cell is too long.
    #[error("{} row {row}: a cell of more than {LONGEST_CELL} bytes", path.display())]
    LongCell {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
    },
    /// There is no header row.
    #[error("{}: the table is empty; its first row must name the columns", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There are no rows where some are needed.
    #[error("{}: the table has no row; one for each {wanted}, with id, lon and lat, was expected", path.display())]
    NoRow {
        /// The file.
        path: PathBuf,
        /// What each row stands for.
        wanted: &'static str,
    },
    /// GeoJSON that is none.
    #[error("{}: not GeoJSON: {why}", path.display())]
    GeoJson {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: Remark,
    },
    /// A file that is damaged, or promises what it doesn't hold.
    #[error("{}: not {what}: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Where and why it is none.
        why: String,
    },
    /// It doesn't say which of the file's tables is meant.
    #[error("{}: which table is meant? It has {names}. Add #NAME to the file's name", path.display())]
    Layers {
        /// The file.
        path: PathBuf,
        /// The tables that there are.
        names: String,
    },
    /// The file states a coordinate system that isn't known.
    #[error("{}: its coordinate system, {name}, is not known; say which it is with --crs", path.display())]
    UnknownCrs {
        /// The file.
        path: PathBuf,
        /// What the file calls it.
        name: String,
    },
    /// Its cells are separated by nothing that is known.
    #[error("{}: one column alone, {header}; cells are separated by a comma, a semicolon, a tab or a |", path.display())]
    OneColumn {
        /// The file.
        path: PathBuf,
        /// Its name.
        header: String,
    },
    /// A column that every row needs is missing.
    #[error("{}: no column {wanted}; found {found}. Name it with --columns {example}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// What is missing.
        wanted: &'static str,
        /// The columns that there are.
        found: String,
        /// A mapping that would help.
        example: &'static str,
    },
}

impl TableError {
    /// The same in Chinese; what other programs' libraries say of a damaged file stands in it as they say it.
    pub fn in_chinese(&self) -> String {
        const SAVE: &str = "请另存为“CSV UTF-8”";
        let path = self.path().display();
        match self {
            Self::Io { .. } => format!("无法读取 {path}"),
            Self::TooLarge { bytes, .. } => format!("{path} 有 {bytes} 字节；表最多 {LARGEST_FILE} 字节"),
            Self::UnknownFormat { .. } => format!(
                "{path}：可读取的表为 .csv、.tsv、.txt、.xlsx、.xls、.ods、.geojson、.json、.geojsonl、.geojsons、.ndjson、.fgb、\
                 .gpkg 和 .shp"
            ),
            Self::Encoding { line, .. } => {
                format!("{path} 第 {line} 行：文本编码既不是 UTF-8、UTF-16，也不是 GB18030；{SAVE}")
            }
            Self::MixedEncodings { line, first, .. } => {
                format!("{path} 第 {line} 行：编码与第 {first} 行不同，一为 UTF-8，一为 GB18030；{SAVE}")
            }
            Self::Binary { line, .. } => {
                format!("{path} 第 {line} 行：有零字节；文件已损坏、不是文本，或是没有字节顺序标记的 UTF-16；{SAVE}")
            }
            Self::OpenQuote { line, .. } => format!("{path} 第 {line} 行：单元格以引号开头，但末尾没有配对的引号"),
            Self::TooManyColumns { .. } => format!("{path}：超过 {MOST_COLUMNS} 列"),
            Self::TooManyRows { .. } => format!("{path}：超过 {MOST_ROWS} 行；请拆分表"),
            Self::TooManyCells { .. } => format!("{path}：非空单元格超过 {MOST_CELLS} 个，或文本超过 4 GiB；请拆分表"),
            Self::LongCell { row, .. } => format!("{path} 第 {row} 行：单元格超过 {LONGEST_CELL} 字节"),
            Self::Empty { .. } => format!("{path}：表是空的；首行应为列名"),
            Self::NoRow { .. } => format!("{path}：表中没有数据行；每行应有 id、lon 和 lat"),
            Self::GeoJson { why, .. } => format!("{path}：不是 GeoJSON：{}", why.zh),
            Self::Broken { what, why, .. } => {
                let what = what.trim_start_matches("an ").trim_start_matches("a ").replace(" workbook", " 工作簿");
                format!("{path}：不是有效的 {what}：{why}")
            }
            Self::Layers { names, .. } => format!("{path}：指哪一个表？其中有 {names}。请在文件名后加 #表名"),
            Self::UnknownCrs { name, .. } => format!("{path}：其坐标系 {name} 未知；请用 --crs 指定"),
            Self::OneColumn { header, .. } => {
                format!("{path}：只有一列 {header}；单元格应以逗号、分号、制表符或 | 分隔")
            }
            Self::MissingColumn { wanted, found, example, .. } => {
                let names = wanted.split(" or ").map(|name| {
                    Column::named(name)
                        .map_or_else(|| name.to_owned(), |column| format!("{}（{name}）", column.name_zh()))
                });
                let wanted = names.collect::<Vec<_>>().join("或");
                format!("{path}：没有{wanted}列；现有 {found}。请用 --columns {example} 指明")
            }
        }
    }

    /// The file.
    fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::TooLarge { path, .. }
            | Self::UnknownFormat { path }
            | Self::Encoding { path, .. }
            | Self::MixedEncodings { path, .. }
            | Self::Binary { path, .. }
            | Self::OpenQuote { path, .. }
            | Self::TooManyColumns { path }
            | Self::TooManyRows { path }
            | Self::TooManyCells { path }
            | Self::LongCell { path, .. }
            | Self::Empty { path }
            | Self::NoRow { path, .. }
            | Self::GeoJson { path, .. }
            | Self::Broken { path, .. }
            | Self::Layers { path, .. }
            | Self::UnknownCrs { path, .. }
            | Self::OneColumn { path, .. }
            | Self::MissingColumn { path, .. } => path,
        }
    }
}
