//! The history of GOV.UK's frontend as facts: 14 years, 5,332 release tags. What each commit's
//! first deployment was is known from an implementation that is not ours.

#![cfg(test)]

use seaway_core::delivery::attribution::{Attribution, Deployment};
use seaway_core::delivery::derive::{INCIDENT_WINDOW_SECONDS, ServiceSpec, derive};
use seaway_core::delivery::facts::{self, Branch, Commit, CommitDetail, Entity, Latest, Parents};
use seaway_core::delivery::history::{self, History, Marks};
use seaway_core::delivery::measured::{Measured, Question, Status};
use seaway_core::delivery::view::{Milestone, ServiceView};
use seaway_core::delivery::work::Plausible;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the shared data, where there is one.
fn shared_data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SEAWAY_SHARED_DATA").map_or_else(beside, PathBuf::from);
    folder.join("delivery/govuk-frontend.graph.tsv.gz").exists().then_some(folder)
}

fn unpacked(path: &Path) -> String {
    let output = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip is installed");
    assert!(output.status.success(), "{} cannot be unpacked", path.display());
    String::from_utf8(output.stdout).unwrap()
}

fn commit(hash: &str, authored: &str, committed: &str, parents: &[String], work: u64) -> Entity {
    Entity::Commit(Commit {
        hash: hash.to_owned(),
        detail: Some(CommitDetail {
            parents: Parents::Exact(parents.to_vec()),
            authored_at: authored.parse().ok(),
            committed_at: committed.parse().ok(),
            author: String::new(),
            subject: String::new(),
            work,
            bot: false,
            assisted: false,
            revert: false,
            reverts: Vec::new(),
            picks: Vec::new(),
        }),
        ..Commit::default()
    })
}

/// What the graph's file tells, as facts, and as `measure` would read it.
#[derive(Default)]
struct Told {
    entities: Vec<Entity>,
    /// Times and parents of each commit.
    commits: Vec<(history::Commit, Vec<u32>)>,
    hashes: Vec<String>,
    indexes: HashMap<String, u32>,
    deployments: Vec<Deployment>,
    head: u32,
}

impl Told {
    fn of(graph: &str) -> Self {
        let mut told = Self::default();
        for line in graph.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["C", hash, authored, committed, ref parents @ ..] => {
                    told.add_commit(hash, authored, committed, &parents.join(" "));
                }
                ["T", name, target, at, _] => {
                    let finished_at: i64 = at.parse().unwrap();
                    let revision = told.indexes[target];
                    let name = name.to_owned();
                    told.entities.push(Entity::Deployment(facts::Deployment {
                        environment: "production".to_owned(),
                        name: name.clone(),
                        revision: Latest::at(0, target.to_owned()),
                        succeeded_at: finished_at.into(),
                        ..facts::Deployment::default()
                    }));
                    told.deployments.push(Deployment { name, revision, finished_at });
                }
                ["H", head] => {
                    told.head = told.indexes[head];
                    told.entities.push(Entity::Branch(Branch {
                        name: "main".to_owned(),
                        tip: Latest::at(0, head.to_owned()),
                    }));
                }
                _ => panic!("not a line of the graph: {line}"),
            }
        }
        told.read();
        told
    }

    fn add_commit(&mut self, hash: &str, authored: &str, committed: &str, parents: &str) {
        let parents: Vec<String> = parents.split_whitespace().map(str::to_owned).collect();
        let indexes = parents.iter().map(|parent| self.indexes[parent]).collect();
        let work = self.hashes.len() as u64;
        let column = history::Commit {
            authored: authored.parse().unwrap(),
            committed: committed.parse().unwrap(),
            work,
            marks: Marks::default(),
        };
        self.indexes.insert(hash.to_owned(), self.hashes.len() as u32);
        self.commits.push((column, indexes));
        self.hashes.push(hash.to_owned());
        self.entities.push(commit(hash, authored, committed, &parents, work));
    }

    /// Leaves what the head and the deployments contain: some branches were never merged.
    fn read(&mut self) {
        let mut kept = vec![false; self.commits.len()];
        let mut stack: Vec<u32> = self.deployments.iter().map(|it| it.revision).collect();
        stack.push(self.head);
        while let Some(at) = stack.pop() {
            if !std::mem::replace(&mut kept[at as usize], true) {
                stack.extend(&self.commits[at as usize].1);
            }
        }
        let places: Vec<u32> = kept
            .iter()
            .scan(0, |next, &kept| {
                let place = *next;
                *next += u32::from(kept);
                Some(place)
            })
            .collect();
        let place = |at: &mut u32| *at = places[*at as usize];
        self.commits.iter_mut().flat_map(|(_, parents)| parents).for_each(place);
        self.deployments.iter_mut().for_each(|it| place(&mut it.revision));
        place(&mut self.head);
        let mut all = kept.iter();
        self.commits.retain(|_| *all.next().unwrap());
        let mut all = kept.iter();
        self.hashes.retain(|_| *all.next().unwrap());
    }

    fn history(&self) -> History {
        let mut history = History::default();
        for (commit, parents) in &self.commits {
            history.push(*commit, parents).unwrap();
        }
        history
    }
}

/// What `measure` says of the same history.
fn measured(told: &Told) -> Measured {
    let question = Question {
        head: Some(told.head),
        deployments: told.deployments.clone(),
        plausible: Plausible { earliest: 0, latest: i64::MAX },
        as_of: None,
        touches: None,
    };
    Measured::of(&told.history(), question)
}

/// The view says of every change and deployment what `measure` says.
fn assert_equal(view: &ServiceView, told: &Told, measured: &Measured) {
    assert_eq!(view.newest, measured.as_of);
    assert_eq!(view.changes.len(), measured.changes.len());
    let name = |number: u32| Some(measured.deployments.get(number as usize)?.name.as_str());
    for (row, change) in view.changes.iter().zip(&measured.changes) {
        assert_eq!(row.change, told.hashes[change.commit as usize]);
        assert_eq!((row.position, row.commits), (change.position, change.commits));
        assert_eq!(
            (row.status, row.deployment.as_deref()),
            (change.status, name(change.deployment))
        );
        let milestones = [Milestone::Authored, Milestone::Merged, Milestone::Deployed];
        let expected = [change.authored, change.merged, change.deployed];
        assert_eq!(milestones.map(|one| row.milestones.get(one)), expected);
        assert_eq!(row.milestones.start(), change.start());
        assert!(!row.approximate);
    }
    assert_eq!(view.deployments.len(), measured.deployments.len());
    for (at, row) in view.deployments.iter().enumerate() {
        assert_eq!(row.name, measured.deployments[at].name);
        assert_eq!(row.kind, Some(measured.attribution.kinds[at]));
        assert_eq!(row.failed_by.as_deref(), name(measured.attribution.failed_by[at]));
    }
}

#[test]
fn the_view_of_govuk_frontend_is_what_measure_says_and_what_is_known() {
    let Some(data) = shared_data() else {
        let required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|what| what == "all");
        assert!(!required, "SEAWAY_REQUIRE=all, and the shared data is not there");
        println!("skipped: the history of GOV.UK is not here; SEAWAY_SHARED_DATA names its folder");
        return;
    };
    let told = Told::of(&unpacked(&data.join("delivery/govuk-frontend.graph.tsv.gz")));
    let entities: Vec<&Entity> = told.entities.iter().rev().collect();
    let spec = ServiceSpec {
        name: "frontend",
        incident_window_seconds: INCIDENT_WINDOW_SECONDS,
        ..ServiceSpec::default()
    };
    let view = derive(&spec, &entities);
    let measured = measured(&told);
    assert_equal(&view, &told, &measured);
    assert_eq!(view.deployments.len(), 5_332);

    let known = unpacked(&data.join("delivery/govuk-frontend.first-deployment.csv.gz"));
    let known: HashMap<&str, (&str, &str)> = known
        .lines()
        .skip(1)
        .map(|row| match row.split(',').collect::<Vec<_>>()[..] {
            [hash, status, deployment, ..] => (hash, (status, deployment)),
            _ => panic!("not a row: {row}"),
        })
        .collect();
    assert_eq!(known.len(), 10_909);
    let order: HashMap<&str, u32> =
        (0..).zip(&view.deployments).map(|(at, row)| (row.name.as_str(), at)).collect();
    let first = |commit: u32| {
        let (status, deployment) = known[told.hashes[commit as usize].as_str()];
        (status == "delivered").then_some(deployment)
    };
    let (mut same, mut rolled_back) = (0, 0);
    for row in view.changes.iter().filter(|row| row.status == Status::Delivered) {
        let members = || measured.mainline.members(row.position).iter().copied();
        let last = members().filter_map(first).max_by_key(|deployment| order[deployment]);
        let is_same = row.deployment.as_deref() == last;
        // What was taken back was delivered by a later deployment than the first.
        let Attribution { first, delivered, .. } = &measured.attribution;
        let was_taken_back = members().any(|it| first[it as usize] != delivered[it as usize]);
        assert!(is_same || was_taken_back, "{}: {:?}, not {last:?}", row.change, row.deployment);
        same += usize::from(is_same);
        rolled_back += usize::from(was_taken_back);
    }
    assert!(same > 4_000 && rolled_back < 100, "{same} the same, {rolled_back} rolled back");
}
