//! The first successful build that contains a commit.

use super::believed;
use super::graph::Graph;
use super::known::Known;
use super::names::Names;
use crate::delivery::history::CommitIndex;

/// By commit, when the first build of a revision that `is_meant` and contains it had succeeded. Each
/// commit is visited once: builds come in the order of success, and a walk stops at what is built
/// already.
pub(super) fn of(
    known: &Known<'_>,
    names: &Names<'_>,
    graph: &Graph<'_>,
    is_meant: impl Fn(CommitIndex) -> bool,
) -> Vec<Option<i64>> {
    let mut builds: Vec<(i64, CommitIndex)> = known
        .builds
        .iter()
        .filter_map(|build| {
            let succeeded_at = believed(build.succeeded_at.0)?;
            let revision = graph.index(names.find(&build.revision)?)?;
            is_meant(revision).then_some((succeeded_at, revision))
        })
        .collect();
    builds.sort_unstable();
    let mut built = vec![None; graph.history.len()];
    let mut stack = Vec::new();
    for (succeeded_at, revision) in builds {
        stack.push(revision);
        while let Some(commit) = stack.pop() {
            if built[commit as usize].is_none() {
                built[commit as usize] = Some(succeeded_at);
                stack.extend_from_slice(graph.history.parents(commit));
            }
        }
    }
    built
}
