//! The default branch and the tags.

use super::commit::split_time;
use super::{Error, Repository};
use gix::ObjectId;
use gix::bstr::{BString, ByteSlice};
use gix::glob::wildmatch::Mode;
use gix::objs::{Find, Kind};

/// Links from tag to tag that are followed before a chain counts as broken.
const TAG_CHAIN_MAX: usize = 64;
/// Branches that are taken for the default one where nothing says which is, in this order.
const USUAL_BRANCHES: [&str; 4] = ["main", "master", "trunk", "develop"];

/// The default branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Its short name; `None` where HEAD is detached and nothing else says which it is.
    pub(crate) name: Option<String>,
    pub(crate) tip: ObjectId,
}

/// A tag that leads to a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) commit: ObjectId,
    /// The tagger's time; `None` for a lightweight tag and one without a tagger.
    pub(crate) tagged_at: Option<i64>,
}

/// The tags that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    pub(crate) commits: Vec<Tag>,
    /// Names of tags on trees and blobs.
    pub(crate) others: Vec<String>,
}

/// Whether a name matches as in `git tag --list`.
pub(crate) fn matches(glob: &str, name: &[u8]) -> bool {
    gix::glob::wildmatch(glob.into(), name.as_bstr(), Mode::empty())
}

impl Repository {
    /// Finds the default branch.
    ///
    /// It is the branch that the remote `origin` has for its default; where the local branch of
    /// that name is checked out, or there is no remote, what HEAD points to; where HEAD is
    /// detached or unborn, a branch of a usual name; and a detached HEAD itself at last.
    ///
    /// # Errors
    /// When a branch is there and the commit that it points to is not: a report without a
    /// mainline would be wrong.
    pub(crate) fn default_branch(&self) -> Result<Option<Branch>, Error> {
        let repository = self.inner.to_thread_local();
        let head_name = repository.head_name().ok().flatten();
        let head_short = head_name.map(|name| name.shorten().to_string());
        let origin = repository.try_find_reference("refs/remotes/origin/HEAD").ok().flatten();
        let origin = origin.and_then(|it| Some(it.target().try_name()?.as_bstr().to_string()));
        let mut candidates: Vec<(String, String)> = Vec::new();
        if let Some(full) = origin
            && let Some(short) = full.strip_prefix("refs/remotes/origin/").map(ToOwned::to_owned)
            && head_short.as_ref() != Some(&short)
        {
            candidates.push((full, short));
        }
        candidates.extend(head_short.map(|short| (format!("refs/heads/{short}"), short)));
        for name in USUAL_BRANCHES {
            candidates.push((format!("refs/heads/{name}"), name.to_owned()));
            candidates.push((format!("refs/remotes/origin/{name}"), name.to_owned()));
        }
        for (full, short) in candidates {
            let reference = repository.try_find_reference(full.as_str()).ok().flatten();
            let tip = reference.and_then(|it| it.target().try_id().map(ToOwned::to_owned));
            if let Some(tip) = tip
                && is_commit(&repository, tip)?
            {
                return Ok(Some(Branch { name: Some(short), tip }));
            }
        }
        match repository.head().ok().and_then(|head| Some(head.id()?.detach())) {
            Some(tip) if is_commit(&repository, tip)? => Ok(Some(Branch { name: None, tip })),
            _ => Ok(None),
        }
    }

    /// The names of all tags, in git's order.
    pub(crate) fn tag_names(&self) -> Result<Vec<(BString, ObjectId)>, Error> {
        let refs = |error: gix::Error| Error::Refs { reason: error.to_string() };
        let repository = self.inner.to_thread_local();
        let mut names = Vec::new();
        for reference in repository.references().map_err(refs)?.tags().map_err(refs)? {
            let reference = reference.map_err(refs)?;
            let Some(target) = reference.target().try_id().map(ToOwned::to_owned) else { continue };
            let name = reference.name().as_bstr();
            names.push((name.strip_prefix(b"refs/tags/").unwrap_or(name).into(), target));
        }
        Ok(names)
    }

    /// Follows tags to what they are on. `is_commit` may know a commit without reading it.
    pub(crate) fn resolve_tags(
        &self,
        names: &[(BString, ObjectId)],
        is_commit: &dyn Fn(&ObjectId) -> bool,
    ) -> Result<Tags, Error> {
        let repository = self.apart();
        let mut buffer = Vec::new();
        let mut tags = Tags::default();
        for (name, target) in names {
            let name = name.to_str_lossy().into_owned();
            match follow(&repository, *target, is_commit, &mut buffer)? {
                Some((commit, tagged_at)) => tags.commits.push(Tag { name, commit, tagged_at }),
                None => tags.others.push(name),
            }
        }
        Ok(tags)
    }

    /// The commit that a revision of a deployment record names: a hash, the beginning of one, a
    /// tag or a branch.
    pub(crate) fn resolve_revision(&self, revision: &str) -> Option<ObjectId> {
        let repository = self.for_thread();
        let mut buffer = Vec::new();
        let is_hex = revision.len() >= 7 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        let by_hash = || {
            let prefix = gix::hash::Prefix::from_hex(revision).ok()?;
            let found = repository.objects.lookup_prefix(prefix, None).ok()??.ok()?;
            follow(&repository, found, &|_| false, &mut buffer).ok()?
        };
        if let Some((commit, _)) = is_hex.then(by_hash).flatten() {
            return Some(commit);
        }
        let mut reference =
            ["refs/tags/", "refs/heads/", "refs/remotes/origin/"].iter().find_map(|folder| {
                repository.try_find_reference(&format!("{folder}{revision}")).ok().flatten()
            })?;
        let id = reference.peel_to_id().ok()?.detach();
        repository.find_header(id).is_ok_and(|it| it.kind() == Kind::Commit).then_some(id)
    }
}

/// Whether an object is a commit.
fn is_commit(repository: &gix::Repository, id: ObjectId) -> Result<bool, Error> {
    match repository.try_find_header(id) {
        Ok(Some(header)) => Ok(header.kind() == Kind::Commit),
        Ok(None) => Err(Error::Missing { id }),
        Err(error) => Err(Error::Unreadable { id, reason: error.to_string() }),
    }
}

/// Follows an object to the commit it is or leads to, and tells when the outermost tag was made.
/// `None` if it leads to something else.
///
/// # Errors
/// When an object on the way is missing or damaged: it is not known then what was deployed.
fn follow(
    repository: &gix::Repository,
    start: ObjectId,
    is_commit: &dyn Fn(&ObjectId) -> bool,
    buffer: &mut Vec<u8>,
) -> Result<Option<(ObjectId, Option<i64>)>, Error> {
    let mut id = start;
    let mut tagged_at = None;
    for depth in 0..TAG_CHAIN_MAX {
        let unreadable = |reason: String| Error::Unreadable { id, reason };
        if is_commit(&id) {
            return Ok(Some((id, tagged_at)));
        }
        let header = repository
            .try_find_header(id)
            .map_err(|error| unreadable(error.to_string()))?
            .ok_or(Error::Missing { id })?;
        match header.kind() {
            Kind::Commit => return Ok(Some((id, tagged_at))),
            Kind::Tag => {}
            kind @ (Kind::Tree | Kind::Blob) => {
                // Damage can make a commit look like something else: believe only what fits its
                // hash.
                let object = repository.objects.try_find(&id, buffer);
                let object = object.map_err(|error| unreadable(error.to_string()))?;
                let hash =
                    object.and_then(|it| gix::objs::compute_hash(id.kind(), kind, it.data).ok());
                return match hash == Some(id) {
                    true => Ok(None),
                    false => Err(unreadable("its contents do not fit its hash".to_owned())),
                };
            }
        }
        let object = repository
            .objects
            .try_find(&id, buffer)
            .map_err(|error| unreadable(error.to_string()))?
            .ok_or(Error::Missing { id })?;
        let headers = object.data.split_str(b"\n").take_while(|line| !line.is_empty());
        let mut target = None;
        for line in headers {
            if let Some(hex) = line.strip_prefix(b"object ") {
                target = ObjectId::from_hex(hex).ok();
            } else if let Some(tagger) = line.strip_prefix(b"tagger ")
                && depth == 0
            {
                tagged_at = Some(split_time(tagger).1).filter(|&time| time != i64::MIN);
            }
        }
        id = target.ok_or_else(|| unreadable("it is a tag of nothing".to_owned()))?;
    }
    Ok(None)
}
