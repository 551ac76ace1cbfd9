//! One service of the company: its people and its pipeline.

use super::Company;
use super::change::{Change, Piece};
use super::habits::{Habits, STORIES, Story, Train};
use super::random::Random;
use crate::time::DAY;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const HOUR: u32 = 3600;
const MINUTE: u32 = 60;

/// A service and where its source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The group that owns it.
    pub group: String,
    /// The URL of its repository.
    pub repository: String,
    /// What it is, where it has a story.
    pub nature: Option<Nature>,
}

/// What the catalog says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// `function`, `microservice` or `monolith`.
    pub architecture: &'static str,
    /// `serverless`, `container` or `vm`.
    pub runtime: &'static str,
    /// `1`, the most important, to `3`.
    pub tier: &'static str,
    /// What is to be seen of it.
    pub about: &'static str,
}

impl Service {
    pub(super) fn of(company: &Company, number: u32) -> Self {
        match company.story(number) {
            Some(story) => Self::with_story(story),
            None => Self::without_story(number),
        }
    }

    fn with_story(story: &Story) -> Self {
        let Story { name, group, architecture, runtime, tier, about, .. } = *story;
        Self {
            name: name.to_owned(),
            group: group.to_owned(),
            repository: format!("https://git.example.com/{group}/{name}"),
            nature: Some(Nature { architecture, runtime, tier, about }),
        }
    }

    fn without_story(number: u32) -> Self {
        const TRADES: [&str; 16] = [
            "orders", "parcels", "prices", "search", "basket", "payments", "refunds", "stock",
            "routes", "drivers", "invoices", "reviews", "coupons", "returns", "accounts", "mail",
        ];
        let trade = TRADES[number as usize % TRADES.len()];
        let name = format!("{trade}-{number}");
        let repository = format!("https://git.example.com/{trade}/{name}");
        // Groups of about eight services, whatever the size of the company.
        Self { name, group: format!("{trade}-{}", number / 128), repository, nature: None }
    }
}

impl Company {
    fn story(&self, number: u32) -> Option<&'static Story> {
        STORIES.get(number as usize).filter(|_| self.stories)
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, Unix seconds.
    pub at: i64,
    /// To which service: its place in [`Company::services`].
    pub service: u32,
    /// Which one of the service's events it is, from 0: a name for it.
    pub number: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A pull request was opened or merged.
    PullRequest {
        /// Its number.
        number: u32,
        /// Its title.
        title: String,
        /// Its author's login.
        author: &'static str,
        /// The newest commit of its own branch.
        head: String,
        /// When its first commit was authored, Unix seconds.
        first_authored_at: i64,
        /// When it was opened, Unix seconds.
        opened_at: i64,
        /// How many lines it touches, where that is told.
        lines: Option<Lines>,
        /// The commit that it became and that commit's moment, once it is merged.
        merged: Option<String>,
    },
    /// A pull request was reviewed.
    Reviewed {
        /// The pull request.
        number: u32,
        /// Approved, or changes were asked for.
        approved: bool,
        /// Who reviewed it.
        reviewer: &'static str,
    },
    /// Commits came onto the default branch, oldest first.
    Pushed {
        /// The commit that the branch pointed to; `None` for the first push.
        before: Option<String>,
        /// The commits, oldest first; never empty.
        commits: Vec<Commit>,
    },
    /// A build ended.
    Built {
        /// The commit.
        revision: String,
        /// When it started, Unix seconds.
        started_at: i64,
        /// Whether it passed.
        success: bool,
    },
    /// A deployment to production started.
    DeploymentStarted(Deployed),
    /// A deployment to production ended.
    DeploymentFinished {
        /// Which one.
        deployed: Deployed,
        /// Whether the revision is live.
        success: bool,
    },
    /// Customers noticed something.
    IncidentReported {
        /// Its name.
        incident: String,
        /// The deployment that caused it.
        deployment: String,
    },
    /// It is over.
    IncidentResolved {
        /// Its name.
        incident: String,
    },
}

/// A commit on the default branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// The commits that it was made on.
    pub parents: Vec<String>,
    /// When it was written, Unix seconds.
    pub authored_at: i64,
    /// When it was committed, Unix seconds.
    pub committed_at: i64,
    /// Who wrote it.
    pub author: &'static str,
    /// What it is about.
    pub message: String,
    /// How many lines it touches, where that is told; nothing is told of merges.
    pub lines: Option<Lines>,
}

/// Lines that are touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lines {
    /// Those that are added.
    pub added: u32,
    /// Those that are removed.
    pub deleted: u32,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its name, unique for the service.
    pub name: String,
    /// The commit that goes live.
    pub revision: String,
    /// When it started, Unix seconds.
    pub started_at: i64,
}

/// What will happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Open(Change),
    Push(Vec<Change>),
    Review { change: Change, approved: bool },
    Board(Change),
    Merge(Change),
    Build { revision: String, started_at: i64 },
    Depart,
    Deploy { revision: String },
    Finish { name: String, revision: String, started_at: i64, success: bool },
    Incident { deployment: String },
    Resolve { incident: String },
}

/// The work on one service.
pub(super) struct Work {
    service: u32,
    start: i64,
    /// The weekday of the first day, from 0 for Monday.
    first_weekday: i64,
    random: Random,
    habits: Habits,
    /// From which day on the habits are others.
    later: Option<(u32, Habits)>,
    /// What will happen, the earliest first; the number keeps the order of equal moments.
    next: BinaryHeap<Reverse<(i64, u64, Next)>>,
    planned: u64,
    told: u64,
    pulls: u32,
    deployments: u32,
    tip: Option<String>,
    /// What is live, and what was before it.
    live: [Option<String>; 2],
    /// What the next train takes, if anything was built since the last.
    built: Option<String>,
    direct: bool,
}

const PEOPLE: [&str; 8] = ["ada", "grace", "edsger", "barbara", "alan", "mary", "donald", "radia"];
/// Who updates libraries.
const BOT: &str = "renovate[bot]";
/// How many lines a bot touches, about.
const LINES_OF_BOTS: u32 = 3;
const LIBRARIES: [&str; 8] = ["serde", "tokio", "axum", "clap", "jiff", "maud", "tracing", "hyper"];
const DONE: [&str; 6] = ["Add", "Mend", "Speed up", "Simplify", "Remove", "Describe"];
const PARTS: [&str; 8] = [
    "the list of orders",
    "the retry of payments",
    "how parcels are counted",
    "the cache of prices",
    "the import of addresses",
    "errors of the map",
    "the export for accountants",
    "the tests of the basket",
];

impl Work {
    pub(super) fn new(company: &Company, service: u32) -> Self {
        let mut random = Random::new(company.seed, u64::from(service));
        let story = company.story(service);
        let habits = match story {
            Some(story) => story.habits,
            None => Habits::drawn(company.changes_per_week, &mut random),
        };
        let later = story.and_then(|story| story.later).map(|later| (company.days / 2, later));
        Self {
            service,
            start: company.start,
            // The first day of all was a Thursday.
            first_weekday: (company.start.div_euclid(DAY) + 3).rem_euclid(7),
            habits,
            later,
            random,
            next: BinaryHeap::new(),
            planned: 0,
            told: 0,
            pulls: 0,
            deployments: 0,
            tip: None,
            live: [None, None],
            built: None,
            direct: company.direct,
        }
    }

    /// Lets a day happen.
    pub(super) fn day(&mut self, day: u32, events: &mut Vec<Event>) {
        let midnight = self.start + i64::from(day) * DAY;
        if let Some((_, later)) = self.later.take_if(|(from, _)| *from <= day) {
            self.habits = later;
        }
        // A hundred weeks have 500 working days; what is left over is drawn.
        let (whole, part) = (self.habits.changes / 500, self.habits.changes % 500);
        let count = whole + u32::from(self.random.below(500) < part);
        let count = if (self.first_weekday + i64::from(day)) % 7 < 5 { count } else { 0 };
        let mut begun: Vec<Change> = (0..count).map(|_| self.begin(midnight)).collect();
        if self.direct && !begun.is_empty() {
            begun.sort_by_key(|change| change.first_authored_at);
            self.plan(midnight + i64::from(18 * HOUR), Next::Push(begun));
        } else {
            begun.into_iter().for_each(|it| self.plan(it.opened_at, Next::Open(it)));
        }
        while self.next.peek().is_some_and(|Reverse((at, _, _))| *at < midnight + DAY) {
            if let Some(Reverse((at, _, next))) = self.next.pop() {
                self.happen(at, next, events);
            }
        }
    }

    fn plan(&mut self, at: i64, next: Next) {
        self.next.push(Reverse((at, self.planned, next)));
        self.planned += 1;
    }

    fn tell(&mut self, at: i64, what: What, events: &mut Vec<Event>) {
        events.push(Event { at, service: self.service, number: self.told, what });
        self.told += 1;
    }

    fn begin(&mut self, midnight: i64) -> Change {
        let random = &mut self.random;
        let first_authored_at = midnight + i64::from(8 * HOUR + random.below(9 * HOUR));
        let is_bot = random.in_thousand(self.habits.bots);
        let assisted = !is_bot && random.in_thousand(self.habits.assisted);
        let (done, part) = (random.below(6) as usize, random.below(8) as usize);
        let (title, author) = match is_bot {
            true => (format!("Update {} to 1.{}", LIBRARIES[part], 1 + self.pulls), BOT),
            false => (format!("{} {}", DONE[done], PARTS[part]), PEOPLE[random.below(8) as usize]),
        };
        self.pulls += 1;
        Change {
            number: self.pulls,
            title,
            author,
            assisted,
            first_authored_at,
            opened_at: first_authored_at + random.about(if is_bot { MINUTE } else { 3 * HOUR }),
            head: random.hash(),
            lines: match (self.habits.lines, is_bot) {
                (0, _) => 0,
                (_, true) => LINES_OF_BOTS,
                (lines, false) => lines,
            },
        }
    }

    fn happen(&mut self, at: i64, next: Next, events: &mut Vec<Event>) {
        match next {
            Next::Open(change) => {
                self.tell(at, change.told(None), events);
                let wait = self.random.about(self.habits.review);
                let approved = !self.random.in_thousand(200);
                self.plan(at + wait, Next::Review { change, approved });
            }
            Next::Review { change, approved } => {
                // Nobody reviews what he wrote himself.
                let reviewer = PEOPLE[(change.number as usize) % PEOPLE.len()];
                let reviewer = if reviewer == change.author { "linus" } else { reviewer };
                let number = change.number;
                self.tell(at, What::Reviewed { number, approved, reviewer }, events);
                let (median, next) = match approved {
                    true if self.habits.board > 0 => (self.habits.board, Next::Board(change)),
                    true => (HOUR, Next::Merge(change)),
                    false => (6 * HOUR, Next::Review { change, approved: true }),
                };
                let wait = self.random.about(median);
                self.plan(at + wait, next);
            }
            Next::Board(change) => {
                let number = change.number;
                let told = What::Reviewed { number, approved: true, reviewer: "board" };
                self.tell(at, told, events);
                self.plan(at + i64::from(10 * MINUTE), Next::Merge(change));
            }
            Next::Push(changes) => self.push(at, changes, events),
            Next::Merge(change) => self.merge(at, &change, events),
            Next::Build { revision, started_at } => {
                let success = !self.random.in_thousand(self.habits.flaky);
                let built = What::Built { revision: revision.clone(), started_at, success };
                self.tell(at, built, events);
                match (success, self.habits.train) {
                    // Somebody sees it after a while, and has it run again.
                    (false, _) => {
                        let wait = self.random.about(50 * MINUTE);
                        let again = Next::Build { revision, started_at: at + wait };
                        let takes = self.random.about(8 * MINUTE);
                        self.plan(at + wait + takes, again);
                    }
                    (true, Train::EachMerge) => self.plan(at + 30, Next::Deploy { revision }),
                    // A build that was run again may come after one of newer work.
                    (true, _) if self.tip.as_ref() != Some(&revision) => {}
                    (true, train) => {
                        if self.built.replace(revision).is_none() {
                            self.plan(self.departure(at, train), Next::Depart);
                        }
                    }
                }
            }
            Next::Depart => {
                if let Some(revision) = self.built.take() {
                    self.deploy(at, revision, events);
                }
            }
            Next::Deploy { revision } => self.deploy(at, revision, events),
            Next::Finish { name, revision, started_at, success } => {
                self.finish(at, Deployed { name, revision, started_at }, success, events);
            }
            Next::Incident { deployment } => {
                let incident = format!("incident-{deployment}");
                let reported = What::IncidentReported { incident: incident.clone(), deployment };
                self.tell(at, reported, events);
                if let [_, Some(before)] = &self.live {
                    let revision = before.clone();
                    self.plan(at + i64::from(10 * MINUTE), Next::Deploy { revision });
                }
                let wait = self.random.about(HOUR);
                self.plan(at + wait, Next::Resolve { incident });
            }
            Next::Resolve { incident } => {
                self.tell(at, What::IncidentResolved { incident }, events);
            }
        }
    }

    /// When the next train leaves.
    fn departure(&self, at: i64, train: Train) -> i64 {
        // Days since the Monday of the first week.
        let today = (at - self.start).div_euclid(DAY) + self.first_weekday;
        let day = match train {
            Train::EachMerge => today,
            Train::Daily if today % 7 < 4 => today + 1,
            Train::Daily | Train::Weekly => (today / 7 + 1) * 7,
            Train::Monthly => (today / 28 + 1) * 28,
        };
        self.start + (day - self.first_weekday) * DAY + DAY / 2
    }

    /// Each change is a commit on top of the one before.
    fn push(&mut self, at: i64, changes: Vec<Change>, events: &mut Vec<Event>) {
        let before = self.tip.clone();
        let mut commits = Vec::with_capacity(changes.len());
        for change in changes {
            let parents = self.tip.replace(change.head.clone()).into_iter().collect();
            commits.push(Commit {
                message: change.message(),
                lines: change.lines(),
                hash: change.head,
                parents,
                authored_at: change.first_authored_at,
                committed_at: change.first_authored_at,
                author: change.author,
            });
        }
        self.tell(at, What::Pushed { before, commits }, events);
        self.build(at);
    }

    /// The newest commit is going to be built.
    fn build(&mut self, at: i64) {
        if let Some(revision) = self.tip.clone() {
            let wait = 5 + self.random.about(8 * MINUTE);
            self.plan(at + wait, Next::Build { revision, started_at: at + 5 });
        }
    }

    /// A change becomes one commit (a squash), or one commit and a merge.
    fn merge(&mut self, at: i64, change: &Change, events: &mut Vec<Event>) {
        let before = self.tip.clone();
        let onto: Vec<String> = before.iter().cloned().collect();
        let became = self.random.hash();
        let commits = match &before {
            Some(before) if self.random.in_thousand(self.habits.merges) => {
                let (mut commits, mut onto) = (Vec::new(), onto);
                for piece in change.work() {
                    let parents = std::mem::replace(&mut onto, vec![piece.hash.clone()]);
                    commits.push(piece.commit(change, parents, change.opened_at));
                }
                let merge = Piece {
                    hash: became.clone(),
                    authored_at: at,
                    message: format!("Merge: {}", change.title),
                    lines: None,
                };
                let parents = vec![before.clone(), change.head.clone()];
                commits.push(merge.commit(change, parents, at));
                commits
            }
            _ => {
                let squash = Piece {
                    hash: became.clone(),
                    authored_at: change.first_authored_at,
                    message: change.message(),
                    lines: change.lines(),
                };
                vec![squash.commit(change, onto, at)]
            }
        };
        self.tell(at, What::Pushed { before, commits }, events);
        self.tell(at, change.told(Some(became.clone())), events);
        self.tip = Some(became);
        self.build(at);
    }

    fn deploy(&mut self, at: i64, revision: String, events: &mut Vec<Event>) {
        self.deployments += 1;
        let name = format!("{}-{}", self.service, self.deployments);
        let deployed = Deployed { name: name.clone(), revision: revision.clone(), started_at: at };
        self.tell(at, What::DeploymentStarted(deployed), events);
        let success = !self.random.in_thousand(self.habits.failing);
        let wait = self.random.about(4 * MINUTE);
        self.plan(at + wait, Next::Finish { name, revision, started_at: at, success });
    }

    fn finish(&mut self, at: i64, deployed: Deployed, success: bool, events: &mut Vec<Event>) {
        if success {
            if self.random.in_thousand(self.habits.troubled) {
                let wait = self.random.about(HOUR);
                self.plan(at + wait, Next::Incident { deployment: deployed.name.clone() });
            }
            let [now, _] = std::mem::take(&mut self.live);
            self.live = [Some(deployed.revision.clone()), now];
        } else {
            let revision = deployed.revision.clone();
            self.plan(at + i64::from(15 * MINUTE), Next::Deploy { revision });
        }
        self.tell(at, What::DeploymentFinished { deployed, success }, events);
    }
}
