//! A made-up company read a second way: from its raw events to changes, deployments and incidents,
//! by the words of the documents and with sets of commits, without a graph and without the core.

use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Names of milestones, in order.
pub(crate) const MILESTONES: [&str; 7] =
    ["authored", "opened", "reviewed", "approved", "merged", "built", "deployed"];
const MERGED: usize = 4;
const DEPLOYED: usize = 6;
pub(crate) const DAY: i64 = 86_400;

/// Unix seconds of a time as events and answers have it.
pub(crate) fn seconds(time: &Value) -> i64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_second()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What came onto the mainline at once, and was not there before the first deployment.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) service: String,
    pub(crate) hash: String,
    pub(crate) subject: String,
    pub(crate) commits: usize,
    /// Lines added and removed, where that is told.
    pub(crate) lines: Option<u64>,
    pub(crate) bot: bool,
    pub(crate) assisted: bool,
    /// When it reached each milestone, mended: they never go down.
    pub(crate) reached: [Option<i64>; 7],
    /// The deployment that delivered it and stayed.
    pub(crate) deployment: Option<String>,
    /// Its commits, for DORA: when each was committed.
    pub(crate) committed: Vec<i64>,
}

impl Change {
    pub(crate) fn authored(&self) -> i64 {
        self.reached[0].unwrap()
    }

    pub(crate) fn merged(&self) -> i64 {
        self.reached[MERGED].unwrap()
    }

    pub(crate) fn deployed(&self) -> Option<i64> {
        self.reached[DEPLOYED]
    }

    /// The milestones that end a stage, and the stage's first and last moment.
    pub(crate) fn stages(&self) -> Vec<(usize, i64, i64)> {
        let known: Vec<(usize, i64)> =
            (0..7).filter_map(|at| Some((at, self.reached[at]?))).collect();
        known.windows(2).map(|pair| (pair[1].0, pair[0].1, pair[1].1)).collect()
    }

    /// The last moment that is known before it is deployed.
    pub(crate) fn ready(&self) -> i64 {
        self.reached[..DEPLOYED].iter().flatten().copied().max().unwrap()
    }
}

/// A deployment to production that ended.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) revision: String,
    pub(crate) finished: i64,
    pub(crate) success: bool,
    /// `first`, `normal`, `rollback` or `redeployment`; of successes.
    pub(crate) kind: &'static str,
    /// The one that it replaced.
    pub(crate) replaced: Option<String>,
    /// When service was back to normal, if it failed: `None` within, if it is not yet.
    pub(crate) failed: Option<Option<i64>>,
    pub(crate) unplanned: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub(crate) opened: i64,
    pub(crate) resolved: Option<i64>,
    deployment: String,
}

/// What is true of one service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    /// Along the mainline, oldest first.
    pub(crate) changes: Vec<Change>,
    /// In the order in which they finished.
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) incidents: Vec<Incident>,
    /// Builds that did not succeed, and all.
    pub(crate) builds: (usize, usize),
}

struct Commit {
    parents: Vec<String>,
    authored: i64,
    committed: i64,
    author: String,
    message: String,
    lines: Option<u64>,
}

/// What an event says of lines.
fn lines(told: &Value) -> Option<u64> {
    Some(told["linesAdded"].as_u64()? + told["linesDeleted"].as_u64()?)
}

#[derive(Default)]
struct Pull {
    opened: Option<i64>,
    title: String,
    number: u64,
    lines: Option<u64>,
}

/// What the events of one service say.
#[derive(Default)]
struct Told {
    commits: HashMap<String, Commit>,
    tip: String,
    /// By the commit that it became.
    pulls: HashMap<String, Pull>,
    /// By pull request: when, and whether it was an approval.
    reviews: HashMap<u64, Vec<(i64, bool)>>,
    /// Revision, end, success.
    builds: Vec<(String, i64, bool)>,
    deployments: Vec<Deployment>,
    incidents: BTreeMap<String, Incident>,
}

/// The company: what is true of each service, the newest moment, and how many events of each kind.
pub(crate) struct World {
    pub(crate) services: BTreeMap<String, Truth>,
    pub(crate) as_of: i64,
    pub(crate) kinds: BTreeMap<String, u64>,
}

impl World {
    pub(crate) fn of(events: &str) -> Self {
        let mut told = BTreeMap::<String, Told>::new();
        let (mut as_of, mut kinds) = (0, BTreeMap::new());
        for line in events.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let kind = text(&event["type"]);
            let service = text(&event["source"]).rsplit('/').next().unwrap().to_owned();
            let newest = told.entry(service).or_default().hear(&kind, &event["data"]["subject"]);
            as_of = as_of.max(newest);
            *kinds.entry(kind).or_default() += 1;
        }
        let services = told.into_iter().map(|(name, told)| (name.clone(), told.truth(&name)));
        Self { services: services.collect(), as_of, kinds }
    }
}

impl Told {
    /// Takes an event in, and tells the newest moment of the data in it: of commits, deployments
    /// and incidents.
    fn hear(&mut self, kind: &str, subject: &Value) -> i64 {
        let content = &subject["content"];
        let kind = kind.strip_prefix("dev.cdeventsx.seaway-").unwrap();
        match kind.strip_suffix(".0.1.0").unwrap() {
            "commit.pushed" => return self.pushed(content),
            "pullrequest.updated" => {
                // One that is not merged yet tells nothing of a change.
                if let Some(became) = content["mergeCommit"].as_str() {
                    let pull = Pull {
                        opened: content.get("openedAt").map(seconds),
                        title: text(&content["title"]),
                        number: content["number"].as_u64().unwrap(),
                        lines: lines(content),
                    };
                    self.pulls.insert(became.to_owned(), pull);
                }
            }
            "review.submitted" => {
                let of = self.reviews.entry(content["pullRequest"].as_u64().unwrap()).or_default();
                of.push((seconds(&content["submittedAt"]), content["verdict"] == "approved"));
            }
            "build.finished" => self.builds.push((
                text(&content["revision"]),
                seconds(&content["finishedAt"]),
                content["outcome"] == "success",
            )),
            "deployment.started" => return seconds(&content["startedAt"]),
            "deployment.finished" => {
                assert_eq!(content["environment"], "production", "the company has no other");
                let finished = seconds(&content["finishedAt"]);
                self.deployments.push(Deployment {
                    service: text(&content["service"]),
                    name: text(&content["name"]),
                    revision: text(&content["revision"]),
                    finished,
                    success: content["outcome"] == "success",
                    kind: "",
                    replaced: None,
                    failed: None,
                    unplanned: false,
                });
                return finished;
            }
            "incident.reported" => {
                let opened = seconds(&content["reportedAt"]);
                let deployment = text(&content["deployment"]);
                let incident = Incident { opened, resolved: None, deployment };
                self.incidents.insert(text(&content["incident"]), incident);
                return opened;
            }
            "incident.resolved" => {
                let resolved = seconds(&content["resolvedAt"]);
                self.incidents.get_mut(content["incident"].as_str().unwrap()).unwrap().resolved =
                    Some(resolved);
                return resolved;
            }
            other => panic!("the company tells of {other}"),
        }
        0
    }

    fn pushed(&mut self, content: &Value) -> i64 {
        let mut newest = 0;
        for commit in content["commits"].as_array().unwrap() {
            let committed = seconds(&commit["committedAt"]);
            newest = newest.max(committed);
            let known = Commit {
                parents: commit["parents"].as_array().unwrap().iter().map(text).collect(),
                authored: seconds(&commit["authoredAt"]),
                committed,
                author: text(&commit["author"]["name"]),
                message: text(&commit["message"]),
                lines: lines(commit),
            };
            self.commits.insert(text(&commit["hash"]), known);
        }
        self.tip = text(&content["after"]);
        newest
    }

    /// The commits of a revision: it and all that it descends from.
    fn contained(&self, revision: &str) -> HashSet<&str> {
        let mut found = HashSet::new();
        let mut next: Vec<&str> =
            self.commits.get_key_value(revision).map(|it| it.0.as_str()).into_iter().collect();
        while let Some(commit) = next.pop() {
            if found.insert(commit) {
                next.extend(self.commits[commit].parents.iter().map(String::as_str));
            }
        }
        found
    }

    fn truth(mut self, service: &str) -> Truth {
        let mut deployments = std::mem::take(&mut self.deployments);
        deployments.sort_by(|a, b| (a.finished, &a.name).cmp(&(b.finished, &b.name)));
        let (baseline, delivered) = self.deliver(&mut deployments);
        let incidents: Vec<Incident> = self.incidents.values().cloned().collect();
        suffer(&mut deployments, &incidents);
        let built = self.built();
        let mut changes = Vec::new();
        // Along the first parents of the default branch, each with what it brought.
        let mut commit = self.tip.as_str();
        while let Some(known) = self.commits.get(commit) {
            let before = known.parents.first().map_or("", String::as_str);
            let lacking = self.contained(before);
            let all = self.contained(commit);
            // A merge has no work of its own.
            let is_work = |it: &&&str| self.commits[**it].parents.len() < 2;
            let brought: Vec<&str> = all.difference(&lacking).filter(is_work).copied().collect();
            if !baseline.contains(commit) {
                let by = delivered.get(commit).map(|&at| &deployments[at]);
                changes.push(self.change(service, commit, &brought, built.get(commit), by));
            }
            commit = before;
        }
        changes.reverse();
        let failed = self.builds.iter().filter(|(_, _, success)| !success).count();
        Truth { changes, deployments, incidents, builds: (failed, self.builds.len()) }
    }

    fn change(
        &self,
        service: &str,
        hash: &str,
        brought: &[&str],
        built: Option<&i64>,
        by: Option<&Deployment>,
    ) -> Change {
        let work: Vec<&Commit> = brought.iter().map(|it| &self.commits[*it]).collect();
        let pull = self.pulls.get(hash).expect("all changes have pull requests");
        let none = Vec::new();
        let reviews = self.reviews.get(&pull.number).unwrap_or(&none);
        let first = |only: bool| reviews.iter().filter(|it| it.1 || !only).map(|it| it.0).min();
        let mut reached = [
            work.iter().map(|it| it.authored).min(),
            pull.opened,
            first(false),
            first(true),
            Some(self.commits[hash].committed),
            built.copied(),
            by.map(|it| it.finished),
        ];
        let mut latest = i64::MIN;
        for moment in reached.iter_mut().flatten() {
            latest = latest.max(*moment);
            *moment = latest;
        }
        Change {
            service: service.to_owned(),
            hash: hash.to_owned(),
            subject: pull.title.clone(),
            commits: work.len(),
            // What the one commit says that it is, or the pull request, or all commits together.
            lines: match work[..] {
                [only] if brought == [hash] => only.lines.or(pull.lines),
                _ => pull.lines.or_else(|| work.iter().map(|it| it.lines).sum()),
            },
            bot: work.iter().all(|it| it.author.ends_with("[bot]")),
            assisted: work.iter().any(|it| it.message.contains("\nAssisted-by:")),
            reached,
            deployment: by.map(|it| it.name.clone()),
            committed: work.iter().map(|it| it.committed).collect(),
        }
    }

    /// When the first build that contains a commit had succeeded.
    fn built(&self) -> HashMap<&str, i64> {
        let mut built = HashMap::new();
        for (revision, at, _) in self.builds.iter().filter(|(_, _, success)| *success) {
            for commit in self.contained(revision) {
                let first = built.entry(commit).or_insert(*at);
                *first = (*first).min(*at);
            }
        }
        built
    }

    /// Tells of each success what it was, and which took back which. Returns the baseline, and
    /// which deployment delivered each commit and stayed.
    fn deliver(&self, all: &mut [Deployment]) -> (HashSet<&str>, HashMap<&str, usize>) {
        let (mut baseline, mut delivered) = (HashSet::new(), HashMap::new());
        let mut live: Option<usize> = None;
        let mut deployed = HashSet::new();
        for at in 0..all.len() {
            if !all[at].success {
                continue;
            }
            let contains = self.contained(&all[at].revision);
            let is_new = deployed.insert(all[at].revision.clone());
            let before = live.map(|it| self.contained(&all[it].revision));
            let is_same = live.is_some_and(|it| all[it].revision == all[at].revision);
            let is_older = !is_same
                && before.as_ref().is_some_and(|it| it.contains(all[at].revision.as_str()));
            let is_older_line = is_older && is_new;
            all[at].kind = match (&before, is_same, is_older) {
                (None, ..) => "first",
                (_, true, _) => "redeployment",
                (_, _, true) if !is_new => "rollback",
                _ => "normal",
            };
            // The first deployment of what is contained already takes nothing back and replaces
            // nothing.
            if is_older_line {
                continue;
            }
            all[at].replaced = live.map(|it| all[it].name.clone());
            match all[at].kind {
                "first" => baseline = contains,
                "normal" => {
                    for commit in contains.difference(&baseline) {
                        delivered.entry(*commit).or_insert(at);
                    }
                }
                "rollback" => {
                    delivered.retain(|commit, _| contains.contains(commit));
                    let back = all[at].finished;
                    let successes = all[..at].iter_mut().filter(|it| it.success);
                    for other in successes.filter(|it| it.failed.is_none()) {
                        if !contains.contains(other.revision.as_str()) {
                            other.failed = Some(Some(back));
                        }
                    }
                }
                _ => {}
            }
            live = Some(at);
        }
        (baseline, delivered)
    }
}

/// What incidents say of deployments.
fn suffer(deployments: &mut [Deployment], incidents: &[Incident]) {
    for deployment in deployments.iter_mut().filter(|it| it.success) {
        let its: Vec<&Incident> =
            incidents.iter().filter(|it| it.deployment == deployment.name).collect();
        if !its.is_empty() {
            let resolved: Option<Vec<i64>> = its.iter().map(|it| it.resolved).collect();
            deployment.failed = Some(resolved.and_then(|all| all.into_iter().max()));
        }
    }
    for incident in incidents {
        let Some(resolved) = incident.resolved else { continue };
        let mends = |it: &&mut Deployment| {
            it.success && (incident.opened + 1..=resolved).contains(&it.finished)
        };
        if let Some(first) = deployments.iter_mut().find(mends) {
            first.unplanned = true;
        }
    }
}
