//! What could not be understood or linked, and what was mended on the way: rule 12.

use super::build::ReportInput;
use super::model::Finding;
use crate::delivery::history::{CommitIndex, Marks, NONE};
use crate::delivery::measured::{Change, Status};
use std::collections::{HashMap, HashSet};

/// How many rows of a finding are named.
const EXAMPLES: usize = 5;

/// How much of a hash is told: enough to find the commit in any repository.
const HASH: usize = 12;

/// Lists the findings of whoever read the repository, then those of the measure, in a stable order.
/// They are about the whole history, whatever the span.
pub(super) fn of(input: &ReportInput<'_>) -> Vec<Finding> {
    let mut list = List { input, findings: input.findings.clone() };
    list.baseline();
    list.clocks();
    list.work();
    list.deployments();
    list.reverts();
    list.findings
}

struct List<'a> {
    input: &'a ReportInput<'a>,
    findings: Vec<Finding>,
}

impl List<'_> {
    fn baseline(&mut self) {
        let ReportInput { history, measured, .. } = self.input;
        let is_baseline =
            |&commit: &_| measured.commit_status(history, commit) == Some(Status::Baseline);
        self.commits(
            "baseline_commits",
            "Commits in the first deployment, or at the edge of a truncated history: how long \
             they took is not known, so they are not measured.",
            &self.work_commits().filter(is_baseline).collect::<Vec<_>>(),
        );
        let baseline = |change: &&Change| change.status == Status::Baseline;
        self.commits(
            "baseline_changes",
            "Changes that were complete in the first deployment, or are at the edge of a \
             truncated history: they are not measured.",
            &measured.changes.iter().filter(baseline).map(|c| c.commit).collect::<Vec<_>>(),
        );
    }

    fn clocks(&mut self) {
        let measured = self.input.measured;
        let problems = &measured.clock_problems;
        let looked_at = |&commit: &CommitIndex| measured.touches(commit);
        self.commits(
            "absurd_clocks",
            "Commits with an author or committer date that cannot be true: that date counts as \
             missing.",
            &problems.absurd.iter().copied().filter(looked_at).collect::<Vec<_>>(),
        );
        self.commits(
            "merged_before_authored",
            "Changes that by their dates were merged before they were authored: the merge was \
             moved up to that moment.",
            &problems.merged_before_authored,
        );
        self.commits(
            "deployed_before_merged",
            "Changes that by their dates were deployed before they were merged: the deployment \
             was moved up to that moment.",
            &problems.deployed_before_merged,
        );
        self.commits(
            "without_clock",
            "Changes without any date that can be true: they are in no distribution.",
            &problems.without_clock,
        );
    }

    fn work(&mut self) {
        let ReportInput { history, measured, .. } = self.input;
        let picks = history.picks().iter().map(|&(pick, _)| pick);
        let mut repeated: Vec<_> =
            measured.clocks.duplicates.iter().copied().chain(picks).collect();
        repeated.retain(|&commit| measured.touches(commit));
        repeated.sort_unstable();
        repeated.dedup();
        self.commits(
            "duplicates",
            "Commits whose work stands under another hash too (rebased, cherry-picked or \
             backported): they keep the first clock of that work.",
            &repeated,
        );
        self.commits(
            "repeated_changes",
            "Changes that bring only work that had reached the mainline before under another \
             hash: they are measured from the first clock of that work.",
            &self.repeated_changes(),
        );
        let off_mainline = |&commit: &CommitIndex| {
            measured.mainline.brought_by[commit as usize] == NONE
                && measured.attribution.first[commit as usize] != NONE
        };
        self.commits(
            "off_mainline",
            "Commits that were deployed but are not on the default branch: they are in no change, \
             and count in DORA's change lead time only.",
            &self.work_commits().filter(off_mainline).collect::<Vec<_>>(),
        );
    }

    fn deployments(&mut self) {
        let measured = self.input.measured;
        let names = measured.absurd_deployments.iter().map(|deployment| &deployment.name);
        self.add(
            "absurd_deployments",
            "Deployments at a time that cannot be true: they were left out.",
            measured.absurd_deployments.len(),
            names.take(EXAMPLES).cloned().collect(),
        );
        self.add(
            "later_deployments",
            "Deployments after the moment that is told of: they were left out.",
            measured.later_deployments,
            Vec::new(),
        );
        let older_lines = &measured.attribution.older_lines;
        let name = |&number: &u32| measured.deployments[number as usize].name.clone();
        self.add(
            "older_lines",
            "Deployments of an ancestor of what was live that had never been deployed: releases of \
             an older line, which take nothing back. To measure one line by itself, name its tags \
             with --deploys 'tag:…'.",
            older_lines.len(),
            older_lines.iter().take(EXAMPLES).map(name).collect(),
        );
    }

    fn reverts(&mut self) {
        let ReportInput { history, .. } = self.input;
        let known: HashSet<CommitIndex> =
            history.reverts().iter().map(|&(commit, _)| commit).collect();
        let unknown = |&commit: &CommitIndex| {
            history.commit(commit).marks.has(Marks::REVERT) && !known.contains(&commit)
        };
        self.commits(
            "reverts_of_unknown",
            "Reverts of a commit that is not in this history: they count as rework, what they \
             revert does not.",
            &self.work_commits().filter(unknown).collect::<Vec<_>>(),
        );
    }

    /// All commits that carry work and are looked at.
    fn work_commits(&self) -> impl Iterator<Item = CommitIndex> {
        let ReportInput { history, measured, .. } = self.input;
        (0..history.len() as CommitIndex)
            .filter(|&commit| !history.is_merge(commit) && measured.touches(commit))
    }

    /// Changes after the baseline of which every commit repeats the work of an older change.
    fn repeated_changes(&self) -> Vec<CommitIndex> {
        let ReportInput { history, measured, .. } = self.input;
        let brought_by = &measured.mainline.brought_by;
        let work = |commit: CommitIndex| history.commit(commit).work;
        // The first place of every piece of work that has several; most have one.
        let several = measured.clocks.duplicates.iter().map(|&commit| (work(commit), NONE));
        let mut first_place: HashMap<u64, u32> = several.collect();
        if !first_place.is_empty() {
            for commit in (0..history.len() as CommitIndex).filter(|&c| !history.is_merge(c)) {
                if let Some(place) = first_place.get_mut(&work(commit)) {
                    *place = brought_by[commit as usize].min(*place);
                }
            }
        }
        let origins: HashMap<CommitIndex, CommitIndex> = history.picks().iter().copied().collect();
        let is_repeated = |commit: CommitIndex, position: u32| {
            let twin = first_place.get(&work(commit)).copied();
            let origin = origins.get(&commit).map(|&origin| brought_by[origin as usize]);
            twin.into_iter().chain(origin).any(|place| place < position)
        };
        let repeats = |change: &&Change| {
            let members = measured.mainline.members(change.position).iter().copied();
            change.status != Status::Baseline
                && members
                    .filter(|&commit| measured.touches(commit))
                    .all(|commit| is_repeated(commit, change.position))
        };
        match first_place.is_empty() && origins.is_empty() {
            true => Vec::new(),
            false => measured.changes.iter().filter(repeats).map(|c| c.commit).collect(),
        }
    }

    fn commits(&mut self, kind: &'static str, message: &str, commits: &[CommitIndex]) {
        let short = |&commit: &_| (self.input.hash)(commit).chars().take(HASH).collect();
        let examples = commits.iter().take(EXAMPLES).map(short).collect();
        self.add(kind, message, commits.len(), examples);
    }

    fn add(&mut self, kind: &'static str, message: &str, count: usize, examples: Vec<String>) {
        if count > 0 {
            self.findings.push(Finding { kind, count, message: message.to_owned(), examples });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{LATEST, Story, source};
    use super::super::{ReportInput, build};
    use super::*;
    use crate::delivery::history::Commit;

    const T: i64 = 1_000_000;

    /// The findings of a story: kind, count and examples.
    fn findings(story: &Story) -> Vec<(&'static str, usize, Vec<String>)> {
        let findings = story.report().data_quality.into_iter();
        findings.map(|finding| (finding.kind, finding.count, finding.examples)).collect()
    }

    fn found(story: &Story, kind: &str) -> Option<(usize, Vec<String>)> {
        let mut findings = findings(story).into_iter();
        findings.find(|finding| finding.0 == kind).map(|(_, count, examples)| (count, examples))
    }

    /// The short hashes that the fixture gives to commits.
    fn commits(commits: &[CommitIndex]) -> Option<(usize, Vec<String>)> {
        let hash = |commit: &CommitIndex| format!("{commit:040x}")[..12].to_owned();
        Some((commits.len(), commits.iter().map(hash).collect()))
    }

    fn names(names: &[&str]) -> Option<(usize, Vec<String>)> {
        Some((names.len(), names.iter().map(|&name| name.to_owned()).collect()))
    }

    #[test]
    fn nothing_odd_is_no_finding_but_the_baseline() {
        assert_eq!(findings(&Story::new()), []);
        let story = Story::of_lives(T, &[(T + 1, 1)]);
        let zero = vec!["000000000000".to_owned()];
        assert_eq!(
            findings(&story),
            [("baseline_commits", 1, zero.clone()), ("baseline_changes", 1, zero)]
        );
    }

    #[test]
    fn examples_are_at_most_five() {
        let mut story = Story::new();
        for at in 0..9 {
            story.direct(T + at, T + at);
        }
        story.deploy("v0", 8, T + 10);
        let (count, examples) = found(&story, "baseline_commits").unwrap();
        assert_eq!((count, examples.len()), (9, 5));
    }

    #[test]
    fn findings_of_the_reader_come_first() {
        let story = Story::of_lives(T, &[]);
        let measured = story.measured();
        let message = String::new();
        let shallow = Finding { kind: "shallow", count: 1, message, examples: Vec::new() };
        let report = build(&ReportInput {
            history: &story.history,
            measured: &measured,
            source: source(),
            since: None,
            until: None,
            time_zone: &story.time_zone,
            sizes: None,
            unsuccessful_deployments: 4,
            hash: &|commit| commit.to_string(),
            subject: &|_| String::new(),
            findings: vec![shallow.clone()],
        });
        assert_eq!(report.data_quality[0], shallow);
        assert_eq!(report.data_quality[1].kind, "baseline_commits");
        assert_eq!(report.rework.unsuccessful_deployments, 4);
    }

    #[test]
    fn clocks_that_were_mended() {
        let mut story = Story::of_lives(T, &[]);
        let absurd = story.direct(LATEST + 1, T + 50);
        let early_merge = story.direct(T + 100, T + 60);
        story.deploy("v1", early_merge, T + 200);
        let early_deployment = story.direct(T + 300, T + 300);
        story.deploy("v2", early_deployment, T + 250);
        let timeless = story.direct(0, 0);
        story.deploy("v3", timeless, T + 400);
        story.as_of = Some(T + 500);
        assert_eq!(found(&story, "absurd_clocks"), commits(&[absurd, timeless]));
        assert_eq!(found(&story, "merged_before_authored"), commits(&[early_merge]));
        assert_eq!(found(&story, "deployed_before_merged"), commits(&[early_deployment]));
        // Without any other date the clock starts with the deployment.
        assert_eq!(found(&story, "without_clock"), None);
        let timeless = story.direct(0, 0);
        assert_eq!(found(&story, "without_clock"), commits(&[timeless]));
        story.touches = Some((0..timeless).map(|commit| commit < 2).chain([false]).collect());
        assert_eq!(found(&story, "absurd_clocks"), commits(&[absurd]));
    }

    /// Work 77 comes to a release branch, is cherry-picked to the mainline as a commit of its own
    /// and comes there once more by a merge of both.
    #[test]
    fn work_under_several_hashes() {
        let mut story = Story::of_lives(T, &[]);
        let twin = Commit { authored: T + 5, committed: T + 6, work: 77, marks: Marks::default() };
        let on_branch = story.push(twin, &[0]);
        story.deploy("v0.1", on_branch, T + 7);
        let first = story.push(Commit { committed: T + 8, ..twin }, &[0]);
        let other = story.push(Commit { committed: T + 9, ..twin }, &[0]);
        let merge = story.commit(T + 10, T + 10, &[first, other]);
        let picked = story.commit(T + 11, T + 11, &[merge]);
        story.history.link_pick(picked, on_branch);
        let picked_again = story.commit(T + 12, T + 12, &[picked]);
        story.history.link_pick(picked_again, picked);
        story.head = Some(picked_again);
        assert_eq!(found(&story, "duplicates"), commits(&[first, other, picked, picked_again]));
        // The origin of the first pick is not on the mainline, that of the second is.
        assert_eq!(found(&story, "repeated_changes"), commits(&[merge, picked_again]));
        assert_eq!(found(&story, "off_mainline"), commits(&[on_branch]));
    }

    #[test]
    fn work_that_comes_twice_at_once_had_not_come_before() {
        let mut story = Story::of_lives(T, &[]);
        let twin = Commit { authored: T + 5, committed: T + 6, work: 77, marks: Marks::default() };
        let one = story.push(twin, &[0]);
        let two = story.push(twin, &[one]);
        story.head = Some(story.commit(T + 10, T + 10, &[0, two]));
        assert_eq!(found(&story, "duplicates"), commits(&[two]));
        assert_eq!(found(&story, "repeated_changes"), None);
    }

    #[test]
    fn deployments_that_were_left_out_or_look_like_another_line() {
        let mut story = Story::of_lives(T, &[(T + 10, 1), (T + 20, 1)]);
        story.deploy("v2", 2, T + 22);
        story.deploy("back", 1, T + 30);
        story.deploy("0.9.1", 0, T + 31);
        story.deploy("never", 2, LATEST + 5);
        story.deploy("tomorrow", 2, T + 90);
        story.as_of = Some(T + 50);
        assert_eq!(found(&story, "absurd_deployments"), names(&["never"]));
        assert_eq!(found(&story, "later_deployments"), Some((1, Vec::new())));
        assert_eq!(found(&story, "older_lines"), None);

        let mut story = Story::new();
        let old = story.direct(T, T);
        let new = story.direct(T + 1, T + 1);
        story.deploy("2.0", new, T + 2);
        story.deploy("1.9", old, T + 3);
        assert_eq!(found(&story, "older_lines"), names(&["1.9"]));
    }

    #[test]
    fn reverts_of_what_is_not_here() {
        let mut story = Story::of_lives(T, &[(T + 1, 1)]);
        let known = story.marked(T + 5, Marks::REVERT);
        story.history.link_revert(known, 1);
        let unknown = story.marked(T + 6, Marks::REVERT);
        assert_eq!(found(&story, "reverts_of_unknown"), commits(&[unknown]));
    }
}
