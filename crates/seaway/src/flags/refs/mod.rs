//! Where a repository mentions flags, and which commits brought the first and took the last mention.

mod command;
mod text;

pub(super) use command::Refs;

use crate::error::Error;
use crate::git::cache::{self, Cache};
use crate::git::commit::AuthorPatterns;
use crate::git::read::{Course, Graph};
use crate::git::sizes::Pair;
use crate::git::sizes::mentions::{self, Difference, Wanted};
use crate::git::store::Commits;
use crate::git::{Error as GitError, Repository, clone, read, watch_interrupts};
use crate::pages::words::clean;
use crate::progress::{Line, State};
use crate::repositories;
use seaway_core::delivery::history::{CommitIndex, Marks};
use seaway_core::delivery::mainline::Mainline;
use seaway_core::flags::mentions::Keys;
use seaway_core::paths::Globs;
use seaway_core::time::Time;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places of a key that are told.
const PLACES_MAX: usize = 1_000;
/// Characters of a subject, a path and a line that are told.
const SUBJECT_CHARS_MAX: usize = 200;
const PATH_CHARS_MAX: usize = 1_000;
const LINE_CHARS_MAX: usize = 200;

/// What a repository says of flags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Found {
    /// The folder or the URL, without credentials.
    repository: String,
    branch: Option<String>,
    /// The commit that was looked at.
    revision: String,
    /// Whether the history is cut off: what is told of its first commit may be older.
    shallow: bool,
    /// Commits whose files could not all be read; what they brought and took is not known.
    unread_commits: usize,
    /// In the order that they were asked for.
    flags: Vec<FlagFound>,
}

/// What a repository says of one flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct FlagFound {
    key: String,
    /// How often the newest commit mentions it.
    mentions: usize,
    /// Where: the first [`PLACES_MAX`].
    places: Vec<PlaceFound>,
    /// The commit that brought the first mention; null where there never was one, or where the
    /// history was not asked for.
    introduced: Option<Moment>,
    /// The commit that took the last mention; null where there is one still.
    removed: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PlaceFound {
    path: String,
    line: u32,
    text: String,
}

/// A commit that brought or took mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Moment {
    /// The commit itself.
    commit: String,
    subject: String,
    /// The commit by which it reached the mainline: the name of the change.
    change: String,
    /// When that was made.
    at: Option<Time>,
    /// Whether it stands at the end of a history that is cut off, so that an older one may be the
    /// one.
    or_earlier: bool,
}

/// A repository that was read, as far as looking for mentions goes.
struct Reading<'a> {
    repository: &'a Repository,
    commits: &'a Commits,
    graph: &'a Graph,
    mainline: &'a Mainline,
    wanted: Wanted<'a>,
    course: &'a Course,
}

impl<'a> Reading<'a> {
    /// The pairs of commits with their first parents.
    fn pairs(&self, of: &[CommitIndex]) -> Vec<Pair> {
        let id = |commit| self.graph.id(self.commits, commit);
        let before = |commit| self.graph.history.parents(commit).first().map(|&it| id(it));
        of.iter().map(|&commit| Pair { before: before(commit), after: id(commit) }).collect()
    }

    /// How the mentions differ at each of these commits, in their order.
    fn differences(&self, of: &[CommitIndex]) -> Result<Vec<Option<Difference>>, Error> {
        let done = Arc::new(AtomicUsize::new(0));
        let line = Line::draw({
            let (done, total) = (Arc::clone(&done), of.len() as u64);
            move || State {
                what: "looking for flags".to_owned(),
                done: done.load(Ordering::Relaxed) as u64,
                total: Some(total),
            }
        });
        // Packs hold the newest state whole, so the newest commits are read first.
        let newest_first: Vec<CommitIndex> = of.iter().rev().copied().collect();
        let found = mentions::differences(
            &self.repository.inner,
            &self.pairs(&newest_first),
            &self.wanted,
            self.repository.threads,
            &done,
            self.course.interrupted,
        );
        drop(line);
        let mut found = found.map_err(GitError::from)?;
        found.reverse();
        Ok(found)
    }

    /// When each of so many keys came and went, and how many commits could not be read.
    fn lives(&self, keys: usize) -> Result<(Vec<Life>, usize), Error> {
        let chain = &self.mainline.chain;
        let differences = self.differences(chain)?;
        let unread = differences.iter().filter(|it| it.is_none()).count();
        let mut lives = vec![Life::default(); keys];
        for (position, difference) in (0..).zip(differences) {
            for &(key, by) in difference.iter().flat_map(|it| it.iter()) {
                if let Some(life) = lives.get_mut(key as usize) {
                    life.goes_on(position, by);
                }
            }
        }
        Ok((lives, unread))
    }

    /// The commit of a change that brought (`sign` is 1) or took (-1) mentions of a key: of a merge,
    /// the first one of the branch that brought or the last one that took some.
    fn moment(&self, position: u32, key: u32, sign: i64) -> Result<Option<Moment>, Error> {
        let Some(&on_mainline) = self.mainline.chain.get(position as usize) else {
            return Ok(None);
        };
        let mut commit = on_mainline;
        if self.graph.history.is_merge(on_mainline) {
            let mut members = self.mainline.members(position).to_vec();
            members.sort_unstable();
            let differences = self.differences(&members)?;
            let does = |difference: &Option<Difference>| {
                let all = difference.iter().flat_map(|it| it.iter());
                all.copied().any(|(of, by)| of == key && by.signum() == sign)
            };
            let mut those = members.iter().zip(&differences).filter(|(_, it)| does(it));
            let found = if sign > 0 { those.next() } else { those.next_back() };
            // A merge may bring what none of its commits has, as the end of a conflict.
            commit = found.map_or(on_mainline, |(&member, _)| member);
        }
        let number = self.graph.numbers.get(commit as usize).copied().unwrap_or_default();
        let subject = String::from_utf8_lossy(self.commits.subject(number)).into_owned();
        let on_mainline_commit = self.graph.history.commit(on_mainline);
        Ok(Some(Moment {
            commit: self.graph.hash(self.commits, commit),
            subject: clean(&subject, SUBJECT_CHARS_MAX),
            change: self.graph.hash(self.commits, on_mainline),
            at: Some(on_mainline_commit.committed).filter(|it| *it > 0).map(Time),
            or_earlier: on_mainline_commit.marks.has(Marks::EDGE),
        }))
    }

    /// What the newest commit mentions, and the history of that where it is asked for.
    fn find(&self, keys: &[String], with_history: bool) -> Result<(Vec<FlagFound>, usize), Error> {
        let Some(&tip) = self.mainline.chain.last() else { return Ok((Vec::new(), 0)) };
        let id = self.graph.id(self.commits, tip);
        let (places, counts) =
            mentions::places(&self.repository.inner, id, &self.wanted, PLACES_MAX)
                .ok_or(GitError::Missing { id })?;
        let (lives, unread) = match with_history {
            true => self.lives(keys.len())?,
            false => (vec![Life::default(); keys.len()], 0),
        };
        let mut places_of: HashMap<u32, Vec<PlaceFound>> = HashMap::new();
        for found in &places {
            places_of.entry(found.key).or_default().push(place(found));
        }
        let mut found = Vec::with_capacity(keys.len());
        for ((number, key), life) in (0..).zip(keys).zip(lives) {
            let moment = |position: Option<u32>, sign| match position {
                Some(position) => self.moment(position, number, sign),
                None => Ok(None),
            };
            let mentions = counts.get(&number).copied().unwrap_or(0);
            found.push(FlagFound {
                key: key.clone(),
                mentions,
                places: places_of.remove(&number).unwrap_or_default(),
                introduced: moment(life.introduced, 1)?,
                removed: moment(life.removed.filter(|_| mentions == 0), -1)?,
            });
        }
        Ok((found, unread))
    }
}

fn place(place: &mentions::Place) -> PlaceFound {
    let text = |bytes: &[u8], most| clean(&String::from_utf8_lossy(bytes), most);
    PlaceFound {
        path: text(&place.path, PATH_CHARS_MAX),
        line: place.line,
        text: text(place.text.trim_ascii(), LINE_CHARS_MAX),
    }
}

/// How the mentions of a key came and went along the mainline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Life {
    mentions: i64,
    /// The places on the mainline.
    introduced: Option<u32>,
    removed: Option<u32>,
}

impl Life {
    fn goes_on(&mut self, position: u32, by: i64) {
        self.mentions += by;
        if self.mentions > 0 {
            self.introduced.get_or_insert(position);
            self.removed = None;
        } else if self.introduced.is_some() {
            self.removed = Some(position);
        }
    }
}

/// Reads a repository and looks for keys.
fn look(
    name: &str,
    keys: &[String],
    (looked_for, except): (&Keys, &Globs),
    with_history: bool,
    patterns: (&AuthorPatterns, &str),
) -> Result<Found, Error> {
    let course = Course { commits: Arc::default(), interrupted: watch_interrupts() };
    let home = cache::home();
    let repository = repositories::open(name, home.as_deref(), &course)?;
    let cache = home.map(|home| Cache::of(&home, &repository, patterns.1));
    let mut commits = match cache {
        Some(mut cache) => cache.commits(repository.hash),
        None => Commits::new(repository.hash),
    };
    let branch = repository.default_branch()?;
    let tips: Vec<_> = branch.iter().map(|branch| branch.tip).collect();
    read::read(&repository, &mut commits, &tips, patterns.0, &course)?;
    let graph = read::arrange(&commits, &tips)?;
    let head = branch.as_ref().and_then(|branch| graph.index_of(&commits, branch.tip));
    let mainline = Mainline::of(&graph.history, head);
    let reading = Reading {
        repository: &repository,
        commits: &commits,
        graph: &graph,
        mainline: &mainline,
        wanted: Wanted { keys: looked_for, except },
        course: &course,
    };
    let (flags, unread_commits) = reading.find(keys, with_history)?;
    Ok(Found {
        repository: clean(&clone::without_credentials(name), SUBJECT_CHARS_MAX),
        revision: branch.as_ref().map(|it| it.tip.to_string()).unwrap_or_default(),
        branch: branch.and_then(|it| it.name),
        shallow: !repository.shallow.is_empty(),
        unread_commits,
        flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_comes_again_has_not_gone() {
        let mut life = Life::default();
        life.goes_on(3, 2);
        life.goes_on(5, -1);
        assert_eq!(life, Life { mentions: 1, introduced: Some(3), removed: None });
        life.goes_on(6, -1);
        assert_eq!(life, Life { mentions: 0, introduced: Some(3), removed: Some(6) });
        life.goes_on(9, 1);
        assert_eq!(life, Life { mentions: 1, introduced: Some(3), removed: None });
        life.goes_on(12, -1);
        assert_eq!(life, Life { mentions: 0, introduced: Some(3), removed: Some(12) });
    }
}
