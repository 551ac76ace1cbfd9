//! The files of a catalog in a folder.

use super::problem::{Problem, Problems};
use super::read::FILE_MAX;
use sha2::{Digest, Sha256};
use std::fs::{DirEntry, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Files of a catalog.
pub(super) const FILES_MAX: usize = 10_000;
/// Files and folders that are looked at, whether or not they belong to the catalog.
const LOOKED_AT_MAX: usize = 1_000_000;
/// Bytes of all files together.
pub(super) const TOTAL_MAX: u64 = 128 * 1024 * 1024;

/// Tells whether anything in a folder may have changed: made of the paths, sizes and times of all
/// files of the catalog, without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of what a text says by itself, such as the hash of a commit.
    pub(super) fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

/// The files of a folder, as they were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    /// The path of each in the folder, and its text; by path.
    pub(crate) texts: Vec<(String, String)>,
    /// When each was written last, Unix seconds, as far as the file system tells.
    pub(crate) written: Vec<Option<i64>>,
}

/// A file of the catalog.
struct Found {
    /// Its path within the folder, with slashes.
    name: String,
    path: PathBuf,
    metadata: Metadata,
}

/// The fingerprint of a folder.
///
/// # Errors
/// The same as [`files`], as far as they show without reading a file.
pub(crate) fn scan(folder: &Path) -> Result<Fingerprint, Vec<Problem>> {
    let mut hash = Sha256::new();
    for Found { name, metadata, .. } in find(folder)? {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(metadata.len().to_be_bytes());
        hash.update(written(&metadata).map_or(0, |it| it.as_nanos()).to_be_bytes());
    }
    Ok(Fingerprint(hash.finalize().into()))
}

/// How long after the beginning of 1970 a file was written last.
fn written(metadata: &Metadata) -> Option<Duration> {
    metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()
}

/// All `*.yaml` and `*.yml` files below a folder. What starts with a dot is left out. Links to files within the folder are followed, as
/// Kubernetes mounts them; other links are not.
///
/// # Errors
/// All files that cannot be read or are too large or no UTF-8; or that there is no file at all,
/// which more likely is a folder that is not mounted than a company without services.
pub(crate) fn files(folder: &Path) -> Result<Files, Vec<Problem>> {
    let mut problems = Problems::default();
    let (mut files, mut total) = (Files::default(), 0);
    for found in find(folder)? {
        match read(&found) {
            Ok(text) => {
                total += text.len() as u64;
                if total > TOTAL_MAX {
                    let text = format!("the catalog is larger than {TOTAL_MAX} bytes");
                    problems.add(&found.name, 0, text);
                    break;
                }
                let written = written(&found.metadata).map(|it| it.as_secs());
                files.written.push(written.and_then(|it| i64::try_from(it).ok()));
                files.texts.push((found.name, text));
            }
            Err(problem) => problems.add(&problem.file, problem.line, problem.text),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems.take_sorted()) }
}

fn read(found: &Found) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let open = File::open(&found.path);
    match open.and_then(|file| file.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes)) {
        Ok(_) => text_of(&found.name, bytes),
        Err(error) => {
            let text = format!("the file cannot be read: {error}");
            Err(Problem { file: found.name.clone(), line: 0, text })
        }
    }
}

/// What is wrong with a file that is too large.
pub(super) fn too_large(file: &str) -> Problem {
    let text = format!("the file is larger than {FILE_MAX} bytes: split it");
    Problem { file: file.to_owned(), line: 0, text }
}

/// The text of a file; why it has none, where it is too large or no UTF-8.
pub(super) fn text_of(file: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    if bytes.len() > FILE_MAX {
        return Err(too_large(file));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let text = "this is not UTF-8: save the file as UTF-8".to_owned();
        Problem { file: file.to_owned(), line, text }
    })
}

/// Whether a file or folder of this name is left out.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

/// Whether a file of this name is one of the catalog.
pub(super) fn is_file(name: &str) -> bool {
    let is_yaml = Path::new(name).extension().is_some_and(|it| it == "yaml" || it == "yml");
    is_yaml && !is_hidden(name.as_bytes())
}

/// The files of the catalog by name.
fn find(folder: &Path) -> Result<Vec<Found>, Vec<Problem>> {
    let mut problems = Problems::default();
    let shown = folder.display().to_string();
    let found = match folder.canonicalize() {
        Ok(root) => search(&root, &mut problems),
        Err(error) => {
            problems.add(&shown, 0, format!("the folder of the catalog cannot be read: {error}"));
            Vec::new()
        }
    };
    if problems.is_empty() && found.is_empty() {
        problems.add(&shown, 0, "there is no *.yaml or *.yml file in this folder");
    }
    if problems.is_empty() { Ok(found) } else { Err(problems.take_sorted()) }
}

fn search(root: &Path, problems: &mut Problems) -> Vec<Found> {
    let mut found = Vec::new();
    let mut looked_at = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let name = name_of(root, &folder);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                problems.add(&name, 0, format!("the folder cannot be read: {error}"));
                continue;
            }
        };
        for entry in entries {
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX || found.len() > FILES_MAX {
                let most = format!("{FILES_MAX} files, or {LOOKED_AT_MAX} of any kind");
                problems.add(&name, 0, format!("the catalog has more than {most}"));
                return found;
            }
            match entry.and_then(|entry| look_at(root, &entry)) {
                Ok(Look::Folder(path)) => folders.push(path),
                Ok(Look::File(file)) => found.push(file),
                Ok(Look::Other) => {}
                // What is gone again was never there; a link may also lead nowhere.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    problems.add(&name, 0, format!("something in here cannot be read: {error}"));
                }
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What an entry of a folder is.
enum Look {
    Folder(PathBuf),
    File(Found),
    /// Nothing of the catalog. A pipe or a device never is.
    Other,
}

fn look_at(root: &Path, entry: &DirEntry) -> io::Result<Look> {
    if is_hidden(entry.file_name().as_encoded_bytes()) {
        return Ok(Look::Other);
    }
    let path = entry.path();
    if entry.file_type()?.is_dir() {
        return Ok(Look::Folder(path));
    }
    if !is_file(&entry.file_name().to_string_lossy()) || !path.canonicalize()?.starts_with(root) {
        return Ok(Look::Other);
    }
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Ok(Look::Other);
    }
    Ok(Look::File(Found { name: name_of(root, &path), path, metadata }))
}

fn name_of(root: &Path, path: &Path) -> String {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    if name.is_empty() { ".".to_owned() } else { name }
}
