//! Pull requests, builds, and the milestones that they bring.

use super::story::{Story, hash, minute, review};
use crate::delivery::facts::{Entity, Latest, Verdict};
use crate::delivery::measured::Status::{Delivered, Waiting};
use crate::delivery::view::Milestone::*;

/// `a`, then a pull request of `b` and `c` that became `m`, then `d`.
fn merged() -> Story {
    let mut story = Story::of_main("d");
    story.commit("a", &[], 0);
    story.commit("b", &["a"], 10);
    story.commit("c", &["b"], 20);
    story.commit("m", &["a", "c"], 60);
    story.commit("d", &["m"], 70);
    story.deploy("v1", "a", 5);
    story.deploy("v2", "d", 100);
    story
}

#[test]
fn a_merge_gets_the_milestones_of_its_pull_request_and_of_its_builds() {
    let mut story = merged();
    let pull = story.pull("7", "c", 25, ("m", 60));
    pull.reviews.insert("1".to_owned(), review(30, Verdict::Commented));
    pull.reviews.insert("2".to_owned(), review(40, Verdict::Dismissed));
    pull.reviews.insert("3".to_owned(), review(50, Verdict::Approved));
    story.build("c", "ci", 22);
    story.build("d", "ci", 75);
    story.build("m", "ci", 80);
    let view = story.view();
    view.changes(&["a", "m", "d"]);
    let milestones = [
        (Authored, 10),
        (Opened, 25),
        (Reviewed, 30),
        (Approved, 50),
        (Merged, 60),
        (Built, 75),
        (Deployed, 100),
    ];
    assert_eq!(view.minutes("m"), milestones);
    let row = view.change("m");
    assert_eq!((row.pull_request.as_deref(), row.subject.as_str()), (Some("7"), "Pull 7"));
    assert_eq!((row.author.as_str(), row.commits), ("b <b@example.com>", 2));
    assert_eq!(row.milestones.stages().map(|(_, seconds)| seconds).sum::<i64>(), 90 * 60);
    assert_eq!(view.change("d").pull_request, None);
    assert_eq!(view.0.findings, []);
}

#[test]
fn what_is_said_after_the_merge_is_no_stage_of_it() {
    let mut story = merged();
    let pull = story.pull("7", "c", 25, ("m", 60));
    pull.reviews.insert("1".to_owned(), review(90, Verdict::Approved));
    story.build("m", "ci", 101);
    let milestones = [(Authored, 10), (Opened, 25), (Merged, 60), (Deployed, 100)];
    assert_eq!(story.view().minutes("m"), milestones);
    // Nor is a build from before it.
    story.build("m", "ci", 59);
    assert_eq!(story.view().minutes("m"), milestones);
}

#[test]
fn a_clock_that_goes_back_is_moved_up_and_told() {
    let mut story = merged();
    let pull = story.pull("7", "c", 25, ("m", 60));
    pull.reviews.insert("1".to_owned(), review(21, Verdict::Approved));
    let view = story.view();
    let milestones = [
        (Authored, 10),
        (Opened, 25),
        (Reviewed, 25),
        (Approved, 25),
        (Merged, 60),
        (Deployed, 100),
    ];
    assert_eq!(view.minutes("m"), milestones);
    assert_eq!(view.change("m").moved, [Reviewed, Approved]);
    assert_eq!(view.found("clock_problem"), [hash("m")]);
}

#[test]
fn a_squash_starts_when_the_first_commit_of_its_pull_request_was_made() {
    let mut story = Story::line(&["a", "b"]);
    story.commit("s", &["b"], 50);
    story.tip("s");
    story.pull("7", "y", 30, ("s", 50));
    // Nothing is known of its own commits, so it began when it was opened at the latest.
    assert_eq!(story.view().minutes("s"), [(Authored, 30), (Opened, 30), (Merged, 50)]);
    // They are known.
    story.commit("x", &["b"], 10);
    story.commit("y", &["x"], 20);
    assert_eq!(story.view().minutes("s"), [(Authored, 10), (Opened, 30), (Merged, 50)]);
    // They are listed.
    story.pull("7", "y", 30, ("s", 50)).commits.insert(hash("y"));
    assert_eq!(story.view().minutes("s")[0], (Authored, 20));
    // The forge tells.
    story.pull("7", "y", 30, ("s", 50)).authored_at = minute(5).into();
    let view = story.view();
    assert_eq!(view.minutes("s")[0], (Authored, 5));
    assert_eq!(view.minutes("b"), [(Authored, 1), (Merged, 1)]);
}

#[test]
fn a_squash_on_top_of_another_pull_request_starts_with_its_own_commits() {
    let mut story = Story::line(&["a", "s"]);
    story.commit("x", &["a"], 10);
    story.commit("y", &["x"], 20);
    story.commit("t", &["s"], 50);
    story.tip("t");
    story.pull("7", "x", 12, ("s", 40));
    story.pull("8", "y", 30, ("t", 50));
    assert_eq!(story.view().minutes("t")[0], (Authored, 20));
}

#[test]
fn a_rebase_belongs_to_the_newest_of_its_commits() {
    let mut story = Story::line(&["a"]);
    story.commit("x", &["a"], 10);
    story.commit("y", &["x"], 20);
    story.commit("r", &["a"], 40).authored_at = Some(minute(10));
    story.commit("s", &["r"], 40).authored_at = Some(minute(20));
    story.tip("s");
    story.pull("7", "y", 25, ("s", 40));
    let view = story.view();
    view.changes(&["a", "r", "s"]);
    assert_eq!(view.minutes("r"), [(Authored, 10), (Merged, 40)]);
    assert_eq!(view.minutes("s"), [(Authored, 10), (Opened, 25), (Merged, 40)]);
}

#[test]
fn a_fast_forward_was_merged_when_the_forge_says_so() {
    let mut story = Story::line(&["a", "b"]);
    let pull = story.pull("7", "b", 10, ("b", 30));
    pull.reviews.insert("1".to_owned(), review(20, Verdict::Approved));
    let view = story.view();
    let milestones = [(Authored, 1), (Opened, 10), (Reviewed, 20), (Approved, 20), (Merged, 30)];
    assert_eq!(view.minutes("b"), milestones);
    assert_eq!(view.found("clock_problem"), [""; 0]);
}

#[test]
fn a_pull_request_without_its_merge_is_found_by_its_commits() {
    let mut story = merged();
    story.pull("7", "c", 25, ("m", 60));
    for entity in &mut story.entities {
        if let Entity::PullRequest(pull) = entity {
            pull.merge_commit = Default::default();
        }
    }
    assert_eq!(story.view().change("m").pull_request.as_deref(), Some("7"));
    for entity in &mut story.entities {
        if let Entity::PullRequest(pull) = entity {
            pull.head = Default::default();
            pull.commits.insert(hash("b"));
        }
    }
    assert_eq!(story.view().change("m").pull_request.as_deref(), Some("7"));
}

#[test]
fn of_several_pull_requests_the_one_that_became_the_change_counts() {
    let mut story = merged();
    story.pull("1", "b", 11, ("c", 20));
    story.pull("2", "c", 25, ("m", 61));
    story.pull("3", "c", 24, ("m", 60));
    assert_eq!(story.view().change("m").pull_request.as_deref(), Some("3"));
}

#[test]
fn a_pull_request_that_did_not_reach_the_mainline_is_told() {
    let mut story = merged();
    story.pull("7", "x", 25, ("y", 60));
    story.pull("8", "x", 25, ("y", 60)).base = crate::delivery::facts::Latest::at(1, "old".into());
    story.pull("9", "x", 25, ("y", 60));
    for entity in &mut story.entities {
        if let Entity::PullRequest(pull) = entity
            && pull.number == "9"
        {
            (pull.merged_at, pull.merge_commit) = Default::default();
        }
    }
    assert_eq!(story.view().found("pull_request_off_mainline"), ["7"]);
}

#[test]
fn a_bot_is_known_by_its_pull_request_too() {
    let mut story = merged();
    story.pull("7", "c", 25, ("m", 60)).bot = true;
    assert!(story.view().change("m").bot);
}

#[test]
fn a_merge_that_was_pushed_as_a_line_is_a_merge_where_its_pull_request_says_so() {
    let mut story = Story::of_main("m");
    story.push(None, &["a"], 0);
    story.push(Some("a"), &["z"], 5);
    story.push(Some("z"), &["b", "c", "m"], 10);
    story.deploy("v1", "a", 1);
    story.deploy("v2", "c", 20);
    story.view().changes(&["a", "z", "b", "c", "m"]);
    story.pull("7", "c", 11, ("m", 12));
    let view = story.view();
    view.changes(&["a", "z", "m"]);
    let row = view.change("m");
    assert_eq!((row.kind.as_str(), row.commits, row.approximate), ("merge", 2, true));
    view.stands("m", Delivered, Some("v2"));
}

#[test]
fn a_merge_among_others_of_a_push_needs_the_list_of_its_pull_request() {
    let mut story = Story::of_main("n");
    story.push(None, &["a"], 0);
    story.push(Some("a"), &["b", "c", "m", "n"], 10);
    story.pull("7", "c", 11, ("m", 12));
    story.view().changes(&["a", "b", "c", "m", "n"]);
    story.pull("7", "c", 11, ("m", 12)).commits.extend([hash("b"), hash("c")]);
    let view = story.view();
    view.changes(&["a", "m", "n"]);
    view.stands("m", Waiting, None);
    assert_eq!(view.change("m").commits, 2);
}

#[test]
fn a_squash_that_was_pushed_is_no_merge() {
    let mut story = Story::of_main("s");
    story.push(None, &["a"], 0);
    story.push(Some("a"), &["x", "y"], 5);
    story.push(Some("a"), &["s"], 10);
    story.pull("7", "y", 8, ("s", 10));
    let view = story.view();
    view.changes(&["a", "s"]);
    assert_eq!((view.change("s").kind.as_str(), view.minutes("s")[0]), ("direct", (Authored, 5)));
}

#[test]
fn the_lines_of_a_merge_are_those_of_its_pull_request_or_of_its_commits() {
    let mut story = merged();
    assert_eq!(story.view().change("m").lines, None);
    // One of two says nothing of them.
    story.lines("b", 30);
    assert_eq!(story.view().change("m").lines, None);
    // What a merge says of itself is not asked for.
    story.lines("m", 1_000);
    story.lines("c", 12);
    assert_eq!(story.view().change("m").lines, Some(42));
    story.pull("7", "c", 25, ("m", 60)).lines = Latest::at(1, 40);
    let view = story.view();
    assert_eq!((view.change("m").lines, view.change("d").lines), (Some(40), None));
    story.pull("7", "c", 25, ("m", 60)).lines = Latest::at(2, 0);
    assert_eq!(story.view().change("m").lines, Some(0));
}

#[test]
fn the_lines_of_a_commit_are_its_own_or_those_of_the_pull_request_that_it_is() {
    let mut story = Story::line(&["a", "s", "t"]);
    story.pull("7", "x", 0, ("s", 1)).lines = Latest::at(0, 50);
    assert_eq!(story.view().change("s").lines, Some(50));
    story.lines("s", 48);
    story.lines("t", 5);
    let view = story.view();
    assert_eq!(["a", "s", "t"].map(|name| view.change(name).lines), [None, Some(48), Some(5)]);
    // A line that was pushed may hide a merge.
    let mut story = Story::of_main("m");
    story.push(None, &["a", "m"], 0);
    story.lines("m", 48);
    story.pull("7", "x", 0, ("m", 1)).lines = Latest::at(0, 50);
    assert_eq!(story.view().change("m").lines, Some(50));
}

#[test]
fn the_lines_of_a_pull_request_that_became_several_changes_are_those_of_none() {
    let mut story = Story::line(&["a", "c"]);
    let work = story.commit("y", &["x"], 20).work;
    story.commit("x", &["a"], 10);
    story.pull("7", "y", 0, ("c", 1)).lines = Latest::at(0, 50);
    // Other work than that of its branch: a squash.
    assert_eq!(story.view().change("c").lines, Some(50));
    story.commit("z", &["c"], 50).work = work;
    story.tip("z");
    story.pull("7", "y", 0, ("z", 51));
    story.pull("8", "y", 0, ("z", 51)).lines = Latest::at(0, 50);
    assert_eq!(story.view().change("z").lines, None);
    // The branch itself was moved on: of one commit, or of more.
    let mut story = Story::line(&["a", "b"]);
    let pull = story.pull("7", "b", 0, ("b", 1));
    pull.lines = Latest::at(0, 50);
    pull.commits.insert(hash("b"));
    assert_eq!(story.view().change("b").lines, Some(50));
    story.pull("7", "b", 0, ("b", 1)).commits.insert(hash("a"));
    assert_eq!(story.view().change("b").lines, None);
}
