//! Small histories for the tests of this folder.

use super::{Report, ReportInput, Source, build};
use crate::delivery::attribution::Deployment;
use crate::delivery::history::{Commit, CommitIndex, History, Marks};
use crate::delivery::measured::{Measured, Question, Size};
use crate::delivery::work::Plausible;
use jiff::tz::TimeZone;

/// The latest time that the fixtures believe: the end of the year 2099.
pub(super) const LATEST: i64 = 4_102_444_800;

/// A history in the making.
pub(super) struct Story {
    pub(super) history: History,
    pub(super) head: Option<CommitIndex>,
    pub(super) deployments: Vec<Deployment>,
    pub(super) as_of: Option<i64>,
    pub(super) touches: Option<Vec<bool>>,
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
    pub(super) time_zone: TimeZone,
    pub(super) sizes: Option<Vec<Option<Size>>>,
}

impl Story {
    pub(super) fn new() -> Self {
        Self {
            history: History::default(),
            head: None,
            deployments: Vec::new(),
            as_of: None,
            touches: None,
            since: None,
            until: None,
            time_zone: TimeZone::UTC,
            sizes: None,
        }
    }

    /// A commit anywhere, which is work of its own.
    pub(super) fn commit(
        &mut self,
        authored: i64,
        committed: i64,
        parents: &[CommitIndex],
    ) -> CommitIndex {
        let work = self.history.len() as u64;
        self.push(Commit { authored, committed, work, marks: Marks::default() }, parents)
    }

    pub(super) fn push(&mut self, commit: Commit, parents: &[CommitIndex]) -> CommitIndex {
        self.history.push(commit, parents).unwrap()
    }

    /// A direct commit on top of the mainline.
    pub(super) fn direct(&mut self, authored: i64, committed: i64) -> CommitIndex {
        let parent: Vec<_> = self.head.into_iter().collect();
        let commit = self.commit(authored, committed, &parent);
        self.head = Some(commit);
        commit
    }

    /// A direct commit on top of the mainline, with marks.
    pub(super) fn marked(&mut self, authored: i64, marks: u8) -> CommitIndex {
        let parent: Vec<_> = self.head.into_iter().collect();
        let work = self.history.len() as u64;
        let marks = Marks(marks);
        let commit = self.push(Commit { authored, committed: authored, work, marks }, &parent);
        self.head = Some(commit);
        commit
    }

    pub(super) fn deploy(&mut self, name: &str, revision: CommitIndex, finished_at: i64) {
        self.deployments.push(Deployment { name: name.to_owned(), revision, finished_at });
    }

    /// A baseline at `at`, then a direct commit at each `start` that is deployed `seconds` later.
    pub(super) fn of_lives(at: i64, lives: &[(i64, i64)]) -> Self {
        let mut story = Self::new();
        let first = story.direct(at, at);
        story.deploy("v0", first, at);
        for &(start, seconds) in lives {
            let commit = story.direct(start, start);
            story.deploy(&format!("v{commit}"), commit, start + seconds);
        }
        story
    }

    pub(super) fn measured(&self) -> Measured {
        let question = Question {
            head: self.head,
            deployments: self.deployments.clone(),
            plausible: Plausible { earliest: 1, latest: LATEST },
            as_of: self.as_of,
            touches: self.touches.clone(),
        };
        Measured::of(&self.history, question)
    }

    pub(super) fn report(&self) -> Report {
        let measured = self.measured();
        build(&ReportInput {
            history: &self.history,
            measured: &measured,
            source: source(),
            since: self.since,
            until: self.until,
            time_zone: &self.time_zone,
            sizes: self.sizes.as_deref(),
            unsuccessful_deployments: 0,
            hash: &|commit| format!("{commit:040x}"),
            subject: &|commit| format!("subject {commit}"),
            findings: Vec::new(),
        })
    }

    /// The report of another span of the same history.
    pub(super) fn report_of(&mut self, since: Option<i64>, until: Option<i64>) -> Report {
        (self.since, self.until) = (since, until);
        self.report()
    }
}

pub(super) fn source() -> Source {
    Source {
        repository: "fixture".to_owned(),
        branch: Some("main".to_owned()),
        head: None,
        deploys: vec!["tag:v*".to_owned()],
        reason: String::new(),
        advice: String::new(),
        paths: Vec::new(),
        as_of: None,
        since: None,
        until: None,
        time_zone: "UTC".to_owned(),
    }
}
