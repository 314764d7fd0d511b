//! Where results go: files that appear whole or not at all, standard output, messages on standard error.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes a file beside its place and renames it when it is complete: nobody ever reads a half.
pub(crate) fn write_whole(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let name = path.file_name().with_context(failed)?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let attempt = || -> Result<()> {
        let mut out = BufWriter::with_capacity(1 << 18, File::create(&beside)?);
        write(&mut out)?;
        out.flush()?;
        drop(out);
        std::fs::rename(&beside, path)?;
        Ok(())
    };
    attempt().inspect_err(|_| _ = std::fs::remove_file(&beside)).with_context(failed)
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    // Nothing is left to tell when standard error is gone.
    _ = writeln!(std::io::stderr(), "{line}");
}
