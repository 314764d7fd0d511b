//! OpenDocument spreadsheets, cell by cell.
//!
//! Read here, not by calamine, which never comes back from a file that is cut off and writes out repeated rows by the
//! hundred million.

use super::shapes::{flag_text, number_text};
use super::workbook::{Sheet, Wanted, iso_text};
use super::{MOST_COLUMNS, Table, TableError, archive};
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use std::io::{BufRead, BufReader};

/// Rows and cells that are written once and repeated make so many cells at most.
const MOST_REPEATED: usize = 1 << 22;

/// Reads an OpenDocument spreadsheet.
pub(super) fn read(wanted: Wanted<'_>) -> Result<Table, TableError> {
    let fail = wanted.fail("an ODS workbook");
    let mut archive = archive::check(wanted.file).map_err(&fail)?;
    let names = {
        let content = archive.by_name("content.xml").map_err(|e| fail(e.to_string()))?;
        Content::new(BufReader::new(content)).names().map_err(&fail)?
    };
    wanted.choose(&names, |name| {
        let content = archive.by_name("content.xml").map_err(|e| fail(e.to_string()))?;
        let sheet = Sheet::new(wanted.path, "ODS", name);
        Content::new(BufReader::new(content)).fill(name, sheet, &fail)
    })
}

/// The contents of a spreadsheet, event by event.
struct Content<R> {
    xml: Reader<R>,
    buffer: Vec<u8>,
}

/// An attribute's value.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = element.try_get_attribute(name).map_err(|e| e.to_string())?;
    let value = found.map(|a| a.normalized_value(XmlVersion::Implicit1_0).map(std::borrow::Cow::into_owned));
    value.transpose().map_err(|e| e.to_string())
}

/// How often an element is repeated.
fn repeats(element: &BytesStart<'_>, name: &str) -> Result<usize, String> {
    let Some(count) = attribute(element, name)? else { return Ok(1) };
    count.parse().map_err(|_| format!("{name} is {count}, no count"))
}

impl<R: BufRead> Content<R> {
    fn new(content: R) -> Self {
        let mut xml = Reader::from_reader(content);
        xml.config_mut().expand_empty_elements = true;
        Self { xml, buffer: Vec::new() }
    }

    /// The next event; the end of the file is one that nobody expects.
    fn next(&mut self) -> Result<Event<'_>, String> {
        self.buffer.clear();
        match self.xml.read_event_into(&mut self.buffer).map_err(|e| e.to_string())? {
            Event::Eof => Err("it is cut off".to_owned()),
            event => Ok(event),
        }
    }

    /// The names of the sheets.
    fn names(mut self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        loop {
            match self.next()? {
                Event::Start(e) if e.name().as_ref() == "table:table" => {
                    names.extend(attribute(&e, "table:name")?);
                }
                Event::End(e) if e.name().as_ref() == "office:document-content" => return Ok(names),
                _ => {}
            }
        }
    }

    /// Fills a sheet with the cells of the table of that name.
    fn fill(mut self, name: &str, mut sheet: Sheet, fail: &impl Fn(String) -> TableError) -> Result<Table, TableError> {
        loop {
            match self.next().map_err(fail)? {
                Event::Start(e)
                    if e.name().as_ref() == "table:table"
                        && attribute(&e, "table:name").map_err(fail)?.as_deref() == Some(name) =>
                {
                    break;
                }
                _ => {}
            }
        }
        let (mut row, mut written) = (0_usize, 0);
        loop {
            match self.next().map_err(fail)? {
                Event::Start(e) if e.name().as_ref() == "table:table-row" => {
                    let times = repeats(&e, "table:number-rows-repeated").map_err(fail)?;
                    let cells = self.row().map_err(|why| fail(format!("row {}: {why}", row + 1)))?;
                    if !cells.is_empty() {
                        written += cells.len().saturating_mul(times - usize::from(times > 0));
                        if written > MOST_REPEATED {
                            return Err(fail(format!("row {} repeats too many cells", row + 1)));
                        }
                        for at in row..row.saturating_add(times) {
                            cells.iter().try_for_each(|(column, text)| sheet.cell(at, *column, text.clone()))?;
                        }
                    }
                    row = row.saturating_add(times);
                }
                Event::End(e) if e.name().as_ref() == "table:table" => return sheet.finish(),
                _ if sheet.is_refused() => return sheet.finish(),
                _ => {}
            }
        }
    }

    /// The cells of a row that hold anything, each with its column.
    fn row(&mut self) -> Result<Vec<(usize, String)>, String> {
        let mut cells = Vec::new();
        let mut column = 0_usize;
        loop {
            match self.next()? {
                Event::Start(e) if matches!(e.name().as_ref(), "table:table-cell" | "table:covered-table-cell") => {
                    let times = repeats(&e, "table:number-columns-repeated")?;
                    let told = Told::by(&e)?;
                    let written = self.paragraphs()?;
                    let text = told.text.unwrap_or(written);
                    if !text.trim().is_empty() {
                        for at in column..column.saturating_add(times).min(MOST_COLUMNS + 1) {
                            cells.push((at, text.clone()));
                        }
                    }
                    column = column.saturating_add(times);
                }
                Event::End(e) if e.name().as_ref() == "table:table-row" => return Ok(cells),
                _ => {}
            }
        }
    }

    /// What a cell shows: its paragraphs, without the comments on it.
    fn paragraphs(&mut self) -> Result<String, String> {
        let (mut text, mut depth, mut comment, mut paragraphs) = (String::new(), 0, 0, 0);
        loop {
            match self.next()? {
                Event::Start(e) => {
                    depth += 1;
                    match e.name().as_ref() {
                        "office:annotation" => comment = depth,
                        "text:p" if comment == 0 => {
                            paragraphs += 1;
                            if paragraphs > 1 {
                                text.push('\n');
                            }
                        }
                        "text:s" | "text:tab" | "text:line-break" if comment == 0 => text.push(' '),
                        _ => {}
                    }
                }
                Event::End(_) if depth == 0 => return Ok(text),
                Event::End(_) => {
                    if comment == depth {
                        comment = 0;
                    }
                    depth -= 1;
                }
                Event::Text(t) if comment == 0 => text.push_str(&t.xml10_content()),
                Event::CData(t) if comment == 0 => text.push_str(&t.xml10_content()),
                Event::GeneralRef(r) if comment == 0 => {
                    let named = match r.as_ref() {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => r.resolve_char_ref().map_err(|e| e.to_string())?,
                    };
                    text.extend(named);
                }
                _ => {}
            }
        }
    }
}

/// What a cell's attributes tell of its value; without, its paragraphs do.
struct Told {
    text: Option<String>,
}

impl Told {
    fn by(cell: &BytesStart<'_>) -> Result<Self, String> {
        let value = |name: &str| attribute(cell, name);
        let kind = value("office:value-type")?;
        let is_error = value("calcext:value-type")?.as_deref() == Some("error");
        let text = match kind.as_deref() {
            _ if is_error => None,
            Some("float" | "percentage" | "currency") => {
                value("office:value")?.map(|number| number.parse().map_or(number, number_text))
            }
            Some("date") => value("office:date-value")?.map(|date| iso_text(&date).to_owned()),
            Some("boolean") => value("office:boolean-value")?.map(|flag| flag_text(flag == "true").to_owned()),
            Some("string") => value("office:string-value")?,
            _ => None,
        };
        Ok(Self { text })
    }
}
