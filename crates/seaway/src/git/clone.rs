//! Repositories that are named by a URL: bare copies in the cache.

use super::Error;
use crate::progress::{Line, State};
use gix::ObjectId;
use gix::bstr::BString;
use gix::progress::tree::Root;
use gix::protocol::handshake::Ref;
use gix::refs::Target;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::remote::Direction;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The schemes that are cloned. Others could run commands (`ext::`), or are not of git.
const SCHEMES: [&str; 5] = ["https", "http", "file", "git", "ssh"];
/// What is copied: branches and tags under their own names, and nothing else.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// Whether a repository is named by a URL, and not by a path.
pub(crate) fn is_url(name: &str) -> bool {
    name.contains("://") || name.contains("::")
}

/// A URL as it may be shown: without user name, password and token.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// Clones a repository bare into `folder`, or brings the copy there up to date, while a line tells
/// how far it has come.
///
/// A clone is made beside its place and moved there once it is whole.
pub(crate) fn clone_or_update(
    url: &str,
    folder: &Path,
    interrupted: &'static AtomicBool,
) -> Result<(), Error> {
    let root: Arc<Root> = Root::new();
    let _line = Line::draw({
        let root = Arc::clone(&root);
        move || state(&root)
    });
    copy(url, folder, &root, gix::open::Options::default(), interrupted)
}

/// The same without a word, and without asking anyone for a password: for a server.
pub(super) fn clone_or_update_quietly(
    url: &str,
    folder: &Path,
    interrupted: &'static AtomicBool,
) -> Result<(), Error> {
    let options = gix::open::Options::default()
        .config_overrides(["gitoxide.credentials.terminalPrompt=false"]);
    copy(url, folder, &Root::new(), options, interrupted)
}

fn copy(
    url: &str,
    folder: &Path,
    root: &Arc<Root>,
    options: gix::open::Options,
    interrupted: &'static AtomicBool,
) -> Result<(), Error> {
    let shown = without_credentials(url);
    let failed = |reason: String| match interrupted.load(Ordering::Relaxed) {
        true => Error::Interrupted,
        false => Error::Clone { url: shown.clone(), reason: reason.replace(url, &shown) },
    };
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str())) {
        return Err(Error::Scheme { url: shown });
    }
    let progress = root.add_child("fetching");
    match folder.exists() {
        true => update(folder, url, options, progress, interrupted),
        false => clone(folder, url, options, progress, interrupted),
    }
    .map_err(|error| failed(error.to_string()))
}

fn clone(
    folder: &Path,
    url: &str,
    options: gix::open::Options,
    progress: gix::progress::tree::Item,
    interrupted: &AtomicBool,
) -> gix::Result<()> {
    let beside = Beside::of(folder);
    let mut clone = gix::clone::PrepareFetch::new(
        url,
        &beside.path,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        options,
    )?
    .configure_remote(|mut remote| {
        remote.replace_refspecs(REFSPECS, Direction::Fetch)?;
        Ok(remote.with_fetch_tags(gix::remote::fetch::Tags::None))
    });
    let (repository, _) = clone.fetch_only(progress, interrupted)?;
    forget_credentials(&repository);
    drop(repository);
    drop(clone);
    // Another process may have been first: its copy is as good.
    match std::fs::rename(&beside.path, folder) {
        Err(error) if !folder.exists() => Err(gix::Error::from_error(error)),
        _ => Ok(()),
    }
}

/// Takes the URL out of the configuration of the copy: it may hold a token.
fn forget_credentials(repository: &gix::Repository) {
    let _ = std::fs::write(
        repository.git_dir().join("config"),
        match repository.object_hash() {
            gix::hash::Kind::Sha256 => {
                "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n"
            }
            _ => "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
        },
    );
}

/// Brings a copy up to date: asks which references there are, and fetches those that differ.
fn update(
    folder: &Path,
    url: &str,
    options: gix::open::Options,
    mut progress: gix::progress::tree::Item,
    interrupted: &AtomicBool,
) -> gix::Result<()> {
    let repository = gix::open_opts(folder, options)?;
    let here = copied_references(&repository)?;
    let options = gix::remote::ref_map::Options::default;
    // What HEAD points to is the default branch, which may be another one by now.
    let head = gix::refspec::parse("HEAD".into(), gix::refspec::parse::Operation::Fetch);
    let head = head.map_err(gix::Error::from_error)?.to_owned();
    let with_head = || gix::remote::ref_map::Options { extra_refspecs: vec![head], ..options() };
    let remote = |specs: &[String]| {
        let remote = repository.remote_at(url)?.with_fetch_tags(gix::remote::fetch::Tags::None);
        remote.with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)
    };
    let all = REFSPECS.map(ToOwned::to_owned);
    let (map, _) = remote(&all)?.connect(Direction::Fetch)?.ref_map(&mut progress, with_head())?;
    let there: HashMap<BString, ObjectId> = map
        .remote_refs
        .iter()
        .filter_map(|reference| {
            let (name, target, _) = reference.unpack();
            Some((name.to_owned(), target?.to_owned()))
        })
        .filter(|(name, _)| is_copied(name))
        .collect();
    let changed: Vec<String> = there
        .iter()
        .filter(|(name, target)| here.get(*name) != Some(target))
        .map(|(name, _)| format!("+{name}:{name}"))
        .collect();
    if !changed.is_empty() {
        let specs = if changed.len() > SINGLE_REFS_MAX { &all[..] } else { &changed[..] };
        remote(specs)?
            .connect(Direction::Fetch)?
            .prepare_fetch(&mut progress, options())?
            .receive(&mut progress, interrupted)?;
    }
    let gone = here.keys().filter(|name| !there.contains_key(*name));
    let deletions: Result<Vec<RefEdit>, _> = gone
        .map(|name| {
            let name = name.clone().try_into().map_err(gix::Error::from_error)?;
            let change = Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference };
            Ok::<_, gix::Error>(RefEdit { change, name, deref: false })
        })
        .collect();
    repository.edit_references(deletions?)?;
    let default = map.remote_refs.iter().find_map(|reference| match reference {
        Ref::Symbolic { full_ref_name, target, .. } if full_ref_name == "HEAD" => Some(target),
        _ => None,
    });
    default.map_or(Ok(()), |target| point_head(&repository, target))
}

/// Lets HEAD point to a branch.
fn point_head(repository: &gix::Repository, target: &BString) -> gix::Result<()> {
    let is_there = repository.head_name()?.is_some_and(|name| name.as_bstr() == target);
    if is_there || !target.starts_with(b"refs/heads/") {
        return Ok(());
    }
    let target = target.clone().try_into().map_err(gix::Error::from_error)?;
    let name = BString::from("HEAD").try_into().map_err(gix::Error::from_error)?;
    let change = Change::Update {
        log: LogChange::default(),
        expected: PreviousValue::Any,
        new: Target::Symbolic(target),
    };
    repository.edit_reference(RefEdit { change, name, deref: false })?;
    Ok(())
}

/// From how many changed references on all are fetched by pattern.
const SINGLE_REFS_MAX: usize = 1_000;

fn is_copied(name: &BString) -> bool {
    name.starts_with(b"refs/heads/") || name.starts_with(b"refs/tags/")
}

/// The branches and tags of a copy, with what they point to directly.
fn copied_references(repository: &gix::Repository) -> gix::Result<HashMap<BString, ObjectId>> {
    let mut references = HashMap::new();
    for reference in repository.references()?.all()? {
        let reference = reference?;
        let name = reference.name().as_bstr().to_owned();
        if let Some(target) = reference.target().try_id()
            && is_copied(&name)
        {
            references.insert(name, target.to_owned());
        }
    }
    Ok(references)
}

/// What the clone is at: the task that went on last.
fn state(root: &Root) -> State {
    let mut tasks = Vec::new();
    root.sorted_snapshot(&mut tasks);
    let task = tasks.iter().rev().find_map(|(_, task)| Some((task, task.progress.as_ref()?)));
    match task {
        Some((task, value)) => State {
            what: task.name.clone(),
            done: value.step.load(Ordering::Relaxed) as u64,
            total: value.done_at.map(|total| total as u64),
        },
        None => State { what: "fetching".to_owned(), done: 0, total: None },
    }
}

/// A folder beside its place, removed at the end if it still stands there.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn of(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self { path: folder.with_file_name(format!(".{name}.{}.tmp", std::process::id())) }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        for (url, shown) in [
            ("https://user:token@example.com/a/b.git", "https://example.com/a/b.git"),
            ("https://token@example.com", "https://example.com"),
            ("https://example.com/a?token=x#y", "https://example.com/a"),
            ("file:///srv/a@b.git", "file:///srv/a@b.git"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
