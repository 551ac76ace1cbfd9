//! From day summaries to the report: the parts, put together.

use super::model::{Flow, Report, Rework, Scope, Span, Stage};
use super::tally::{Lives, Totals, count};
use crate::delivery::report::{
    AGES, AgeBand, CalendarDay, DoraMeasure, MOST_POINTS, Pace, Period, Spread, TimeToValue, Trend,
    TrendPoint, dora, drop_leading, finding, time_to_value_of_curve,
};
use crate::delivery::summary::{Count, Day, DaySummary, Days, STAGES, Stock};
use crate::delivery::view::Milestone;
use crate::stats::histogram::Histogram;
use crate::stats::life_table::{LifeTable, Tally};
use crate::stats::survival::{Curve, log_rank_of_tables};
use crate::time::Time;
use std::borrow::Borrow;
use std::collections::BTreeSet;

/// The version of the model of a report, see [`Report::schema_version`].
const SCHEMA_VERSION: u32 = 1;

/// How many steps of the curve are kept.
const CURVE_STEPS: usize = 200;

/// What a report is about, besides the summaries of its days.
pub struct Input<'a> {
    /// Whose report it is; told on as it is.
    pub scope: Scope,
    /// The first day of the span; `None`: from the beginning.
    pub since: Option<Day>,
    /// The day after the last one; `None`, or a day that begins after `as_of`: until now.
    pub until: Option<Day>,
    /// The newest moment of all data, Unix seconds: the horizon that the summaries were made with.
    pub as_of: i64,
    /// The days of the organization's time zone.
    pub days: &'a Days,
    /// What waits at the end: the stock of the day `until`, or, where the span goes until now, the
    /// stock at `as_of`.
    pub stock: &'a Stock,
    /// The first day of the scope on which anything was deployed, whatever the span.
    pub first_deployment: Option<Day>,
    /// Whether anybody tells of incidents: whether any is on record, of whatever scope and span.
    pub knows_incidents: bool,
}

impl Input<'_> {
    /// The first moment after the span and the data.
    fn closes(&self) -> i64 {
        let after = self.as_of.saturating_add(1);
        self.until.map_or(after, |until| self.days.start(until).min(after))
    }

    /// Whether the span begins after the data has ended: it then sees nothing.
    fn is_past_the_data(&self) -> bool {
        self.since.is_some_and(|since| self.days.start(since) > self.end())
    }

    /// The moment for which "waiting" is told.
    fn end(&self) -> i64 {
        self.until.map_or(self.as_of, |until| self.days.start(until).min(self.as_of))
    }
}

/// Builds the report of the summaries of the span's days, which come in ascending order; days on
/// which nothing happened or waited may be missing, and those outside the span are passed over.
///
/// A summary is needed no longer once the next one is asked for, so they can be read one by one.
pub fn build<S: Borrow<DaySummary>>(
    input: &Input<'_>,
    summaries: impl IntoIterator<Item = (Day, S)>,
) -> Report {
    let nothing = Stock::default();
    let mut sum = Sum::of(input, if input.is_past_the_data() { &nothing } else { input.stock });
    for (day, summary) in summaries {
        let after = input.until.is_some_and(|until| until <= day);
        if !after && input.since.is_none_or(|since| since <= day) {
            sum.add(day, summary.borrow());
        }
    }
    sum.report()
}

/// The days of which [`build`] looks at the stock at their start: where the span and the periods of
/// its trend begin and end.
pub(super) fn stock_days(input: &Input<'_>) -> BTreeSet<Day> {
    let parts = parts(input).into_iter().flat_map(|(_, parts)| parts);
    let bounds = parts.flat_map(|part| [part.first, part.end]);
    bounds.chain(input.since).chain(input.until).collect()
}

/// A period of the trend, cut to the span.
struct Part {
    first: Day,
    /// The day after the last one.
    end: Day,
    complete: bool,
}

/// The days of a report, being added up.
struct Sum<'a> {
    input: &'a Input<'a>,
    /// What waits at the end.
    stock: &'a Stock,
    whole: Option<Whole>,
    totals: Totals,
    calendar: Vec<CalendarDay>,
    /// The length of the periods of the trend.
    period: Period,
    /// The periods that are not begun yet, the next one last.
    parts: Vec<Part>,
    current: Option<(Part, Lives)>,
    points: Vec<(TrendPoint, LifeTable)>,
}

impl<'a> Sum<'a> {
    fn of(input: &'a Input<'a>, stock: &'a Stock) -> Self {
        let (period, mut parts) = parts(input).unwrap_or((Period::Week, Vec::new()));
        parts.reverse();
        Self {
            input,
            stock,
            whole: None,
            totals: Totals::default(),
            calendar: Vec::new(),
            period,
            parts,
            current: None,
            points: Vec::new(),
        }
    }

    fn add(&mut self, day: Day, summary: &DaySummary) {
        self.turn(day, summary);
        let input = self.input;
        let whole = self
            .whole
            .get_or_insert_with(|| Whole::of(input, (input.since == Some(day)).then_some(summary)));
        whole.add(summary, input.days);
        if let Some((_, lives)) = &mut self.current {
            lives.add(summary, input.days);
        }
        self.totals.add(summary);
        let deployments = count(summary.deployments());
        if deployments > 0 {
            let rollbacks = count(summary.get(Count::Rollbacks));
            self.calendar.push(CalendarDay { day: day.to_string(), deployments, rollbacks });
        }
    }

    /// Ends the periods that are over when a day begins, and begins that which it is in.
    fn turn(&mut self, day: Day, summary: &DaySummary) {
        while self.current.as_ref().is_some_and(|(part, _)| part.end <= day)
            || (self.current.is_none() && self.parts.last().is_some_and(|next| next.first <= day))
        {
            if let Some((part, lives)) = self.current.take() {
                // Without a summary of that day, nothing waited when it began.
                let nothing = Histogram::default();
                let waits = if part.end == day { &summary.waiting } else { &nothing };
                self.point(&part, &lives, waits);
            }
            self.begin(Some((day, summary)));
        }
    }

    /// Begins the next period; what waits when it begins is in the summary of its first day.
    fn begin(&mut self, today: Option<(Day, &DaySummary)>) {
        if let Some(part) = self.parts.pop() {
            let of_first = today.filter(|(day, _)| *day == part.first);
            let stock = of_first.map(|(_, summary)| &summary.waiting);
            let lives = Lives::since(Some(part.first), stock);
            self.current = Some((part, lives));
        }
    }

    fn point(&mut self, part: &Part, lives: &Lives, waits: &Histogram) {
        let table = lives.table(waits);
        let Spread { n, waiting, p50, p85, p95 } = lives.spread(waits);
        let period = self.period;
        let &Part { first, end, complete } = part;
        let named = first.date().and_then(|date| period.first_day(period.number(date)));
        let label = named.map(|date| period.label(date)).unwrap_or_default();
        let start = Time(self.input.days.start(first));
        let end = Time(self.input.days.start(end).min(self.input.closes()));
        let point = TrendPoint { label, start, end, complete, n, waiting, p50, p85, p95 };
        self.points.push((point, table));
    }

    fn report(mut self) -> Report {
        let input = self.input;
        while self.current.is_some() || !self.parts.is_empty() {
            if let Some((part, lives)) = self.current.take() {
                let nothing = Histogram::default();
                let last = self.parts.is_empty();
                self.point(&part, &lives, if last { &self.stock.ages } else { &nothing });
            }
            self.begin(None);
        }
        let whole = self.whole.take().unwrap_or_else(|| Whole::of(input, None));
        let time_to_value = time_to_value(&whole.changes, self.stock);
        let (flow, delivered) = (self.flow(), time_to_value.n);
        Report {
            schema_version: SCHEMA_VERSION,
            scope: input.scope.clone(),
            span: span(input),
            stages: stages(&self.totals, &whole.last_stage, self.stock),
            rework: rework(&self.totals, self.stock, &time_to_value),
            dora: self.measures(&whole.commits, &flow),
            time_to_value,
            trend: self.trend(delivered),
            flow,
        }
    }

    fn trend(self, delivered: usize) -> Trend {
        let period = self.period;
        let (mut points, tables): (Vec<_>, Vec<_>) = self.points.into_iter().unzip();
        let all = points.len();
        drop_leading(&mut points, self.input.since.is_none(), delivered);
        let tables = &tables[all - points.len()..];
        let test = |a: usize, b: usize| log_rank_of_tables(&[&tables[a], &tables[b]]);
        let finding = match points.is_empty() {
            true => "Nothing was delivered, so there is no trend.".to_owned(),
            false => finding(period, &points, test),
        };
        Trend { period, points, finding }
    }

    fn flow(&mut self) -> Flow {
        let (input, totals) = (self.input, &self.totals);
        let pace = pace(input, totals.deployments());
        let delivering = totals.get(Count::DeliveringDeployments);
        let carried = totals.get(Count::CarriedChanges);
        let mut ages = Tally::default();
        ages.add(&self.stock.ages);
        Flow {
            deployments: pace.deployments,
            deployments_per_week: pace.per_week(),
            weeks: pace.weeks(),
            delivering_deployments: delivering,
            changes_per_deployment_mean: (delivering > 0)
                .then(|| carried as f64 / delivering as f64),
            merged: totals.get(Count::MergedChanges),
            delivered_by_bots: totals.get(Count::DeliveredByBots),
            delivered_assisted: totals.get(Count::DeliveredAssisted),
            waiting: count(ages.total()),
            waiting_age_p50: ages.median(),
            waiting_by_age: by_age(&ages),
            incidents_opened: totals.get(Count::IncidentsOpened),
            incidents_resolved: totals.get(Count::IncidentsResolved),
            calendar: std::mem::take(&mut self.calendar),
        }
    }

    /// DORA's five measures, in its order.
    fn measures(&self, commits: &Lives, flow: &Flow) -> Vec<DoraMeasure> {
        let (totals, knows_incidents) = (&self.totals, self.input.knows_incidents);
        let Spread { n, waiting, p50, .. } = commits.spread(&self.stock.commits);
        let recoveries = count(totals.recoveries.total());
        let recovery = Spread::of_curve(recoveries, 0, &curve_of(&totals.recoveries)).p50;
        let failed = totals.get(Count::FailedDeployments);
        let unplanned = totals.get(Count::UnplannedDeployments);
        vec![
            dora::lead_time(n, waiting, p50),
            dora::frequency(flow.deployments, flow.deployments_per_week),
            dora::recovery_time(recoveries, recovery),
            dora::fail_rate(failed, flow.deployments, knows_incidents),
            dora::rework_rate(unplanned, flow.deployments, knows_incidents),
        ]
    }
}

/// What the whole span sees.
struct Whole {
    changes: Lives,
    /// The last stage of the changes.
    last_stage: Lives,
    commits: Lives,
}

impl Whole {
    /// Of no days yet. `first` is the first day of the span, if there is anything to know of it.
    fn of(input: &Input<'_>, first: Option<&DaySummary>) -> Self {
        let since = input.since;
        Self {
            changes: Lives::since(since, first.map(|day| &day.waiting)),
            last_stage: Lives::since(since, first.map(|day| &day.last_stage)),
            commits: Lives::since(since, first.map(|day| &day.waiting_commits)),
        }
    }

    /// Adds a day of the span.
    fn add(&mut self, day: &DaySummary, days: &Days) {
        self.changes.add(day, days);
        if let Some(last) = day.stages.last() {
            self.last_stage.deliver(last);
        }
        self.commits.deliver(&day.lead_times);
    }
}

/// How often something was deployed, by the same rule as `measure`.
fn pace(input: &Input<'_>, deployments: usize) -> Pace {
    let Some(first) = input.first_deployment else {
        return Pace { deployments, opens: false, seconds: 0 };
    };
    let start = input.since.map_or(first, |since| since.max(first));
    let opens = start == first && deployments > 0;
    let seconds = input.end().saturating_sub(input.days.start(start)).max(0);
    Pace { deployments, opens, seconds }
}

/// The periods of the trend, oldest first: from the start of the span, or from the first
/// deployment, before which nothing could have been delivered. `None` where the span has none.
fn parts(input: &Input<'_>) -> Option<(Period, Vec<Part>)> {
    let deployed = input.first_deployment?;
    let first = input.since.map_or(deployed, |since| since.max(deployed));
    let last = input.days.of(input.closes().saturating_sub(1));
    let (from, to) = (first.date()?, last.date().filter(|_| first <= last)?);
    let period = Period::finest(from, to, MOST_POINTS);
    let numbers = period.number(from).max(period.number(to) - MOST_POINTS + 1)..=period.number(to);
    let part = |number| {
        let opens = Day::of(period.first_day(number)?);
        let ends = Day::of(period.first_day(number + 1)?);
        let first = input.since.map_or(opens, |since| since.max(opens));
        let covered = input.days.start(ends) <= input.closes();
        let complete = first == opens && deployed <= opens && covered;
        let end = if covered { ends } else { last.next() };
        Some(Part { first, end, complete })
    };
    Some((period, numbers.filter_map(part).collect()))
}

pub(super) fn time_to_value(lives: &Lives, stock: &Stock) -> TimeToValue {
    let curve = Curve::of_table(&lives.table(&stock.ages)).until_exhausted();
    time_to_value_of_curve(count(lives.n()), count(stock.ages.total()), &curve, CURVE_STEPS)
}

/// The curve of durations that are all over.
fn curve_of(durations: &Tally) -> Curve {
    let nothing = Tally::default();
    Curve::of_table(&LifeTable::of(durations.total(), &nothing, durations, &nothing))
}

fn stages(totals: &Totals, last: &Lives, stock: &Stock) -> Vec<Stage> {
    let before = totals.stages.iter().fold(0_i64, |all, stage| all.wrapping_add(stage.sum()));
    let whole = before.wrapping_add(last.sum());
    let stage = |milestone: Milestone, spread: Spread, seconds: i64| {
        let Spread { n, waiting, p50, p85, .. } = spread;
        let share = (whole > 0).then(|| seconds as f64 / whole as f64);
        Stage { to: milestone.name(), n, waiting, p50, p85, share }
    };
    let finished = totals.stages.iter().map(|durations| {
        let n = count(durations.total());
        (Spread::of_curve(n, 0, &curve_of(durations)), durations.sum())
    });
    let all = finished.chain([(last.spread(&stock.last_stage), last.sum())]);
    STAGES.into_iter().zip(all).map(|(to, (spread, seconds))| stage(to, spread, seconds)).collect()
}

fn rework(totals: &Totals, stock: &Stock, value: &TimeToValue) -> Rework {
    let (reverts, reverted) = totals.reworked(stock);
    let reworked = reverts.saturating_add(reverted);
    let all = reworked.saturating_add(value.n).saturating_add(value.waiting);
    Rework {
        reverts,
        reverted,
        share: (all > 0).then(|| reworked as f64 / all as f64),
        rollbacks: totals.get(Count::Rollbacks),
        redeployments: totals.get(Count::Redeployments),
        failed_deployments: totals.get(Count::FailedDeployments),
        unplanned_deployments: totals.get(Count::UnplannedDeployments),
        unsuccessful_deployments: totals.get(Count::UnsuccessfulDeployments),
        unlinked_deployments: totals.get(Count::UnlinkedDeployments),
    }
}

fn by_age(ages: &Tally) -> Vec<AgeBand> {
    let mut counted = 0;
    let band = |(limit, label)| {
        let below = if limit == i64::MAX { ages.total() } else { ages.below(limit) };
        let changes = count(below.wrapping_sub(counted));
        counted = below;
        AgeBand { label, changes }
    };
    AGES.map(band).into()
}

fn span(input: &Input<'_>) -> Span {
    Span {
        since: input.since.map(|day| day.to_string()),
        until: input.until.map(|day| day.to_string()),
        start: input.since.map(|since| Time(input.days.start(since))),
        end: Time(input.end()),
        as_of: Time(input.as_of),
        time_zone: input.days.time_zone().iana_name().map(str::to_owned),
    }
}
