//! The JSON of ramps, described by `docs/openapi.json`.

use super::Wish;
use super::kept::{Course, Kept};
use super::runner::observation;
use crate::app::App;
use crate::author::Sender;
use crate::flags::api::{found, precondition, tag};
use crate::flags::edit::{Base, Edit, Refused};
use crate::flags::exposures::Ramped;
use crate::flags::snapshot::Entry;
use crate::problem::Problem;
use crate::url::{Names, Parameters};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State as Shared};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use seaway_core::flags::ramp::{
    Action, Cause, Guardrail, GuardrailKind, Phase, Plan, Reach, Share, State, decide,
};
use seaway_core::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Bytes of a plan and what comes with it.
const BYTES_MAX: usize = 256 << 10;

/// What somebody wants of a ramp.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    action: Do,
    /// To start.
    plan: Option<Box<RawValue>>,
    /// Where to move, from 1.
    step: Option<usize>,
    /// Whether everyone has the variant at the end.
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    reason: String,
    /// The revision that is changed.
    base: Option<u64>,
    /// Whether the lock of the flag is taken away.
    #[serde(default)]
    unlock: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Do {
    Start,
    Pause,
    GoOn,
    Move,
    Unlock,
    End,
}

/// A ramp, and what was seen.
#[derive(Serialize)]
struct Told<'k> {
    environment: &'k str,
    key: &'k str,
    /// The revision of the flag: whoever changes the ramp names it.
    revision: u64,
    off: bool,
    locked: bool,
    plan: &'k Plan,
    /// The definition without the ramp.
    definition: &'k RawValue,
    state: &'k State,
    /// The revision with which this attempt began.
    first_revision: u64,
    reach: ReachTold,
    /// What was served since when, in this attempt.
    turns: &'k [super::kept::Turn],
    /// `None` where this server does not know yet what was seen.
    seen: Option<SeenTold>,
    guardrails: Vec<GuardrailTold<'k>>,
    /// What the ramp would do now, and why.
    decision: Option<DecisionTold>,
    /// The step that comes next, if one does by itself.
    next: Option<NextTold>,
}

#[derive(Serialize)]
struct ReachTold {
    /// `None`: nobody.
    audience: Option<&'static str>,
    percent: Share,
}

#[derive(Serialize)]
struct SeenTold {
    /// The place on the log up to which everything is counted.
    position: i64,
    treated: u64,
    treatment: u64,
    control: u64,
    mixed: u64,
    newest: Option<Time>,
}

#[derive(Serialize)]
struct GuardrailTold<'k> {
    metric: &'k str,
    kind: GuardrailKind,
    /// Units that erred.
    treatment: u64,
    control: u64,
    /// The e-value now, the largest so far, and where it ends the ramp or holds it.
    e: f64,
    e_max: f64,
    limit: f64,
    newest: Option<Time>,
}

#[derive(Serialize)]
struct DecisionTold {
    action: &'static str,
    /// To which step, from 1.
    step: Option<usize>,
    causes: Vec<CauseTold>,
}

#[derive(Serialize)]
struct CauseTold {
    #[serde(flatten)]
    cause: Cause,
    /// The same for people.
    text: String,
}

#[derive(Serialize)]
struct NextTold {
    /// From 1.
    step: usize,
    /// When the time of this step is over, if nothing keeps it.
    not_before: Option<Time>,
    /// Units that have to see the variant for the first time until then.
    exposures_lacking: u64,
}

fn moment(millis: Option<i64>) -> Option<Time> {
    millis.map(|millis| Time(millis.div_euclid(1_000)))
}

impl<'k> Told<'k> {
    fn of(entry: &'k Entry, kept: &'k Kept, seen: Option<&Ramped>, now: Time) -> Self {
        let Course { plan, state, first_revision, turns, .. } = &kept.course;
        let revision = &entry.revision;
        let seen = seen.filter(|seen| seen.first_revision == *first_revision);
        let reach = if revision.off { Reach::Nobody } else { state.reach(plan) };
        let decision = seen.map(|seen| {
            let observation = observation(&kept.course, seen);
            let decision = decide(plan, state, &observation, now, revision.revision);
            DecisionTold::of(&decision.action, decision.causes)
        });
        Self {
            environment: &revision.environment,
            key: &revision.key,
            revision: revision.revision,
            off: revision.off,
            locked: revision.lock.is_some(),
            plan,
            definition: &kept.definition,
            state,
            first_revision: *first_revision,
            reach: ReachTold::of(reach),
            turns,
            seen: seen.map(SeenTold::of),
            guardrails: GuardrailTold::all(plan, seen),
            decision,
            next: NextTold::of(plan, state, seen),
        }
    }
}

impl ReachTold {
    fn of(reach: Reach) -> Self {
        match reach {
            Reach::Nobody => Self { audience: None, percent: Share::NONE },
            Reach::Share(audience, percent) => Self { audience: Some(audience.name()), percent },
        }
    }
}

impl SeenTold {
    fn of(seen: &Ramped) -> Self {
        let counts = &seen.counts;
        Self {
            position: seen.position,
            treated: counts.treated,
            treatment: counts.treatment,
            control: counts.control,
            mixed: counts.mixed,
            newest: moment(counts.newest),
        }
    }
}

impl<'k> GuardrailTold<'k> {
    fn all(plan: &'k Plan, seen: Option<&Ramped>) -> Vec<Self> {
        let told = |(at, guardrail): (usize, &'k Guardrail)| {
            let errors = seen.and_then(|seen| seen.counts.evidence.get(at).copied());
            let errors = errors.unwrap_or_default();
            Self {
                metric: &guardrail.metric,
                kind: guardrail.kind,
                treatment: errors.treatment(),
                control: errors.control(),
                e: finite(errors.ln_e().exp()),
                e_max: finite(errors.ln_e_max().exp()),
                limit: 1.0 / plan.alpha_of(guardrail.kind),
                newest: seen.and_then(|seen| moment(*seen.heard.get(at)?)),
            }
        };
        plan.guardrails().iter().enumerate().map(told).collect()
    }
}

/// JSON has no infinity.
fn finite(value: f64) -> f64 {
    value.min(f64::MAX)
}

impl DecisionTold {
    fn of(action: &Action, causes: Vec<Cause>) -> Self {
        let (action, step) = match action {
            Action::Stay => ("stay", None),
            Action::Advance { to, .. } => ("advance", Some(to + 1)),
            Action::Hold => ("hold", None),
            Action::Resume => ("resume", None),
            Action::RollBack => ("roll-back", None),
        };
        let told = |cause: Cause| CauseTold { text: cause.to_string(), cause };
        Self { action, step, causes: causes.into_iter().map(told).collect() }
    }
}

impl NextTold {
    fn of(plan: &Plan, state: &State, seen: Option<&Ramped>) -> Option<Self> {
        let next = state.step + 1;
        let step = plan.steps().get(state.step).filter(|_| state.is_under_way())?;
        plan.steps().get(next)?;
        let treated = seen.map_or(0, |seen| seen.counts.treated);
        let seen = treated.saturating_sub(state.treated_before);
        let hold = i64::try_from(step.hold_seconds).unwrap_or(i64::MAX);
        let is_running = matches!(state.phase, Phase::Running);
        Some(Self {
            step: next + 1,
            not_before: is_running.then(|| Time(state.since.0.saturating_add(hold))),
            exposures_lacking: step.least_exposures.saturating_sub(seen),
        })
    }
}

fn told(app: &App, entry: &Entry) -> Result<Response, Problem> {
    let (environment, key) = (&entry.revision.environment, entry.key());
    let kept = super::operate::kept(&entry.revision)?.ok_or_else(|| {
        Problem::not_found(format!("the flag {key} in {environment} has no ramp"))
            .hint("start one: send {\"action\": \"start\", \"plan\": {…}, \"reason\": \"…\"}")
    })?;
    let seen = app.exposures.ramped(environment, key);
    let told = Told::of(entry, &kept, seen.as_ref(), app.flags.now());
    Ok((tag(entry.revision.revision), Json(told)).into_response())
}

type Key = Names<(String, String)>;

/// `GET /api/v1/flags/{environment}/{key}/ramp`: the ramp, what was seen, and what follows.
pub(crate) async fn ramp(
    Shared(app): Shared<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let entry = found(&app, &environment, &key)?;
    told(&app, &entry)
}

/// `POST /api/v1/flags/{environment}/{key}/ramp`: starts a ramp, or changes it.
pub(crate) async fn change_ramp(
    Shared(app): Shared<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let sent = read(&app, &headers, body).await?;
    let base = base(&headers, &sent)?;
    found(&app, &environment, &key)?;
    let base = match (base, sent.action) {
        (Some(base), _) => base,
        // Whoever stops a ramp need not know it.
        (None, Do::Pause) => Base::Any,
        (None, _) => {
            let current = app.flags.current(&environment, &key);
            return Err(Refused::NoBase { current }.into());
        }
    };
    let seen = app.exposures.ramped(&environment, &key);
    let wish = wish(&sent, seen.as_ref())?;
    let edit = Edit {
        base,
        by: sender.by,
        from: sender.from.to_string(),
        reason: sent.reason,
        unlock: sent.unlock,
    };
    let entry = app.flags.ramp(&environment, &key, &wish, edit).await?;
    match entry.revision.ramp {
        Some(_) => told(&app, &entry),
        None => Ok((tag(entry.revision.revision), Json(Ended::of(&entry))).into_response()),
    }
}

/// A flag whose ramp has ended.
#[derive(Serialize)]
struct Ended<'e> {
    environment: &'e str,
    key: &'e str,
    revision: u64,
    off: bool,
    locked: bool,
}

impl<'e> Ended<'e> {
    fn of(entry: &'e Entry) -> Self {
        let revision = &entry.revision;
        Self {
            environment: &revision.environment,
            key: &revision.key,
            revision: revision.revision,
            off: revision.off,
            locked: revision.lock.is_some(),
        }
    }
}

async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Sent, Problem> {
    let body = app.budget.read(headers, body).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Problem::unsupported("a ramp is changed with application/json"));
    }
    if body.bytes.len() > BYTES_MAX {
        return Err(Problem::too_large(format!("a plan has at most {} KiB", BYTES_MAX >> 10)));
    }
    serde_json::from_slice(&body.bytes).map_err(|error| {
        Problem::bad_request(format!("this changes no ramp: {error}"))
            .hint("send {\"action\": \"start\", \"plan\": {…}, \"reason\": \"…\", \"base\": 3}")
    })
}

fn base(headers: &HeaderMap, sent: &Sent) -> Result<Option<Base>, Problem> {
    let told = precondition(headers)?.map(|tag| tag.base()).transpose()?;
    match (told, sent.base) {
        (Some(_), Some(_)) => {
            Err(Problem::bad_request("the revision is named twice: in a header and as base"))
        }
        (told, base) => Ok(told.or(base.map(Base::Revision))),
    }
}

fn wish(sent: &Sent, seen: Option<&Ramped>) -> Result<Wish, Problem> {
    let lacks = |what: &str, hint: &str| Err(Problem::bad_request(what.to_owned()).hint(hint));
    if sent.plan.is_some() != (sent.action == Do::Start) {
        return lacks("a plan starts a ramp, and nothing else", "send {\"plan\": {…}} to start");
    }
    if sent.step.is_some() != (sent.action == Do::Move) {
        return lacks("a step is where a ramp is moved to", "send {\"step\": 2} to move");
    }
    Ok(match sent.action {
        Do::Start => {
            let text = sent.plan.as_deref().map_or("", RawValue::get);
            let plan = Plan::parse(text).map_err(|mut problems| {
                problems.iter_mut().for_each(|it| it.place = format!("/plan{}", it.place));
                Problem::from(Refused::Objections(problems))
            })?;
            Wish::Start(Box::new(plan))
        }
        Do::Pause => Wish::Pause,
        Do::GoOn => Wish::GoOn,
        Do::Move => {
            let step = sent.step.unwrap_or(0).checked_sub(1);
            let step = step.ok_or_else(|| Problem::bad_request("steps are counted from 1"))?;
            Wish::Move { step, treated: seen.map_or(0, |seen| seen.counts.treated) }
        }
        Do::Unlock => Wish::Unlock,
        Do::End => Wish::End { complete: sent.complete },
    })
}
