//! Changing flags. Each change is one revision on the log, made of the one before it.

use super::definition::{decide_alike, enabled};
use super::ramps::{self, Kept};
use super::registry::{Flags, compiled, served};
use super::revision::{Action, Revision, check_key, id, subject};
use super::snapshot::Entry;
use crate::author::Author;
use crate::ledger::{self, Event, Outcome, Refusal};
use seaway_core::flags::Problem;
use seaway_core::time::Time;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Environments.
const ENVIRONMENTS_MAX: usize = 200;
/// Characters of the reason for a change.
const REASON_CHARS_MAX: usize = 1_000;
/// How often a change that fits any revision is tried anew, where others are faster.
const TRIES: u32 = 50;

/// Which revision a change is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Whichever is the newest.
    Any,
    /// None: there is no such flag yet, or it was deleted.
    Nothing,
    /// This one.
    Revision(u64),
}

/// Who changes something, and why.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) base: Base,
    pub(crate) by: Author,
    /// The address that it comes from; empty for what Seaway does by itself.
    pub(crate) from: String,
    pub(crate) reason: String,
    /// Whether the lock of a flag is taken away by this; that needs a reason.
    pub(crate) unlock: bool,
}

/// What a flag is to be.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    pub(crate) action: Action,
    pub(crate) definition: Option<Box<RawValue>>,
    pub(crate) off: bool,
    pub(crate) ramp: Option<Box<RawValue>>,
    pub(crate) lock: Option<Value>,
}

impl Next {
    /// The same as a revision.
    pub(crate) fn of(revision: &Revision, action: Action) -> Self {
        Self {
            action,
            definition: revision.definition.clone(),
            off: revision.off,
            ramp: revision.ramp.clone(),
            lock: revision.lock.clone(),
        }
    }
}

/// Why something was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// There is no such flag, or no such revision.
    #[error("{0}")]
    NotFound(String),
    /// It is not said which revision is changed.
    #[error("say which revision is changed: the newest one is {current}")]
    NoBase {
        /// The newest revision; 0 if there is none.
        current: u64,
    },
    /// Somebody else was faster.
    #[error("it was changed meanwhile: the newest revision is {current}")]
    Conflict {
        /// The newest revision; 0 if there is none.
        current: u64,
    },
    /// The definition cannot be kept.
    #[error("{}", super::registry::told(.0))]
    Objections(Vec<Problem>),
    /// The flag is locked.
    #[error("the flag is locked: {0}")]
    Locked(String),
    /// What is there does not let it happen now.
    #[error("{0}")]
    NotNow(String),
    /// What is wanted makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// It could not be put on the log.
    #[error("it could not be put on the log: {0}")]
    Log(#[from] Refusal),
    /// The log could not be read.
    #[error(transparent)]
    Database(#[from] ledger::Error),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Flags {
    /// Writes the definition of a flag: flagd's JSON of one flag.
    pub(crate) async fn set(
        &self,
        environment: &str,
        key: &str,
        definition: &RawValue,
        edit: Edit,
    ) -> Result<Arc<Entry>, Refused> {
        let unlocks = edit.unlock;
        self.change(environment, key, edit, |before| {
            let live = before.filter(|it| it.revision.is_live());
            let next = Next {
                action: Action::Set,
                definition: Some(definition.to_owned()),
                // What is off stays off until it is turned on.
                off: live.is_some_and(|it| it.revision.off),
                ramp: None,
                lock: before.and_then(|it| it.revision.lock.clone()),
            };
            let Some(live) = live else { return Ok(Some(next)) };
            ramps::written(&self.around(environment), live, next, self.now(), unlocks).map(Some)
        })
        .await
    }

    /// Turns a flag off: at once, everybody gets the variant that stands for off, or where none does
    /// the code's own default (see [`super::definition::off_variant`]). Its definition stays.
    pub(crate) async fn off(
        &self,
        environment: &str,
        key: &str,
        edit: Edit,
    ) -> Result<Arc<Entry>, Refused> {
        self.change(environment, key, edit, |before| {
            let before = live(before, key)?;
            let next = Next { off: true, ..Next::of(&before.revision, Action::Off) };
            let next = ramps::turned_off(&before.revision, next, self.now());
            Ok((!before.revision.off).then_some(next))
        })
        .await
    }

    /// Turns a flag on again, as its definition says; one whose definition is disabled is enabled.
    pub(crate) async fn on(
        &self,
        environment: &str,
        key: &str,
        edit: Edit,
    ) -> Result<Arc<Entry>, Refused> {
        self.change(environment, key, edit, |before| {
            let before = live(before, key)?;
            let enabled = enabled(before.source())?;
            if enabled.is_none() && !before.revision.off {
                return Ok(None);
            }
            let mut next = Next { off: false, ..Next::of(&before.revision, Action::On) };
            if let Some(enabled) = enabled {
                next.definition = Some(RawValue::from_string(enabled)?);
            }
            ramps::turned_on(&self.around(environment), before, next, self.now()).map(Some)
        })
        .await
    }

    /// Deletes a flag. Its history stays, and any revision of it can be restored.
    pub(crate) async fn delete(
        &self,
        environment: &str,
        key: &str,
        edit: Edit,
    ) -> Result<Arc<Entry>, Refused> {
        self.change(environment, key, edit, |before| {
            let before = live(before, key)?;
            let next = Next::of(&before.revision, Action::Delete);
            Ok(Some(Next { definition: None, off: false, ramp: None, ..next }))
        })
        .await
    }

    /// Makes an earlier revision the newest again, its ramp left out.
    pub(crate) async fn restore(
        &self,
        environment: &str,
        key: &str,
        revision: u64,
        edit: Edit,
    ) -> Result<Arc<Entry>, Refused> {
        let found = self.revision(environment, key, revision).await?;
        self.change(environment, key, edit, |before| {
            let lock = before.and_then(|it| it.revision.lock.clone());
            let mut next = Next::of(&found, Action::Restore);
            if let Some(kept) = Kept::of(&found)?.filter(|it| it.course.state.is_under_way()) {
                next.definition = Some(kept.definition);
            }
            Ok(Some(Next { ramp: None, lock, ..next }))
        })
        .await
    }

    /// One revision of a flag, from the log.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub(crate) async fn revision(
        &self,
        environment: &str,
        key: &str,
        revision: u64,
    ) -> Result<Revision, Refused> {
        let name = id(environment, key, revision);
        let none = || Refused::NotFound(format!("{key} has no revision {revision}"));
        let found = self.ledger.read_one(super::revision::SOURCE, &name).await?.ok_or_else(none)?;
        Revision::of(&found.event.data).map_err(|_| none())
    }

    /// Revisions of a flag before a place on the log, with their places, the newest first.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn history(
        &self,
        environment: &str,
        key: &str,
        before: i64,
        most: i64,
    ) -> Result<Vec<(i64, Revision)>, ledger::Error> {
        let rows = self.store.history(&subject(environment, key), before, most).await?;
        let read = |(position, _, data): &super::store::Row| {
            Revision::of(data).ok().map(|revision| (*position, revision))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// Changes a flag: `next` tells what it is to be, by its newest revision (which may be one that
    /// deleted it), or that it stays. Returns it as it is then, when this server serves it so.
    ///
    /// # Errors
    /// It was not changed: why.
    pub(crate) async fn change(
        &self,
        environment: &str,
        key: &str,
        edit: Edit,
        next: impl Fn(Option<&Entry>) -> Result<Option<Next>, Refused>,
    ) -> Result<Arc<Entry>, Refused> {
        crate::environment::check(environment).map_err(Refused::Wrong)?;
        check_key(key).map_err(Refused::Wrong)?;
        check_reason(&edit)?;
        for _ in 0..TRIES {
            let before = self.base(environment, key, edit.base).await?;
            let Some(next) = next(before.as_deref())? else {
                return before.ok_or_else(|| none(key));
            };
            let revision = self.draft(environment, key, before.as_deref(), &edit, next)?;
            self.check_definition(before.as_deref(), &revision)?;
            match self.append(vec![revision]).await? {
                true => return self.newest(environment, key).ok_or_else(|| none(key)),
                false if edit.base == Base::Any => self.catch_up().await?,
                false => break,
            }
        }
        self.catch_up().await?;
        Err(Refused::Conflict { current: self.current(environment, key) })
    }

    /// The moment.
    pub(super) fn now(&self) -> Time {
        Time((self.clock)().div_euclid(1_000_000))
    }

    /// The number of the newest revision; 0 if there is none.
    pub(super) fn current(&self, environment: &str, key: &str) -> u64 {
        self.newest(environment, key).map_or(0, |newest| newest.revision.revision)
    }

    /// The revision that a change is made of.
    async fn base(
        &self,
        environment: &str,
        key: &str,
        base: Base,
    ) -> Result<Option<Arc<Entry>>, Refused> {
        let fits = |found: Option<&Arc<Entry>>| match base {
            Base::Any => true,
            Base::Nothing => found.is_none_or(|found| !found.revision.is_live()),
            Base::Revision(wanted) => found.map_or(0, |found| found.revision.revision) == wanted,
        };
        let known = self.newest(environment, key);
        if fits(known.as_ref()) {
            return Ok(known);
        }
        // It may be one that another server has made, which this one has not read yet.
        self.catch_up().await?;
        let known = self.newest(environment, key);
        match fits(known.as_ref()) {
            true => Ok(known),
            false => Err(Refused::Conflict { current: self.current(environment, key) }),
        }
    }

    /// The revision that a change makes. Nothing turns a locked flag up but who takes the lock away.
    pub(super) fn draft(
        &self,
        environment: &str,
        key: &str,
        before: Option<&Entry>,
        edit: &Edit,
        next: Next,
    ) -> Result<Revision, Refused> {
        if self.environment(environment).is_none() && self.environments().len() >= ENVIRONMENTS_MAX
        {
            return Err(Refused::Wrong(format!("there are {ENVIRONMENTS_MAX} environments")));
        }
        let mut revision = Revision {
            environment: environment.to_owned(),
            key: key.to_owned(),
            revision: before.map_or(1, |before| before.revision.revision + 1),
            action: next.action,
            definition: next.definition,
            off: next.off,
            ramp: next.ramp,
            lock: next.lock,
            by: edit.by.clone(),
            from: edit.from.clone(),
            reason: edit.reason.trim().to_owned(),
            at: self.now(),
        };
        if edit.unlock {
            revision.lock = None;
        } else if let Some(lock) = before.and_then(|it| it.revision.lock.as_ref())
            && turns_up(before, &revision)
        {
            let why = lock["why"].as_str().unwrap_or("it was rolled back");
            return Err(Refused::Locked(crate::pages::words::clean(why, 200)));
        }
        Ok(revision)
    }

    /// Looks whether a definition can be kept: people get none in that nobody can want.
    fn check_definition(&self, before: Option<&Entry>, revision: &Revision) -> Result<(), Refused> {
        let Some(definition) = &revision.definition else { return Ok(()) };
        let around = self.around(&revision.environment);
        let key = &revision.key;
        let flag = compiled(&around, key, definition.get());
        let flag = flag.map_err(|problems| Refused::Objections(within(key, problems)))?;
        // What came in a file is taken as flagd takes it.
        let is_new = before.is_none_or(|before| before.source() != definition.get());
        if is_new && revision.action == Action::Set && !flag.objections().is_empty() {
            return Err(Refused::Objections(within(key, flag.objections().to_vec())));
        }
        served(&around, revision).map_err(Refused::Wrong).map(drop)
    }

    /// Puts revisions on the log, all or none, and then into memory. Tells whether that was done, or
    /// one of them was there already.
    pub(super) async fn append(&self, revisions: Vec<Revision>) -> Result<bool, Refused> {
        let now = (self.clock)();
        let events: Vec<Event> =
            revisions.iter().map(|it| it.event(now)).collect::<Result<_, _>>()?;
        let outcomes = match events.len() {
            1 => self.ledger.append(events, now).await?,
            _ => self.ledger.append_whole(events, now).await?,
        };
        let places: Option<Vec<i64>> = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::New(position) => Some(position),
                Outcome::Known => None,
            })
            .collect();
        let Some(places) = places else { return Ok(false) };
        self.apply(places.into_iter().zip(revisions).collect()).await;
        Ok(true)
    }
}

fn none(key: &str) -> Refused {
    Refused::NotFound(format!("there is no flag {key}"))
}

pub(super) fn live<'e>(before: Option<&'e Entry>, key: &str) -> Result<&'e Entry, Refused> {
    before.filter(|it| it.revision.is_live()).ok_or_else(|| none(key))
}

pub(super) fn check_reason(edit: &Edit) -> Result<(), Refused> {
    if edit.reason.chars().nth(REASON_CHARS_MAX).is_some() {
        let what = format!("a reason has at most {REASON_CHARS_MAX} characters");
        return Err(Refused::Wrong(what));
    }
    match edit.unlock && edit.reason.trim().is_empty() {
        true => Err(Refused::Wrong("who unlocks a flag says why it may go on".to_owned())),
        false => Ok(()),
    }
}

/// Whether a revision may give a variant to somebody who has it not: turning a flag off or back does
/// not, and neither does what leaves its rules alone.
fn turns_up(before: Option<&Entry>, revision: &Revision) -> bool {
    let Some(before) = before.map(|it| &it.revision) else { return true };
    if revision.off || matches!(revision.action, Action::Off | Action::Delete | Action::RollBack) {
        return false;
    }
    let alike = match (&before.definition, &revision.definition) {
        (Some(one), Some(other)) => decide_alike(one.get(), other.get()),
        _ => false,
    };
    let course = |of: &Revision| Kept::of(of).ok().flatten().map(|kept| kept.course);
    before.off || !alike || course(before) != course(revision)
}

/// Problems with their places within the definition of the flag.
pub(super) fn within(key: &str, problems: Vec<Problem>) -> Vec<Problem> {
    let prefix = format!("/flags/{}", key.replace('~', "~0").replace('/', "~1"));
    let inner = |mut problem: Problem| {
        if let Some(place) = problem.place.strip_prefix(&prefix) {
            problem.place = place.to_owned();
        }
        problem
    };
    problems.into_iter().map(inner).collect()
}
