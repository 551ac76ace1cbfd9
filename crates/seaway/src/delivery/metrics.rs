//! `GET /metrics`: figures for monitoring, as OpenMetrics 1.0 has them.
//!
//! Time to value is told for a window and not since the beginning: the past is mended when late
//! events come in, which a counter could not tell.

use super::api::groups_of;
use super::projector::{ORGANIZATION, scope_of_service};
use super::store::WindowRow;
use crate::app::App;
use crate::ledger::at_one_moment;
use crate::pages::words::clean;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use seaway_core::delivery::report::Estimate;
use seaway_core::delivery::rollup::{self, Brief, Question, Scope, ScopeKind};
use seaway_core::delivery::summary::{Count, Day, DaySummary, Days};
use seaway_core::stats::histogram::{Histogram, middle_of};
use seaway_core::time::{DAY, HOUR, MONTH, WEEK};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What the server answers to those who read OpenMetrics.
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The days that are told, today included.
const WINDOW_DAYS: i32 = 28;
/// Bounds of the buckets, in seconds. At an hour, a day, a week and a month counts are exact; at
/// the others a duration may be counted in the next one that is within 1 % of the bound.
const BOUNDS: [i64; 9] =
    [HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY, WEEK, 2 * WEEK, MONTH, 3 * MONTH];
/// Services that are told, by name; what is left out is counted.
const SERVICES_MAX: usize = 10_000;
/// Characters of a name in a label.
const LABEL_CHARS_MAX: usize = 200;
/// How long an answer is given again: whoever scrapes often must not keep the views busy.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// The answer that was given last, and when it was made.
pub(crate) type Kept = Mutex<Option<(Instant, Arc<str>)>>;

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Problem> {
    let mut kept = app.metrics.lock().await;
    let text = match &*kept {
        Some((made, text)) if made.elapsed() < KEPT_FOR => Arc::clone(text),
        _ => {
            let text: Arc<str> = made(&app).await?.into();
            *kept = Some((Instant::now(), Arc::clone(&text)));
            text
        }
    };
    Ok(([(header::CONTENT_TYPE, KIND)], text.to_string()))
}

/// Tells one figure of a scope.
type Value = fn(&Told) -> i64;
/// Tells a quantile of a scope, and the quantile itself or a bound of it.
type QuantileOf = fn(&Told) -> &Estimate;
type PartOf = fn(&Estimate) -> Option<f64>;

/// What is told of one scope.
#[derive(Default)]
struct Told {
    delivered: Histogram,
    deployments: i64,
    failed: i64,
    waiting: i64,
    /// With what waits taken into account.
    p50: Estimate,
    p85: Estimate,
}

async fn made(app: &Arc<App>) -> Result<String, Problem> {
    let today = app.days.of((app.clock)() / 1_000_000);
    let first = Day(today.0.saturating_sub(WINDOW_DAYS - 1));
    let log = Log::of(app).await?;
    let refused = app.refusals.all();
    // Counts and quantiles of one moment: what is delivered between two statements would be missing
    // in both, or be in both.
    let read = async {
        let rows = app.store.window(i64::from(first.0)).await?;
        let as_of = app.store.newest().await?.unwrap_or(0);
        let waiting = app.store.waiting_by_service().await?;
        Ok::<_, Problem>((rows, as_of, waiting, app.store.arrivals().await?))
    };
    let (rows, as_of, waiting, arrivals) = at_one_moment(read).await?;
    let app = Arc::clone(app);
    let work = move || {
        let mut scopes = scopes(rows, first, as_of, &app.days);
        for (service, count) in waiting {
            let groups = groups_of(&app, &service);
            let above = groups.into_iter().map(|group| format!("group {group}"));
            for scope in above.chain([scope_of_service(&service), ORGANIZATION.to_owned()]) {
                scopes.entry(scope).or_default().waiting += count;
            }
        }
        let mut text = String::new();
        of_scopes(&mut text, &scopes);
        let mut outcomes: BTreeMap<&str, i64> = BTreeMap::new();
        for arrived in &arrivals {
            *outcomes.entry(&arrived.outcome).or_default() += arrived.count;
        }
        of_the_log(&mut text, &outcomes, &refused, &log);
        text
    };
    let made = tokio::task::spawn_blocking(work).await;
    made.map_err(|_| Problem::fault())
}

/// The figures of services, groups and the organization since a day.
fn scopes(mut rows: Vec<WindowRow>, first: Day, as_of: i64, days: &Days) -> BTreeMap<String, Told> {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let of_scope = |rows: &[WindowRow]| {
        let scope = rows.first()?.0.clone();
        let decoded = |row: &WindowRow| {
            Some((Day::of_number(row.1)?, DaySummary::decode_without_slices(&row.2)?))
        };
        let summaries: BTreeMap<Day, DaySummary> = rows.iter().filter_map(decoded).collect();
        let mut told = Told::default();
        for summary in summaries.range(first..).map(|(_, summary)| summary) {
            told.delivered.merge(&summary.delivered);
            told.deployments += summary.deployments();
            told.failed += summary.get(Count::FailedDeployments);
        }
        let question = Question {
            scope: Scope { kind: ScopeKind::Service, name: String::new() },
            since: Some(first),
            until: None,
            as_of,
            days,
            first_deployment: None,
            knows_incidents: false,
        };
        let Brief { p50, p85, .. } = rollup::brief(&question, &summaries);
        (told.p50, told.p85) = (p50, p85);
        Some((scope, told))
    };
    rows.chunk_by(|a, b| a.0 == b.0).filter_map(of_scope).collect()
}

/// The labels of a scope; `None` for sums that are not told.
fn labels(scope: &str) -> Option<String> {
    let label = |kind: &str, name: &str| format!("{kind}=\"{}\"", escaped(name));
    if scope == ORGANIZATION {
        return Some("scope=\"organization\"".to_owned());
    }
    match scope.split_once(' ')? {
        ("service", name) => Some(format!("scope=\"service\",{}", label("service", name))),
        ("group", name) if !name.contains(' ') => {
            let name = name.strip_prefix("default/").unwrap_or(name);
            Some(format!("scope=\"group\",{}", label("group", name)))
        }
        _ => None,
    }
}

/// A name as the value of a label.
fn escaped(name: &str) -> String {
    clean(name, LABEL_CHARS_MAX).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn of_scopes(text: &mut String, scopes: &BTreeMap<String, Told>) {
    let mut by_labels: BTreeMap<String, Told> = BTreeMap::new();
    let (mut services, mut left_out) = (0, 0);
    for (scope, told) in scopes {
        let Some(labels) = labels(scope) else { continue };
        if scope.starts_with("service ") {
            services += 1;
            if services > SERVICES_MAX {
                left_out += 1;
                continue;
            }
        }
        // Names that differ in what cannot be shown share a series.
        let all = by_labels.entry(labels).or_default();
        all.delivered.merge(&told.delivered);
        all.deployments += told.deployments;
        all.failed += told.failed;
        all.waiting += told.waiting;
        if all.p50 == Estimate::default() {
            (all.p50, all.p85) = (told.p50, told.p85);
        }
    }
    let window = format!("of the last {WINDOW_DAYS} days");
    let name = "seaway_time_to_value_seconds";
    head(
        text,
        name,
        "gaugehistogram",
        &format!("Time to value of the changes delivered {window}; what waits is not in it."),
    );
    for (labels, told) in &by_labels {
        histogram(text, name, labels, &told.delivered);
    }
    quantiles(text, &by_labels);
    let known = "Successful deployments in production, of a known revision,";
    let gauges: [(&str, &str, Value); 3] = [
        ("seaway_deployments", known, |it| it.deployments),
        ("seaway_failed_deployments", "Deployments that failed customers", |it| it.failed),
        ("seaway_waiting_changes", "Changes that wait to be delivered now", |it| it.waiting),
    ];
    for (name, help, value) in gauges {
        let window = if name == "seaway_waiting_changes" { "" } else { &*format!(" {window}") };
        head(text, name, "gauge", &format!("{help}{window}."));
        for (labels, told) in &by_labels {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}{{{labels}}} {}", value(told));
        }
    }
    let name = "seaway_services_left_out";
    head(text, name, "gauge", "Services that are not told here, as there are too many.");
    let _ = writeln!(text, "{name} {left_out}");
}

/// The quantiles that pages and reports tell. What is not known, or not reached, is no sample.
fn quantiles(text: &mut String, by_labels: &BTreeMap<String, Told>) {
    let of: [(&str, &str, QuantileOf); 2] =
        [("p50", "Median", |it| &it.p50), ("p85", "85th percentile", |it| &it.p85)];
    let parts: [(&str, &str, PartOf); 3] = [
        ("", "", |it| it.seconds),
        ("_low", ", lower bound of its 95 % interval", |it| it.low),
        ("_high", ", upper bound of its 95 % interval", |it| it.high),
    ];
    for (quantile, help, of) in of {
        for (part, bound, seconds) in parts {
            let name = format!("seaway_time_to_value_{quantile}{part}_seconds");
            let window = format!("in the last {WINDOW_DAYS} days, with what waits");
            head(text, &name, "gauge", &format!("{help} of time to value {window}{bound}."));
            for (labels, told) in by_labels {
                if let Some(seconds) = seconds(of(told)) {
                    let _ = writeln!(text, "{name}{{{labels}}} {seconds}");
                }
            }
        }
    }
}

fn histogram(text: &mut String, name: &str, labels: &str, durations: &Histogram) {
    let within = |bound: i64| {
        let bins = durations.bins().iter();
        bins.filter(|(bucket, _)| middle_of(usize::from(*bucket)) <= bound).map(|bin| bin.1).sum()
    };
    for bound in BOUNDS {
        let count: i64 = within(bound);
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}.0\"}} {count}");
    }
    let total = durations.total();
    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {total}");
    let _ = writeln!(text, "{name}_gcount{{{labels}}} {total}");
    let _ = writeln!(text, "{name}_gsum{{{labels}}} {}", durations.sum());
}

/// How far the log and the views have come.
struct Log {
    newest: i64,
    settled: i64,
    /// How long the oldest event that is not in the views has been on the log, in seconds.
    lag: f64,
}

impl Log {
    async fn of(app: &App) -> Result<Self, Problem> {
        // In this order: what is settled never seems to be ahead of what is there.
        let settled = app.progress.borrow().settled;
        let newest = *app.ledger.newest().borrow();
        let mut log = Self { newest, settled, lag: 0.0 };
        if newest > settled {
            let next = app.ledger.read_after(settled, 1, 1).await.map_err(|error| {
                tracing::error!(%error, "the log cannot be read");
                Problem::failed("the log cannot be read now").hint("seaway check tells more")
            })?;
            let since = next.events.first().map(|event| (app.clock)() - event.received_at);
            log.lag = since.map_or(0.0, |micros| micros.max(0) as f64 / 1e6);
        }
        Ok(log)
    }
}

fn of_the_log(
    text: &mut String,
    outcomes: &BTreeMap<&str, i64>,
    refused: &BTreeMap<u16, u64>,
    log: &Log,
) {
    let name = "seaway_intake_refusals";
    head(text, name, "counter", "Requests with events or webhooks that were refused, by status.");
    for (status, count) in refused {
        let _ = writeln!(text, "{name}_total{{status=\"{status}\"}} {count}");
    }
    let &Log { newest, settled, lag } = log;
    let name = "seaway_intake_events";
    head(text, name, "gauge", "Events on the log, by whether they were understood.");
    for (outcome, count) in outcomes {
        let _ = writeln!(text, "{name}{{outcome=\"{}\"}} {count}", escaped(outcome));
    }
    let name = "seaway_log_position";
    head(text, name, "gauge", "The newest place on the log.");
    let _ = writeln!(text, "{name} {newest}");
    let name = "seaway_views_behind_events";
    head(text, name, "gauge", "Places on the log that are not in the reports yet.");
    let _ = writeln!(text, "{name} {}", (newest - settled).max(0));
    let name = "seaway_views_lag_seconds";
    head(text, name, "gauge", "How long the oldest event that is not in the reports yet waits.");
    let _ = writeln!(text, "{name} {lag}\n# EOF");
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if name.ends_with("_seconds") {
        let _ = writeln!(text, "# UNIT {name} seconds");
    }
    let _ = writeln!(text, "# HELP {name} {help}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_parts_are_no_series_and_names_are_escaped() {
        assert_eq!(labels("organization").unwrap(), "scope=\"organization\"");
        assert_eq!(labels("organization function,vm,1"), None);
        assert_eq!(labels("group default/a").unwrap(), "scope=\"group\",group=\"a\"");
        assert_eq!(labels("group default/a function,vm,1"), None);
        let hostile = labels("service a b\"} 1\n# EOF\\").unwrap();
        assert_eq!(hostile, "scope=\"service\",service=\"a b\\\"} 1 # EOF\\\\\"");
    }

    #[test]
    fn buckets_add_up_and_are_exact_at_landmarks() {
        let durations = [HOUR - 1, HOUR, HOUR + 1, DAY, DAY + 1, 9 * MONTH];
        let durations = Histogram::of(durations.map(|it| (it, 1)));
        let mut text = String::new();
        histogram(&mut text, "x", "a=\"b\"", &durations);
        let count = |bound: &str| {
            let start = format!("x_bucket{{a=\"b\",le=\"{bound}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap().parse::<i64>().unwrap()
        };
        assert_eq!((count("3600.0"), count("86400.0"), count("+Inf")), (2, 4, 6));
        assert!(text.ends_with(&format!("x_gsum{{a=\"b\"}} {}\n", durations.sum())));
    }
}
