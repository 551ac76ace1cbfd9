//! Tests of ramps: plans, what they compile to, what is decided, and whole ramps.

mod decisions;
mod definitions;
mod plans;
mod simulation;

use super::{Plan, Ramp};
use crate::flags::{Context, FlagSet, Json, Members};
use crate::time::Time;

const NOW: Time = Time(1_790_000_000);
const BYTES_MAX: usize = 1 << 20;
const DOCUMENTATION: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ramps.md"));

fn plan(text: &str) -> Plan {
    Plan::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A set of no flags with some shared rules.
fn around() -> FlagSet {
    let text = r#"{"flags":{},"$evaluators":{"german":{"==":[{"var":"country"},"DE"]}}}"#;
    FlagSet::parse(text.as_bytes(), BYTES_MAX).unwrap()
}

/// A flag with variants `on` and `off`, and the members that are given.
fn flag(members: &str) -> String {
    format!(r#"{{"state":"ENABLED","variants":{{"on":true,"off":false}},{members}}}"#)
}

fn ramp(definition: &str, plan: &str) -> Ramp {
    Ramp::new(&around(), "new-cart", definition, self::plan(plan))
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A context of a unit with further members, as JSON.
fn unit(name: &str, more: &str) -> Context {
    let more = Context::parse(more).unwrap();
    let more = more.members().iter().map(|(name, value)| (name.to_owned(), value.clone()));
    let key = ("targetingKey".to_owned(), Json::String(name.to_owned()));
    Context::new(Members::new(std::iter::once(key).chain(more).collect()).unwrap())
}

/// What a definition is for a context.
fn variant(definition: &str, context: &Context) -> Option<String> {
    let mut set = around();
    set.insert("new-cart", definition.as_bytes()).unwrap();
    set.evaluate("new-cart", context, NOW).variant.map(str::to_owned)
}
