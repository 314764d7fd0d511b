//! GeoPackage: the one table of features in an SQLite database, or the one that is named.

use super::shapes::{Bytes, flag_text, number_text};
use super::{Builder, Form, Geometry, Remark, Table, TableError, named_crs, prj, wkb};
use crate::crs::Crs;
use crate::remark;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::Path;

/// SQLite may take so many bytes.
const MEMORY: i64 = 1 << 28;

/// Reads a GeoPackage; `layer` names the table where there are several.
pub(super) fn read(path: &Path, file: &Path, layer: Option<&str>) -> Result<Table, TableError> {
    let bytes = std::fs::metadata(file).map_err(|source| TableError::Io { path: path.to_owned(), source })?.len();
    let fail = |why: String| TableError::Broken { path: path.to_owned(), what: "a GeoPackage", why };
    let broken = |e: rusqlite::Error| fail(e.to_string());
    let database = open(file).map_err(broken)?;
    let found = layers(&database).map_err(broken)?;
    let names: Vec<String> = found.iter().map(|l| l.name.clone()).collect();
    let layer = match (layer, found.len()) {
        (Some(name), _) => found.into_iter().find(|l| l.name == name),
        (None, 0) => return Err(fail("it holds no table of features".to_owned())),
        (None, 1) => found.into_iter().next(),
        (None, _) => None,
    };
    let layer = layer.ok_or_else(|| TableError::Layers { path: path.to_owned(), names: names.join(", ") })?;
    if !layer.is_table {
        let name = layer.name;
        return Err(fail(format!("{name} is a view or another table's shadow; save it as a table of its own")));
    }
    let mut table = Builder::new(path);
    table.form(Form { format: "GeoPackage", part: Some(layer.name.clone()), ..Form::default() });
    table.stated_crs(layer.stated_crs());
    fill(&database, &layer, bytes, &mut table, &fail)?;
    table.finish()
}

/// Opens the file read-only. Without changes that wait beside it, nothing is locked and no file made beside it.
fn open(file: &Path) -> rusqlite::Result<Connection> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let waiting = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = if waiting {
        Connection::open_with_flags(file, flags)?
    } else {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        let name: String = file
            .canonicalize()
            .unwrap_or_else(|_| file.to_owned())
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        Connection::open_with_flags(format!("file:{name}?immutable=1"), flags | OpenFlags::SQLITE_OPEN_URI)?
    };
    // What the file defines (views, triggers, functions in defaults) is not run beyond plain reading.
    database.execute_batch(&format!(
        "PRAGMA trusted_schema=OFF; PRAGMA query_only=ON; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; \
         PRAGMA cache_size=-8192; PRAGMA hard_heap_limit={MEMORY};"
    ))?;
    Ok(database)
}

/// A table that the package lists.
struct Layer {
    name: String,
    /// The column of geometries, in a table of features.
    geometry: Option<String>,
    organization: String,
    code: i64,
    definition: String,
    is_table: bool,
}

impl Layer {
    fn stated_crs(&self) -> Result<Option<Crs>, String> {
        match (self.organization.as_str(), self.code) {
            // Undefined systems, and tables without a geometry.
            (_, ..=0) => Ok(None),
            (org, code) if org.eq_ignore_ascii_case("EPSG") => named_crs(&format!("EPSG:{code}")),
            _ => prj::crs(&self.definition).map(Some),
        }
    }
}

/// The tables of features; where there are none, those without geometry.
fn layers(database: &Connection) -> rusqlite::Result<Vec<Layer>> {
    let features = "SELECT c.table_name, g.column_name, coalesce(s.organization, ''), \
         coalesce(s.organization_coordsys_id, 0), coalesce(s.definition, '') FROM gpkg_contents c \
         JOIN gpkg_geometry_columns g ON g.table_name = c.table_name \
         LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id WHERE c.data_type = 'features' ORDER BY c.rowid LIMIT 1000";
    let attributes = "SELECT table_name, NULL, '', 0, '' FROM gpkg_contents WHERE data_type = 'attributes' ORDER BY rowid \
         LIMIT 1000";
    for query in [features, attributes] {
        let mut statement = database.prepare(query)?;
        let rows = statement.query_map([], |row| {
            let (name, geometry): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            let (organization, code, definition) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(Layer { is_table: is_table(database, &name)?, name, geometry, organization, code, definition })
        })?;
        let found: Vec<Layer> = rows.collect::<rusqlite::Result<_>>()?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Whether rows are stored under that name: a view may ask for any amount of work.
fn is_table(database: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql: Option<Option<String>> = database
        .query_row("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1", [name], |row| row.get(0))
        .optional()?;
    Ok(sql.flatten().is_some_and(|sql| !sql.trim_start()[..].to_ascii_uppercase().starts_with("CREATE VIRTUAL")))
}

/// A name in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn fill(
    database: &Connection,
    layer: &Layer,
    bytes: u64,
    table: &mut Builder,
    fail: &impl Fn(String) -> TableError,
) -> Result<(), TableError> {
    let broken = |e: rusqlite::Error| fail(e.to_string());
    let mut statement = database.prepare(&format!("SELECT * FROM {}", quoted(&layer.name))).map_err(broken)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let flags = flag_columns(database, &layer.name).map_err(broken)?;
    let is_geometry = |name: &String| layer.geometry.as_ref().is_some_and(|g| g.eq_ignore_ascii_case(name));
    let mut places = Vec::with_capacity(names.len());
    for name in &names {
        places.push(if is_geometry(name) { None } else { Some((table.column(name)?, flags.contains(name))) });
    }
    let mut rows = statement.query([]).map_err(broken)?;
    // A damaged tree may lead to the same page again and again; an honest file is larger than what it holds.
    let mut left = bytes;
    let mut number = 0;
    while let Some(row) = rows.next().map_err(broken)? {
        number += 1;
        table.row(number);
        let mut held = 2;
        for (i, place) in places.iter().enumerate() {
            let value = row.get_ref(i).map_err(broken)?;
            held += match value {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
                _ => 0,
            };
            match (place, value) {
                (None, ValueRef::Blob(blob)) => {
                    if let Some(geometry) = geometry(blob).transpose() {
                        table.geometry(geometry);
                    }
                }
                (Some((column, true)), ValueRef::Integer(flag @ 0..=1)) => table.cell(*column, flag_text(flag == 1)),
                (Some((column, _)), ValueRef::Integer(whole)) => table.cell(*column, &whole.to_string()),
                (Some((column, _)), ValueRef::Real(number)) => table.cell(*column, &number_text(number)),
                (Some((column, _)), ValueRef::Text(text)) => table.cell(*column, &String::from_utf8_lossy(text)),
                _ => {}
            }
        }
        left = left.checked_sub(held).ok_or_else(|| fail("its rows are more than the file can hold".to_owned()))?;
    }
    Ok(())
}

/// The columns that are declared as BOOLEAN.
fn flag_columns(database: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare("SELECT name FROM pragma_table_info(?1) WHERE upper(type) = 'BOOLEAN'")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// A geometry as GeoPackage wraps it: magic, version, flags, system and envelope before the well-known binary.
fn geometry(blob: &[u8]) -> Result<Option<Geometry>, Remark> {
    let mut bytes = Bytes(blob);
    let mut head = || {
        let [b'G', b'P', _, flags] = bytes.array()? else { return None };
        let envelope = match flags >> 1 & 7 {
            0 => 0,
            1 => 32,
            2 | 3 => 48,
            4 => 64,
            _ => return None,
        };
        bytes.take(4 + envelope)?;
        Some(flags)
    };
    let flags = head().ok_or_else(|| remark!("its geometry is none of a GeoPackage", "几何不是 GeoPackage 的格式"))?;
    if flags >> 4 & 1 == 1 { Ok(None) } else { wkb::geometry(bytes.0) }
}
