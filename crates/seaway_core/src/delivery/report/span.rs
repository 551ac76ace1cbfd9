//! Which changes a span of time sees, and for how much of their life.

use crate::delivery::attribution::Deployment;
use crate::delivery::measured::Change;
use crate::stats::survival::Observation;
use std::ops::Range;

/// A span of time to report on, Unix seconds.
///
/// A report of a span is a *period life table*: it shows how fast work was delivered in that span,
/// to whatever had been started by then, and not how the work fared that began in it. A change
/// that is older than the span enters observation late, at the age that it had when the span
/// began, and leaves it when it is delivered or, undelivered, when the span ends. This delayed
/// entry is what keeps the estimate unbiased: if old changes counted from age 0, the span would
/// get the credit for years in which they could not have been seen delivered, and if they were
/// left out, a team that works off an old backlog would look as fast as one that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::delivery) struct Span {
    /// Its first moment.
    pub(in crate::delivery) since: Option<i64>,
    /// Its end, exclusive.
    pub(in crate::delivery) until: Option<i64>,
    /// The last moment of the data, inclusive; `None` in an empty history.
    pub(in crate::delivery) as_of: Option<i64>,
}

/// The milestones of something that waits to be delivered, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::delivery) struct Life {
    /// When its clock starts.
    pub(in crate::delivery) start: i64,
    /// From when on it can be seen waiting: when it was merged.
    pub(in crate::delivery) appears: i64,
    /// When it was delivered.
    pub(in crate::delivery) finished: Option<i64>,
}

impl Life {
    /// The life of a change from its first milestone to its deployment; `None` without a clock.
    pub(in crate::delivery) fn of(change: &Change) -> Option<Self> {
        let start = change.start()?;
        let appears = change.merged.unwrap_or(start);
        Some(Self { start, appears, finished: change.deployed })
    }
}

impl Span {
    /// Whether a moment is in the span.
    pub(in crate::delivery) fn contains(self, moment: i64) -> bool {
        self.since.is_none_or(|since| since <= moment)
            && self.until.is_none_or(|until| moment < until)
    }

    /// The moment for which "waiting" is told: the end of the span or of the data.
    pub(in crate::delivery) fn end(self) -> Option<i64> {
        let as_of = self.as_of?;
        Some(self.until.map_or(as_of, |until| until.min(as_of)))
    }

    /// The first moment after the span and the data.
    pub(super) fn closes(self) -> Option<i64> {
        let after = self.as_of?.saturating_add(1);
        Some(self.until.map_or(after, |until| until.min(after)))
    }

    /// What the span sees of a life: its delivery, if that is in the span; that it waits, if it
    /// is there and not delivered at the end; nothing otherwise.
    ///
    /// Ages are whole seconds and a life is at risk *after* its entry, so what is older than the
    /// span enters one second before the age that it had when the span began: a delivery at that
    /// very moment belongs to the span.
    pub(in crate::delivery) fn observe(self, life: Life) -> Option<Observation> {
        let (as_of, end) = (self.as_of?, self.end()?);
        let Life { start, appears, finished } = life;
        let entry = self.since.map_or(0, |since| since.saturating_sub(start).saturating_sub(1));
        let entry = entry.max(0);
        // What is measured took place within the data: a milestone past its end was moved up there
        // (rule 9) by a clock that is wrong.
        let delivered = finished.map(|finished| finished.min(as_of));
        if let (Some(finished), Some(delivered)) = (finished, delivered)
            && self.until.is_none_or(|until| delivered < until)
        {
            let time = finished.saturating_sub(start).max(0);
            return self.contains(delivered).then_some(Observation { entry, time, event: true });
        }
        let there = appears.min(as_of) <= end && self.since.is_none_or(|since| since <= end);
        let time = end.saturating_sub(start).max(0);
        there.then_some(Observation { entry, time, event: false })
    }

    /// What the span sees of a change, whether it is measured or rework.
    pub(super) fn observe_change(self, change: &Change) -> Option<Observation> {
        Life::of(change).and_then(|life| self.observe(life))
    }

    /// What the span sees of the measured ones among `changes`.
    pub(super) fn observe_all<'a>(
        self,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Vec<Observation> {
        let measured = changes.into_iter().filter(|change| change.is_measured());
        measured.filter_map(|change| self.observe_change(change)).collect()
    }

    /// The deployments of the span, of all in the order of rule 1.
    pub(super) fn deployments(self, all: &[Deployment]) -> Range<usize> {
        let before = |moment| all.partition_point(|deployment| deployment.finished_at < moment);
        let start = self.since.map_or(0, before);
        start..self.until.map_or(all.len(), before).max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(since: Option<i64>, until: Option<i64>) -> Span {
        Span { since, until, as_of: Some(1_000) }
    }

    fn seen(span: Span, start: i64, appears: i64, finished: Option<i64>) -> Option<Observation> {
        span.observe(Life { start, appears, finished })
    }

    const fn event(entry: i64, time: i64) -> Option<Observation> {
        Some(Observation { entry, time, event: true })
    }

    const fn waits(entry: i64, time: i64) -> Option<Observation> {
        Some(Observation { entry, time, event: false })
    }

    #[test]
    fn without_a_span_everything_is_seen_from_birth() {
        let all = span(None, None);
        assert_eq!(seen(all, 100, 200, Some(300)), event(0, 200));
        assert_eq!(seen(all, 100, 200, Some(1_000)), event(0, 900));
        assert_eq!(seen(all, 100, 200, None), waits(0, 900));
        assert_eq!(seen(all, 900, 1_000, None), waits(0, 100));
    }

    #[test]
    fn a_span_sees_old_changes_from_its_first_moment_on() {
        let june = span(Some(400), Some(600));
        // Delivered before, at the first moment, at the last, and at the end, which is exclusive.
        assert_eq!(seen(june, 100, 200, Some(399)), None);
        assert_eq!(seen(june, 100, 200, Some(400)), event(299, 300));
        assert_eq!(seen(june, 100, 200, Some(599)), event(299, 499));
        assert_eq!(seen(june, 100, 200, Some(600)), waits(299, 500));
        assert_eq!(seen(june, 100, 200, None), waits(299, 500));
        // Started within, and merged only after the end.
        assert_eq!(seen(june, 450, 460, Some(500)), event(0, 50));
        assert_eq!(seen(june, 450, 600, Some(700)), waits(0, 150));
        assert_eq!(seen(june, 450, 601, Some(700)), None);
        for found in [seen(june, 100, 200, Some(400)), seen(june, 399, 399, Some(400))] {
            assert!(found.unwrap().is_usable(), "{found:?}");
        }
    }

    #[test]
    fn a_span_past_the_data_ends_with_the_data() {
        assert_eq!(seen(span(None, Some(5_000)), 100, 200, None), waits(0, 900));
        assert_eq!(seen(span(None, Some(1_001)), 100, 200, Some(1_000)), event(0, 900));
        assert_eq!(span(None, Some(5_000)).closes(), Some(1_001));
        assert_eq!(seen(span(Some(1_001), None), 100, 200, None), None);
        assert_eq!(seen(span(Some(1_001), None), 100, 200, Some(300)), None);
        // Its milestones were moved up past the end of the data: not a reason to lose it.
        assert_eq!(seen(span(None, None), 1_500, 1_500, Some(1_500)), event(0, 0));
        assert_eq!(seen(span(None, Some(1_001)), 1_500, 1_500, Some(1_500)), event(0, 0));
        assert_eq!(seen(span(None, None), 900, 1_500, None), waits(0, 100));
        assert_eq!(seen(span(None, Some(1_000)), 900, 1_500, None), waits(0, 100));
        assert_eq!(seen(span(None, Some(999)), 900, 1_500, None), None);
    }

    #[test]
    fn an_empty_history_shows_nothing() {
        let nowhere = Span { since: None, until: None, as_of: None };
        assert_eq!(seen(nowhere, 0, 0, Some(0)), None);
        assert_eq!((nowhere.end(), nowhere.closes()), (None, None));
    }

    #[test]
    fn deployments_of_a_span_are_a_range() {
        let all: Vec<Deployment> = [100, 200, 200, 300]
            .map(|finished_at| Deployment { name: String::new(), revision: 0, finished_at })
            .into();
        assert_eq!(span(None, None).deployments(&all), 0..4);
        assert_eq!(span(Some(200), Some(300)).deployments(&all), 1..3);
        assert_eq!(span(Some(201), None).deployments(&all), 3..4);
        assert!(span(Some(300), Some(200)).deployments(&all).is_empty());
        assert!(span(Some(900), None).deployments(&all).is_empty());
    }
}
