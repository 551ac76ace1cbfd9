//! Reads the JSON of a plan, and keeps what is wrong with it and where.

use crate::flags::compile::short;
use crate::flags::json::{Json, Members};
use crate::flags::problem::{Place, Problem};
use std::ops::RangeInclusive;

/// How many problems of one plan are told.
const PROBLEMS_MAX: usize = 100;
/// How long a name may be, in characters.
pub(super) const NAME_MAX: usize = 200;

/// The problems found so far.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) problems: Vec<Problem>,
}

impl Reading {
    pub(super) fn refuse(&mut self, place: &Place<'_>, reason: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(place.problem(reason));
        }
    }

    /// The members of an object that has none but these.
    pub(super) fn members<'j>(
        &mut self,
        json: &'j Json,
        known: &[&str],
        place: &Place<'_>,
    ) -> Option<&'j Members> {
        let Json::Object(members) = json else {
            self.refuse(place, "is an object");
            return None;
        };
        for (name, _) in members.iter().filter(|(name, _)| !known.contains(name)) {
            let reason =
                format!("there is no “{}” here: known are {}", short(name), known.join(", "));
            self.refuse(place, reason);
        }
        Some(members)
    }

    /// The items of a list; without the member, none.
    pub(super) fn items<'j>(
        &mut self,
        members: &'j Members,
        name: &str,
        size: RangeInclusive<usize>,
        place: &Place<'_>,
    ) -> &'j [Json] {
        let items: &[Json] = match members.get(name) {
            None => &[],
            Some(Json::Array(items)) => items,
            Some(_) => {
                self.refuse(&place.name(name), "is a list");
                return &[];
            }
        };
        if !size.contains(&items.len()) {
            let (least, most) = size.into_inner();
            self.refuse(&place.name(name), format!("has {least} to {most} items"));
            return &[];
        }
        items
    }

    /// A name.
    pub(super) fn text(&mut self, json: Option<&Json>, place: &Place<'_>) -> String {
        match json {
            Some(Json::String(text)) if (1..=NAME_MAX).contains(&text.chars().count()) => {
                text.clone()
            }
            Some(_) => {
                self.refuse(place, format!("is text of 1 to {NAME_MAX} characters"));
                String::new()
            }
            None => {
                self.refuse(place, "is missing");
                String::new()
            }
        }
    }

    /// A whole number; without the member, the default.
    pub(super) fn whole(
        &mut self,
        members: &Members,
        name: &str,
        default: Option<u64>,
        range: RangeInclusive<u64>,
        place: &Place<'_>,
    ) -> u64 {
        let place = place.name(name);
        let found = match (members.get(name), default) {
            (None, Some(default)) => return default,
            (None, None) => {
                self.refuse(&place, "is missing");
                return *range.start();
            }
            (Some(Json::Number(number)), _) => number.as_f64(),
            (Some(_), _) => None,
        };
        let (least, most) = range.into_inner();
        match found {
            // Whole, and below 2⁵³: the cast is exact.
            Some(number)
                if number.trunc() == number && (least as f64..=most as f64).contains(&number) =>
            {
                number as u64
            }
            _ => {
                self.refuse(&place, format!("is a whole number from {least} to {most}"));
                least
            }
        }
    }
}
