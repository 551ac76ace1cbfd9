//! Counts that are kept at hand while somebody watches a flag: by band of positions and variant, the
//! units that have seen it since a moment, and those of them that a metric was above zero for
//! thereafter. To ask for them costs as much as there are bands.

use super::flag::{Exposed, Flag};
use super::metric::{Later, Metric};
use crate::flags::exposures::audience::Audience;

/// What is watched of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watch {
    /// The moment (Unix microseconds, above 0) since when units are counted. From then on each
    /// unit is counted once more for each variant, whatever it has seen before.
    pub(crate) since: i64,
    /// Where bands end and begin, from 0 to 2³², as `seaway_core::flags::edge` gives them, in
    /// order. Between each two is a band.
    pub(crate) edges: Vec<u64>,
    /// Metrics for which a value above zero is a failure.
    pub(crate) metrics: Vec<String>,
    /// To whom the variants are shown now: whoever sends an exposure without telling the audience
    /// has seen it as one of them.
    pub(crate) audience: Option<Audience>,
}

/// Units of a band that have seen a variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) variant: String,
    /// Units that have seen it since the moment.
    pub(crate) units: u64,
    /// By metric, as the watch names them: those of the units that it was above zero for, from
    /// when they saw the variant on.
    pub(crate) failed: Vec<u64>,
}

/// Units whose positions are between two edges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Band {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The variants that were seen, in the order in which they were heard of.
    pub(crate) seen: Vec<Seen>,
    /// Units that have seen more than one variant since the moment.
    pub(crate) in_two: u64,
}

/// What was counted for a watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bands {
    pub(crate) since: i64,
    /// The place on the log up to which everything is counted.
    pub(crate) position: i64,
    pub(crate) bands: Vec<Band>,
    /// The newest exposure of the flag, whatever its variant: Unix milliseconds.
    pub(crate) last_exposure: Option<i64>,
    /// By metric, the newest outcome of any value and unit: Unix milliseconds.
    pub(crate) last_outcomes: Vec<Option<i64>>,
}

#[derive(Debug, Clone, Default)]
struct Counted {
    units: u64,
    failed: Vec<u64>,
}

/// A watch, and what was counted for it.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) watch: Watch,
    /// By metric: its number, once it has been heard of.
    metrics: Vec<Option<usize>>,
    /// By band and variant.
    counted: Vec<Vec<Counted>>,
    in_two: Vec<u64>,
}

impl Watching {
    /// Watches a flag; what is known already is to be counted with [`Self::count`].
    pub(super) fn new(watch: Watch, number_of: impl Fn(&str) -> Option<usize>) -> Self {
        let metrics = watch.metrics.iter().map(|name| number_of(name)).collect();
        let bands = watch.edges.len().saturating_sub(1);
        Self { watch, metrics, counted: vec![Vec::new(); bands], in_two: vec![0; bands] }
    }

    /// Counts all that is known of a flag anew.
    pub(super) fn count(&mut self, flag: &Flag, metrics: &[Metric]) {
        self.counted.iter_mut().for_each(Vec::clear);
        self.in_two.fill(0);
        for exposed in flag.exposed.all() {
            let Some(band) = self.band(flag, exposed) else { continue };
            self.add(band, exposed, metrics, 1);
            let others = self.others(flag, exposed);
            // Each of them is come by, and one of them is to count.
            let is_first = others.clone().all(|it| it.variant > exposed.variant);
            self.in_two[band] += u64::from(is_first && others.count() > 0);
        }
    }

    /// Hears of a metric that was not known before. None of its outcomes is counted yet.
    pub(super) fn hear_of(&mut self, name: &str, number: usize) {
        for (known, metric) in self.watch.metrics.iter().zip(&mut self.metrics) {
            if known == name {
                *metric = Some(number);
            }
        }
    }

    /// What of the same unit counts besides.
    fn others<'a>(
        &self,
        flag: &'a Flag,
        exposed: &Exposed,
    ) -> impl Iterator<Item = &'a Exposed> + Clone + use<'a> {
        let (unit, variant, since) = (exposed.unit, exposed.variant, self.watch.since);
        let found: Vec<&Exposed> = flag
            .exposed
            .of(unit)
            .filter(|it| it.variant != variant && flag.window_begin(it.window) == since)
            .collect();
        found.into_iter()
    }

    /// The band that counts it, if any.
    fn band(&self, flag: &Flag, exposed: &Exposed) -> Option<usize> {
        if flag.window_begin(exposed.window) != self.watch.since {
            return None;
        }
        let position = u64::from(exposed.position);
        let band = self.watch.edges.partition_point(|edge| *edge <= position).checked_sub(1)?;
        (band < self.counted.len()).then_some(band)
    }

    fn add(&mut self, band: usize, exposed: &Exposed, metrics: &[Metric], sign: i64) {
        let of_band = &mut self.counted[band];
        let variant = usize::from(exposed.variant);
        if of_band.len() <= variant {
            of_band.resize_with(variant + 1, Counted::default);
        }
        let counted = &mut of_band[variant];
        counted.failed.resize(self.metrics.len(), 0);
        counted.units = counted.units.saturating_add_signed(sign);
        for (failed, metric) in counted.failed.iter_mut().zip(&self.metrics) {
            let metric = metric.and_then(|number| metrics.get(number));
            if metric.is_some_and(|it| it.is_failed_since(exposed.unit, exposed.first_in_window)) {
                *failed = failed.saturating_add_signed(sign);
            }
        }
    }

    /// Counts that a flag, which has it already, knows something else now.
    pub(super) fn change(
        &mut self,
        flag: &Flag,
        before: Option<Exposed>,
        after: Exposed,
        metrics: &[Metric],
    ) {
        let old = before.and_then(|before| Some((self.band(flag, &before)?, before)));
        let new = self.band(flag, &after);
        if let Some((band, before)) = &old {
            self.add(*band, before, metrics, -1);
        }
        if let Some(band) = new {
            self.add(band, &after, metrics, 1);
        }
        let is_one_other = self.others(flag, &after).count() == 1;
        match (old, new) {
            (None, Some(band)) if is_one_other => self.in_two[band] += 1,
            (Some((band, _)), None) if is_one_other => {
                self.in_two[band] = self.in_two[band].saturating_sub(1);
            }
            _ => {}
        }
    }

    /// Counts that the last outcome of a unit is another one.
    pub(super) fn later(&mut self, flag: &Flag, metric: usize, later: Later) {
        let Later { unit, before, after } = later;
        for at in 0..self.metrics.len() {
            if self.metrics[at] != Some(metric) {
                continue;
            }
            for exposed in flag.exposed.of(unit) {
                let Some(band) = self.band(flag, exposed) else { continue };
                let since = exposed.first_in_window;
                if before.is_some_and(|before| before >= since) || after < since {
                    continue;
                }
                let counted = self.counted[band].get_mut(usize::from(exposed.variant));
                if let Some(failed) = counted.and_then(|counted| counted.failed.get_mut(at)) {
                    *failed += 1;
                }
            }
        }
    }

    /// Whether outcomes of a metric change what is counted.
    pub(super) fn is_about(&self, metric: usize) -> bool {
        self.metrics.contains(&Some(metric))
    }

    /// What is counted, as those who asked for it know it.
    pub(super) fn told(&self, flag: &Flag, metrics: &[Metric], position: i64) -> Bands {
        let seen = |(number, counted): (usize, &Counted)| {
            let variant = flag.variants.get(number)?.name.to_string();
            let mut failed = counted.failed.clone();
            failed.resize(self.metrics.len(), 0);
            (counted.units > 0).then_some(Seen { variant, units: counted.units, failed })
        };
        let band = |(at, counted): (usize, &Vec<Counted>)| Band {
            from: self.watch.edges[at],
            to: self.watch.edges[at + 1],
            seen: counted.iter().enumerate().filter_map(seen).collect(),
            in_two: self.in_two[at],
        };
        let last = |number: &Option<usize>| metrics.get((*number)?)?.span.map(|span| span.last);
        Bands {
            since: self.watch.since,
            position,
            bands: self.counted.iter().enumerate().map(band).collect(),
            last_exposure: flag.last(),
            last_outcomes: self.metrics.iter().map(last).collect(),
        }
    }
}
