use super::fixture::{T, TODAY, ZONES, change, deployment, horizons, life, services};
use super::*;
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::measured::CommitLife;
use crate::delivery::report::{Life, Span};
use crate::delivery::view::{ChangeRow, DeploymentRow, Milestones, ServiceView};
use crate::time::{DAY, HOUR};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn merged<'a>(parts: impl IntoIterator<Item = &'a BTreeMap<Day, DaySummary>>) -> ByDay {
    let mut all = ByDay::new();
    for (day, summary) in parts.into_iter().flatten() {
        all.entry(*day).or_default().merge(summary);
    }
    all
}

type ByDay = BTreeMap<Day, DaySummary>;

#[test]
fn a_change_is_counted_where_it_waits_and_where_it_is_delivered() {
    let days = &ZONES[0];
    let view = ServiceView {
        changes: vec![
            // Authored a day before it is merged, delivered on the day after the next.
            life(T - DAY + 100, T + 100, Some(T + 2 * DAY + 100)),
            // Merged and delivered at the very borders of a day: waits at both, enters with neither.
            life(T + DAY - 50, T + DAY, Some(T + 2 * DAY)),
        ],
        ..ServiceView::default()
    };
    let all = summaries(&view, days, T + 5 * DAY);
    let told: Vec<_> = all
        .iter()
        .map(|(day, summary)| {
            let sums = [&summary.delivered, &summary.waiting].map(|it| (it.total(), it.sum()));
            (day.0 - TODAY.0, sums, summary.entering.ages_at(*day, days).collect::<Vec<_>>())
        })
        .collect();
    let none = (0, 0);
    assert_eq!(
        told,
        [
            (0, [none, none], vec![(DAY - 100, 1)]),
            (1, [none, (2, 2 * DAY - 50)], vec![]),
            (2, [(2, 4 * DAY + 50), (2, 4 * DAY - 50)], vec![]),
        ]
    );
    assert!(is_settled(&view, T + 5 * DAY) && !is_settled(&view, T + 2 * DAY + 99));
}

/// A span that ends at midnight does not see a commit of one second later, though a wrong clock has
/// it deployed at midnight.
#[test]
fn a_commit_deployed_before_it_was_made_waits_on_no_day() {
    let view = ServiceView {
        commits: vec![CommitLife { committed: T + DAY + 1, deployed: Some(T + DAY) }],
        ..ServiceView::default()
    };
    let all = summaries(&view, &ZONES[0], T + 5 * DAY);
    let told: Vec<_> =
        all.values().map(|day| (day.waiting_commits.total(), day.lead_times.total())).collect();
    assert_eq!(told, [(0, 1)]);
}

#[test]
fn deployments_count_in_production_only_and_by_what_they_were() {
    let failed = DeploymentRow {
        failed_by: Some("back".to_owned()),
        recovered_at: Some(T + DAY + HOUR),
        changes: 3,
        ..deployment(T, Some(DeploymentKind::Normal))
    };
    let view = ServiceView {
        deployments: vec![
            failed,
            deployment(T + 1, None),
            DeploymentRow { succeeded: Some(false), ..deployment(T + 2, None) },
            DeploymentRow { succeeded: None, finished_at: None, ..deployment(0, None) },
            DeploymentRow { production: false, ..deployment(T, Some(DeploymentKind::First)) },
            DeploymentRow {
                unplanned: true,
                ..deployment(T + DAY + HOUR, Some(DeploymentKind::Rollback))
            },
        ],
        ..ServiceView::default()
    };
    let all = summaries(&view, &ZONES[0], T + 9 * DAY);
    let (first, second) = (&all[&TODAY], &all[&TODAY.next()]);
    assert_eq!((all.len(), first.deployments(), second.deployments()), (2, 1, 1));
    for count in [
        Count::NormalDeployments,
        Count::UnlinkedDeployments,
        Count::UnsuccessfulDeployments,
        Count::FailedDeployments,
        Count::DeliveringDeployments,
    ] {
        assert_eq!((first.get(count), second.get(count)), (1, 0), "{count:?}");
    }
    assert_eq!((first.get(Count::CarriedChanges), second.get(Count::Rollbacks)), (3, 1));
    assert_eq!((first.recoveries.total(), second.recoveries.sum()), (0, DAY + HOUR));
    assert_eq!(second.get(Count::UnplannedDeployments), 1);
}

/// A clock from the beginning of time does not make a change wait on all days of two thousand
/// years.
#[test]
fn absurd_clocks_cost_little() {
    for moment in [i64::MIN, 0, i64::MAX] {
        let view = ServiceView {
            changes: vec![life(moment, moment, None), life(moment, moment, Some(i64::MAX))],
            commits: vec![
                CommitLife { committed: moment, deployed: None },
                CommitLife { committed: moment, deployed: Some(i64::MIN) },
            ],
            ..ServiceView::default()
        };
        for horizon in [i64::MIN, T, i64::MAX] {
            assert!(summaries(&view, &ZONES[1], horizon).len() < 50_000);
            assert!(stock(&view, horizon).ages.total() <= 1);
        }
    }
}

/// A typical day of a service: five changes of two commits with all milestones, ten that wait.
#[test]
fn a_typical_day_is_small() {
    let delivered = |i: i64| {
        let at = |hours: i64| Some(T + hours * HOUR + i * 977);
        change(Milestones([
            at(-70 - 9 * i),
            at(-40 - i),
            at(-30 + i),
            at(-20 + 2 * i),
            at(-10 + i),
            at(-9 + i),
            at(9 + i),
        ]))
    };
    let waiting = |i: i64| life(T - i * 17 * HOUR - 99, T - i * HOUR, None);
    let view = ServiceView {
        changes: (0..5).map(delivered).chain((0..10).map(waiting)).collect(),
        deployments: (0..3)
            .map(|i| deployment(T + i * HOUR, Some(DeploymentKind::Normal)))
            .collect(),
        commits: (0..30)
            .map(|i| CommitLife {
                committed: T - i * 7 * HOUR - 99,
                deployed: (i < 10).then_some(T + i * 977),
            })
            .collect(),
        ..ServiceView::default()
    };
    let all = summaries(&view, &ZONES[0], T + 9 * DAY);
    let today = &all[&TODAY];
    assert_eq!((today.delivered.total(), today.waiting.total()), (5, 15));
    assert!(today.stages.iter().all(|stage| stage.total() == 5));
    let length = today.encode().len();
    assert!(length <= 190, "{length} bytes");
    assert_eq!(DaySummary::default().encode().len(), 5);
}

#[test]
fn what_is_not_canonical_is_refused() {
    assert_eq!(DaySummary::decode(&[5, 0, 0, 0, 0]), Some(DaySummary::default()));
    for wrong in [
        &[][..],
        &[4, 0, 0, 0, 0],                // another format
        &[5, 0, 0, 0],                   // cut off
        &[5, 1, 0, 0, 0, 0, 0],          // an empty histogram
        &[5, 0, 1, 0, 0, 0],             // a count of 0
        &[5, 0, 0, 1, 0, 0, 0, 0, 0],    // a day on which none were started
        &[5, 0, 0, 2, 2, 0, 2, 0, 0, 0], // half of one
        &[5, 0, 0, 0, 1, 0, 0, 0, 0],    // a change that is open no times
        &[5, 0, 0, 0, 0, 0],             // an empty slice
        &[5, 0, 0, 0, 0, 8, 0],          // a slice with nothing that is open
        &[5, 0, 0, 0, 0, 1, 0, 0],       // a slice with an empty histogram
        &[5, 0, 0, 0, 0, 8, 1, 0, 0],    // one that is cut off
        &[5, 0x80, 0x80, 0x40, 0, 0, 0], // no such histogram
    ] {
        assert_eq!(DaySummary::decode(wrong), None, "{wrong:?}");
    }
}

/// Other slices follow the last one of these, and none stands twice.
#[test]
fn slices_stand_at_the_end_in_their_order() {
    let start = [5, 0, 0, 0, 0];
    let slice = |number: u8| match number {
        0..8 => vec![number << 4 | 8, 1, 0, 0, 0, 2],
        _ => vec![number << 4 | 0x88, 1, 1, 0, 0, 0, 2],
    };
    let read = |numbers: &[u8]| {
        let slices = numbers.iter().flat_map(|&number| slice(number));
        DaySummary::decode(&start.into_iter().chain(slices).collect::<Vec<u8>>())
    };
    assert!(read(&[0]).is_some() && read(&[0, 1, 14]).is_some());
    assert_eq!([read(&[1, 1]), read(&[2, 1]), read(&[15])], [None, None, None]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The stock of a day is what a span that ends at its first moment sees waiting.
    #[test]
    fn stocks_are_what_spans_see_waiting(
        view in services(20),
        zone in 0..3_usize,
        horizon in horizons(),
    ) {
        let days = &ZONES[zone];
        let all = summaries(&view, days, horizon);
        let changes = || view.changes.iter().filter(|change| change.is_measured());
        let at = |change: &ChangeRow, milestone| change.milestones.get(milestone);
        let whole = changes().filter_map(|change| Some(Life {
            start: change.milestones.start()?,
            appears: at(change, Milestone::Merged)?,
            finished: at(change, Milestone::Deployed),
        }));
        let last = changes().filter_map(|change| {
            let start = at(change, Milestone::Built).or(at(change, Milestone::Merged))?;
            Some(Life { start, appears: start, finished: at(change, Milestone::Deployed) })
        });
        let commits = view.commits.iter().map(|commit| Life {
            start: commit.committed,
            appears: commit.committed,
            finished: commit.deployed,
        });
        let lives: [Vec<Life>; 3] = [whole.collect(), last.collect(), commits.collect()];
        let waiting = |until| -> [Histogram; 3] {
            let span = Span { since: None, until, as_of: Some(horizon) };
            lives.each_ref().map(|lives| {
                let seen = lives.iter().filter_map(|&life| span.observe(life));
                seen.filter(|seen| !seen.event).map(|seen| seen.time).collect()
            })
        };
        let told = |stock: Stock| [stock.ages, stock.last_stage, stock.commits];
        for day in (0..80).map(|day| Day(TODAY.0 + day)) {
            let found = all.get(&day).map(DaySummary::stock).unwrap_or_default();
            let start = days.start(day);
            let expected = if start <= horizon { waiting(Some(start)) } else { Default::default() };
            prop_assert_eq!(told(found), expected, "{}", day);
        }
        prop_assert_eq!(told(stock(&view, horizon)), waiting(None));
    }

    #[test]
    fn summaries_of_services_add_up(
        views in prop::collection::vec(services(8), 1..5),
        zone in 0..3_usize,
        horizon in horizons(),
        turn in 0..5_usize,
    ) {
        let of = |view: &ServiceView| summaries(view, &ZONES[zone], horizon);
        let mut union = ServiceView::default();
        for view in &views {
            union.changes.extend(view.changes.clone());
            union.deployments.extend(view.deployments.clone());
            union.incidents.extend(view.incidents.clone());
            union.commits.extend(view.commits.clone());
        }
        let mut parts: Vec<_> = views.iter().map(of).collect();
        let whole = of(&union);
        prop_assert_eq!(&merged(&parts), &whole);
        let turn = turn % parts.len();
        parts.rotate_left(turn);
        let (left, right) = parts.split_at(turn);
        let grouped = merged([&merged(left), &merged(right)]);
        let bytes = |all: &ByDay| all.values().map(DaySummary::encode).collect::<Vec<_>>();
        prop_assert_eq!(bytes(&grouped), bytes(&whole));
        // A service goes, and comes back changed.
        let mut rest = whole.clone();
        for (day, summary) in &parts[0] {
            rest.get_mut(day).unwrap().subtract(summary);
        }
        rest.retain(|_, summary| !summary.is_empty());
        prop_assert_eq!(&rest, &merged(&parts[1..]));
    }

    #[test]
    fn equal_summaries_are_equal_bytes(a in services(9), b in services(9), horizon in horizons()) {
        let all = |view| summaries(view, &ZONES[1], horizon).into_values().collect::<Vec<_>>();
        for (a, b) in all(&a).iter().zip(&all(&b)) {
            prop_assert!(!a.is_empty());
            let mut delta = b.clone();
            delta.subtract(a);
            for summary in [a, &delta] {
                let found = DaySummary::decode(&summary.encode());
                prop_assert_eq!(found.as_ref(), Some(summary));
                let mut without = summary.clone();
                without.slices = Default::default();
                let found = DaySummary::decode_without_slices(&summary.encode());
                prop_assert_eq!(found, Some(without));
            }
            prop_assert_eq!(a.encode() == b.encode(), a == b);
        }
    }

    #[test]
    fn hostile_bytes_are_refused_or_canonical(
        view in services(5),
        wild in prop::collection::vec(0..9_u8, 0..30),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut all = vec![[vec![FORMAT], wild].concat()];
        for summary in summaries(&view, &ZONES[0], T + 9 * DAY).values() {
            let mut bytes = summary.encode();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            all.push(bytes.clone());
            bytes.truncate(place);
            all.push(bytes);
        }
        for bytes in all {
            if let Some(found) = DaySummary::decode(&bytes) {
                prop_assert_eq!(found.encode(), bytes);
            }
        }
    }

    /// When nothing waits and no moment is ahead, a later horizon changes nothing.
    #[test]
    fn settled_services_stay_as_they_are(view in services(4), horizon in horizons()) {
        if is_settled(&view, horizon) {
            let of = |horizon| summaries(&view, &ZONES[2], horizon);
            prop_assert_eq!(of(horizon), of(horizon + 100 * DAY));
        }
    }
}
