//! Changes with all their milestones.

use super::graph::Graph;
use super::known::Known;
use super::names::Names;
use super::parts::{Builds, Whole};
use super::pulls::{Pull, Pulls};
use super::{Findings, believed};
use crate::delivery::facts::{CommitDetail, Deployment, Parents, REVIEWS_MAX, Verdict};
use crate::delivery::history::{CommitIndex, NONE};
use crate::delivery::mainline::ChangeKind;
use crate::delivery::measured::{Change, Measured};
use crate::delivery::view::{ChangeRow, Milestone, Milestones};

/// The rows of the changes, oldest first.
pub(super) fn rows(
    known: &Known<'_>,
    names: &Names<'_>,
    graph: &Graph<'_>,
    measured: &Measured,
    carriers: &[&Deployment],
    built: &[Option<i64>],
    findings: &mut Findings,
) -> Vec<ChangeRow> {
    let pulls = Pulls::of(known, names, graph, measured, findings);
    let builds = Builds::of(known, names);
    let changes = Changes { names, graph, measured, pulls, carriers, built, builds };
    let rows: Vec<ChangeRow> =
        measured.changes.iter().filter_map(|change| changes.row(change)).collect();
    let clocks = &measured.clock_problems;
    for &commit in clocks.absurd.iter().chain(&clocks.without_clock) {
        if graph.detail(commit).is_some() {
            findings.add("clock_problem", graph.hashes[commit as usize]);
        }
    }
    for row in rows.iter().filter(|row| !row.moved.is_empty()) {
        findings.add("clock_problem", &row.change);
    }
    rows
}

struct Changes<'w, 'a> {
    names: &'w Names<'a>,
    graph: &'w Graph<'a>,
    measured: &'w Measured,
    pulls: Pulls<'a>,
    /// The deployments that were measured.
    carriers: &'w [&'w Deployment],
    /// By commit, when the first build that contains it had succeeded.
    built: &'w [Option<i64>],
    builds: Builds<'a>,
}

impl<'a> Changes<'_, 'a> {
    /// `None` for the edge of what is known, which is no change.
    fn row(&self, change: &Change) -> Option<ChangeRow> {
        let detail = self.graph.detail(change.commit)?;
        let pull = self.pulls.at(change.position);
        let branch = self.branch(change, pull);
        let raw = self.milestones(change, detail, pull, &branch);
        let (milestones, moved) = mended(raw);
        let author = self.author(change, detail);
        let parts = self.whole(change, pull, &branch, author).parts();
        let brought_by = pull.map(|pull| pull.known);
        let title = brought_by.and_then(|pull| pull.title.get()).filter(|title| !title.is_empty());
        let deployment = self.carriers.get(change.deployment as usize);
        let members = self.measured.mainline.members(change.position);
        let is_assumed = |&commit: &CommitIndex| {
            let detail = self.graph.detail(commit);
            detail.is_some_and(|detail| !matches!(detail.parents, Parents::Exact(_)))
        };
        Some(ChangeRow {
            change: self.graph.hashes[change.commit as usize].to_owned(),
            kind: match change.kind {
                ChangeKind::Merge => "merge",
                ChangeKind::Direct => "direct",
            }
            .to_owned(),
            position: change.position,
            pull_request: brought_by.map(|pull| pull.number.clone()),
            subject: title.unwrap_or(&detail.subject).clone(),
            author: author.to_owned(),
            commits: change.commits,
            lines: self.lines(change, detail, pull, &branch),
            status: change.status,
            reverts: change.reverts,
            bot: change.bot || brought_by.is_some_and(|pull| pull.bot),
            assisted: change.assisted,
            approximate: is_assumed(&change.commit) || members.iter().any(is_assumed),
            milestones,
            moved,
            deployment: deployment.map(|deployment| deployment.name.clone()),
            environment: deployment.map(|deployment| deployment.environment.clone()),
            parts,
        })
    }

    fn whole<'c>(
        &'c self,
        change: &'c Change,
        pull: Option<Pull<'a>>,
        branch: &'c [u32],
        author: &'c str,
    ) -> Whole<'c, 'a> {
        let Self { names, graph, measured, builds, .. } = self;
        Whole { names, graph, measured, builds, change, pull, branch, author }
    }

    /// Who wrote it: of a merge, the author of the work that it brought first.
    fn author(&self, change: &Change, detail: &'a CommitDetail) -> &'a str {
        let members = self.measured.mainline.members(change.position).iter();
        let first = members
            .filter(|_| change.kind == ChangeKind::Merge)
            .filter_map(|&commit| Some((self.graph.detail(commit)?, commit)))
            .min_by_key(|(detail, commit)| {
                (detail.authored_at.unwrap_or(i64::MAX), self.graph.hashes[*commit as usize])
            });
        first.map_or(&detail.author, |(detail, _)| &detail.author)
    }

    /// How many lines it touches. The one commit that a change is knows that best, and of several
    /// commits their pull request: it tells what they come to.
    fn lines(
        &self,
        change: &Change,
        detail: &CommitDetail,
        pull: Option<Pull<'_>>,
        branch: &[u32],
    ) -> Option<u64> {
        let mut members = self.measured.mainline.members(change.position).iter();
        let mut own = || {
            members.try_fold(0_u64, |all, &commit| {
                Some(all.saturating_add(self.graph.commits[commit as usize]?.lines?))
            })
        };
        let pull = pull.filter(|pull| self.is_all_of(change, pull, branch));
        let told = pull.and_then(|pull| pull.known.lines.get().copied());
        match (change.kind, &detail.parents) {
            (ChangeKind::Direct, Parents::Exact(_)) => own().or(told),
            _ => told.or_else(own),
        }
    }

    /// Whether a pull request became this change and no other. One that was rebased, or merged by
    /// moving the branch on, became as many changes as it has commits.
    fn is_all_of(&self, change: &Change, pull: &Pull<'_>, branch: &[u32]) -> bool {
        if change.kind == ChangeKind::Merge || !pull.is_itself {
            return pull.is_itself;
        }
        let is_head = pull.head.and_then(|head| self.graph.index(head)) == Some(change.commit);
        let work = |&number: &u32| Some(self.names.commit(number)?.detail.as_ref()?.work);
        let of_change = self.graph.detail(change.commit).map(|detail| detail.work);
        let is_kept = is_head || branch.iter().any(|number| work(number) == of_change);
        !is_kept || branch.len() == 1
    }

    /// The milestones as they were told. Those of a pull request count only where they lie before
    /// the merge: what people say of a change that is merged already is no stage of its way.
    fn milestones(
        &self,
        change: &Change,
        detail: &CommitDetail,
        pull: Option<Pull<'_>>,
        branch: &[u32],
    ) -> Milestones {
        let mut all = Milestones::default();
        let committed_at = believed(detail.committed_at);
        let merged_at = pull.and_then(|pull| believed(pull.known.merged_at.0));
        if let Some(Pull { known: pull, .. }) = pull {
            let latest = committed_at.max(merged_at);
            let before = |moment: &i64| latest.is_none_or(|latest| *moment <= latest);
            let reviews = || pull.reviews.values();
            let at = |moment: Option<i64>| believed(moment).filter(before);
            let reviewed = reviews().map(|review| review.at).min();
            let approved = reviews().filter(|review| review.verdict == Verdict::Approved);
            all.set(Milestone::Opened, at(pull.opened_at.0));
            all.set(Milestone::Reviewed, at(reviewed));
            all.set(Milestone::Approved, at(approved.map(|review| review.at).min()));
        }
        // A commit that is older than what was said before it was merged was not made by merging
        // (a fast-forward): then the forge knows better. Otherwise it is as `measure` has it.
        let said = all.0.iter().flatten().max().copied();
        let is_older = committed_at.is_none() || committed_at < said;
        let merged = if is_older { merged_at.or(committed_at) } else { committed_at };
        let authored = self.authored(change, pull, branch);
        all.set(Milestone::Authored, authored);
        all.set(Milestone::Merged, merged);
        let deployment = self.measured.deployments.get(change.deployment as usize);
        let deployed = deployment.map(|deployment| deployment.finished_at);
        all.set(Milestone::Deployed, deployed);
        // A build of the time between; one that was repeated later says nothing of this way.
        let from = all.0[..Milestone::Built as usize].iter().flatten().max().copied();
        let built = self.built[change.commit as usize].filter(|&built| {
            Some(built) >= from && deployed.is_none_or(|deployed| built <= deployed)
        });
        all.set(Milestone::Built, built);
        all
    }

    /// When the clock starts. A squash or a rebase hides the first commits of its pull request
    /// from git, so the earliest of those counts that are known; and nobody opens a pull request
    /// before the work on it has begun.
    fn authored(&self, change: &Change, pull: Option<Pull<'_>>, branch: &[u32]) -> Option<i64> {
        let Some(Pull { known: pull, is_itself, .. }) = pull else { return change.authored };
        let authored = |&number: &u32| self.names.commit(number)?.detail.as_ref()?.authored_at;
        let is_hidden = change.kind == ChangeKind::Direct && is_itself;
        let told = believed(pull.authored_at.0).filter(|_| is_hidden);
        let branch = branch.iter().filter_map(|number| believed(authored(number)));
        let told = [change.authored, believed(pull.opened_at.0), told];
        told.into_iter().flatten().chain(branch).min()
    }

    /// The commits of the branch of a pull request that became one commit, as far as they are told:
    /// what its source lists, or what leads to its newest commit.
    fn branch(&self, change: &Change, pull: Option<Pull<'_>>) -> Vec<u32> {
        let Some(Pull { known: pull, head, is_itself: true }) = pull else { return Vec::new() };
        if change.kind != ChangeKind::Direct {
            return Vec::new();
        }
        let listed = pull.commits.iter().filter_map(|hash| self.names.number(hash));
        let line = std::iter::successors(head.filter(|_| pull.commits.is_empty()), |&at| {
            self.names.first_parent(at).filter(|&at| !self.pulls.is_head(at))
        });
        let line = line.take(REVIEWS_MAX).take_while(|&at| !self.is_on_mainline(at));
        listed.chain(line).collect()
    }

    fn is_on_mainline(&self, number: u32) -> bool {
        let brought_by = &self.measured.mainline.brought_by;
        self.graph.index(number).is_some_and(|index| brought_by[index as usize] != NONE)
    }
}

/// Moves milestones up to the one before them, and tells which (rule 9).
fn mended(mut all: Milestones) -> (Milestones, Vec<Milestone>) {
    let mut moved = Vec::new();
    let mut before = None;
    for milestone in Milestone::ALL {
        let Some(moment) = all.get(milestone) else { continue };
        if Some(moment) < before {
            all.set(milestone, before);
            moved.push(milestone);
        } else {
            before = Some(moment);
        }
    }
    (all, moved)
}
