//! Where results go: files that appear whole or not at all, standard output, messages on standard error.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Files that appear together: each is written beside its place, and all are renamed when the last is complete, so that
/// nobody ever reads a half. Dropped before that, it leaves nothing behind.
#[derive(Default)]
pub(crate) struct Together {
    parts: Vec<Part>,
}

/// A file that waits beside its place.
struct Part {
    beside: PathBuf,
    place: PathBuf,
}

impl Together {
    /// Writes one of the files. A device or a pipe is written straight into, for a rename would put a file in its place; of
    /// a link the file that it leads to is replaced.
    pub(crate) fn write(&mut self, path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
        let failed = || format!("cannot write {}", path.display());
        let fill = |place: &Path| -> Result<()> {
            let mut out = BufWriter::with_capacity(1 << 18, File::create(place)?);
            write(&mut out)?;
            Ok(out.flush()?)
        };
        // What doesn't exist yet is a file to be.
        let is_file = path.metadata().map_or(true, |there| there.is_file());
        if !is_file || path.starts_with("/dev") {
            return fill(path).with_context(failed);
        }
        let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let name = place.file_name().with_context(failed)?.to_string_lossy();
        let beside = place.with_file_name(format!(".{name}.{}.part", std::process::id()));
        self.parts.push(Part { beside: beside.clone(), place });
        fill(&beside).with_context(failed)
    }

    /// Puts all of them in their places.
    pub(crate) fn appear(self) -> Result<()> {
        for Part { beside, place } in &self.parts {
            std::fs::rename(beside, place).with_context(|| format!("cannot write {}", place.display()))?;
        }
        Ok(())
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        for Part { beside, .. } in &self.parts {
            _ = std::fs::remove_file(beside);
        }
    }
}

/// Writes one file, whole or not at all, see [`Together`].
pub(crate) fn write_whole(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let mut file = Together::default();
    file.write(path, write)?;
    file.appear()
}

/// Tables whose rejected rows are written to a file of their own.
pub(crate) const LAYERS: [&str; 7] = ["facilities", "blocks", "areas", "population", "from", "to", "candidates"];

/// A file beside OUT, named after it.
pub(crate) fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = out.into();
    name.push(ending);
    name.into()
}

/// Where rejected rows may go beside OUT.
pub(crate) fn rejects_of(out: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    let layers = LAYERS.iter().map(|layer| format!(".{layer}"));
    std::iter::once(String::new()).chain(layers).map(|layer| beside(out, &format!("{layer}.rejects.csv")))
}

/// What may be written or removed beside OUT.
pub(crate) fn companions(out: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    rejects_of(out).chain(std::iter::once(beside(out, ".about.json")))
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    // Nothing is left to tell when standard error is gone.
    _ = writeln!(std::io::stderr(), "{line}");
}
