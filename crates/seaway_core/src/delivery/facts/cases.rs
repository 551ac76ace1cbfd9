//! Any facts: few things, so that facts meet, and times that contradict each other.

use super::entity::*;
use super::merge::{Earliest, Latest};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// How many commits there are to choose from.
const COMMITS: u8 = 14;

/// The hash of a commit. Two of three share their first ten digits with others.
pub(in crate::delivery) fn hash(commit: u8) -> String {
    format!("{:0>10x}{commit:0>30x}", commit % 3)
}

/// A moment, sometimes one that nobody believes.
fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![40 => (0..60i64).prop_map(|at| 1_000_000 + at), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn earliest() -> impl Strategy<Value = Earliest> {
    option::weighted(0.6, moment()).prop_map(Earliest)
}

fn latest<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Latest<T>> {
    option::weighted(0.7, (0..4i64, value)).prop_map(Latest)
}

fn any_hash() -> impl Strategy<Value = String> {
    (0..COMMITS).prop_map(hash)
}

/// A hash, a short one, or nonsense.
fn named() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any_hash(),
        1 => any_hash().prop_map(|hash| hash[..8].to_owned()),
        1 => any_hash().prop_map(|hash| hash[..39].to_uppercase()),
        1 => Just(String::new()),
        1 => Just("é".repeat(9)),
        1 => Just("0".repeat(40)),
    ]
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(words).prop_map(str::to_owned)
}

fn commits() -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(any_hash(), 0..4)
}

/// More than are kept, once two of them meet.
fn many(most: usize) -> impl Strategy<Value = BTreeSet<String>> {
    let range = (0..most, 0..most).prop_map(|(start, len)| {
        (start..start + len).map(|number| format!("{number:05}")).collect::<BTreeSet<String>>()
    });
    prop_oneof![9 => commits(), 1 => range]
}

fn detail(commit: u8) -> impl Strategy<Value = CommitDetail> {
    let earlier = (0..=255u8).prop_map(move |back| hash(commit.saturating_sub(1 + back % 3)));
    let parent = prop_oneof![12 => earlier, 1 => named()];
    let parents = (0..12u8, vec(parent, 0..3)).prop_map(|(way, parents)| match way {
        0 => Parents::Unknown,
        1..5 => Parents::Assumed(parents.into_iter().take(1).collect()),
        _ => Parents::Exact(parents),
    });
    let times = (option::weighted(0.9, moment()), option::weighted(0.9, moment()));
    let marks = (0..9u8, vec(named(), 0..2), vec(named(), 0..2));
    (parents, times, 0..9u64, marks).prop_map(
        |(parents, (authored_at, committed_at), work, (marks, picks, reverts))| CommitDetail {
            parents,
            authored_at,
            committed_at,
            author: format!("author {}", work % 3),
            subject: format!("subject {work}"),
            work,
            bot: marks == 1,
            assisted: marks == 2,
            revert: marks == 3 || !reverts.is_empty(),
            reverts: if marks % 2 == 1 { reverts } else { Vec::new() },
            picks: if marks > 6 { picks } else { Vec::new() },
        },
    )
}

fn commit() -> impl Strategy<Value = Entity> {
    let paths = || vec(word(&["shop/a", "desk/b", "c"]), 0..3);
    (0..COMMITS)
        .prop_flat_map(|commit| (Just(hash(commit)), option::weighted(0.9, detail(commit))))
        .prop_flat_map(move |known| {
            (Just(known), option::of(named()), option::of(paths()), lines())
        })
        .prop_map(|((hash, detail), pushed_onto, paths, lines)| {
            Entity::Commit(Commit { hash, detail, pushed_onto, paths, lines })
        })
}

/// How many lines something touches, where that is told.
fn lines() -> impl Strategy<Value = Option<u64>> {
    option::weighted(0.8, prop_oneof![9 => 0..5_000u64, 1 => Just(u64::MAX)])
}

/// Reviews with identifiers below `ids`.
fn reviews(
    ids: u8,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = BTreeMap<String, Review>> {
    let verdicts =
        [Verdict::Commented, Verdict::ChangesRequested, Verdict::Approved, Verdict::Dismissed];
    let verdict = proptest::sample::select(verdicts.to_vec());
    let by = proptest::option::of(word(&["ada", "bo"]));
    let review = (moment(), verdict, by).prop_map(|(at, verdict, by)| Review { at, verdict, by });
    btree_map((0..ids).prop_map(|id| id.to_string()), review, count)
}

/// A pull request with so many reviews that two of them hold more than are kept.
pub(in crate::delivery) fn much_reviewed() -> impl Strategy<Value = Entity> {
    reviews(160, 60..REVIEWS_MAX)
        .prop_map(|reviews| Entity::PullRequest(PullRequest { reviews, ..PullRequest::default() }))
}

fn pull() -> impl Strategy<Value = Entity> {
    let times = (earliest(), earliest(), earliest(), earliest());
    let commits = (latest(named()), latest(named()), many(REVIEWS_MAX));
    let texts =
        (latest(word(&["main", "old"])), latest(word(&["", "A title"])), latest(0..5_000_u64));
    (word(&["1", "2", "3", "4"]), times, commits, texts, reviews(3, 0..3), any::<bool>()).prop_map(
        |(number, times, (merge_commit, head, commits), (base, title, lines), reviews, bot)| {
            let (opened_at, merged_at, abandoned_at, authored_at) = times;
            Entity::PullRequest(PullRequest {
                number,
                opened_at,
                merged_at,
                abandoned_at,
                merge_commit,
                head,
                base,
                branch: title.clone(),
                author: title.clone(),
                url: title.clone(),
                title,
                bot,
                commits,
                authored_at,
                lines,
                reviews,
            })
        },
    )
}

fn build() -> impl Strategy<Value = Entity> {
    (named(), word(&["ci", "lint"]), earliest(), earliest(), earliest()).prop_map(
        |(revision, pipeline, started_at, succeeded_at, failed_at)| {
            Entity::Build(Build { revision, pipeline, started_at, succeeded_at, failed_at })
        },
    )
}

const ENVIRONMENTS: &[&str] = &["production", "production", "production", "prod-eu", "staging"];

fn deployment() -> impl Strategy<Value = Entity> {
    let name = (word(ENVIRONMENTS), word(&["1", "2", "3", "4", "5", "6"]));
    // Few revisions, so that some come again.
    let revision = prop_oneof![4 => (0..4u8).prop_map(|one| hash(3 * one)), 1 => named()];
    let what = (latest(revision), latest(word(&["pkg:a", "pkg:b"])), many(COMMITS_MAX));
    let whose =
        (latest(word(&["shop", "shop", "shop", "other"])), option::weighted(0.1, any::<bool>()));
    (name, what, whose, (earliest(), earliest(), earliest())).prop_map(
        |((environment, name), (revision, artifact, commits), (repository, production), times)| {
            let (started_at, succeeded_at, failed_at) = times;
            Entity::Deployment(Deployment {
                environment,
                name,
                revision,
                url: artifact.clone(),
                artifact,
                repository,
                started_at,
                succeeded_at,
                failed_at,
                production,
                commits,
            })
        },
    )
}

fn incident() -> impl Strategy<Value = Entity> {
    let environment = latest(word(&["production", "Prod-EU", "prod", "staging"]));
    let rest = (latest(word(&["1", "2", "none"])), latest(option::of(moment())));
    (word(&["a", "b", "c"]), environment, earliest(), rest).prop_map(
        |(id, environment, opened_at, (deployment, resolved_at))| {
            Entity::Incident(Incident {
                id,
                environment,
                opened_at,
                resolved_at,
                title: deployment.clone(),
                url: deployment.clone(),
                deployment,
            })
        },
    )
}

fn artifact() -> impl Strategy<Value = Entity> {
    (
        word(&["pkg:a", "pkg:b"]),
        latest(named()),
        latest(word(&["shop", "other"])),
        earliest(),
        many(COMMITS_MAX),
    )
        .prop_map(|(id, revision, repository, built_at, services)| {
            let repositories = repository.get().cloned().into_iter().collect();
            Entity::Artifact(Artifact {
                id,
                revision,
                repository,
                repositories,
                built_at,
                services,
            })
        })
}

/// What is said of one thing.
pub(in crate::delivery) fn fact() -> impl Strategy<Value = Entity> {
    let repository = (latest(word(&["main", "old"])), latest(word(&["u", "v"])))
        .prop_map(|(default_branch, url)| Entity::Repository(Repository { default_branch, url }));
    let branch = (word(&["main", "old"]), latest(named()))
        .prop_map(|(name, tip)| Entity::Branch(Branch { name, tip }));
    prop_oneof![
        1 => repository,
        2 => branch,
        14 => commit(),
        4 => pull(),
        2 => build(),
        8 => deployment(),
        2 => incident(),
        1 => artifact(),
    ]
}
