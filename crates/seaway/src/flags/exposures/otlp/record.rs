//! One record of OpenTelemetry's logs: which of them are exposures or outcomes, and how what they
//! say is found under its names of now and of before.

use crate::flags::exposures::audience::Audience;
use crate::flags::exposures::intake::{Exposure, Intake, Outcome, Wrong};
use std::borrow::Cow;

/// An event that a flag was evaluated, by the semantic conventions of now and of before.
const EVALUATIONS: [&str; 2] = ["feature_flag.evaluation", "feature_flag"];
/// An event of Seaway's own: what a metric was for a unit.
const OUTCOME: &str = "dev.seaway.outcome";

/// The value of an attribute, as far as it is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Other,
}

impl Value<'_> {
    /// As it is written where a variant has no name of its own.
    fn name(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bool(value) => Some(value.to_string().into()),
            Self::Int(value) => Some(value.to_string().into()),
            Self::Double(value) => Some(value.to_string().into()),
            Self::Other => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Int(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }
}

/// What is known of a record's origin.
#[derive(Debug, Default)]
pub(super) struct Origin<'a> {
    now: Option<Value<'a>>,
    before: Option<Value<'a>>,
}

impl<'a> Origin<'a> {
    /// Takes an attribute of the resource.
    pub(super) fn attribute(&mut self, key: &str, value: impl FnOnce() -> Value<'a>) {
        match key {
            "deployment.environment.name" => self.now = Some(value()),
            "deployment.environment" => self.before = Some(value()),
            _ => {}
        }
    }

    fn environment(&self) -> Option<&str> {
        [&self.now, &self.before].into_iter().flatten().find_map(Value::text)
    }
}

/// What is looked at of a record.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    /// Unix nanoseconds; 0 if it is not told.
    pub(super) time: u64,
    pub(super) observed: u64,
    pub(super) event: Cow<'a, str>,
    event_of_attributes: Option<Value<'a>>,
    flag: Option<Value<'a>>,
    variant: Option<Value<'a>>,
    variant_before: Option<Value<'a>>,
    result: Option<Value<'a>>,
    reason: Option<Value<'a>>,
    is_error: bool,
    context: Option<Value<'a>>,
    set: Option<Value<'a>>,
    environment: Option<Value<'a>>,
    audience: Option<Value<'a>>,
    unit: Option<Value<'a>>,
    metric: Option<Value<'a>>,
    value: Option<Value<'a>>,
}

impl<'a> Record<'a> {
    /// Takes an attribute. Most are not looked at.
    pub(super) fn attribute(&mut self, key: &str, value: impl FnOnce() -> Value<'a>) {
        let field = match key {
            "event.name" => &mut self.event_of_attributes,
            "feature_flag.key" => &mut self.flag,
            "feature_flag.result.variant" => &mut self.variant,
            "feature_flag.variant" => &mut self.variant_before,
            "feature_flag.result.value" => &mut self.result,
            "feature_flag.result.reason" | "feature_flag.evaluation.reason" => &mut self.reason,
            "feature_flag.context.id" => &mut self.context,
            "feature_flag.set.id" => &mut self.set,
            "dev.seaway.environment" => &mut self.environment,
            "dev.seaway.audience" => &mut self.audience,
            "unit" => &mut self.unit,
            "metric" => &mut self.metric,
            "value" => &mut self.value,
            "error.type" => {
                self.is_error = true;
                return;
            }
            _ => return,
        };
        *field = Some(value());
    }

    fn micros(&self) -> Option<i64> {
        let nanos = [self.time, self.observed].into_iter().find(|it| *it > 0)?;
        i64::try_from(nanos / 1_000).ok()
    }

    /// The environment: what the record says, what its resource says, or the set of flags.
    fn environment<'r>(&'r self, origin: &'r Origin<'_>) -> Option<&'r str> {
        let said = self.environment.as_ref().and_then(Value::text);
        let set = || self.set.as_ref().and_then(Value::text);
        said.or_else(|| origin.environment()).or_else(set)
    }

    /// Takes it in, if it is an exposure or an outcome. All other records are none of Seaway's.
    ///
    /// # Errors
    /// Why it is not taken, for people.
    pub(super) fn take_in(
        &self,
        origin: &Origin<'_>,
        intake: &mut Intake<'_>,
    ) -> Result<(), Wrong> {
        let of_attributes = || self.event_of_attributes.as_ref().and_then(Value::text);
        let event = match &*self.event {
            "" => of_attributes().unwrap_or_default(),
            event => event,
        };
        if EVALUATIONS.contains(&event) {
            self.expose(origin, intake)
        } else if event == OUTCOME {
            self.conclude(origin, intake)
        } else {
            Ok(())
        }
    }

    fn expose(&self, origin: &Origin<'_>, intake: &mut Intake<'_>) -> Result<(), Wrong> {
        let reason = self.reason.as_ref().and_then(Value::text);
        if self.is_error || reason.is_some_and(|reason| reason.eq_ignore_ascii_case("error")) {
            // The code's default was shown, which is no variant.
            return Ok(());
        }
        let flag = self.flag.as_ref().and_then(Value::text).ok_or("feature_flag.key is missing")?;
        let variants = [&self.variant, &self.variant_before, &self.result];
        let variant = variants.into_iter().flatten().find_map(Value::name);
        let variant = variant.ok_or("feature_flag.result.variant is missing")?;
        let unit = self.context.as_ref().and_then(Value::name);
        let unit = unit.as_deref().filter(|unit| !unit.is_empty());
        let audience = self.audience.as_ref().and_then(Value::text).and_then(Audience::told);
        let environment = self.environment(origin);
        let time = self.micros();
        intake.expose(&Exposure { environment, flag, variant: &variant, unit, audience, time })
    }

    fn conclude(&self, origin: &Origin<'_>, intake: &mut Intake<'_>) -> Result<(), Wrong> {
        let unit = self.unit.as_ref().and_then(Value::name).ok_or("unit is missing")?;
        let metric = self.metric.as_ref().and_then(Value::text).ok_or("metric is missing")?;
        let value = self.value.as_ref().ok_or("value is missing")?;
        let value = value.number().ok_or("value is not a number")?;
        let (environment, time) = (self.environment(origin), self.micros());
        intake.conclude(&Outcome { environment, unit: &unit, metric, value, time })
    }
}
