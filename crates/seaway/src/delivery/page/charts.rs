//! The charts of the page: what of a report is drawn, and how.

use crate::pages::chart::{Chart, count_axis, log_range, time_axis, whiskers};
use crate::pages::words::{clean, count, counted, estimate, interval, percent};
use seaway_core::delivery::report::{
    CurvePoint, Estimate, Period, SizeQuartile, SizeReport, TimeToValue, Trend, TrendPoint,
};
use seaway_core::time::humanize;
use serde_json::{Value, json};

/// A span as a log axis can take it: at least a second.
fn on_log(seconds: i64) -> f64 {
    seconds.max(1) as f64
}

/// The survival curve with its band, the ages of waiting changes, and three quantiles on it.
pub(super) fn survival(value: &TimeToValue) -> Option<Chart> {
    let curve = &value.curve;
    // The flat start, where hardly anything is delivered, would take half of a log axis.
    let begin = curve.iter().find(|p| p.waiting_share < 0.995).or(curve.first())?;
    let seen = curve.iter().filter(|p| p.seconds >= begin.seconds).map(|p| on_log(p.seconds));
    let (low, high) = log_range(seen)?;
    // The curve starts with all changes waiting, left of what is shown.
    let mut x = vec![low * 0.5];
    let mut y = vec![100.0];
    let mut hover = vec!["All changes are waiting".to_owned()];
    for point in curve {
        x.push(on_log(point.seconds));
        y.push(point.waiting_share * 100.0);
        hover.push(told(point));
    }
    let mut traces = band(curve);
    traces.push(json!({
        "x": x, "y": y, "customdata": hover,
        "mode": "lines",
        "line": { "shape": "hv", "color": "--accent", "width": 2 },
        "hovertemplate": "%{customdata}<extra></extra>",
        "name": "not yet delivered",
    }));
    traces.extend(censor_marks(curve));
    traces.push(quantile_marks(value));
    Some(Chart {
        height: 400,
        traces,
        layout: json!({
            "xaxis": time_axis("Age since the first commit was authored (log scale)", (low, high * 1.15)),
            "yaxis": { "title": { "text": "Changes not yet delivered (%)" }, "range": [0, 103],
                       "tickvals": [0, 25, 50, 75, 100] },
            "margin": { "t": 30 },
        }),
        narrow: json!({ "yaxis": { "title": { "text": "Not yet delivered (%)" } },
                        "xaxis": { "title": { "text": "Age since first commit (log scale)" } } }),
    })
}

fn told(point: &CurvePoint) -> String {
    let bounds = interval(point.low, point.high, percent)
        .map_or_else(String::new, |bounds| format!("<br>95 % interval: {bounds}"));
    format!(
        "At {}: {} not yet delivered{bounds}<br>{} at risk",
        humanize(point.seconds as f64),
        percent(point.waiting_share),
        count(point.at_risk),
    )
}

fn band(curve: &[CurvePoint]) -> Vec<Value> {
    let known: Vec<(f64, f64, f64)> = curve
        .iter()
        .filter_map(|p| Some((on_log(p.seconds), p.low? * 100.0, p.high? * 100.0)))
        .collect();
    if known.is_empty() {
        return Vec::new();
    }
    let x: Vec<f64> = known.iter().map(|k| k.0).collect();
    let edge = |y: Vec<f64>, fill: &str, shown: bool| {
        json!({
            "x": x, "y": y, "mode": "lines", "fill": fill, "fillcolor": "--accent-soft",
            "line": { "shape": "hv", "width": 0, "color": "--accent-soft" },
            "hoverinfo": "skip", "name": "95 % interval", "showlegend": shown,
        })
    };
    vec![
        edge(known.iter().map(|k| k.1).collect(), "none", false),
        edge(known.iter().map(|k| k.2).collect(), "tonexty", true),
    ]
}

/// Strokes where waiting changes left observation: on the step before the point that counts them.
fn censor_marks(curve: &[CurvePoint]) -> Option<Value> {
    let before = std::iter::once(1.0).chain(curve.iter().map(|p| p.waiting_share));
    let marks: Vec<(f64, f64, String)> = curve
        .iter()
        .zip(before)
        .filter(|(p, _)| p.censored > 0)
        .map(|(p, share)| {
            let changes = counted(p.censored, "change is", "changes are");
            let text = format!("{changes} waiting, up to {} old", humanize(p.seconds as f64));
            (on_log(p.seconds), share * 100.0, text)
        })
        .collect();
    (!marks.is_empty()).then(|| {
        json!({
            "x": marks.iter().map(|m| m.0).collect::<Vec<_>>(),
            "y": marks.iter().map(|m| m.1).collect::<Vec<_>>(),
            "customdata": marks.iter().map(|m| m.2.as_str()).collect::<Vec<_>>(),
            "mode": "markers", "name": "waiting today",
            "marker": { "symbol": "line-ns", "size": 9, "color": "--second",
                        "line": { "width": 1.5, "color": "--second" } },
            "hovertemplate": "%{customdata}<extra></extra>",
        })
    })
}

fn quantile_marks(value: &TimeToValue) -> Value {
    let marks: Vec<(f64, f64, String)> =
        [("p50", 50.0, &value.p50), ("p85", 15.0, &value.p85), ("p95", 5.0, &value.p95)]
            .into_iter()
            .filter_map(|(name, share, e)| {
                let seconds = e.seconds?;
                Some((seconds.max(1.0), share, format!(" {name} {}", humanize(seconds))))
            })
            .collect();
    json!({
        "x": marks.iter().map(|m| m.0).collect::<Vec<_>>(),
        "y": marks.iter().map(|m| m.1).collect::<Vec<_>>(),
        "text": marks.iter().map(|m| m.2.as_str()).collect::<Vec<_>>(),
        "mode": "markers+text", "textposition": "top right", "cliponaxis": false,
        "textfont": { "color": "--ink", "size": 12 },
        "marker": { "size": 8, "color": "--raised", "line": { "width": 2, "color": "--accent" } },
        "hoverinfo": "skip", "showlegend": false,
    })
}

/// Median and 85th percentile by period, over the changes delivered in each.
pub(super) fn trend(trend: &Trend) -> Option<Chart> {
    let spans = trend
        .points
        .iter()
        .flat_map(|p| [p.p50.seconds, p.p50.low, p.p50.high, p.p85.seconds].into_iter().flatten());
    let range = log_range(spans.map(|s| s.max(1.0)))?;
    let labels: Vec<String> = trend.points.iter().map(|p| clean(&p.label, 12)).collect();
    let bars = |values: Vec<usize>, name: &str, color: &str| {
        json!({
            "type": "bar", "x": labels, "y": values, "yaxis": "y2", "name": name,
            "marker": { "color": color }, "hovertemplate": format!("%{{x}}: %{{y:,}} {name}<extra></extra>"),
        })
    };
    let traces = vec![
        quantile_line(trend, &labels, range, "p85", |p| &p.p85),
        quantile_line(trend, &labels, range, "p50", |p| &p.p50),
        bars(trend.points.iter().map(|p| p.n).collect(), "delivered", "--accent-pale"),
        bars(
            trend.points.iter().map(|p| p.waiting).collect(),
            "waiting at its end",
            "--second-pale",
        ),
    ];
    let mut spans = time_axis("Time to value (log scale)", range);
    spans["domain"] = json!([0.34, 1.0]);
    Some(Chart {
        height: 460,
        traces,
        layout: json!({
            "xaxis": { "type": "category", "categoryarray": labels, "title": { "text": period(trend.period) },
                       "tickangle": 0, "nticks": 13, "anchor": "y2", "showgrid": false },
            "yaxis": spans,
            "yaxis2": { "title": { "text": "Changes" }, "domain": [0.0, 0.24], "nticks": 4, "rangemode": "tozero" },
            "margin": { "t": 30 }, "bargap": 0.35, "bargroupgap": 0.05,
        }),
        narrow: json!({ "xaxis": { "nticks": 4 }, "margin": { "l": 47, "r": 16 } }),
    })
}

fn period(period: Period) -> &'static str {
    match period {
        Period::Week => "ISO week of delivery",
        Period::Month => "Month of delivery",
        Period::Quarter => "Quarter of delivery",
        Period::Year => "Year of delivery",
    }
}

/// A line over the periods. Hollow: the period is not over. A triangle at the lower bound: the
/// quantile is not reached and lies above.
fn quantile_line(
    trend: &Trend,
    labels: &[String],
    range: (f64, f64),
    name: &str,
    of: impl Fn(&TrendPoint) -> &Estimate,
) -> Value {
    let main = name == "p50";
    let color = if main { "--accent" } else { "--accent-pale" };
    let mut y = Vec::new();
    let mut ends = Vec::new();
    let mut fills = Vec::new();
    let mut symbols = Vec::new();
    let mut texts = Vec::new();
    for point in &trend.points {
        let e = of(point);
        let at = e.seconds.or(e.low).map(|seconds| seconds.max(1.0));
        y.push(at);
        ends.push(ends_of(at.unwrap_or(1.0), e));
        fills.push(if point.complete { color } else { "--ground" });
        symbols.push(if e.seconds.is_some() { "circle" } else { "triangle-up" });
        let open = if point.complete { "" } else { "<br>not a whole period" };
        texts.push(format!("{}<br>n = {}{open}", told_estimate(name, e), count(point.n)));
    }
    let mut line = json!({
        "x": labels, "y": y, "customdata": texts, "name": name, "mode": "lines+markers",
        "line": { "color": color, "width": if main { 2.0 } else { 1.25 } },
        "marker": { "size": if main { 8 } else { 6 }, "color": fills, "symbol": symbols, "opacity": 1,
                    "line": { "width": 1.75, "color": color } },
        "hovertemplate": "%{x}<br>%{customdata}<extra></extra>",
    });
    if main {
        line["error_y"] = whiskers(&ends, range, color);
    }
    line
}

fn told_estimate(name: &str, e: &Estimate) -> String {
    let bounds = interval(e.low, e.high, humanize).unwrap_or_else(|| "not known".to_owned());
    format!("{name} {}<br>95 % interval: {bounds}", estimate(e))
}

/// A point on a log axis with the ends of its interval. Where the quantile is not reached, the
/// point is its lower bound, and the interval begins there.
fn ends_of(at: f64, e: &Estimate) -> (f64, Option<f64>, Option<f64>) {
    let low = if e.seconds.is_some() { e.low.map(|low| low.max(1.0)) } else { Some(at) };
    (at, low, e.high.map(|high| high.max(1.0)))
}

/// Groups under each other, each with its median, the interval of that, and its 85th percentile.
pub(in crate::delivery) fn groups(
    rows: &[(String, &Estimate, &Estimate)],
    axis: &str,
) -> Option<Chart> {
    let spans = rows
        .iter()
        .flat_map(|(_, p50, p85)| [p50.seconds, p50.low, p50.high, p85.seconds, p85.low, p85.high]);
    let range = log_range(spans.flatten().map(|s| s.max(1.0)))?;
    let medians: Vec<_> = rows.iter().map(|(name, p50, _)| (name.as_str(), *p50)).collect();
    let high: Vec<_> = rows.iter().map(|(name, _, p85)| (name.as_str(), *p85)).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    Some(Chart {
        height: 110 + 44 * rows.len() as u32,
        traces: [
            group_marks("p50", "--accent", "circle", &medians, range),
            group_marks("p85", "--accent-pale", "diamond", &high, range),
        ]
        .concat(),
        layout: json!({
            "xaxis": time_axis(axis, range),
            "yaxis": { "type": "category", "categoryarray": names, "range": [rows.len() as f64 - 0.5, -0.5],
                       "automargin": true, "showgrid": false, "tickfont": { "color": "--ink" } },
            "margin": { "l": 8, "t": 30 },
        }),
        narrow: json!({ "margin": { "l": 8 } }),
    })
}

/// One quantile of every group: those that are reached, and those that are not, each as one trace
/// if there are any.
fn group_marks(
    quantile: &str,
    color: &str,
    symbol: &str,
    groups: &[(&str, &Estimate)],
    range: (f64, f64),
) -> Vec<Value> {
    let more = format!("{quantile} not reached, beyond this");
    [(true, quantile, symbol), (false, more.as_str(), "triangle-right")]
        .into_iter()
        .filter_map(|(reached, name, symbol)| {
            let known: Vec<(&str, f64, &Estimate)> = groups
                .iter()
                .filter(|(_, e)| e.seconds.is_some() == reached)
                .filter_map(|(group, e)| Some((*group, e.seconds.or(e.low)?.max(1.0), *e)))
                .collect();
            let ends: Vec<_> = known.iter().map(|(_, at, e)| ends_of(*at, e)).collect();
            (!known.is_empty()).then(|| {
                json!({
                    "x": known.iter().map(|k| k.1).collect::<Vec<_>>(),
                    "y": known.iter().map(|k| k.0).collect::<Vec<_>>(),
                    "customdata": known.iter().map(|k| told_estimate(quantile, k.2)).collect::<Vec<_>>(),
                    "mode": "markers", "name": name,
                    "marker": { "symbol": symbol, "size": 10, "color": color },
                    "error_x": whiskers(&ends, range, color),
                    "hovertemplate": "%{y}<br>%{customdata}<extra></extra>",
                })
            })
        })
        .collect()
}

/// `12 to 34`, with thousands set apart.
pub(super) fn range_of_lines(quarter: &SizeQuartile) -> String {
    let [from, to] = [quarter.lines_min, quarter.lines_max].map(lines_in_words);
    if from == to { from } else { format!("{from} to {to}") }
}

/// A number of lines, with thousands set apart.
pub(super) fn lines_in_words(lines: u64) -> String {
    count(usize::try_from(lines).unwrap_or(usize::MAX))
}

/// Size against time, both on log axes, with the medians of the quarters by size.
pub(super) fn size(size: &SizeReport) -> Option<Chart> {
    let lines = |n: u64| if n == 0 { 0.5 } else { n as f64 };
    let times = log_range(size.points.iter().map(|p| on_log(p.seconds)))?;
    let quarters = size.quartiles.iter().flat_map(|q| [q.lines_min, q.lines_max]);
    let sizes = log_range(size.points.iter().map(|p| p.lines).chain(quarters).map(lines))?;
    let dots = json!({
        "x": size.points.iter().map(|p| lines(p.lines)).collect::<Vec<_>>(),
        "y": size.points.iter().map(|p| on_log(p.seconds)).collect::<Vec<_>>(),
        "customdata": size.points.iter().map(|p| {
            let lines = usize::try_from(p.lines).unwrap_or(usize::MAX);
            format!("{}, {}", counted(lines, "line", "lines"), humanize(p.seconds as f64))
        }).collect::<Vec<_>>(),
        "mode": "markers", "name": "a change",
        "marker": { "size": 5, "color": "--accent-dots" },
        "hovertemplate": "%{customdata}<extra></extra>",
    });
    let mut traces = vec![dots];
    for quarter in &size.quartiles {
        let Some(median) = quarter.p50.seconds.map(|s| s.max(1.0)) else { continue };
        let text = format!(
            "{} lines: median {}<br>n = {}",
            range_of_lines(quarter),
            humanize(median),
            count(quarter.n)
        );
        let (from, to) = (lines(quarter.lines_min), lines(quarter.lines_max));
        traces.push(json!({
            "x": [from * 0.93, (from * to).sqrt(), to * 1.07], "y": [median, median, median],
            "customdata": [text, text, text],
            "mode": "lines", "line": { "color": "--second", "width": 3 },
            "name": "median of a quarter by size", "showlegend": traces.len() == 1,
            "hovertemplate": "%{customdata}<extra></extra>",
        }));
    }
    Some(Chart {
        height: 420,
        traces,
        layout: json!({
            "xaxis": count_axis("Lines added and deleted (log scale)", sizes),
            "yaxis": time_axis("Time to value (log scale)", times),
            "margin": { "t": 30 },
        }),
        narrow: json!({}),
    })
}
