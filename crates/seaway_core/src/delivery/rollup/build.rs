//! From day summaries to the report: the parts, put together.

use super::model::{Flow, Report, Rework, Scope, Span, Stage};
use super::tally::{Lives, Totals, count};
use crate::delivery::report::{
    AGES, AgeBand, CalendarDay, DoraMeasure, MOST_POINTS, Period, Spread, TimeToValue, Trend,
    TrendPoint, dora, finding, time_to_value_of_curve,
};
use crate::delivery::summary::{Count, Day, DaySummary, Days, STAGES, Stock};
use crate::stats::histogram::Histogram;
use crate::stats::life_table::{LifeTable, Tally};
use crate::stats::survival::{Curve, log_rank_of_tables};
use crate::time::{DAY, Time, WEEK};
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
    whole: Option<Lives>,
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
        let start = self.input.days.start(day);
        self.turn(day, summary);
        let since = self.input.since;
        let whole = self.whole.get_or_insert_with(|| {
            let stock = (since == Some(day)).then_some(&summary.waiting);
            Lives::since(since.map(|since| self.input.days.start(since)), stock)
        });
        whole.add(start, summary);
        if let Some((_, lives)) = &mut self.current {
            lives.add(start, summary);
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
            let lives = Lives::since(Some(self.input.days.start(part.first)), stock);
            self.current = Some((part, lives));
        }
    }

    fn point(&mut self, part: &Part, lives: &Lives, waits: &Histogram) {
        let table = lives.table(waits);
        let curve = Curve::of_table(&table).until_exhausted();
        let (n, waiting) = (count(lives.n()), count(waits.total()));
        let Spread { p50, p85, p95, .. } = Spread::of_curve(n, waiting, &curve);
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
        let lives = self.whole.take().unwrap_or_else(|| {
            Lives::since(input.since.map(|since| input.days.start(since)), None)
        });
        let time_to_value = time_to_value(&lives, self.stock);
        let flow = self.flow();
        Report {
            schema_version: SCHEMA_VERSION,
            scope: input.scope.clone(),
            span: span(input),
            stages: stages(&self.totals),
            rework: rework(&self.totals, self.stock, &time_to_value),
            dora: measures(&self.totals, &time_to_value, &flow),
            time_to_value,
            trend: self.trend(),
            flow,
        }
    }

    fn trend(mut self) -> Trend {
        // From the beginning on means from the first delivery on.
        let first = self.points.iter().position(|(point, _)| point.n > 0);
        match first {
            Some(first) if self.input.since.is_none() => drop(self.points.drain(..first)),
            None if self.input.since.is_none() => self.points.clear(),
            _ => {}
        }
        let period = self.period;
        let (points, tables): (Vec<_>, Vec<_>) = self.points.into_iter().unzip();
        let test = |a: usize, b: usize| log_rank_of_tables(&[&tables[a], &tables[b]]);
        let finding = match points.is_empty() {
            true => "Nothing was delivered, so there is no trend.".to_owned(),
            false => finding(period, &points, test),
        };
        Trend { period, points, finding }
    }

    fn flow(&mut self) -> Flow {
        let (input, totals) = (self.input, &self.totals);
        let deployments = totals.deployments();
        let first = input.first_deployment.map(|day| input.days.start(day));
        let since = input.since.map(|since| input.days.start(since));
        let start = first.map(|first| since.map_or(first, |since| since.max(first)));
        let weeks = start
            .map_or(0.0, |start| input.end().saturating_sub(start) as f64 / WEEK as f64)
            .max(0.0);
        let delivering = totals.get(Count::DeliveringDeployments);
        let carried = totals.get(Count::CarriedChanges);
        let mut ages = Tally::default();
        ages.add(&self.stock.ages);
        Flow {
            deployments,
            deployments_per_week: (weeks * WEEK as f64 >= DAY as f64)
                .then(|| deployments as f64 / weeks),
            weeks,
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

fn time_to_value(lives: &Lives, stock: &Stock) -> TimeToValue {
    let curve = Curve::of_table(&lives.table(&stock.ages)).until_exhausted();
    time_to_value_of_curve(count(lives.n()), count(stock.ages.total()), &curve, CURVE_STEPS)
}

/// The curve of durations that are all over.
fn curve_of(durations: &Tally) -> Curve {
    let nothing = Tally::default();
    Curve::of_table(&LifeTable::of(durations.total(), &nothing, durations, &nothing))
}

fn stages(totals: &Totals) -> Vec<Stage> {
    let whole = totals.stages.iter().fold(0_i64, |all, stage| all.wrapping_add(stage.sum()));
    let stage = |(durations, milestone): (&Tally, &crate::delivery::view::Milestone)| {
        let n = count(durations.total());
        let Spread { p50, p85, .. } = Spread::of_curve(n, 0, &curve_of(durations));
        let share = (whole > 0).then(|| durations.sum() as f64 / whole as f64);
        Stage { to: milestone.name(), n, p50, p85, share }
    };
    totals.stages.iter().zip(&STAGES).map(stage).collect()
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

fn measures(totals: &Totals, value: &TimeToValue, flow: &Flow) -> Vec<DoraMeasure> {
    let lead_time = format!(
        "The median time to value, by change and from its first commit on; changes that wait ({}) \
         are in it as not delivered yet.",
        value.waiting
    );
    let recoveries = count(totals.recoveries.total());
    let recovery = Spread::of_curve(recoveries, 0, &curve_of(&totals.recoveries)).p50;
    let rate = |name, kind, note| dora::rate(name, totals.get(kind), flow.deployments, note);
    vec![
        dora::median(dora::LEAD_TIME, value.n, value.p50, lead_time),
        dora::frequency(flow.deployments, flow.deployments_per_week),
        dora::median(
            dora::RECOVERY_TIME,
            recoveries,
            recovery,
            "The median time from a deployment that failed to the recovery from it: the end of \
             its rollback or of its incident."
                .to_owned(),
        ),
        rate(
            dora::FAIL_RATE,
            Count::FailedDeployments,
            "The share of deployments that a rollback took back or that an incident followed.",
        ),
        rate(
            dora::REWORK_RATE,
            Count::UnplannedDeployments,
            "The share of deployments that were not planned but made to mend an incident.",
        ),
    ]
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
