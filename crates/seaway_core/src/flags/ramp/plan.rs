//! What somebody plans for a ramp.

use super::reading::Reading;
use super::share::Share;
use crate::flags::compile::{short, steps};
use crate::flags::context::Context;
use crate::flags::json::{Json, Members as JsonMembers};
use crate::flags::problem::{Place, Problem};
use crate::flags::value::at_path;
use crate::time::{HOUR, YEAR};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::HashSet;

const STEPS_MAX: usize = 100;
const GUARDRAILS_MAX: usize = 20;
const VALUES_MAX: usize = 1000;
const EXPOSURES_MAX: u64 = 1_000_000_000_000;
const ALPHA: f64 = 0.05;
const ALPHA_MAX: f64 = 0.5;

/// Who may get the variant, from the fewest to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Those who build it.
    Team,
    /// Those of the same company.
    Internal,
    /// Customers.
    Everyone,
}

impl Audience {
    /// Its word in a plan.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Internal => "internal",
            Self::Everyone => "everyone",
        }
    }
}

/// By what an audience is known: an attribute of the context that has one of some values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Members {
    /// The attribute, as `var` has it: `team`, or `user.team` for a member of an object.
    pub attribute: String,
    /// Text, `true` or `false`; of another type is no value equal.
    pub values: Vec<Json>,
}

impl Members {
    /// Whether this context is of them.
    #[must_use]
    pub fn have(&self, context: &Context) -> bool {
        let path = steps(&self.attribute);
        let Some((first, path)) = path.split_first() else { return false };
        let found = context.members().get(first).and_then(|json| at_path(json, path));
        found.is_some_and(|found| self.values.contains(found))
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Of whom the share gets the variant. All of the smaller audiences that the plan names do, too.
    pub audience: Audience,
    /// The share of them, above 0.
    #[serde(rename = "percent")]
    pub share: Share,
    /// For how long the ramp stays here at least, in seconds.
    pub hold_seconds: u64,
    /// How many units must at least have seen the variant for the first time in this step.
    pub least_exposures: u64,
}

impl Step {
    /// Whether everyone has the variant then, and the ramp is over.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.audience == Audience::Everyone && self.share == Share::ALL
    }
}

/// What becomes of a ramp when the errors of a metric rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardrailKind {
    /// It is rolled back.
    Guardrail,
    /// It is held until the evidence is gone.
    Signal,
}

/// A metric that counts something like errors, and that must not get worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guardrail {
    /// The metric's name.
    pub metric: String,
    /// What follows when it gets worse.
    pub kind: GuardrailKind,
    /// After how many seconds without any outcome of this metric it is taken for unheard; without
    /// it, silence is taken for health once an outcome came at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_seconds: Option<u64>,
}

/// A plan that is valid in itself: steps that only ever add units, and guardrails.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    variant: String,
    base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<Members>,
    #[serde(skip_serializing_if = "Option::is_none")]
    internal: Option<Members>,
    steps: Vec<Step>,
    guardrails: Vec<Guardrail>,
    alpha: f64,
    silence_seconds: u64,
    mixed_units_max: u64,
}

impl Plan {
    /// Reads a plan. Bound its size before.
    ///
    /// # Errors
    ///
    /// What is wrong with it, up to 100 problems with their places in it.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        Self::read(&Json::parse(text).map_err(|problem| vec![problem])?)
    }

    /// Reads a plan from JSON.
    ///
    /// # Errors
    ///
    /// What is wrong with it, up to 100 problems with their places in it.
    pub fn read(json: &Json) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let plan = plan(&mut reading, json);
        match plan {
            Some(plan) if reading.problems.is_empty() => Ok(plan),
            _ => Err(reading.problems),
        }
    }

    /// The variant that is ramped.
    #[must_use]
    pub fn variant(&self) -> &str {
        &self.variant
    }

    /// The variant that all others keep.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What else than the flag's key spreads its units: another one puts others first.
    #[must_use]
    pub fn salt(&self) -> Option<&str> {
        self.salt.as_deref()
    }

    /// The steps, at least one.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The metrics that must not get worse.
    #[must_use]
    pub fn guardrails(&self) -> &[Guardrail] {
        &self.guardrails
    }

    /// With what probability at most a harmless variant may be rolled back, and held for a signal.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The part of α that each guardrail of this kind has (the bound of Bonferroni).
    #[must_use]
    pub fn alpha_of(&self, kind: GuardrailKind) -> f64 {
        let of_kind = self.guardrails.iter().filter(|guardrail| guardrail.kind == kind).count();
        self.alpha / of_kind.max(1) as f64
    }

    /// After how many seconds without an exposure, where there were some, data are missing.
    #[must_use]
    pub fn silence_seconds(&self) -> u64 {
        self.silence_seconds
    }

    /// How many units may be seen in two variants before the ramp is held.
    #[must_use]
    pub fn mixed_units_max(&self) -> u64 {
        self.mixed_units_max
    }

    /// The smallest audience that this context is of.
    #[must_use]
    pub fn audience_of(&self, context: &Context) -> Audience {
        let is = |members: &Option<Members>| members.as_ref().is_some_and(|it| it.have(context));
        if is(&self.team) {
            Audience::Team
        } else if is(&self.internal) {
            Audience::Internal
        } else {
            Audience::Everyone
        }
    }

    /// By what the members of an audience are known, where the plan says so.
    pub(super) fn members(&self, audience: Audience) -> Option<&Members> {
        match audience {
            Audience::Team => self.team.as_ref(),
            Audience::Internal => self.internal.as_ref(),
            Audience::Everyone => None,
        }
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Self::read(&json).map_err(|problems| match problems.first() {
            Some(problem) => D::Error::custom(problem),
            None => D::Error::custom("is no plan"),
        })
    }
}

fn plan(reading: &mut Reading, json: &Json) -> Option<Plan> {
    const KNOWN: [&str; 10] = [
        "variant",
        "base",
        "salt",
        "team",
        "internal",
        "steps",
        "guardrails",
        "alpha",
        "silence_seconds",
        "mixed_units_max",
    ];
    let root = &Place::ROOT;
    let top = reading.members(json, &KNOWN, root)?;
    let salt = top.get("salt").map(|salt| reading.text(Some(salt), &root.name("salt")));
    let silence = reading.whole(top, "silence_seconds", Some(HOUR as u64), 1..=YEAR as u64, root);
    let plan = Plan {
        variant: reading.text(top.get("variant"), &root.name("variant")),
        base: reading.text(top.get("base"), &root.name("base")),
        salt,
        team: members(reading, top, "team"),
        internal: members(reading, top, "internal"),
        steps: plan_steps(reading, top),
        guardrails: guardrails(reading, top),
        alpha: alpha(reading, top),
        silence_seconds: silence,
        mixed_units_max: reading.whole(top, "mixed_units_max", Some(0), 0..=EXPOSURES_MAX, root),
    };
    if plan.variant == plan.base && !plan.variant.is_empty() {
        reading.refuse(&root.name("variant"), "is the base: a ramp leads to another variant");
    }
    check_audiences(reading, &plan);
    Some(plan)
}

fn alpha(reading: &mut Reading, top: &JsonMembers) -> f64 {
    let found = match top.get("alpha") {
        None => return ALPHA,
        Some(Json::Number(number)) => number.as_f64(),
        Some(_) => None,
    };
    found.filter(|alpha| *alpha >= 1e-9 && *alpha <= ALPHA_MAX).unwrap_or_else(|| {
        let reason = format!("is a probability above 0 and at most {ALPHA_MAX}");
        reading.refuse(&Place::ROOT.name("alpha"), reason);
        ALPHA
    })
}

fn members(reading: &mut Reading, top: &JsonMembers, name: &str) -> Option<Members> {
    let json = top.get(name)?;
    let place = Place::ROOT.name(name);
    let found = reading.members(json, &["attribute", "values"], &place)?;
    let attribute = reading.text(found.get("attribute"), &place.name("attribute"));
    if attribute.starts_with("$flagd") {
        reading.refuse(&place.name("attribute"), "is an attribute of the context");
    }
    let values = reading.items(found, "values", 1..=VALUES_MAX, &place);
    if found.get("values").is_none() {
        reading.refuse(&place.name("values"), "is missing");
    }
    for (at, value) in values.iter().enumerate() {
        if !matches!(value, Json::String(_) | Json::Bool(_)) {
            let values = place.name("values");
            reading.refuse(&values.index(at), "is text, true or false");
        }
    }
    Some(Members { attribute, values: values.to_vec() })
}

fn plan_steps(reading: &mut Reading, top: &JsonMembers) -> Vec<Step> {
    let root = Place::ROOT;
    let place = root.name("steps");
    if top.get("steps").is_none() {
        reading.refuse(&place, "is missing");
    }
    let mut steps: Vec<Step> = Vec::new();
    for (at, json) in reading.items(top, "steps", 1..=STEPS_MAX, &root).iter().enumerate() {
        let place = place.index(at);
        let Some(step) = step(reading, json, &place) else { continue };
        if let Some(before) = steps.last()
            && (step.audience, step.share) <= (before.audience, before.share)
        {
            reading.refuse(&place, "adds nobody: each step reaches more than the one before");
        }
        if steps.last().is_some_and(Step::is_whole) {
            reading.refuse(&place, "comes after everyone");
        }
        steps.push(step);
    }
    steps
}

fn step(reading: &mut Reading, json: &Json, place: &Place<'_>) -> Option<Step> {
    const KNOWN: [&str; 4] = ["audience", "percent", "hold_seconds", "least_exposures"];
    let members = reading.members(json, &KNOWN, place)?;
    let audience = match members.get("audience").map(Json::as_str) {
        None | Some(Some("everyone")) => Audience::Everyone,
        Some(Some("internal")) => Audience::Internal,
        Some(Some("team")) => Audience::Team,
        Some(_) => {
            reading.refuse(&place.name("audience"), "is team, internal or everyone");
            Audience::Everyone
        }
    };
    let share = match members.get("percent") {
        Some(Json::Number(percent)) => percent.as_f64().and_then(Share::of_percent),
        _ => None,
    };
    let share = share.filter(|share| *share > Share::NONE).unwrap_or_else(|| {
        let reason = "is a number above 0 and at most 100, of at most three decimals";
        reading.refuse(&place.name("percent"), reason);
        Share::ALL
    });
    let whole = audience == Audience::Everyone && share == Share::ALL;
    // Nothing follows after everyone, so that there is nothing to wait for.
    let default = whole.then_some(0);
    Some(Step {
        audience,
        share,
        hold_seconds: reading.whole(members, "hold_seconds", default, 0..=YEAR as u64, place),
        least_exposures: reading.whole(
            members,
            "least_exposures",
            default,
            0..=EXPOSURES_MAX,
            place,
        ),
    })
}

fn guardrails(reading: &mut Reading, top: &JsonMembers) -> Vec<Guardrail> {
    const KNOWN: [&str; 3] = ["metric", "kind", "silence_seconds"];
    let root = Place::ROOT;
    let place = root.name("guardrails");
    let mut guardrails = Vec::new();
    let mut metrics = HashSet::new();
    for (at, json) in reading.items(top, "guardrails", 0..=GUARDRAILS_MAX, &root).iter().enumerate()
    {
        let place = place.index(at);
        let Some(members) = reading.members(json, &KNOWN, &place) else { continue };
        let metric = reading.text(members.get("metric"), &place.name("metric"));
        if !metrics.insert(metric.clone()) {
            let reason = format!("“{}” is guarded twice", short(&metric));
            reading.refuse(&place.name("metric"), reason);
        }
        let kind = match members.get("kind").map(Json::as_str) {
            None | Some(Some("guardrail")) => GuardrailKind::Guardrail,
            Some(Some("signal")) => GuardrailKind::Signal,
            Some(_) => {
                reading.refuse(&place.name("kind"), "is guardrail or signal");
                GuardrailKind::Guardrail
            }
        };
        let silence_seconds = members
            .get("silence_seconds")
            .is_some()
            .then(|| reading.whole(members, "silence_seconds", None, 1..=YEAR as u64, &place));
        guardrails.push(Guardrail { metric, kind, silence_seconds });
    }
    guardrails
}

/// Whoever is reached by a step must be known.
fn check_audiences(reading: &mut Reading, plan: &Plan) {
    for audience in [Audience::Team, Audience::Internal] {
        let step = plan.steps.iter().position(|step| step.audience == audience);
        if let (Some(step), None) = (step, plan.members(audience)) {
            let root = Place::ROOT;
            let steps = root.name("steps");
            let name = audience.name();
            let reason = format!("the plan does not say who is “{name}”: it has no member {name}");
            reading.refuse(&steps.index(step).name("audience"), reason);
        }
    }
}
