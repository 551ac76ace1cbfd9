//! Files that are written whole or not at all.

use crate::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes a file beside its place and moves it there when it is complete. Whatever fails on the
/// way leaves what stood there before, and nothing else.
pub(crate) fn write_whole(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let beside = Beside::of(path);
    let result = File::create(&beside.path).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&beside.path, path)
    });
    result.map_err(|error| failed(path, &error))
}

/// What is said when a file cannot be written.
pub(crate) fn failed(path: &Path, error: &io::Error) -> Error {
    Error::failed(
        format!("{} cannot be written: {error}", path.display()),
        "make room or choose another place; nothing was left half-written",
    )
}

/// A path beside another one, removed at the end if something still stands there.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn of(path: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".{name}.{}-{number}.tmp", std::process::id());
        Self { path: path.with_file_name(name) }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Gone already when all went well.
        let _ = std::fs::remove_file(&self.path);
    }
}
