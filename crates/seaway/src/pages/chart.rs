//! Specifications of charts, as Plotly reads them.
//!
//! A colour is the name of a custom property of `style.css` (`--accent`); `chart.js` looks it
//! up, so that light, dark and paper need one specification. Plotly reads some HTML in text:
//! nothing from outside may be put into a specification.

use maud::{Markup, PreEscaped, html};
use seaway_core::time::{DAY, HOUR, MINUTE, MONTH, WEEK, YEAR};
use serde_json::{Value, json};

/// Marks the element that holds a chart; it cannot be part of escaped text.
pub(crate) const MARK: &str = "data-chart=\"\"";

/// A chart: what is drawn, and how high it is in pixels. Its width is that of the page.
pub(crate) struct Chart {
    /// Height in pixels.
    pub(crate) height: u32,
    /// Plotly's traces.
    pub(crate) traces: Vec<Value>,
    /// Plotly's layout, beside what `chart.js` sets for all charts.
    pub(crate) layout: Value,
    /// What to lay out differently on a narrow page; merged into the layout.
    pub(crate) narrow: Value,
}

impl Chart {
    /// The element that `chart.js` draws into, named for those who cannot see it.
    pub(crate) fn markup(&self, name: &str) -> Markup {
        let spec = json!({
            "height": self.height,
            "traces": self.traces,
            "layout": self.layout,
            "narrow": self.narrow,
        });
        html! {
            div.chart data-chart="" {
                div.plot role="img" aria-label=(name) style={ "height:" (self.height) "px" } {}
                script type="application/json" { (PreEscaped(script_safe(&spec))) }
                noscript { p.note { "The chart needs JavaScript; its data is in the table below." } }
            }
        }
    }
}

/// JSON that is also safe inside a script element: these characters occur in strings only, where
/// their escapes mean the same.
fn script_safe(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// The smallest and the largest of some positive numbers, a little widened for a log axis.
/// `None` if there are none.
pub(crate) fn log_range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite() && *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let width = (high / low).ln();
    // A narrow range is widened to hold at least two ticks.
    let margin = (width * 0.03).max(if width < 1.5 { 0.8 } else { 0.2 }).exp();
    (high > 0.0).then(|| (low / margin, high * margin))
}

/// A logarithmic axis of spans, with ticks in people's units.
pub(crate) fn time_axis(name: &str, (low, high): (f64, f64)) -> Value {
    const FEW: [(i64, &str); 8] = [
        (1, "1 s"),
        (MINUTE, "1 min"),
        (HOUR, "1 h"),
        (DAY, "1 d"),
        (WEEK, "1 wk"),
        (MONTH, "1 mo"),
        (YEAR, "1 y"),
        (10 * YEAR, "10 y"),
    ];
    const BETWEEN: [(i64, &str); 12] = [
        (2, "2 s"),
        (5, "5 s"),
        (15, "15 s"),
        (5 * MINUTE, "5 min"),
        (20 * MINUTE, "20 min"),
        (3 * HOUR, "3 h"),
        (8 * HOUR, "8 h"),
        (2 * DAY, "2 d"),
        (4 * DAY, "4 d"),
        (2 * WEEK, "2 wk"),
        (3 * MONTH, "3 mo"),
        (3 * YEAR, "3 y"),
    ];
    let inside = |(at, _): &&(i64, &str)| (low..=high).contains(&(*at as f64));
    let mut ticks: Vec<_> = FEW.iter().filter(inside).collect();
    if ticks.len() < 3 {
        ticks.extend(BETWEEN.iter().filter(inside));
        ticks.sort_unstable();
    }
    let (at, text): (Vec<_>, Vec<_>) = ticks.into_iter().copied().unzip();
    log_axis(name, (low, high), &json!(at), &json!(text))
}

/// A logarithmic axis of counts: 1, 10, 100 …; zero stands at one half.
pub(crate) fn count_axis(name: &str, (low, high): (f64, f64)) -> Value {
    let mut ticks = vec![(0.5, "0".to_owned())];
    ticks.extend(
        (0..12).map(|power| 10_usize.pow(power)).map(|n| (n as f64, super::words::count(n))),
    );
    ticks.retain(|(at, _)| (low..=high).contains(at));
    let (at, text): (Vec<_>, Vec<_>) = ticks.into_iter().unzip();
    log_axis(name, (low, high), &json!(at), &json!(text))
}

fn log_axis(name: &str, (low, high): (f64, f64), at: &Value, text: &Value) -> Value {
    json!({
        "type": "log",
        "range": [low.log10(), high.log10()],
        "title": { "text": name },
        "tickvals": at,
        "ticktext": text,
    })
}

/// Plotly's bars from a point to both ends of its interval. An open end goes to the edge of the
/// axis, which says "beyond": a bar of no length would say "exactly here".
pub(crate) fn whiskers(
    points: &[(f64, Option<f64>, Option<f64>)],
    (bottom, top): (f64, f64),
    color: &str,
) -> Value {
    let up: Vec<f64> = points.iter().map(|&(at, _, high)| high.unwrap_or(top) - at).collect();
    let down: Vec<f64> = points.iter().map(|&(at, low, _)| at - low.unwrap_or(bottom)).collect();
    json!({
        "type": "data",
        "symmetric": false,
        "array": up,
        "arrayminus": down,
        "color": color,
        "thickness": 1.5,
        "width": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_cannot_leave_its_script() {
        let hostile = json!({ "a": "</script><!--&\u{2028}" });
        let safe = script_safe(&hostile);
        assert!(!safe.contains(['<', '>', '&', '\u{2028}']), "{safe}");
        assert_eq!(serde_json::from_str::<Value>(&safe).unwrap(), hostile);
    }

    #[test]
    fn ticks_of_spans_are_few_but_never_missing() {
        let texts = |low, high| time_axis("", (low, high))["ticktext"].clone();
        assert_eq!(texts(30.0, 1e6), json!(["1 min", "1 h", "1 d", "1 wk"]));
        assert_eq!(texts(4_000.0, 90_000.0), json!(["3 h", "8 h", "1 d"]));
    }

    #[test]
    fn a_range_holds_its_values_and_is_never_flat() {
        assert_eq!(log_range([0.0, f64::NAN].into_iter()), None);
        let (low, high) = log_range([5.0].into_iter()).unwrap();
        assert!(low < 5.0 && high > 5.0);
    }

    #[test]
    fn open_ends_reach_the_edge() {
        let bars =
            whiskers(&[(10.0, Some(4.0), None), (20.0, None, Some(25.0))], (1.0, 99.0), "--ink");
        assert_eq!(bars["array"], json!([89.0, 5.0]));
        assert_eq!(bars["arrayminus"], json!([6.0, 19.0]));
    }
}
