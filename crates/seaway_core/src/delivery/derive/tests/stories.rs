//! Deployments, rollbacks, incidents and what is not known.

use super::story::{Story, hash, minute, spec};
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::derive::{ServiceSpec, derive};
use crate::delivery::facts::{Commit, Entity, Latest, Parents};
use crate::delivery::measured::Status::{Baseline, Delivered, Rework, Waiting};
use crate::delivery::view::{Milestone::*, ServiceView};

#[test]
fn of_nothing_there_is_nothing_to_see() {
    assert_eq!(derive(&spec(), &[]), ServiceView::default());
}

#[test]
fn the_first_deployment_is_the_baseline_and_the_next_one_delivers() {
    let mut story = Story::line(&["a", "b", "c", "d"]);
    story.deploy("v1", "b", 10);
    story.deploy("v2", "c", 20);
    let view = story.view();
    view.changes(&["a", "b", "c", "d"]);
    view.stands("a", Baseline, None);
    view.stands("b", Baseline, None);
    view.stands("c", Delivered, Some("v2"));
    view.stands("d", Waiting, None);
    assert_eq!(view.minutes("c"), [(Authored, 2), (Merged, 2), (Deployed, 20)]);
    assert_eq!(view.minutes("d"), [(Authored, 3), (Merged, 3)]);
    assert_eq!(view.change("c").subject, "Make c");
    assert_eq!(view.change("c").author, "c <c@example.com>");
    assert!(!view.change("c").approximate);
    let (first, second) = (view.deployment("v1"), view.deployment("v2"));
    assert_eq!((first.kind, first.changes), (Some(DeploymentKind::First), 0));
    assert_eq!((second.kind, second.changes), (Some(DeploymentKind::Normal), 1));
    assert_eq!((&first.replaced, second.replaced.as_deref()), (&None, Some("v1")));
    assert_eq!(view.0.newest, Some(minute(20)));
    assert_eq!(view.0.findings, []);
}

#[test]
fn a_rollback_fails_what_it_takes_back_until_it_comes_again() {
    let mut story = Story::line(&["a", "b", "c"]);
    story.deploy("v1", "a", 10);
    story.deploy("v2", "b", 20);
    story.deploy("v3", "a", 30);
    let view = story.view();
    view.stands("b", Waiting, None);
    let failed = view.deployment("v2");
    assert_eq!((failed.failed_by.as_deref(), failed.changes), (Some("v3"), 0));
    assert_eq!(failed.recovered_at, Some(minute(30)));
    let rollback = view.deployment("v3");
    assert_eq!(rollback.kind, Some(DeploymentKind::Rollback));
    assert_eq!(rollback.replaced.as_deref(), Some("v2"));

    story.deploy("v4", "c", 40);
    let view = story.view();
    view.stands("b", Delivered, Some("v4"));
    assert_eq!(view.deployment("v4").changes, 2);
    assert_eq!(view.deployment("v4").replaced.as_deref(), Some("v3"));
}

#[test]
fn a_release_of_an_older_line_replaces_nothing() {
    let mut story = Story::line(&["a", "b", "c", "d"]);
    story.deploy("v1", "a", 10);
    story.deploy("v3", "c", 20);
    story.deploy("v2", "b", 30);
    story.deploy("v4", "d", 40);
    let view = story.view();
    assert_eq!(view.deployment("v2").replaced, None);
    assert_eq!(view.deployment("v4").replaced.as_deref(), Some("v3"));
    assert_eq!(view.deployment("v3").failed_by, None);
}

#[test]
fn a_redeployment_delivers_nothing() {
    let mut story = Story::line(&["a", "b"]);
    story.deploy("v1", "a", 10);
    story.deploy("v2", "b", 20);
    story.deploy("v3", "b", 30);
    let view = story.view();
    view.stands("b", Delivered, Some("v2"));
    assert_eq!(view.deployment("v3").kind, Some(DeploymentKind::Redeployment));
    assert_eq!(view.deployment("v3").changes, 0);
}

#[test]
fn failed_running_and_other_environments_deliver_nothing() {
    let mut story = Story::line(&["a", "b"]);
    story.deploy("v1", "a", 10);
    story.deployment("failed").failed_at = minute(20).into();
    story.deployment("failed").revision = Latest::at(0, hash("b"));
    story.deployment("running").started_at = minute(30).into();
    story.deployment("running").revision = Latest::at(0, hash("b"));
    story.deploy("trial", "b", 25);
    for entity in &mut story.entities {
        if let Entity::Deployment(deployment) = entity
            && deployment.name == "trial"
        {
            deployment.environment = "pre-prod".to_owned();
        }
    }
    let view = story.view();
    view.stands("b", Waiting, None);
    let names: Vec<&str> = view.0.deployments.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["v1", "failed", "trial", "running"]);
    let outcome = |name: &str| (view.deployment(name).succeeded, view.deployment(name).kind);
    assert_eq!(outcome("failed"), (Some(false), None));
    assert_eq!(outcome("running"), (None, None));
    assert_eq!(outcome("trial"), (Some(true), None));
    assert!(!view.deployment("trial").production);
    assert_eq!(view.deployment("running").finished_at, None);
    assert_eq!(view.0.newest, Some(minute(30)));
}

#[test]
fn production_is_what_is_configured_or_told_or_named_so() {
    let is = |spec: &ServiceSpec<'_>, name: &str, told: Option<bool>| {
        crate::delivery::derive::landings::is_production(spec, name, told)
    };
    for name in ["production", "Prod", "PRD", "live", "prod-eu", "eu_production_2", "live2"] {
        assert!(is(&spec(), name, None), "{name}");
        assert!(!is(&spec(), name, Some(false)), "{name}");
    }
    for name in ["", "staging", "pre-prod", "preprod", "non-production", "prod-test", "delivery"] {
        assert!(!is(&spec(), name, None), "{name}");
        assert!(is(&spec(), name, Some(true)), "{name}");
    }
    let customers = ["Customers".to_owned()];
    let spec = ServiceSpec { production: &customers, ..spec() };
    assert!(is(&spec, "customers", Some(false)));
    assert!(!is(&spec, "production", Some(true)));
}

#[test]
fn an_unknown_revision_is_listed_until_its_commits_arrive() {
    let mut story = Story::line(&["a", "b"]);
    story.deploy("v1", "a", 10);
    story.deploy("v2", "c", 20);
    let view = story.view();
    assert_eq!(view.found("unknown_revision"), ["v2"]);
    let row = view.deployment("v2");
    assert_eq!((row.linked, row.kind, row.revision.clone()), (false, None, Some(hash("c"))));
    view.stands("b", Waiting, None);

    story.commit("c", &["b"], 2);
    story.tip("c");
    let view = story.view();
    assert_eq!(view.found("unknown_revision"), [""; 0]);
    view.stands("b", Delivered, Some("v2"));
}

#[test]
fn a_short_hash_names_a_commit_if_it_is_the_only_one() {
    let mut story = Story::line(&["base", "first", "fishy"]);
    story.deploy("v1", "base", 10);
    story.deployment("v2").succeeded_at = minute(20).into();
    story.deployment("v2").revision = Latest::at(0, hash("first")[..8].to_uppercase());
    story.view().stands("first", Delivered, Some("v2"));
    story.deployment("v2").revision = Latest::at(1, hash("first")[..6].to_owned());
    assert_eq!(story.view().found("unknown_revision"), ["v2"]);
    // Another one that starts the same.
    story.deployment("v2").revision = Latest::at(2, hash("first")[..8].to_owned());
    story.commit("firs", &["base"], 5);
    assert_eq!(story.view().found("unknown_revision"), ["v2"]);
}

#[test]
fn an_artifact_leads_to_its_revision_once_that_is_known() {
    let mut story = Story::line(&["a", "b"]);
    story.deploy("v1", "a", 10);
    story.deployment("v2").succeeded_at = minute(20).into();
    story.deployment("v2").artifact = Latest::at(0, "pkg:oci/shop@2".to_owned());
    assert_eq!(story.view().found("unknown_revision"), ["v2"]);
    story.artifact("pkg:oci/shop@1", "a");
    story.artifact("pkg:oci/shop@2", "b");
    let view = story.view();
    view.stands("b", Delivered, Some("v2"));
    assert_eq!(view.deployment("v2").revision, Some(hash("b")));
}

#[test]
fn a_revision_of_another_repository_is_not_linked() {
    let mut story = Story::line(&["a", "b"]);
    story.deploy("v1", "a", 10);
    story.deploy("v2", "b", 20);
    story.deployment("v2").repository = Latest::at(0, "example.com/other".to_owned());
    let view = story.view();
    view.stands("b", Waiting, None);
    assert_eq!(view.found("unknown_revision"), ["v2"]);
}

#[test]
fn a_revert_and_what_it_reverts_are_rework() {
    let mut story = Story::line(&["a", "b", "c", "d"]);
    let revert = story.commit("e", &["d"], 4);
    revert.revert = true;
    revert.reverts = vec![hash("c")[..10].to_owned()];
    story.tip("e");
    story.deploy("v1", "a", 10);
    story.deploy("v2", "e", 20);
    let view = story.view();
    view.stands("c", Rework, Some("v2"));
    view.stands("e", Rework, Some("v2"));
    view.stands("d", Delivered, Some("v2"));
    assert!(view.change("e").reverts && !view.change("c").reverts);
}

#[test]
fn a_pick_keeps_the_first_clock() {
    let mut story = Story::line(&["a", "b", "c"]);
    story.commit("d", &["c"], 9).picks = vec![hash("b")];
    story.tip("d");
    assert_eq!(story.view().minutes("d"), [(Authored, 1), (Merged, 9)]);
}

#[test]
fn a_service_has_the_changes_that_touch_its_paths() {
    let mut story = Story::line(&["a", "b", "c", "d"]);
    story.paths("a", &["shop/main.rs"]);
    story.paths("b", &["desk/main.rs"]);
    story.paths("c", &["desk/main.rs", "shop/main.rs"]);
    let spec = ServiceSpec { touches: Some(&|path| path.starts_with("shop/")), ..spec() };
    // What `d` touches is not known.
    story.view_of(&spec).changes(&["a", "c", "d"]);
    story.view().changes(&["a", "b", "c", "d"]);
}

#[test]
fn an_incident_belongs_to_the_latest_deployment_before_it() {
    let mut story = Story::line(&["a", "b", "c"]);
    story.deploy("v1", "a", 10);
    story.deploy("v2", "b", 20);
    story.deploy("v3", "c", 50);
    story.incident("down", 30, Some(60));
    story.incident("early", 5, None);
    let view = story.view();
    let [early, down] = &view.0.incidents[..] else { panic!("two incidents") };
    assert_eq!((early.id.as_str(), early.deployment.as_deref()), ("early", None));
    assert_eq!((down.id.as_str(), down.deployment.as_deref()), ("down", Some("v2")));
    assert_eq!(view.found("incident_without_deployment"), ["early"]);
    let failed = view.deployment("v2");
    assert_eq!(failed.failed_by.as_deref(), Some("down"));
    assert_eq!(failed.recovered_at, Some(minute(60)));
    let unplanned = ["v1", "v2", "v3"].map(|name| view.deployment(name).unplanned);
    assert_eq!(unplanned, [false, false, true]);
    // Too long ago to have caused it.
    let spec = ServiceSpec { incident_window_seconds: 599, ..spec() };
    assert_eq!(story.view_of(&spec).found("incident_without_deployment"), ["down", "early"]);
}

#[test]
fn an_incident_knows_better() {
    let mut story = Story::line(&["a", "b", "c"]);
    story.deploy("v1", "a", 10);
    story.deploy("v2", "b", 20);
    story.incident("named", 30, Some(40));
    story.incident("elsewhere", 30, None);
    for entity in &mut story.entities {
        match entity {
            Entity::Incident(it) if it.id == "named" => {
                it.deployment = Latest::at(0, "v1".to_owned());
            }
            Entity::Incident(it) => it.environment = Latest::at(0, "staging".to_owned()),
            _ => {}
        }
    }
    let view = story.view();
    assert_eq!(view.deployment("v1").failed_by.as_deref(), Some("named"));
    assert_eq!(view.deployment("v2").failed_by, None);
    assert_eq!(view.found("incident_without_deployment"), [""; 0]);
}

#[test]
fn a_deployment_has_recovered_when_all_its_incidents_have() {
    let mut story = Story::line(&["a", "b"]);
    story.deploy("v1", "a", 10);
    story.incident("one", 20, Some(30));
    story.incident("two", 25, None);
    assert_eq!(story.view().deployment("v1").recovered_at, None);
    story.incident("two", 25, Some(50));
    assert_eq!(story.view().deployment("v1").recovered_at, Some(minute(50)));
}

#[test]
fn a_feed_that_starts_in_the_middle_counts_its_first_push() {
    let mut story = Story::of_main("c");
    story.push(Some("before"), &["a", "b"], 1);
    story.push(Some("b"), &["c"], 5);
    story.deploy("v1", "before", 0);
    story.deploy("v2", "b", 10);
    let view = story.view();
    view.changes(&["a", "b", "c"]);
    view.stands("a", Delivered, Some("v2"));
    view.stands("c", Waiting, None);
    assert!(view.change("a").approximate);
    assert!(view.deployment("v1").linked);
    assert_eq!(view.found("unknown_parent"), [hash("before")]);
    assert_eq!(view.found("assumed_parents"), ["3"]);
    assert_eq!(view.found("deployment_before_history"), ["v1"]);
}

#[test]
fn a_merge_whose_first_parent_is_not_known_is_a_merge() {
    let mut story = Story::of_main("m");
    story.commit("a", &["before"], 1);
    story.commit("m", &["before", "a"], 5);
    story.deploy("v1", "m", 10);
    let view = story.view();
    view.changes(&["m"]);
    assert_eq!((view.change("m").kind.as_str(), view.change("m").commits), ("merge", 1));
    // Nothing was live before, as far as is known.
    view.stands("m", Baseline, None);
}

#[test]
fn circles_are_cut_the_same_way_whatever_comes_first() {
    let mut story = Story::of_main("c");
    story.commit("a", &["c"], 1);
    story.commit("b", &["a", "b"], 2);
    story.commit("c", &["b"], 3);
    let view = story.view();
    view.changes(&["a", "b", "c"]);
    assert_eq!(view.found("circle"), [hash("b"), hash("c")]);
}

#[test]
fn a_tip_that_is_not_known_is_told_and_the_newest_deployed_stands_in() {
    let mut story = Story::line(&["a", "b", "c"]);
    story.tip("lost");
    story.deploy("v1", "a", 10);
    story.deploy("v2", "b", 20);
    let view = story.view();
    assert_eq!(view.found("unknown_tip"), [hash("lost")]);
    view.changes(&["a", "b"]);
    story.entities.retain(|entity| !matches!(entity, Entity::Branch(_) | Entity::Repository(_)));
    let view = story.view();
    assert_eq!(view.found("unknown_default_branch"), ["example.com/shop"]);
    view.changes(&["a", "b"]);
}

#[test]
fn what_is_only_named_is_not_known_and_what_has_no_time_waits() {
    let mut story = Story::line(&["a", "b"]);
    let nameless = Commit { hash: hash("c"), ..Commit::default() };
    story.entities.push(Entity::Commit(nameless));
    let detail = story.commit("b", &["a"], 1);
    (detail.authored_at, detail.committed_at) = (None, None);
    story.entities.remove(3);
    story.deploy("v1", "c", 9);
    let view = story.view();
    assert_eq!(view.found("unknown_revision"), ["v1"]);
    view.stands("b", Waiting, None);
    assert_eq!(view.minutes("b"), []);
    assert_eq!(view.found("clock_problem"), [hash("b")]);
    let Some(Entity::Commit(Commit { detail: Some(detail), .. })) = story.entities.get_mut(2)
    else {
        panic!("the first commit");
    };
    detail.parents = Parents::Unknown;
    assert!(story.view().change("a").approximate);
}
