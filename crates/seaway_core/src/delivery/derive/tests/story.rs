//! What happened to a service, told shortly. Commits have names instead of hashes, and moments are
//! minutes.

use crate::delivery::derive::{INCIDENT_WINDOW_SECONDS, ServiceSpec, derive};
use crate::delivery::facts::{
    Artifact, Branch, Build, Commit, CommitDetail, Deployment, Entity, Incident, Latest, Parents,
    PullRequest, Repository, Review, Verdict,
};
use crate::delivery::measured::Status;
use crate::delivery::view::{ChangeRow, DeploymentRow, Milestone, ServiceView};

/// The moment of a minute.
pub(super) fn minute(minute: i64) -> i64 {
    1_700_000_000 + 60 * minute
}

/// The hash of a commit with this name.
pub(super) fn hash(name: &str) -> String {
    let start: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{start:e<40}")
}

/// All that was told.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) entities: Vec<Entity>,
}

/// The service of the stories.
pub(super) fn spec() -> ServiceSpec<'static> {
    ServiceSpec {
        name: "shop",
        repository: Some("example.com/shop"),
        incident_window_seconds: INCIDENT_WINDOW_SECONDS,
        ..ServiceSpec::default()
    }
}

impl Story {
    /// The default branch is `main`, and points to this commit.
    pub(super) fn of_main(tip: &str) -> Self {
        let mut story = Self::default();
        story.entities.push(Entity::Repository(Repository {
            default_branch: Latest::at(0, "main".to_owned()),
            ..Repository::default()
        }));
        story.tip(tip);
        story
    }

    /// Commits in a line, each a minute after the one before: the first is a root at minute 0.
    pub(super) fn line(names: &[&str]) -> Self {
        let mut story = Self::of_main(names.last().unwrap());
        for (at, name) in names.iter().enumerate() {
            let parents: Vec<&str> =
                at.checked_sub(1).map(|before| names[before]).into_iter().collect();
            story.commit(name, &parents, at as i64);
        }
        story
    }

    pub(super) fn tip(&mut self, tip: &str) {
        self.entities.push(Entity::Branch(Branch {
            name: "main".to_owned(),
            tip: Latest::at(self.entities.len() as i64, hash(tip)),
        }));
    }

    /// A commit as git has it, authored and committed in one minute.
    pub(super) fn commit(&mut self, name: &str, parents: &[&str], at: i64) -> &mut CommitDetail {
        let parents = parents.iter().map(|parent| hash(parent)).collect();
        self.described(name, Parents::Exact(parents), at)
    }

    /// A push to a branch that pointed to `onto`, one commit a minute.
    pub(super) fn push(&mut self, onto: Option<&str>, names: &[&str], at: i64) {
        let mut before = onto.map(hash);
        for (minutes, name) in (0..).zip(names) {
            let parents = before.map_or(Parents::Unknown, |before| Parents::Assumed(vec![before]));
            self.described(name, parents, at + minutes);
            before = Some(hash(name));
        }
        if let Some(Entity::Commit(last)) = self.entities.last_mut() {
            last.pushed_onto = onto.map(hash);
        }
    }

    fn described(&mut self, name: &str, parents: Parents, at: i64) -> &mut CommitDetail {
        self.entities.push(Entity::Commit(Commit {
            hash: hash(name),
            detail: Some(CommitDetail {
                parents,
                authored_at: Some(minute(at)),
                committed_at: Some(minute(at)),
                author: format!("{name} <{name}@example.com>"),
                subject: format!("Make {name}"),
                work: name.bytes().fold(7, |work, byte| work * 31 + u64::from(byte)),
                bot: false,
                assisted: false,
                revert: false,
                reverts: Vec::new(),
                picks: Vec::new(),
            }),
            ..Commit::default()
        }));
        match self.entities.last_mut() {
            Some(Entity::Commit(Commit { detail: Some(detail), .. })) => detail,
            _ => panic!("it was put there just now"),
        }
    }

    /// What a commit touches.
    pub(super) fn paths(&mut self, name: &str, paths: &[&str]) {
        let paths = Some(paths.iter().map(|&path| path.to_owned()).collect());
        self.entities.push(Entity::Commit(Commit { hash: hash(name), paths, ..Commit::default() }));
    }

    /// How many lines a commit touches.
    pub(super) fn lines(&mut self, name: &str, lines: u64) {
        let (hash, lines) = (hash(name), Some(lines));
        self.entities.push(Entity::Commit(Commit { hash, lines, ..Commit::default() }));
    }

    /// A pull request that was opened and became a commit.
    pub(super) fn pull(
        &mut self,
        number: &str,
        head: &str,
        opened: i64,
        (merge, merged): (&str, i64),
    ) -> &mut PullRequest {
        self.entities.push(Entity::PullRequest(PullRequest {
            number: number.to_owned(),
            head: Latest::at(0, hash(head)),
            opened_at: minute(opened).into(),
            merge_commit: Latest::at(0, hash(merge)),
            merged_at: minute(merged).into(),
            base: Latest::at(0, "main".to_owned()),
            title: Latest::at(0, format!("Pull {number}")),
            ..PullRequest::default()
        }));
        match self.entities.last_mut() {
            Some(Entity::PullRequest(pull)) => pull,
            _ => panic!("it was put there just now"),
        }
    }

    /// A success in production.
    pub(super) fn deploy(&mut self, name: &str, revision: &str, at: i64) {
        self.deployment(name).succeeded_at = minute(at).into();
        self.deployment(name).revision = Latest::at(0, hash(revision));
    }

    /// A fact of a deployment to production.
    pub(super) fn deployment(&mut self, name: &str) -> &mut Deployment {
        self.entities.push(Entity::Deployment(Deployment {
            environment: "production".to_owned(),
            name: name.to_owned(),
            ..Deployment::default()
        }));
        match self.entities.last_mut() {
            Some(Entity::Deployment(deployment)) => deployment,
            _ => panic!("it was put there just now"),
        }
    }

    pub(super) fn artifact(&mut self, id: &str, revision: &str) {
        self.entities.push(Entity::Artifact(Artifact {
            id: id.to_owned(),
            revision: Latest::at(0, hash(revision)),
            ..Artifact::default()
        }));
    }

    pub(super) fn build(&mut self, revision: &str, pipeline: &str, at: i64) {
        self.entities.push(Entity::Build(Build {
            revision: hash(revision),
            pipeline: pipeline.to_owned(),
            succeeded_at: minute(at).into(),
            ..Build::default()
        }));
    }

    pub(super) fn incident(&mut self, id: &str, opened: i64, resolved: Option<i64>) {
        self.entities.push(Entity::Incident(Incident {
            id: id.to_owned(),
            opened_at: minute(opened).into(),
            resolved_at: resolved.map(|at| Latest::at(0, Some(minute(at)))).unwrap_or_default(),
            ..Incident::default()
        }));
    }

    pub(super) fn view(&self) -> View {
        self.view_of(&spec())
    }

    pub(super) fn view_of(&self, spec: &ServiceSpec<'_>) -> View {
        let mut entities: Vec<&Entity> = self.entities.iter().collect();
        let view = derive(spec, &entities);
        entities.reverse();
        assert_eq!(derive(spec, &entities), view, "told the other way round");
        View(view)
    }
}

/// A view that is asked by the names of the story.
pub(super) struct View(pub(super) ServiceView);

impl View {
    pub(super) fn change(&self, name: &str) -> &ChangeRow {
        let mut changes = self.0.changes.iter();
        changes.find(|row| row.change == hash(name)).unwrap_or_else(|| panic!("no change {name}"))
    }

    pub(super) fn deployment(&self, name: &str) -> &DeploymentRow {
        let mut rows = self.0.deployments.iter();
        rows.find(|row| row.name == name).unwrap_or_else(|| panic!("no deployment {name}"))
    }

    /// The names of all changes, oldest first.
    pub(super) fn changes(&self, names: &[&str]) {
        let changes: Vec<&str> = self.0.changes.iter().map(|row| row.change.as_str()).collect();
        let names: Vec<String> = names.iter().map(|name| hash(name)).collect();
        assert_eq!(changes, names);
    }

    /// Where a change stands, and the deployment that delivered it.
    pub(super) fn stands(&self, name: &str, status: Status, deployment: Option<&str>) {
        let row = self.change(name);
        assert_eq!((row.status, row.deployment.as_deref()), (status, deployment), "{name}");
    }

    /// The minutes of a change's milestones.
    pub(super) fn minutes(&self, name: &str) -> Vec<(Milestone, i64)> {
        let milestones = self.change(name).milestones;
        let known = Milestone::ALL.into_iter().filter_map(|one| Some((one, milestones.get(one)?)));
        known.map(|(one, moment)| (one, (moment - minute(0)) / 60)).collect()
    }

    /// The findings of a kind, by subject.
    pub(super) fn found(&self, kind: &str) -> Vec<&str> {
        let of_kind = self.0.findings.iter().filter(|row| row.kind == kind);
        of_kind.map(|row| row.subject.as_str()).collect()
    }
}

/// A review of so many minutes.
pub(super) fn review(at: i64, verdict: Verdict) -> Review {
    Review { at: minute(at), verdict, by: None }
}
