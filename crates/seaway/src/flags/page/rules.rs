//! Conditions of a targeting in words.

use super::who::{only, told};
use crate::pages::words::moment;
use seaway_core::flags::Json;
use seaway_core::time::Time;

/// How deep conditions are told in words; what is in deeper ones is told as it is written.
const DEPTH: usize = 6;
/// Values of a list that are told one by one.
const LISTED: usize = 4;

/// A condition as a part of a sentence. Names and values in it come from outside: it is for
/// `words::outside`.
pub(super) fn condition(rule: &Json) -> String {
    holds(rule, DEPTH)
}

fn holds(rule: &Json, depth: usize) -> String {
    let in_words = depth.checked_sub(1).and_then(|depth| in_words(rule, depth));
    in_words.unwrap_or_else(|| format!("{} holds", told(rule)))
}

fn in_words(rule: &Json, depth: usize) -> Option<String> {
    let (operator, argument) = only(rule)?;
    let alone = std::slice::from_ref(argument);
    let arguments = argument_list(argument).unwrap_or(alone);
    let pair = |between: &str| match arguments {
        [a, b] => Some(format!("{} {between} {}", term(a), term(b))),
        _ => None,
    };
    match operator {
        "==" | "===" => pair("is"),
        "!=" | "!==" => pair("is not"),
        "starts_with" => pair("begins with"),
        "ends_with" => pair("ends with"),
        "<" | "<=" | ">" | ">=" => ordered(operator, arguments),
        "in" => contained(arguments),
        "sem_ver" => versions(arguments),
        "and" | "or" => {
            let word = if operator == "and" { " and " } else { " or " };
            let each = arguments.iter().map(|it| match only(it) {
                Some(("and" | "or", _)) => format!("({})", holds(it, depth)),
                _ => holds(it, depth),
            });
            Some(each.collect::<Vec<_>>().join(word))
        }
        "!" => match arguments {
            [inner] if is_name(inner) => Some(format!("{} is not set", term(inner))),
            [inner] => Some(format!("not ({})", holds(inner, depth))),
            _ => None,
        },
        "!!" => match arguments {
            [inner] if is_name(inner) => Some(format!("{} is set", term(inner))),
            [inner] => Some(holds(inner, depth)),
            _ => None,
        },
        "var" => Some(format!("{} is set", term(rule))),
        "$ref" => argument.as_str().map(|name| format!("the shared rule {name} holds")),
        _ => None,
    }
}

fn argument_list(argument: &Json) -> Option<&[Json]> {
    if let Json::Array(items) = argument { Some(items) } else { None }
}

fn is_name(rule: &Json) -> bool {
    only(rule).is_some_and(|(operator, _)| operator == "var")
}

/// Whether a term is the moment of the evaluation.
fn is_now(rule: &Json) -> bool {
    only(rule).is_some_and(|(operator, name)| {
        operator == "var" && name.as_str() == Some("$flagd.timestamp")
    })
}

fn ordered(operator: &str, arguments: &[Json]) -> Option<String> {
    let word = match operator {
        "<=" => "≤",
        ">=" => "≥",
        other => other,
    };
    // Beside the moment of the evaluation, numbers are moments too.
    let has_now = arguments.iter().any(is_now);
    let term = |it: &Json| match it {
        Json::Number(seconds) if has_now => seconds
            .as_i64()
            .map_or_else(|| term(it), |at| format!("{} UTC", moment(Some(Time(at))))),
        other => term(other),
    };
    match arguments {
        [a, b] => Some(format!("{} {word} {}", term(a), term(b))),
        [a, b, c] => Some(format!("{} {word} {} {word} {}", term(a), term(b), term(c))),
        _ => None,
    }
}

fn contained(arguments: &[Json]) -> Option<String> {
    match arguments {
        [what, Json::Array(items)] => {
            let listed: Vec<String> = items.iter().take(LISTED).map(term).collect();
            let more = match items.len().saturating_sub(LISTED) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            Some(format!("{} is one of {}{more}", term(what), listed.join(", ")))
        }
        [what, within] => Some(format!("{} contains {}", term(within), term(what))),
        _ => None,
    }
}

fn versions(arguments: &[Json]) -> Option<String> {
    let [version, Json::String(operator), other] = arguments else { return None };
    let word = match operator.as_str() {
        "=" => "is",
        "!=" => "is not",
        "^" => "has the major version of",
        "~" => "has the minor version of",
        "<=" => "≤",
        ">=" => "≥",
        other @ ("<" | ">") => other,
        _ => return None,
    };
    Some(format!("version {} {word} {}", term(version), term(other)))
}

/// A name or a value.
fn term(value: &Json) -> String {
    match (value, only(value)) {
        (Json::String(text), _) => format!("“{text}”"),
        (_, Some(("var", name))) => {
            let name = match name {
                Json::Array(items) => items.first(),
                name => Some(name),
            };
            match name.and_then(Json::as_str) {
                Some("$flagd.timestamp") => "the time".to_owned(),
                Some("$flagd.flagKey") => "the flag's key".to_owned(),
                Some("targetingKey") => "the targeting key".to_owned(),
                Some(name) => name.to_owned(),
                None => told(value),
            }
        }
        _ => told(value),
    }
}
