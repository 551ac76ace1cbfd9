//! What happens to a service, step by step, and what is told of it.

use crate::delivery::facts::{
    Artifact, Branch, Build, Commit, CommitDetail, Deployment, Earliest, Entity, Incident, Latest,
    Parents, PullRequest, Repository, Review, Verdict,
};

/// What happens, and numbers that say how.
pub(super) type Step = (u8, u8, u8);

/// What is told of a life, which goes wild from a step on: each fact with the places for which it
/// is held back.
pub(super) fn told(steps: &[Step], wild_from: usize) -> Vec<(usize, Entity)> {
    let mut life = Life { now: 1_000_000, ..Life::default() };
    life.tell(Entity::Repository(Repository {
        default_branch: Latest::at(0, "main".to_owned()),
        ..Repository::default()
    }));
    life.commit(&[], None);
    for (at, &step) in steps.iter().enumerate() {
        life.is_wild = at >= wild_from;
        life.step(step);
    }
    life.told
}

#[derive(Default)]
struct Life {
    now: i64,
    is_wild: bool,
    commits: u64,
    pulls: u32,
    deployments: u32,
    /// The mainline.
    chain: Vec<String>,
    /// What production ran: name and revision.
    live: Vec<(String, String)>,
    incidents: Vec<(String, bool)>,
    told: Vec<(usize, Entity)>,
}

/// The hash of a commit, in an order that is not that of the commits.
fn hash(commit: u64) -> String {
    let start = (commit + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{start:016x}{commit:024x}")
}

impl Life {
    fn tell(&mut self, entity: Entity) {
        self.told.push((0, entity));
    }

    fn tell_late(&mut self, late: usize, entity: Entity) {
        self.told.push((late, entity));
    }

    fn back(&self, by: usize) -> String {
        self.chain[self.chain.len().saturating_sub(1 + by)].clone()
    }

    fn step(&mut self, (what, how, much): Step) {
        self.now += i64::from(how % 60) + 1;
        let wild = self.is_wild;
        match what % 40 {
            0..=7 => self.squash(how, much),
            8..=11 => self.merge(usize::from(how % 4), much),
            12..=14 => {
                let tip = self.back(0);
                self.commit(&[&tip], None);
            }
            15..=16 => self.push(how, much),
            17..=26 => self.deploy(0, how, much),
            27 => self.deploy(usize::from(how % 3), how, much),
            28..=30 => self.build(usize::from(how % 2), how),
            31 => self.incident(how, much),
            32 => self.resolve(),
            33 => self.stage(how),
            34 if wild || how < 30 => self.linked(usize::from(much % 6), how),
            35 if wild || how < 20 => self.again(usize::from(how), usize::from(much)),
            36 if wild => self.deploy(usize::from(how % 30), how, much),
            37 if wild => self.odd(how, much),
            38 if wild => self.merge(usize::from(how % 40), much),
            39 if wild => self.late(how, much),
            _ => self.review(how),
        }
    }

    fn detail(&mut self, parents: Parents) -> CommitDetail {
        self.now += 1;
        let number = self.commits;
        CommitDetail {
            parents,
            authored_at: Some(self.now - (number % 7) as i64 * 50),
            committed_at: Some(self.now),
            author: format!("author {}", number % 3),
            subject: format!("subject {number}"),
            work: if self.is_wild { number % 23 } else { number },
            bot: number.is_multiple_of(11),
            assisted: number.is_multiple_of(5),
            revert: false,
            reverts: Vec::new(),
            picks: Vec::new(),
        }
    }

    fn told_commit(&mut self, detail: CommitDetail, pushed_onto: Option<String>) -> String {
        let hash = hash(self.commits);
        let path = if self.commits % 3 == 1 { "desk/a" } else { "shop/a" };
        let paths = (!self.commits.is_multiple_of(4)).then(|| vec![path.to_owned()]);
        let lines = (!self.commits.is_multiple_of(5)).then_some(self.commits % 90);
        self.commits += 1;
        self.tell(Entity::Commit(Commit {
            hash: hash.clone(),
            detail: Some(detail),
            pushed_onto,
            paths,
            lines,
        }));
        hash
    }

    /// A commit beside the mainline.
    fn branch_commit(&mut self, parents: &[&str]) -> String {
        let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
        let detail = self.detail(Parents::Exact(parents));
        self.told_commit(detail, None)
    }

    fn tip(&mut self) {
        let tip = Latest::at(self.now, self.back(0));
        self.tell(Entity::Branch(Branch { name: "main".to_owned(), tip }));
    }

    /// A commit on the mainline.
    fn commit(&mut self, parents: &[&str], detail: Option<CommitDetail>) -> String {
        let exact = Parents::Exact(parents.iter().map(|&parent| parent.to_owned()).collect());
        let mut detail = detail.unwrap_or_else(|| self.detail(exact.clone()));
        detail.parents = exact;
        let hash = self.told_commit(detail, None);
        self.chain.push(hash.clone());
        self.tip();
        hash
    }

    fn pull(&mut self, head: String, merge: String, commits: &[String]) {
        self.pulls += 1;
        let now = self.now;
        self.tell(Entity::PullRequest(PullRequest {
            number: self.pulls.to_string(),
            opened_at: (now - 40).into(),
            merged_at: now.into(),
            merge_commit: Latest::at(now, merge),
            head: Latest::at(now, head),
            base: Latest::at(now, "main".to_owned()),
            title: Latest::at(now, format!("Pull {}", self.pulls)),
            lines: match self.pulls % 3 {
                0 => Latest::default(),
                _ => Latest::at(now, u64::from(self.pulls % 70)),
            },
            commits: commits.iter().cloned().collect(),
            ..PullRequest::default()
        }));
    }

    /// A pull request becomes one commit; of its branch little, something or all is known.
    fn squash(&mut self, how: u8, much: u8) {
        let (tip, base) = (self.back(0), self.back(usize::from(much % 3)));
        let (mut head, mut commits) = (hash(self.commits + 7_000_000), Vec::new());
        if how.is_multiple_of(3) {
            let first = self.branch_commit(&[&base]);
            head = self.branch_commit(&[&first]);
            if how.is_multiple_of(2) {
                commits = vec![first, head.clone()];
            }
        }
        let merge = self.commit(&[&tip], None);
        if much.is_multiple_of(4) {
            self.build_of(head.clone(), how);
        }
        self.pull(head, merge, &commits);
    }

    fn merge(&mut self, behind: usize, much: u8) {
        let (tip, base) = (self.back(0), self.back(behind));
        let mut head = self.branch_commit(&[&base]);
        for _ in 0..much % 3 {
            head = self.branch_commit(&[&head]);
        }
        if much > 200 {
            head = self.branch_commit(&[&head, &tip]);
        }
        let merge = self.commit(&[&tip, &head], None);
        if !much.is_multiple_of(4) {
            self.pull(head, merge, &[]);
        }
    }

    /// A push whose parents are assumed: of commits, or of a merge with what it brought.
    fn push(&mut self, how: u8, much: u8) {
        let onto = self.back(0);
        let mut before = onto.clone();
        for _ in 0..=much % 3 {
            let detail = self.detail(Parents::Assumed(vec![before]));
            before = self.told_commit(detail, None);
        }
        let head = before.clone();
        let detail = self.detail(Parents::Assumed(vec![before]));
        let merge = self.told_commit(detail, (!how.is_multiple_of(3)).then_some(onto));
        self.chain.push(merge.clone());
        self.tip();
        if how.is_multiple_of(2) {
            self.pull(head.clone(), merge, &[head]);
        }
    }

    fn deployment(&mut self, environment: &str) -> Deployment {
        Deployment {
            environment: environment.to_owned(),
            name: format!("{environment} {}", self.deployments),
            started_at: Earliest(Some(self.now)),
            ..Deployment::default()
        }
    }

    fn deploy(&mut self, back: usize, how: u8, much: u8) {
        self.deployments += 1;
        self.now += 1;
        let revision = self.back(back);
        let environment = if self.is_wild && much > 230 { "prod-eu" } else { "production" };
        let mut it = self.deployment(environment);
        self.tell(Entity::Deployment(it.clone()));
        self.now += i64::from(much % 20) + 1;
        match how % 25 {
            0 => it.failed_at = self.now.into(),
            _ => it.succeeded_at = self.now.into(),
        }
        match much % 10 {
            0 => {
                let id = format!("pkg:{}", revision);
                it.artifact = Latest::at(self.now, id.clone());
                let revision = Latest::at(self.now, revision.clone());
                let artifact = Artifact { id, revision, ..Artifact::default() };
                self.tell(Entity::Artifact(artifact));
            }
            1 => it.revision = Latest::at(self.now, revision[..9].to_owned()),
            _ => it.revision = Latest::at(self.now, revision.clone()),
        }
        self.live.push((it.name.clone(), revision));
        self.tell(Entity::Deployment(it));
    }

    fn stage(&mut self, how: u8) {
        self.deployments += 1;
        let mut it = self.deployment("staging");
        it.revision = Latest::at(self.now, self.back(usize::from(how % 2)));
        it.succeeded_at = (self.now + 1).into();
        self.tell(Entity::Deployment(it));
    }

    fn build(&mut self, back: usize, how: u8) {
        self.build_of(self.back(back), how);
    }

    fn build_of(&mut self, revision: String, how: u8) {
        let pipeline = if how.is_multiple_of(5) { "lint" } else { "ci" };
        self.tell(Entity::Build(Build {
            revision,
            pipeline: pipeline.to_owned(),
            started_at: self.now.into(),
            succeeded_at: if how.is_multiple_of(9) {
                Earliest(None)
            } else {
                (self.now + 1).into()
            },
            failed_at: Earliest(how.is_multiple_of(4).then_some(self.now)),
        }));
    }

    fn incident(&mut self, how: u8, much: u8) {
        let id = format!("incident {}", self.incidents.len());
        self.incidents.push((id.clone(), false));
        let back = if self.is_wild { usize::from(how % 9) } else { 0 };
        let named = self.live.iter().rev().nth(back).map(|(name, _)| name.clone());
        let environment = match much % 6 {
            0 if self.is_wild => Some("prod-eu"),
            1 if self.is_wild => Some("prod"),
            2 => None,
            _ => Some("production"),
        };
        let environment = environment.map(|it| Latest::at(self.now, it.to_owned()));
        self.tell(Entity::Incident(Incident {
            id,
            opened_at: self.now.into(),
            environment: environment.unwrap_or_default(),
            deployment: Latest(named.filter(|_| how.is_multiple_of(2)).map(|it| (0, it))),
            ..Incident::default()
        }));
        if much.is_multiple_of(2) {
            self.deploy(1, 1, 2);
        }
    }

    fn resolve(&mut self) {
        let Some(open) = self.incidents.iter_mut().find(|(_, is_over)| !is_over) else { return };
        open.1 = true;
        let id = open.0.clone();
        let resolved_at = Latest::at(self.now, Some(self.now));
        self.tell(Entity::Incident(Incident { id, resolved_at, ..Incident::default() }));
    }

    /// A commit that reverts another, or was picked from it.
    fn linked(&mut self, back: usize, how: u8) {
        let (tip, other) = (self.back(0), self.back(back));
        let mut detail = self.detail(Parents::Unknown);
        let length = if how.is_multiple_of(4) { 10 } else { 40 };
        match how % 2 {
            0 => detail.reverts = vec![other[..length].to_owned()],
            _ => detail.picks = vec![other[..length].to_owned()],
        }
        detail.revert = how.is_multiple_of(2);
        self.commit(&[&tip], Some(detail));
    }

    /// Something is told again.
    fn again(&mut self, which: usize, late: usize) {
        let fact = self.told[which * 7 % self.told.len()].1.clone();
        self.tell_late(late, fact);
    }

    fn review(&mut self, how: u8) {
        let back = if self.is_wild { u32::from(how % 12) } else { 0 };
        let number = (self.pulls + 1).saturating_sub(back);
        let mut pull = PullRequest { number: number.to_string(), ..PullRequest::default() };
        pull.opened_at = (self.now - 5).into();
        let verdict = if how.is_multiple_of(3) { Verdict::Commented } else { Verdict::Approved };
        pull.reviews.insert((how % 2).to_string(), Review { at: self.now, verdict, by: None });
        self.tell(Entity::PullRequest(pull));
    }

    /// What comes long after it happened.
    fn late(&mut self, how: u8, much: u8) {
        let count = self.told.len();
        let at = count.saturating_sub(1 + usize::from(how % 8));
        self.told[at].0 += usize::from(much) * 2;
    }

    /// What seldom happens.
    fn odd(&mut self, how: u8, much: u8) {
        let (tip, far) = (self.back(0), self.back(usize::from(much % 50)));
        match how % 10 {
            // A history that begins anew, or on something that nobody knows.
            0 => drop(self.commit(&["f00dfeed00000000000000000000000000000000"], None)),
            1 => drop(self.commit(&[&far], None)),
            2 => drop(self.commit(&[&tip, &far], None)),
            3 => {
                let mut detail = self.detail(Parents::Unknown);
                detail.committed_at = Some(900_000);
                self.commit(&[&tip], Some(detail));
            }
            4 => {
                let name = format!("odd {much}");
                let tip = Latest::at(self.now, far);
                self.tell(Entity::Branch(Branch { name, tip }));
            }
            5 => {
                // A commit is found to have been picked from one that comes later.
                let mut detail = self.detail(Parents::Unknown);
                detail.picks = vec![hash(self.commits + 5)];
                self.commit(&[&tip], Some(detail));
            }
            6 => {
                self.deployments += 1;
                let mut it = self.deployment("production");
                it.succeeded_at = (self.now - i64::from(much) * 10).into();
                it.revision =
                    Latest::at(0, if much.is_multiple_of(2) { far } else { "x".repeat(40) });
                self.tell(Entity::Deployment(it));
            }
            7 => {
                self.pulls += 1;
                let pull = PullRequest {
                    number: self.pulls.to_string(),
                    head: Latest::at(0, far),
                    opened_at: self.now.into(),
                    ..PullRequest::default()
                };
                self.tell(Entity::PullRequest(pull));
            }
            8 => self.tell(Entity::Build(Build {
                revision: tip,
                pipeline: "late".to_owned(),
                succeeded_at: (self.now - i64::from(much) * 4).into(),
                ..Build::default()
            })),
            _ => {
                // A release from a branch of its own.
                let release = self.branch_commit(&[&far]);
                self.deployments += 1;
                let mut it = self.deployment("production");
                it.succeeded_at = self.now.into();
                it.revision = Latest::at(0, release);
                self.tell(Entity::Deployment(it));
            }
        }
    }
}
