//! Where the time goes: rule 9.

use super::model::Stage;
use super::span::{Life, Span};
use super::value::Spread;
use crate::delivery::measured::Change;
use crate::stats::survival::Observation;

/// The stages of the changes that the span sees delivered. A missing milestone merges its stage
/// into the next one (rule 9).
///
/// What waits has the first stage behind it and is in the second, which it has not finished: that
/// is seen as the span sees it, late where the change was merged before the span, and without an
/// end where it waits.
pub(super) fn of(changes: &[Change], span: Span) -> Vec<Stage> {
    let mut until_merged = Observations::default();
    let mut until_deployed = Observations::default();
    for change in changes.iter().filter(|change| change.is_measured()) {
        let Some(whole) = span.observe_change(change) else { continue };
        if let (Some(authored), Some(merged), true) = (change.authored, change.merged, whole.event)
        {
            until_merged.add(Observation { entry: 0, time: merged - authored, event: true });
        }
        let Some(start) = change.merged.or(change.authored) else { continue };
        let second = Life { start, appears: start, finished: change.deployed };
        if let Some(second) = span.observe(second) {
            until_deployed.add(second);
        }
    }
    let total = until_merged.delivered_seconds + until_deployed.delivered_seconds;
    vec![
        until_merged.stage("authored", "merged", total),
        until_deployed.stage("merged", "deployed", total),
    ]
}

#[derive(Default)]
struct Observations {
    all: Vec<Observation>,
    /// The sum of this stage over the delivered changes.
    delivered_seconds: f64,
}

impl Observations {
    fn add(&mut self, seen: Observation) {
        if seen.event {
            self.delivered_seconds += seen.time as f64;
        }
        self.all.push(seen);
    }

    fn stage(&self, from: &'static str, to: &'static str, total: f64) -> Stage {
        let Spread { n, waiting, p50, p85, .. } = Spread::of(&self.all);
        let share = (total > 0.0).then(|| self.delivered_seconds / total);
        Stage { from, to, n, waiting, p50, p85, share }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{LATEST, Story};

    const T: i64 = 1_000_000;

    /// Two delivered changes, authored to merged 100 and 300, merged to deployed 400 and 0, and
    /// one that waits since 500 after 50.
    fn story() -> Story {
        let mut story = Story::of_lives(T, &[]);
        story.direct(T + 100, T + 200);
        let second = story.direct(T + 300, T + 600);
        story.deploy("v1", second, T + 600);
        story.direct(T + 650, T + 700);
        story.as_of = Some(T + 1_200);
        story
    }

    #[test]
    fn stages_add_up_to_the_whole() {
        let report = story().report();
        let [merged, deployed] = &report.stages[..] else { panic!("two stages") };
        assert_eq!((merged.from, merged.to), ("authored", "merged"));
        assert_eq!((deployed.from, deployed.to), ("merged", "deployed"));
        assert_eq!((merged.n, merged.waiting), (2, 0));
        assert_eq!((deployed.n, deployed.waiting), (2, 1));
        assert_eq!(merged.p50.seconds, Some(100.0));
        // 0 of three, then 400 of two: 2/3, 1/3.
        assert_eq!(deployed.p50.seconds, Some(400.0));
        assert_eq!((merged.share, deployed.share), (Some(0.5), Some(0.5)));
    }

    #[test]
    fn a_span_sees_the_same_changes_in_the_stages() {
        let mut story = story();
        let before = story.report_of(None, Some(T + 600));
        let [merged, deployed] = &before.stages[..] else { panic!("two stages") };
        assert_eq!((before.time_to_value.n, before.time_to_value.waiting), (0, 2));
        assert_eq!((merged.n, deployed.n, deployed.waiting), (0, 0, 2));
        assert_eq!((merged.share, deployed.share), (None, None));
        let after = story.report_of(Some(T + 601), None);
        assert_eq!((after.stages[0].n, after.stages[1].waiting), (0, 1));
    }

    #[test]
    fn a_missing_milestone_merges_its_stage_into_the_next() {
        let mut story = story();
        let odd = story.direct(T + 700, LATEST + 1);
        story.deploy("v2", odd, T + 900);
        let report = story.report();
        assert_eq!(report.time_to_value.n, 4);
        assert_eq!((report.stages[0].n, report.stages[1].n, report.stages[1].waiting), (3, 4, 0));
        let sum: f64 = report.stages.iter().filter_map(|stage| stage.share).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_measured_has_empty_stages() {
        let report = Story::new().report();
        assert_eq!(report.stages.len(), 2);
        assert!(report.stages.iter().all(|stage| stage.n == 0 && stage.share.is_none()));
    }
}
