//! From the rows of a service to its summaries.

use super::{Count, Day, DaySummary, Days, OpenChange, OpenKind, STAGES, Slice, Stock};
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::measured::{CommitLife, Status};
use crate::delivery::view::{ChangeRow, DeploymentRow, IncidentRow, Milestone, ServiceView};
use std::collections::BTreeMap;

/// The summaries of a service, for all days on which something happened or waited, up to the day of
/// `horizon`: the newest moment of all data, in Unix seconds. Moments past it, which clocks that
/// are wrong make, count as having been at it.
///
/// The cost is that of the rows, and of the days on which a change waited.
#[must_use]
pub fn summaries(view: &ServiceView, days: &Days, horizon: i64) -> BTreeMap<Day, DaySummary> {
    let all = Summaries { days, horizon, keeps_open: false, by_day: BTreeMap::new() };
    all.of(&view.changes, &view.deployments, &view.incidents, &view.commits)
}

/// The summaries of a service as they are kept: what waits is not counted on every day that it
/// waits, but kept under the day on which it appeared ([`DaySummary::open`]), so that time alone
/// changes no summary.
#[must_use]
pub fn day_summaries(view: &ServiceView, days: &Days) -> BTreeMap<Day, DaySummary> {
    kept(days).of(&view.changes, &view.deployments, &view.incidents, &view.commits)
}

/// Some rows of a service.
pub(super) struct Rows<'a> {
    pub(super) changes: &'a [&'a ChangeRow],
    pub(super) deployments: &'a [&'a DeploymentRow],
    pub(super) incidents: &'a [&'a IncidentRow],
    pub(super) commits: &'a [&'a CommitLife],
}

impl Rows<'_> {
    /// What [`day_summaries`] tells of a view with these rows alone.
    pub(super) fn day_summaries(&self, days: &Days) -> BTreeMap<Day, DaySummary> {
        let &Self { changes, deployments, incidents, commits } = self;
        fn each<'a, T>(rows: &'a [&'a T]) -> impl Iterator<Item = &'a T> {
            rows.iter().copied()
        }
        kept(days).of(each(changes), each(deployments), each(incidents), each(commits))
    }
}

fn kept(days: &Days) -> Summaries<'_> {
    Summaries { days, horizon: i64::MAX, keeps_open: true, by_day: BTreeMap::new() }
}

/// What of a service waits at `horizon`: the stock at the end of a span that is still open.
#[must_use]
pub fn stock(view: &ServiceView, horizon: i64) -> Stock {
    let mut stock = Stock::default();
    let age = |life: &Life| horizon.saturating_sub(life.start);
    for change in &view.changes {
        let Some(life) = Life::of(change, horizon).filter(|life| life.delivered.is_none()) else {
            continue;
        };
        match kind(change) {
            OpenKind::Revert => stock.reverts += 1,
            OpenKind::Reverted => stock.reverted += 1,
            _ => {
                stock.ages.add(age(&life));
                let last = Life::of_last_stage(change, horizon);
                last.iter().for_each(|last| stock.last_stage.add(age(last)));
            }
        }
    }
    for &commit in &view.commits {
        let life = Life::of_commit(commit, horizon);
        if life.delivered.is_none() {
            stock.commits.add(age(&life));
        }
    }
    stock
}

/// Whether a later horizon adds nothing to the summaries of a service: nothing waits, and no moment
/// of it is past `horizon`. Those of all others are to be made again when a new day has begun.
#[must_use]
pub fn is_settled(view: &ServiceView, horizon: i64) -> bool {
    let past = |moment: Option<i64>| moment.is_some_and(|moment| moment > horizon);
    let ended = |change: &ChangeRow| match change.status {
        Status::Baseline => true,
        Status::Waiting => false,
        Status::Delivered | Status::Rework => change.milestones.get(Milestone::Deployed).is_some(),
    };
    let moments = |change: &ChangeRow| change.milestones.0.iter().any(|&moment| past(moment));
    view.changes.iter().all(|change| ended(change) && !moments(change))
        && view
            .commits
            .iter()
            .all(|it| it.deployed.is_some() && !past(it.deployed) && !past(Some(it.committed)))
        && !view.deployments.iter().any(|it| past(it.finished_at) || past(it.recovered_at))
        && !view.incidents.iter().any(|it| past(it.opened_at) || past(it.resolved_at))
}

fn kind(change: &ChangeRow) -> OpenKind {
    match (change.status, change.reverts) {
        (Status::Rework, true) => OpenKind::Revert,
        (Status::Rework, false) => OpenKind::Reverted,
        _ => OpenKind::Measured,
    }
}

/// The moments of a change, of its last stage or of a commit that decide when it counts, with
/// nothing past the horizon but the clock's own.
struct Life {
    start: i64,
    appears: i64,
    delivered: Option<i64>,
    /// From its start to its delivery, in seconds.
    seconds: i64,
}

impl Life {
    /// `None` for what is in no figure: the baseline, and what has no clock.
    fn of(change: &ChangeRow, horizon: i64) -> Option<Self> {
        let start = change.milestones.start()?;
        if change.status == Status::Baseline {
            return None;
        }
        let appears = change.milestones.get(Milestone::Merged).unwrap_or(start);
        Some(Self::new(start, appears, change.milestones.get(Milestone::Deployed), horizon))
    }

    /// `None` where no milestone before the deployment is known.
    fn of_last_stage(change: &ChangeRow, horizon: i64) -> Option<Self> {
        let start = change.milestones.before_deployed()?;
        Some(Self::new(start, start, change.milestones.get(Milestone::Deployed), horizon))
    }

    fn of_commit(CommitLife { committed, deployed }: CommitLife, horizon: i64) -> Self {
        Self::new(committed, committed, deployed, horizon)
    }

    fn new(start: i64, appears: i64, finished: Option<i64>, horizon: i64) -> Self {
        let delivered = finished.map(|finished| finished.min(horizon));
        Self {
            start,
            appears: appears.min(horizon),
            delivered,
            seconds: finished.map_or(0, |finished| finished.saturating_sub(start).max(0)),
        }
    }
}

struct Summaries<'a> {
    days: &'a Days,
    horizon: i64,
    keeps_open: bool,
    by_day: BTreeMap<Day, DaySummary>,
}

impl<'a> Summaries<'a> {
    fn of<'r>(
        mut self,
        changes: impl IntoIterator<Item = &'r ChangeRow>,
        deployments: impl IntoIterator<Item = &'r DeploymentRow>,
        incidents: impl IntoIterator<Item = &'r IncidentRow>,
        commits: impl IntoIterator<Item = &'r CommitLife>,
    ) -> BTreeMap<Day, DaySummary> {
        changes.into_iter().for_each(|change| self.change(change));
        commits.into_iter().for_each(|&commit| self.commit(commit));
        deployments.into_iter().for_each(|deployment| self.deployment(deployment));
        for incident in incidents {
            self.count(incident.opened_at, Count::IncidentsOpened);
            self.count(incident.resolved_at, Count::IncidentsResolved);
        }
        self.by_day
    }

    fn at(&mut self, day: Day) -> &mut DaySummary {
        self.by_day.entry(day).or_default()
    }

    fn on(&mut self, moment: i64) -> &mut DaySummary {
        let day = self.days.of(moment.min(self.horizon));
        self.at(day)
    }

    fn count(&mut self, moment: Option<i64>, count: Count) {
        if let Some(moment) = moment {
            self.on(moment).add(count, 1);
        }
    }

    fn change(&mut self, change: &ChangeRow) {
        let Some(life) = Life::of(change, self.horizon) else { return };
        let kind = kind(change);
        self.count(change.milestones.get(Milestone::Merged), Count::MergedChanges);
        self.waits(&life, kind);
        if kind == OpenKind::Measured {
            self.enters(&life, change);
            Slice::of(change).for_each(|slice| self.waits_in(&life, slice));
            self.lives(&life, change);
            if let Some(last) = Life::of_last_stage(change, self.horizon) {
                self.waits(&last, OpenKind::LastStage);
            }
        }
        let Some(delivered) = life.delivered else { return };
        let day = self.on(delivered);
        match kind {
            OpenKind::Revert => day.add(Count::DeliveredReverts, 1),
            OpenKind::Reverted => day.add(Count::DeliveredReverted, 1),
            _ => deliver(day, change, life.seconds),
        }
    }

    /// Counts a measured change, with and without each of its stages, on the day that it appears.
    fn lives(&mut self, life: &Life, change: &ChangeRow) {
        let &Life { start, appears, seconds, .. } = life;
        let is_open = life.delivered.is_none();
        if is_open && !self.keeps_open {
            return;
        }
        let day = self.on(appears);
        if is_open {
            let last = change.milestones.before_deployed().unwrap_or(start);
            let start = appears.saturating_sub(last.saturating_sub(start));
            day.open.add(OpenChange { appears, start, kind: OpenKind::Worked });
        } else {
            day.lives.add(seconds);
        }
        for (milestone, spent) in change.milestones.stages().filter(|&(_, spent)| spent > 0) {
            let Some(place) = STAGES.iter().position(|&stage| stage == milestone) else { continue };
            if is_open {
                let kind = OpenKind::without(place);
                let later = start.saturating_add(spent);
                day.open.add(OpenChange { appears, start: later, kind });
                day.open.count(OpenChange { appears, start, kind }, -1);
            } else {
                day.without[place].add(seconds.saturating_sub(spent));
                day.without[place].add_many(seconds, -1);
            }
        }
    }

    fn commit(&mut self, commit: CommitLife) {
        let life = Life::of_commit(commit, self.horizon);
        self.waits(&life, OpenKind::Commit);
        if let Some(delivered) = life.delivered {
            self.on(delivered).lead_times.add(life.seconds);
        }
    }

    /// Adds a life to the stock of every day whose first moment it waited at, or keeps it as open. A
    /// clock that went mad does not make it wait for more days than there are years to look at.
    fn waits(&mut self, life: &Life, kind: OpenKind) {
        if self.keeps_open && life.delivered.is_none() {
            let &Life { start, appears, .. } = life;
            self.on(appears).open.add(OpenChange { appears, start, kind });
            return;
        }
        for (day, age) in self.waited(life) {
            let summary = self.at(day);
            match kind {
                OpenKind::Measured => summary.waiting.add(age),
                OpenKind::Revert => summary.add(Count::WaitingReverts, 1),
                OpenKind::Reverted => summary.add(Count::WaitingReverted, 1),
                OpenKind::LastStage => summary.last_stage.add(age),
                OpenKind::Commit => summary.waiting_commits.add(age),
                // All others are told of what is open, and no day has them in its stock.
                _ => {}
            }
        }
    }

    /// The same of a measured change in one of the slices that it is in.
    fn waits_in(&mut self, life: &Life, slice: Slice) {
        let &Life { start, appears, delivered, .. } = life;
        if self.keeps_open && delivered.is_none() {
            let change = OpenChange { appears, start, kind: OpenKind::Measured };
            self.on(appears).slices.change(slice, |lives| lives.open.add(change));
            return;
        }
        for (day, age) in self.waited(life) {
            self.at(day).slices.change(slice, |lives| lives.waiting.add(age));
        }
    }

    /// The days at whose first moment a life waited, with how old it was.
    fn waited<'l>(&self, life: &'l Life) -> impl Iterator<Item = (Day, i64)> + use<'l, 'a> {
        let days = self.days;
        let last = days.of(life.delivered.unwrap_or(self.horizon));
        // A span's end sees what was merged at that very moment.
        let first = days.of(life.appears.saturating_sub(1)).next();
        (first.max(Day::FIRST).0..=last.min(Day::LAST).0)
            .map(move |day| (Day(day), days.start(Day(day)).saturating_sub(life.start)))
    }

    /// Counts a measured change on the day that it appears, if it was started before it.
    fn enters(&mut self, life: &Life, change: &ChangeRow) {
        let (days, day) = (self.days, self.days.of(life.appears.saturating_sub(1)));
        if life.start < days.start(day) {
            let summary = self.at(day);
            summary.entering.add(life.start, days);
            for slice in Slice::of(change) {
                summary.slices.change(slice, |lives| lives.entering.add(life.start, days));
            }
        }
    }

    fn deployment(&mut self, deployment: &DeploymentRow) {
        let Some(finished) = deployment.finished_at.filter(|_| deployment.production) else {
            return;
        };
        let Some(kind) = deployment.kind else {
            match deployment.succeeded {
                Some(true) => self.on(finished).add(Count::UnlinkedDeployments, 1),
                Some(false) => self.on(finished).add(Count::UnsuccessfulDeployments, 1),
                None => {}
            }
            return;
        };
        let day = self.on(finished);
        day.add(
            match kind {
                DeploymentKind::First => Count::FirstDeployments,
                DeploymentKind::Normal => Count::NormalDeployments,
                DeploymentKind::Rollback => Count::Rollbacks,
                DeploymentKind::Redeployment => Count::Redeployments,
            },
            1,
        );
        day.add(Count::FailedDeployments, i64::from(deployment.failed_by.is_some()));
        day.add(Count::UnplannedDeployments, i64::from(deployment.unplanned));
        day.add(Count::DeliveringDeployments, i64::from(deployment.changes > 0));
        day.add(Count::CarriedChanges, i64::from(deployment.changes));
        if let Some(recovered) = deployment.recovered_at {
            self.on(recovered).recoveries.add(recovered.saturating_sub(finished));
        }
    }
}

fn deliver(day: &mut DaySummary, change: &ChangeRow, seconds: i64) {
    day.delivered.add(seconds);
    for slice in Slice::of(change) {
        day.slices.change(slice, |lives| lives.delivered.add(seconds));
    }
    day.add(Count::DeliveredByBots, i64::from(change.bot));
    day.add(Count::DeliveredAssisted, i64::from(change.assisted));
    for (milestone, seconds) in change.milestones.stages() {
        if let Some(place) = STAGES.iter().position(|&stage| stage == milestone) {
            day.stages[place].add(seconds);
        }
    }
}
