//! Random services for tests of summaries and of what is made of them.

use super::{Day, Days};
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::measured::{CommitLife, Status};
use crate::delivery::view::{
    ChangeRow, DeploymentRow, IncidentRow, Milestone, Milestones, ServiceView,
};
use crate::time::{DAY, HOUR};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::sync::LazyLock;

/// 2026-02-16T00:00:00Z: days before both of the time zones below change their clocks.
pub(in crate::delivery) const T: i64 = 1_771_200_000;

/// The day that `T` is in, in UTC.
pub(in crate::delivery) const TODAY: Day = Day((T / DAY) as i32);

/// UTC, New York, and one whose clocks change at midnight.
pub(in crate::delivery) static ZONES: LazyLock<[Days; 3]> = LazyLock::new(|| {
    let posix = |rule| Days::new(TimeZone::posix(rule).unwrap());
    [
        Days::new(TimeZone::UTC),
        posix("EST5EDT,M3.2.0,M11.1.0"),
        posix("<-03>3<-02>,M11.1.0/0,M2.3.0/0"),
    ]
});

/// A change by its milestones, other things being plain.
pub(in crate::delivery) fn change(milestones: Milestones) -> ChangeRow {
    let delivered = milestones.get(Milestone::Deployed).is_some();
    ChangeRow {
        change: String::new(),
        kind: "merge".to_owned(),
        position: 0,
        pull_request: None,
        subject: String::new(),
        author: String::new(),
        commits: 1,
        lines: None,
        status: if delivered { Status::Delivered } else { Status::Waiting },
        reverts: false,
        bot: false,
        assisted: false,
        approximate: false,
        milestones,
        moved: Vec::new(),
        deployment: None,
        environment: None,
        parts: None,
    }
}

/// A change that was authored and merged, and perhaps deployed.
pub(in crate::delivery) fn life(authored: i64, merged: i64, deployed: Option<i64>) -> ChangeRow {
    change(Milestones([Some(authored), None, None, None, Some(merged), None, deployed]))
}

/// Moments of some weeks, with a liking for the borders of days in the time zones above.
fn moments() -> impl Strategy<Value = i64> {
    let border = (0..60_i64, 0..3_usize, -1..=1_i64)
        .prop_map(|(day, zone, off)| ZONES[zone].start(Day(TODAY.0 + day as i32)) + off);
    prop_oneof![3 => T..T + 60 * DAY, 1 => border]
}

/// From one milestone to the next.
fn lags() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 0..200_i64, 0..HOUR, 0..3 * DAY, 0..40 * DAY]
}

fn changes() -> impl Strategy<Value = ChangeRow> {
    let flags = (0..14_u8, any::<bool>(), any::<bool>(), any::<bool>());
    // Which milestone is at the given moment: borders are met by each of these.
    let anchor =
        prop::sample::select(vec![Milestone::Authored, Milestone::Merged, Milestone::Deployed]);
    let lines = prop::option::weighted(0.8, prop_oneof![0..9_u64, 0..9_000_u64, Just(u64::MAX)]);
    let shape = (0..128_u8, anchor, any::<bool>(), lines);
    (moments(), prop::array::uniform6(lags()), shape, flags).prop_map(
        |(moment, lags, (known, anchor, delivered, lines), (status, reverts, bot, ai))| {
            let since_start = |place: usize| lags[..place].iter().map(|lag| lag / 2).sum::<i64>();
            let start = moment - since_start(anchor as usize);
            let mut milestones = Milestones::default();
            for (place, milestone) in Milestone::ALL.into_iter().enumerate() {
                let always = matches!(milestone, Milestone::Merged | Milestone::Deployed);
                let moment = start + since_start(place);
                milestones.set(milestone, (always || known >> place & 1 == 1).then_some(moment));
            }
            if !delivered {
                milestones.set(Milestone::Deployed, None);
            }
            let status = match status {
                0 => Status::Baseline,
                1 | 2 => Status::Rework,
                _ if delivered => Status::Delivered,
                _ => Status::Waiting,
            };
            ChangeRow { status, reverts, bot, assisted: ai, lines, ..change(milestones) }
        },
    )
}

/// A deployment by when it finished and what it was.
pub(in crate::delivery) fn deployment(
    finished_at: i64,
    kind: Option<DeploymentKind>,
) -> DeploymentRow {
    DeploymentRow {
        name: String::new(),
        environment: "production".to_owned(),
        production: true,
        revision: None,
        linked: kind.is_some(),
        position: None,
        started_at: None,
        finished_at: Some(finished_at),
        succeeded: Some(true),
        kind,
        changes: 0,
        replaced: None,
        replaced_environment: None,
        failed_by: None,
        recovered_at: None,
        unplanned: false,
        url: None,
    }
}

fn deployments() -> impl Strategy<Value = DeploymentRow> {
    let kinds = [
        Some(DeploymentKind::First),
        Some(DeploymentKind::Normal),
        Some(DeploymentKind::Rollback),
        Some(DeploymentKind::Redeployment),
        None,
    ];
    let outcome = (any::<bool>(), 0..9_u8, prop::option::of(lags()), any::<bool>());
    (moments(), prop::sample::select(kinds.to_vec()), 0..4_u32, outcome).prop_map(
        |(finished_at, kind, changes, (succeeded, production, recovery, unplanned))| {
            DeploymentRow {
                production: production > 0,
                succeeded: (production > 1 || kind.is_some()).then_some(succeeded),
                changes,
                failed_by: recovery.map(|_| "rollback".to_owned()),
                recovered_at: recovery.map(|seconds| finished_at + seconds),
                unplanned,
                ..deployment(finished_at, kind)
            }
        },
    )
}

fn incidents() -> impl Strategy<Value = IncidentRow> {
    (moments(), prop::option::of(lags())).prop_map(|(opened, lasted)| IncidentRow {
        id: String::new(),
        title: String::new(),
        opened_at: Some(opened),
        resolved_at: lasted.map(|lasted| opened + lasted),
        deployment: None,
        environment: None,
        url: None,
    })
}

/// Commits that were deployed after a while, or by a wrong clock before, and some that wait.
fn commits() -> impl Strategy<Value = CommitLife> {
    let lag = prop::option::of(prop_oneof![9 => lags(), 1 => -HOUR..0_i64]);
    (moments(), lag).prop_map(|(committed, lag)| CommitLife {
        committed,
        deployed: lag.map(|lag| committed + lag),
    })
}

/// A service with some of everything.
pub(in crate::delivery) fn services(most: usize) -> impl Strategy<Value = ServiceView> {
    (
        prop::collection::vec(changes(), 0..most),
        prop::collection::vec(deployments(), 0..9),
        prop::collection::vec(incidents(), 0..4),
        prop::collection::vec(commits(), 0..most),
    )
        .prop_map(|(changes, deployments, incidents, commits)| ServiceView {
            changes,
            deployments,
            incidents,
            commits,
            ..ServiceView::default()
        })
}

/// A newest moment of the data: after all of it, or, by clocks that are wrong, before some.
pub(in crate::delivery) fn horizons() -> impl Strategy<Value = i64> {
    prop_oneof![Just(T + 200 * DAY), moments()]
}
