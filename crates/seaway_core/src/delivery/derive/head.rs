//! The commit of the default branch.

use super::known::Known;
use super::landings::Landing;
use super::names::Names;
use super::{Findings, ServiceSpec};
use crate::delivery::facts::Branch;

/// Default branches of repositories that do not tell theirs.
const USUAL: [&str; 2] = ["main", "master"];

/// The commit that the default branch points to.
///
/// Where that commit is not known (its push was missed), or no branch is, the newest commit stands
/// in for it that is known to have reached customers or the default branch: of all that production
/// runs or ran and all that pull requests became, the one with the latest committer time.
pub(super) fn of(
    spec: &ServiceSpec<'_>,
    known: &Known<'_>,
    names: &Names<'_>,
    landings: &[Landing<'_>],
    findings: &mut Findings,
) -> Option<u32> {
    let branch = default_branch(known);
    if let Some(found) = tip(known, names) {
        return Some(found);
    }
    let tip = branch.and_then(|branch| branch.tip.get());
    let is_known = |&number: &u32| names.commit(number).is_some();
    match tip {
        Some(tip) => findings.add("unknown_tip", tip),
        None if known.commits.is_empty() => {}
        None => findings.add("unknown_default_branch", spec.repository.unwrap_or(spec.name)),
    }
    let base = branch.map(|branch| branch.name.as_str());
    let merged = known
        .pulls
        .iter()
        .enumerate()
        .filter(|(_, it)| base.is_none() || it.base.is_none() || is_base(it.base.get(), base))
        .filter_map(|(at, _)| names.pull(at).0);
    let deployed = landings.iter().filter(|it| it.delivers()).filter_map(|it| it.commit);
    merged
        .chain(deployed)
        .filter(is_known)
        .max_by_key(|&number| (committed(names, number), names.hash(number)))
}

/// The commit that the default branch points to, if it is known.
pub(super) fn tip(known: &Known<'_>, names: &Names<'_>) -> Option<u32> {
    let tip = default_branch(known).and_then(|branch| branch.tip.get());
    tip.and_then(|tip| names.find(tip)).filter(|&number| names.commit(number).is_some())
}

fn is_base(told: Option<&String>, base: Option<&str>) -> bool {
    told.map(String::as_str) == base
}

fn committed(names: &Names<'_>, number: u32) -> Option<i64> {
    names.commit(number)?.detail.as_ref()?.committed_at
}

/// The default branch: as the repository says, or as such branches are usually named, or the only
/// one.
pub(super) fn default_branch<'a>(known: &Known<'a>) -> Option<&'a Branch> {
    let find = |name: &str| known.branches.iter().copied().find(|branch| branch.name == name);
    let told = known.repositories.first().and_then(|repository| repository.default_branch.get());
    if let Some(told) = told {
        return find(told);
    }
    let only = || match known.branches[..] {
        [only] => Some(only),
        _ => None,
    };
    USUAL.iter().find_map(|name| find(name)).or_else(only)
}
