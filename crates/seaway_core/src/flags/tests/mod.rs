//! Tests of reading, exporting and evaluating; flagd's own scenarios run in `tests/flagd.rs`.

mod bucketing;
mod definition;
mod hostile;
mod logic;
mod moves;
mod stale;

use super::{Context, Evaluation, FlagSet, Problem};
use crate::time::Time;

const NOW: Time = Time(1_790_000_000);
const BYTES_MAX: usize = 4 << 20;

fn set(text: &str) -> FlagSet {
    FlagSet::parse(text.as_bytes(), BYTES_MAX).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn refused(text: &str) -> Vec<Problem> {
    FlagSet::parse(text.as_bytes(), BYTES_MAX).expect_err("it is refused")
}

fn context(text: &str) -> Context {
    Context::parse(text).unwrap()
}

/// A set of one flag `f` with variants `a` and `b`, of which `b` is the default.
fn with_targeting(targeting: &str) -> String {
    format!(
        r#"{{"flags":{{"f":{{"state":"ENABLED","variants":{{"a":"A","b":"B"}},
            "defaultVariant":"b","targeting":{targeting}}}}}}}"#
    )
}

/// Value, variant, reason and error as one line.
fn told(evaluation: &Evaluation<'_>) -> String {
    let value = evaluation.value.map(|value| serde_json::to_string(value).unwrap());
    let error = evaluation.error.map_or("", |error| error.name());
    let value = value.unwrap_or_default();
    let variant = evaluation.variant.unwrap_or_default();
    format!("{value} {variant} {} {error}", evaluation.reason.name()).trim().to_owned()
}
