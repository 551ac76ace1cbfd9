//! Who moves: what an edit of a flag changes for units that were seen lately.

use super::context::Context;
use super::flag::Flag;
use crate::time::Time;
use std::collections::BTreeMap;

/// What two definitions of a flag are for the same contexts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    /// How many contexts were looked at.
    pub contexts: u64,
    /// How many of them change their variant.
    pub moved: u64,
    /// How many contexts had which variant, and have which one now, those that stay among them;
    /// `None` where the code's own default stands, as for a flag that is off or is not there.
    pub by_variant: BTreeMap<(Option<String>, Option<String>), u64>,
    /// How many contexts the flag could be evaluated for before, and cannot any more.
    pub broken: u64,
}

impl Moves {
    /// Evaluates both for each context; `None` stands for no such flag.
    ///
    /// Variants are compared by name: a variant that keeps its name and gets another value moves
    /// nobody.
    #[must_use]
    pub fn between<'c>(
        before: Option<&Flag>,
        after: Option<&Flag>,
        contexts: impl IntoIterator<Item = &'c Context>,
        now: Time,
    ) -> Self {
        let mut moves = Self::default();
        let mut counts: BTreeMap<(Option<&str>, Option<&str>), u64> = BTreeMap::new();
        for context in contexts {
            let [(from, failed), (to, fails)] = [before, after].map(|flag| {
                flag.map(|flag| flag.evaluate(context, now))
                    .map_or((None, false), |it| (it.variant, it.error.is_some()))
            });
            moves.contexts += 1;
            moves.moved += u64::from(from != to);
            moves.broken += u64::from(fails && !failed);
            *counts.entry((from, to)).or_default() += 1;
        }
        let owned = |name: Option<&str>| name.map(str::to_owned);
        moves.by_variant =
            counts.into_iter().map(|((from, to), n)| ((owned(from), owned(to)), n)).collect();
        moves
    }

    /// The share that changes its variant, 0 to 1; `None` where nobody was seen.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.contexts > 0).then(|| self.moved as f64 / self.contexts as f64)
    }
}
