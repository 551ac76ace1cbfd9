use super::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const COMPANY: Company = Company {
    services: 30,
    days: 40,
    seed: 7,
    changes_per_week: 10,
    start: 1_767_571_200,
    direct: false,
    stories: false,
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

/// What the events of a year tell of each service with a story.
#[derive(Default, Debug)]
struct Told {
    pulls: u32,
    by_bots: u32,
    assisted: u32,
    merges: u32,
    commits: u32,
    live: [u32; 2],
    builds: u32,
    failed_builds: u32,
    incidents: u32,
    boards: u32,
    review: Vec<i64>,
}

#[test]
fn each_story_can_be_seen_in_the_events() {
    let company = Company { services: 14, days: 364, stories: true, ..COMPANY };
    let services = company.services();
    let mut told: HashMap<&str, Told> = HashMap::new();
    let mut opened: HashMap<(u32, u32), i64> = HashMap::new();
    for event in all(company) {
        let told = told.entry(&services[event.service as usize].name).or_default();
        match event.what {
            What::PullRequest { merged: None, number, author, .. } => {
                told.pulls += 1;
                told.by_bots += u32::from(author.ends_with("[bot]"));
                opened.insert((event.service, number), event.at);
            }
            What::Reviewed { reviewer: "board", .. } => told.boards += 1,
            What::Reviewed { number, .. } => {
                // Only the first review finds it there.
                told.review.extend(opened.remove(&(event.service, number)).map(|at| event.at - at));
            }
            What::Pushed { commits, .. } => {
                for commit in commits {
                    told.commits += 1;
                    told.merges += u32::from(commit.parents.len() > 1);
                    told.assisted += u32::from(commit.message.contains("\nAssisted-by:"));
                }
            }
            What::DeploymentFinished { success: true, .. } => {
                let half = (event.at - company.start) / (182 * crate::time::DAY);
                told.live[half.min(1) as usize] += 1;
            }
            What::Built { success, .. } => {
                told.builds += 1;
                told.failed_builds += u32::from(!success);
            }
            What::IncidentReported { .. } => told.incidents += 1,
            _ => {}
        }
    }
    let of = |name: &str| &told[name];
    let live = |name: &str| of(name).live.iter().sum::<u32>();
    let review = |name: &str| {
        let mut waits = of(name).review.clone();
        waits.sort_unstable();
        waits[waits.len() / 2] / 3600
    };
    assert!(live("shop-web") > 500 && (12..30).contains(&live("warehouse")), "{told:?}");
    assert!(of("checkout").live[0] < 60 && of("checkout").live[1] > 250, "{told:?}");
    assert!((20..60).contains(&review("parcels")) && review("basket") < 2, "{told:?}");
    for (name, Told { pulls, by_bots, assisted, merges, commits, boards, .. }) in &told {
        let share = |part: &u32, whole: &u32| f64::from(*part) / f64::from(*whole);
        let bots = match *name {
            "recommendations" => 0.45..0.55,
            "maps" => 0.2..0.4,
            _ => 0.0..0.001,
        };
        assert!(bots.contains(&share(by_bots, pulls)), "{name}");
        let expected = if *name == "search" { 0.3..0.7 } else { 0.0..0.001 };
        assert!(expected.contains(&share(assisted, commits)), "{name}");
        assert_eq!(*boards > 0, *name == "invoices", "{name}");
        assert_eq!(*merges == 0, ["shop-web", "basket"].contains(name), "{name}");
    }
    let failed = |name| f64::from(of(name).failed_builds) / f64::from(of(name).builds);
    assert!(failed("refunds") > 0.4 && failed("shop-web") < 0.1, "{told:?}");
    let others = told.iter().filter(|(name, _)| **name != "routes");
    let most = others.map(|(name, told)| told.incidents * 100 / live(name).max(1)).max();
    assert!(of("routes").incidents * 100 / live("routes") > most.unwrap(), "{told:?}");
}

/// Work rests on Saturdays and Sundays of the calendar, whatever day the first one is.
#[test]
fn weekends_are_those_of_the_calendar() {
    for later in 0..7 {
        let start = COMPANY.start + later * crate::time::DAY;
        for event in all(Company { start, direct: true, ..COMPANY }) {
            // The first day of all was a Thursday.
            let weekday = (event.at.div_euclid(crate::time::DAY) + 3).rem_euclid(7);
            let is_work = matches!(event.what, What::Pushed { .. });
            assert!(!is_work || weekday < 5, "{later}: {event:?}");
        }
        let monthly = Company { start, services: 12, days: 90, stories: true, ..COMPANY };
        for event in all(monthly) {
            let weekday = (event.at.div_euclid(crate::time::DAY) + 3).rem_euclid(7);
            let is_train = matches!(event.what, What::DeploymentStarted(_)) && event.service == 8;
            assert!(!is_train || weekday < 6, "{later}: {event:?}");
        }
    }
}

#[test]
fn changes_have_various_numbers_of_commits() {
    let mut sizes = BTreeSet::new();
    for event in all(COMPANY) {
        if let What::Pushed { commits, .. } = event.what
            && let Some(merge) = commits.last().filter(|it| it.parents.len() == 2)
        {
            assert_eq!(commits[commits.len() - 2].hash, merge.parents[1]);
            let work = &commits[..commits.len() - 1];
            assert!(work.is_sorted_by_key(|it| it.authored_at), "{work:?}");
            assert!(work.windows(2).all(|two| two[1].parents == [two[0].hash.clone()]));
            sizes.insert(work.len());
        }
    }
    assert_eq!(sizes, BTreeSet::from([1, 2, 3, 5]));
}

#[test]
fn lines_are_as_the_stories_have_them() {
    let company = Company { services: 12, days: 364, stories: true, ..COMPANY };
    let services = company.services();
    let mut pushed: HashMap<(u32, String), Option<u32>> = HashMap::new();
    let mut of_people: HashMap<&str, Vec<u32>> = HashMap::new();
    let mut of_bots = Vec::new();
    for event in all(company) {
        let sum = |lines: Option<Lines>| lines.map(|it| it.added + it.deleted);
        match event.what {
            What::Pushed { commits, .. } => {
                let tip = commits.last().unwrap().hash.clone();
                let is_merge = |it: &&Commit| it.parents.len() > 1;
                assert!(commits.iter().filter(is_merge).all(|it| it.lines.is_none()));
                let work = commits.iter().filter(|it| !is_merge(it)).map(|it| sum(it.lines));
                pushed.insert((event.service, tip), work.sum());
            }
            What::PullRequest { merged: Some(commit), lines, author, .. } => {
                // A pull request touches what its commits touch.
                assert_eq!(pushed[&(event.service, commit)], sum(lines));
                let name = services[event.service as usize].name.as_str();
                assert_eq!(lines.is_none(), name == "parcels");
                let Some(lines) = sum(lines) else { continue };
                match author.ends_with("[bot]") {
                    true => of_bots.push(lines),
                    false => of_people.entry(name).or_default().push(lines),
                }
            }
            _ => {}
        }
    }
    let median = |lines: &mut Vec<u32>| {
        lines.sort_unstable();
        lines[lines.len() / 2]
    };
    assert!((2..12).contains(&median(&mut of_bots)));
    let spread = &of_people["warehouse"];
    assert!(spread.iter().any(|&it| it < 40) && spread.iter().any(|&it| it > 1_000));
    let medians: HashMap<&str, u32> =
        of_people.iter_mut().map(|(name, lines)| (*name, median(lines))).collect();
    assert!(medians.values().all(|&it| medians["basket"] <= it && it <= medians["warehouse"]));
    assert!(medians["basket"] * 8 < medians["warehouse"], "{medians:?}");
}
