use super::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const COMPANY: Company = Company {
    services: 30,
    days: 40,
    seed: 7,
    changes_per_week: 10,
    start: 1_767_571_200,
    direct: false,
};

fn all(company: Company) -> Vec<Event> {
    company.days().flatten().collect()
}

#[test]
fn a_seed_makes_one_world() {
    assert_eq!(all(COMPANY), all(COMPANY));
    assert_ne!(all(COMPANY), all(Company { seed: 8, ..COMPANY }));
}

#[test]
fn a_longer_or_larger_world_begins_alike() {
    let events = all(COMPANY);
    let longer = all(Company { days: 60, ..COMPANY });
    assert_eq!(events[..], longer[..events.len()]);
    let larger = all(Company { services: 50, ..COMPANY });
    let of_the_first: Vec<Event> = larger.into_iter().filter(|it| it.service < 30).collect();
    assert_eq!(events, of_the_first);
}

#[test]
fn events_come_in_order_of_time_and_are_named_once() {
    let events = all(COMPANY);
    assert!(events.is_sorted_by_key(|event| event.at));
    let names: BTreeSet<(u32, u64)> =
        events.iter().map(|event| (event.service, event.number)).collect();
    assert_eq!(names.len(), events.len());
    let end = COMPANY.start + i64::from(COMPANY.days) * crate::time::DAY;
    assert!(events.iter().all(|event| (COMPANY.start..end).contains(&event.at)));
}

#[test]
fn the_company_does_about_what_it_was_told_to() {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for event in all(Company { services: 200, days: 70, ..COMPANY }) {
        let kind = match &event.what {
            What::PullRequest { merged: None, .. } => "opened",
            What::PullRequest { .. } => "merged",
            What::DeploymentFinished { success: true, .. } => "live",
            What::DeploymentFinished { .. } => "failed",
            What::IncidentReported { .. } => "incidents",
            What::IncidentResolved { .. } => "resolved",
            What::Built { success: true, .. } => "built",
            _ => continue,
        };
        *counts.entry(kind).or_default() += 1;
    }
    // 200 services, ten weeks of ten changes: 20,000, less what the end cuts off.
    assert!((18_000..22_000).contains(&counts["opened"]), "{counts:?}");
    assert!(counts["merged"] > counts["opened"] * 9 / 10, "{counts:?}");
    assert!(counts["live"] > counts["merged"] / 2, "{counts:?}");
    assert!(counts["failed"] * 10 < counts["live"], "{counts:?}");
    assert!((100..1000).contains(&counts["incidents"]), "{counts:?}");
    assert!(counts["resolved"] <= counts["incidents"], "{counts:?}");
}

#[test]
fn histories_hang_together() {
    let mut tips: HashMap<u32, String> = HashMap::new();
    let mut known: HashMap<u32, BTreeSet<String>> = HashMap::new();
    let direct = Company { direct: true, seed: 9, ..COMPANY };
    let others = all(direct).into_iter().map(|it| Event { service: it.service + 30, ..it });
    for Event { service, what, .. } in all(COMPANY).into_iter().chain(others) {
        let known = known.entry(service).or_default();
        match what {
            What::Pushed { before, commits } => {
                assert_eq!(before.as_ref(), tips.get(&service));
                for commit in &commits {
                    assert_eq!(commit.hash.len(), 40);
                    assert!(commit.parents.iter().all(|parent| known.contains(parent)));
                    assert!(commit.authored_at <= commit.committed_at);
                    assert!(known.insert(commit.hash.clone()), "a hash is there once");
                }
                tips.insert(service, commits.last().unwrap().hash.clone());
            }
            What::PullRequest { merged: Some(commit), .. } => {
                assert_eq!(tips.get(&service), Some(&commit));
            }
            What::Built { revision, .. } => assert!(known.contains(&revision)),
            What::DeploymentStarted(deployed) | What::DeploymentFinished { deployed, .. } => {
                assert!(known.contains(&deployed.revision));
            }
            _ => {}
        }
    }
    assert!(tips.len() > 50);
}

#[test]
fn services_have_names_of_their_own() {
    let services = Company { services: 5000, ..COMPANY }.services();
    let names: BTreeSet<&String> = services.iter().map(|it| &it.name).collect();
    let groups: BTreeSet<&String> = services.iter().map(|it| &it.group).collect();
    assert_eq!(names.len(), 5000);
    assert!((500..800).contains(&groups.len()), "{}", groups.len());
}
