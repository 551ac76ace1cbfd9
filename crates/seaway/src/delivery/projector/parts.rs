//! Which sums make up the sum of some classes of services.

use super::rollup::scope_of_class;
use seaway_core::catalog::{Class, ClassFilter};
use seaway_core::delivery::summary::{Day, DaySummary};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The sums whose merge is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The scopes that are added up.
    pub(crate) added: Vec<String>,
    /// The scopes that are taken away from these, day by day.
    pub(crate) taken: Vec<String>,
}

impl Parts {
    /// The sum of some classes within a scope.
    ///
    /// Services of which the catalog says nothing have no sum of their own: where they are meant,
    /// it is the sum of all without those that are not.
    pub(crate) fn of(scope: String, filter: &ClassFilter) -> Self {
        if filter.is_any() {
            return Self { added: vec![scope], taken: Vec::new() };
        }
        let of_class = |class: Class| scope_of_class(&scope, &class);
        let (meant, others): (Vec<Class>, Vec<Class>) =
            Class::all().filter(|it| !it.is_unknown()).partition(|class| filter.matches(class));
        match filter.matches(&Class::default()) {
            true => {
                let taken = others.into_iter().map(of_class).collect();
                Self { added: vec![scope], taken }
            }
            false => Self { added: meant.into_iter().map(of_class).collect(), taken: Vec::new() },
        }
    }
}

/// Merges what is added and takes away what is taken, by day; days on which nothing is left are
/// left out. The parts that summaries tell apart are left out too, as only comparisons of them need
/// them. `None` where a summary cannot be read.
pub(crate) fn merge(
    added: &[(i64, Vec<u8>)],
    taken: &[(i64, Vec<u8>)],
) -> Option<BTreeMap<Day, DaySummary>> {
    merge_as(DaySummary::decode_without_slices, added, taken)
}

/// The same with the parts that summaries tell apart.
pub(crate) fn merge_with_slices(
    added: &[(i64, Vec<u8>)],
    taken: &[(i64, Vec<u8>)],
) -> Option<BTreeMap<Day, DaySummary>> {
    merge_as(DaySummary::decode, added, taken)
}

fn merge_as(
    decode: fn(&[u8]) -> Option<DaySummary>,
    added: &[(i64, Vec<u8>)],
    taken: &[(i64, Vec<u8>)],
) -> Option<BTreeMap<Day, DaySummary>> {
    let mut days: BTreeMap<Day, DaySummary> = BTreeMap::new();
    for (day, body) in added {
        let summary = decode(body)?;
        match days.entry(Day::of_number(*day)?) {
            Entry::Vacant(first) => drop(first.insert(summary)),
            Entry::Occupied(mut sum) => sum.get_mut().merge(&summary),
        }
    }
    for (day, body) in taken {
        // A day before the span is only told where something is open on it.
        if let Some(sum) = days.get_mut(&Day::of_number(*day)?) {
            sum.subtract(&decode(body)?);
        }
    }
    days.retain(|_, sum| !sum.is_empty());
    Some(days)
}
