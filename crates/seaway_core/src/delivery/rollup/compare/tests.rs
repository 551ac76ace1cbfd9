use super::*;
use crate::delivery::rollup::{Question, Scope, ScopeKind, report};
use crate::delivery::summary::day_summaries;
use crate::delivery::summary::fixture::{T, TODAY, ZONES, horizons, life, services};
use crate::delivery::view::ServiceView;
use crate::time::{DAY, HOUR};
use proptest::prelude::*;

fn compared(since: Option<Day>, until: Option<Day>, as_of: i64, zone: usize) -> Compared<'static> {
    Compared { since, until, as_of, days: &ZONES[zone] }
}

/// Changes merged one an hour, each delivered so many hours later.
fn service(hours: impl Iterator<Item = i64>) -> ServiceView {
    let change = |(i, hours): (usize, i64)| {
        let start = T + i as i64 * HOUR;
        life(start, start + 60, Some(start + hours * HOUR))
    };
    ServiceView { changes: hours.enumerate().map(change).collect(), ..ServiceView::default() }
}

fn part(view: &ServiceView) -> Part {
    let all = compared(None, None, T + 900 * DAY, 0);
    Part::of(&all, day_summaries(view, all.days))
}

#[test]
fn a_difference_is_told_in_a_sentence() {
    let fast = part(&service((0..60).map(|i| 2 + i % 5)));
    let slow = part(&service((0..60).map(|i| 40 + i % 50)));
    let same = part(&service((0..60).map(|i| 2 + (i + 2) % 5)));
    let nothing = part(&ServiceView::default());
    let told = |parts: &[(&str, &Part)]| difference(parts).finding;
    assert_eq!(
        told(&[("ferry", &slow), ("shop", &fast), ("none", &nothing)]),
        "They really differ, beyond noise (log-rank p < 0.001): shop delivers half of its changes \
         within 4 h 1 min, ferry within 2 d 11 h."
    );
    assert_eq!(
        told(&[("a", &fast), ("b", &same)]),
        "The data show no difference between them: what there is is within noise (log-rank p = 1.00)."
    );
    assert_eq!(
        told(&[("a", &fast), ("none", &nothing)]),
        "Only one of them delivered anything, so there is nothing to compare."
    );
    assert_eq!(
        told(&[("none", &nothing)]),
        "Nothing was delivered, so there is nothing to compare."
    );
    assert_eq!(difference(&[]).p, None);
}

#[test]
fn what_differs_by_little_is_told_to() {
    let one = part(&service((0..9_000).map(|i| 100 + i % 50)));
    let other = part(&service((0..9_000).map(|i| 104 + i % 50)));
    let found = difference(&[("a", &one), ("b", &other)]);
    assert!(found.finding.contains("but by little"), "{}", found.finding);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A part tells what the report of the same span tells.
    #[test]
    fn parts_are_those_of_reports(
        view in services(25),
        zone in 0..3_usize,
        as_of in horizons(),
        since in prop::option::of(-3..75_i32),
        length in prop::option::of(1..75_i32),
    ) {
        let day = |number: i32| Day(TODAY.0 + number);
        let until = length.map(|length| day(since.unwrap_or(0) + length));
        let since = since.map(day);
        let days = &ZONES[zone];
        let summaries = day_summaries(&view, days);
        let question = Question {
            scope: Scope { kind: ScopeKind::Service, name: "ferry".to_owned() },
            since,
            until,
            as_of,
            days,
            first_deployment: None,
            knows_incidents: false,
        };
        let found = Part::of(&compared(since, until, as_of, zone), summaries.clone());
        prop_assert_eq!(found.time_to_value, report(question, summaries).time_to_value);
    }
}
