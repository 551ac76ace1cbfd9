//! Who lets ramps go on: each server looks at them every second, decides by what was seen, and writes
//! the decision as the next revision of the flag. Of two who decide at once, one writes.

use super::kept::{Course, Kept};
use super::operate::{Under, kept};
use crate::author::Author;
use crate::flags::edit::{Base, Edit, Next, Refused};
use crate::flags::exposures::{Exposures, Ramped};
use crate::flags::registry::Flags;
use crate::flags::revision::Action as Written;
use crate::flags::snapshot::{Entry, Version};
use crate::ledger;
use futures_util::FutureExt as _;
use seaway_core::flags::ramp::{
    Action, Cause, Decision, Observation, Outcomes, Plan, Reach, decide,
};
use seaway_core::time::Time;
use serde_json::json;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often ramps are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long those who count exposures may take to come to the end of the log; it is tried again after
/// that, as long as it takes.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(10);
/// Characters of a reason.
const REASON_CHARS: usize = 900;

/// Lets ramps go on.
pub(crate) struct Runner {
    flags: Arc<Flags>,
    exposures: Exposures,
    /// The ramps of each environment, as of some version of it.
    known: BTreeMap<Arc<str>, (Version, Vec<Arc<Ramping>>)>,
    is_failing: bool,
}

/// A flag with a ramp that is under way.
struct Ramping {
    entry: Arc<Entry>,
    course: Course,
}

impl Runner {
    pub(crate) fn new(flags: Arc<Flags>, exposures: Exposures) -> Self {
        Self { flags, exposures, known: BTreeMap::new(), is_failing: false }
    }

    /// Looks at ramps until `stop` says so.
    pub(crate) async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let looked = AssertUnwindSafe(self.look()).catch_unwind();
            let looked = tokio::select! {
                looked = looked => looked,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let is_failing = match looked {
                Ok(Ok(())) => false,
                Ok(Err(error)) => {
                    if !self.is_failing {
                        tracing::error!(%error, "ramps cannot go on; trying again");
                    }
                    true
                }
                Err(_) => {
                    tracing::error!("a fault of this program: ramps are looked at again");
                    self.known.clear();
                    true
                }
            };
            if self.is_failing && !is_failing {
                tracing::info!("ramps go on again");
            }
            self.is_failing = is_failing;
        }
    }

    async fn look(&mut self) -> Result<(), ledger::Error> {
        if self.ramping().is_empty() {
            return Ok(());
        }
        // Nothing is decided before all is known that was on the log when it began to decide.
        let newest = self.flags.ledger.look_for_newer().await?;
        self.flags.catch_up().await?;
        let mut followed = self.exposures.followed();
        let there = followed.wait_for(|followed| *followed >= newest);
        if !matches!(tokio::time::timeout(FOLLOWED_WITHIN, there).await, Ok(Ok(_))) {
            return Ok(());
        }
        for ramping in self.ramping() {
            if let Err(refused) = self.decide(&ramping).await {
                let (environment, key) = (&ramping.entry.revision.environment, ramping.entry.key());
                tracing::error!(environment, key, %refused, "a ramp cannot go on");
            }
        }
        Ok(())
    }

    /// The flags whose ramps are under way.
    fn ramping(&mut self) -> Vec<Arc<Ramping>> {
        for name in self.flags.environments() {
            let Some(snapshot) = self.flags.snapshot(&name) else { continue };
            let (version, known) = self.known.entry(name).or_default();
            if *version == snapshot.version {
                continue;
            }
            *version = snapshot.version;
            let before = std::mem::take(known);
            let with_ramps = snapshot.entries.iter().filter(|it| it.revision.ramp.is_some());
            *known = with_ramps
                .filter_map(|entry| {
                    let same = before.iter().find(|it| Arc::ptr_eq(&it.entry, entry));
                    same.map(Arc::clone).or_else(|| Ramping::of(entry).map(Arc::new))
                })
                .collect();
        }
        self.known.values().flat_map(|(_, ramping)| ramping).map(Arc::clone).collect()
    }

    /// Decides on a ramp, and writes what was decided.
    async fn decide(&self, ramping: &Ramping) -> Result<(), Refused> {
        let Ramping { entry, course } = ramping;
        let (environment, key) = (entry.revision.environment.as_str(), entry.key());
        let revision = entry.revision.revision;
        let Some(seen) = self.exposures.ramped(environment, key) else { return Ok(()) };
        // Whatever was counted for another attempt, or another step, says nothing of this one.
        if seen.revision != revision {
            return Ok(());
        }
        let now = self.flags.now();
        let decision =
            decide(&course.plan, &course.state, &observation(course, &seen), now, revision);
        let Some(reason) = reason(&course.plan, &decision) else { return Ok(()) };
        let edit = Edit {
            base: Base::Revision(decision.revision),
            by: Author { id: Some("ramp".to_owned()), name: None, role: None },
            from: String::new(),
            reason,
            unlock: false,
        };
        let written = self
            .flags
            .change(environment, key, edit, |before| {
                let Some(before) = before else { return Ok(None) };
                let around = self.flags.around(environment);
                Under { around: &around, before, now }.decided(&decision)
            })
            .await;
        match written {
            Ok(entry) => {
                let (revision, reason) = (entry.revision.revision, &entry.revision.reason);
                tracing::info!(environment, key, revision, reason, "a ramp");
                Ok(())
            }
            // Somebody else was faster: it is decided again on what is there now.
            Err(Refused::Conflict { .. }) => Ok(()),
            // What the definition was made of has changed: a person has to look at it.
            Err(refused @ (Refused::Objections(_) | Refused::Wrong(_))) => {
                self.pause(entry, &refused).await
            }
            Err(refused) => Err(refused),
        }
    }

    /// Pauses a ramp that cannot go on.
    async fn pause(&self, entry: &Entry, why: &Refused) -> Result<(), Refused> {
        let edit = Edit {
            base: Base::Revision(entry.revision.revision),
            by: Author { id: Some("ramp".to_owned()), name: None, role: None },
            from: String::new(),
            reason: crate::pages::words::clean(&why.to_string(), REASON_CHARS),
            unlock: false,
        };
        let (environment, key) = (&entry.revision.environment, entry.key());
        match self.flags.ramp(environment, key, &super::Wish::Pause, edit).await {
            Err(Refused::Conflict { .. }) | Ok(_) => Ok(()),
            Err(refused) => Err(refused),
        }
    }
}

impl Ramping {
    fn of(entry: &Arc<Entry>) -> Option<Self> {
        match Kept::of(&entry.revision) {
            Ok(kept) => {
                let course = kept?.course;
                let entry = Arc::clone(entry);
                course.state.is_under_way().then_some(Self { entry, course })
            }
            Err(error) => {
                let (environment, key) = (&entry.revision.environment, entry.key());
                tracing::error!(environment, key, %error, "a ramp cannot be understood");
                None
            }
        }
    }
}

impl Under<'_> {
    /// What a flag is after a decision on its ramp.
    fn decided(&self, decision: &Decision) -> Result<Option<Next>, Refused> {
        let (Some(state), Some(mut kept)) = (&decision.state, kept(&self.before.revision)?) else {
            return Ok(None);
        };
        kept.course.state = state.clone();
        let off = self.before.revision.off;
        let action = match decision.action {
            Action::Stay => return Ok(None),
            Action::Advance { .. } => Written::Advance,
            Action::Hold => Written::Hold,
            Action::Resume => Written::Resume,
            Action::RollBack => Written::RollBack,
        };
        match decision.action {
            Action::Advance { .. } | Action::RollBack => {
                kept.course.turn(off, self.now);
                let mut next = self.next(&kept, action)?;
                if decision.action == Action::RollBack {
                    let why = crate::pages::words::clean(&told(&decision.causes), REASON_CHARS);
                    next.lock = Some(json!({
                        "why": why, "at": self.now, "causes": decision.causes,
                    }));
                }
                Ok(Some(next))
            }
            // What is served stays.
            _ => {
                let ramp = Some(kept.written()?);
                Ok(Some(Next { ramp, ..Next::of(&self.before.revision, action) }))
            }
        }
    }
}

/// What was seen, as a decision needs it.
pub(super) fn observation(course: &Course, seen: &Ramped) -> Observation {
    let moment = |millis: Option<i64>| millis.map(|millis| Time(millis.div_euclid(1_000)));
    let counts = &seen.counts;
    let heard = course.plan.guardrails().iter().zip(&counts.evidence).zip(&seen.heard);
    let outcomes = heard.map(|((guardrail, errors), newest)| {
        (guardrail.metric.clone(), Outcomes { errors: *errors, newest: moment(*newest) })
    });
    Observation {
        treated: counts.treated,
        treatment: counts.treatment,
        control: counts.control,
        mixed: counts.mixed,
        newest: moment(counts.newest),
        outcomes: outcomes.collect(),
    }
}

/// Causes in one text.
pub(super) fn told(causes: &[Cause]) -> String {
    causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A step in words.
fn step(plan: &Plan, at: usize) -> String {
    let told = plan.steps().get(at).map(|it| reach_told(Reach::Share(it.audience, it.share)));
    format!("step {} of {}: {}", at + 1, plan.steps().len(), told.unwrap_or_default())
}

/// Why a decision changes something; `None` if it does not.
fn reason(plan: &Plan, decision: &Decision) -> Option<String> {
    let causes = told(&decision.causes);
    let text = match &decision.action {
        Action::Stay => return None,
        Action::Advance { to, folded } => {
            let passed = folded.iter().map(|at| step(plan, *at)).collect::<Vec<_>>().join("; ");
            match folded.is_empty() {
                true => step(plan, *to),
                false => format!(
                    "{}; steps that were missed are passed over, as what was seen suffices for \
                     them: {passed}",
                    step(plan, *to)
                ),
            }
        }
        Action::Hold => causes,
        Action::Resume if causes.is_empty() => "what kept the ramp is gone".to_owned(),
        Action::Resume => format!("what kept the ramp is gone; {causes}"),
        Action::RollBack => causes,
    };
    Some(crate::pages::words::clean(&text, REASON_CHARS))
}

/// Who gets the variant, in words.
pub(super) fn reach_told(reach: Reach) -> String {
    match reach {
        Reach::Nobody => "nobody".to_owned(),
        Reach::Share(audience, share) => format!("{} % of {}", share.percent(), audience.name()),
    }
}
