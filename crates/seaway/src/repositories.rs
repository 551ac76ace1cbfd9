//! Repositories that the command line names.

use crate::error::Error;
use crate::files;
use crate::git::read::Course;
use crate::git::{Repository, cache, clone};
use std::path::Path;

/// Opens a repository, after cloning it if it is named by a URL.
pub(crate) fn open(name: &str, home: Option<&Path>, course: &Course) -> Result<Repository, Error> {
    if !clone::is_url(name) {
        return Ok(Repository::open(Path::new(name))?);
    }
    let Some(home) = home else {
        return Err(Error::input("there is no folder to clone into", "set SEAWAY_CACHE or HOME"));
    };
    let clones = home.join("clones");
    std::fs::create_dir_all(&clones).map_err(|error| files::failed(&clones, &error))?;
    let folder = clones.join(cache::fingerprint(clone::without_credentials(name)) + ".git");
    clone::clone_or_update(name, &folder, course.interrupted)?;
    Ok(Repository::open(&folder)?)
}
