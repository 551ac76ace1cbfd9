//! The rules that a flag had before its ramp, and where the ramp goes among them.
//!
//! Rules that decide for some units go on deciding for them: a ramp takes the place of the base
//! variant at the very end of the targeting, and so concerns those for whom no rule decided.

use super::plan::Plan;
use crate::flags::compile::{as_list, short};
use crate::flags::json::{Json, Members};
use crate::flags::node::Operator;
use crate::flags::problem::{Place, Problem};

/// A rule: an operator and its arguments.
pub(super) fn rule(operator: &str, arguments: Vec<Json>) -> Json {
    object(operator, Json::Array(arguments))
}

/// An object of one member.
pub(super) fn object(name: &str, value: Json) -> Json {
    // One name cannot be there twice.
    Json::Object(Members::new(vec![(name.to_owned(), value)]).unwrap_or_default())
}

/// Text.
pub(super) fn text(text: &str) -> Json {
    Json::String(text.to_owned())
}

/// Whether a flag has any targeting.
pub(super) fn is_none(targeting: &Json) -> bool {
    match targeting {
        Json::Null => true,
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Whether some rule spreads units by their hash; `shared` tells whether a shared one may.
pub(super) fn spreads(targeting: &Json, shared: bool) -> bool {
    match targeting {
        Json::Object(members) => members.iter().any(|(name, value)| {
            name == "fractional" || (shared && name == "$ref") || spreads(value, shared)
        }),
        Json::Array(items) => items.iter().any(|item| spreads(item, shared)),
        _ => false,
    }
}

/// The targeting with the ramp's rule in place of the base variant at its end.
///
/// `falls_to_base` tells whether the flag's default variant is the base.
pub(super) fn lay_over(
    targeting: &Json,
    ramp: &Json,
    plan: &Plan,
    falls_to_base: bool,
    place: &Place<'_>,
) -> Result<Json, Problem> {
    if is_none(targeting) {
        return if falls_to_base {
            Ok(ramp.clone())
        } else {
            let base = short(plan.base());
            let reason = format!("ends in the default variant, which is not the base “{base}”");
            Err(place.problem(reason))
        };
    }
    match targeting {
        Json::String(name) if name == plan.base() => Ok(ramp.clone()),
        Json::Bool(answer) if answer.to_string() == plan.base() => Ok(ramp.clone()),
        Json::Object(members) => match members.only() {
            Some((name @ ("if" | "?:"), arguments)) => {
                let otherwise = after_all(arguments, ramp, plan, falls_to_base, &place.name(name))?;
                Ok(rule(name, otherwise))
            }
            Some((name, _)) if answers_yes_or_no(name) && plan.base() == "false" => {
                Ok(rule("if", vec![targeting.clone(), text("true"), ramp.clone()]))
            }
            _ => Err(no_end(plan, place)),
        },
        _ => Err(no_end(plan, place)),
    }
}

/// The arguments of an `if` with the ramp in place of what holds otherwise.
fn after_all(
    arguments: &Json,
    ramp: &Json,
    plan: &Plan,
    falls_to_base: bool,
    place: &Place<'_>,
) -> Result<Vec<Json>, Problem> {
    let mut items = as_list(arguments).to_vec();
    let at = items.len().saturating_sub(1);
    let end = if items.len() % 2 == 1 { items.pop() } else { None };
    let place = if matches!(arguments, Json::Array(_)) { place.index(at) } else { *place };
    items.push(lay_over(&end.unwrap_or(Json::Null), ramp, plan, falls_to_base, &place)?);
    Ok(items)
}

fn answers_yes_or_no(name: &str) -> bool {
    Operator::named(name).is_some_and(Operator::answers_yes_or_no)
}

fn no_end(plan: &Plan, place: &Place<'_>) -> Problem {
    let base = short(plan.base());
    place.problem(format!(
        "a ramp goes where the targeting ends in the base variant “{base}”, and this does not"
    ))
}
