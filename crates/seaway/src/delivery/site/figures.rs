//! What the pages of the organization, of a group and of a service show of their figures.

use super::window::Window;
use crate::delivery::api::Figures;
use crate::delivery::page::{course, value};
use crate::pages::parts::{
    Column, Table, as_csv, card, cards, estimate_cell, finding_line, nothing, section, share_bar,
    stacked_bar,
};
use crate::pages::words::{count, counted, decimal, estimate, interval, percent, unbroken};
use maud::{Markup, html};
use seaway_core::delivery::report::{Estimate, TimeToValue};
use seaway_core::delivery::rollup::{self, Report, Waits};
use seaway_core::stats::survival::LogRank;
use seaway_core::time::humanize;

/// The stages as pages name them, by the milestone that ends them.
pub(super) fn stage(to: &str) -> &'static str {
    match to {
        "opened" => "until the pull request",
        "reviewed" => "until the first review",
        "approved" => "until the approval",
        "merged" => "until the merge",
        "built" => "until the build",
        _ => "until the deployment",
    }
}

fn bounds(e: &Estimate) -> String {
    let told = interval(e.low, e.high, humanize);
    told.map_or_else(|| "95 % interval not known".to_owned(), |told| format!("95 %: {told}"))
}

/// The sections of [`evidence`], for the contents of a page.
pub(super) const SECTIONS: [(&str, &str); 5] = [
    ("waits", "What is in the way"),
    ("stages", "Stages"),
    ("trend", "Trend"),
    ("ages", "Waiting work"),
    ("dora", "DORA"),
];

/// Where the rows behind an answer are.
pub(super) struct Rows<'a> {
    /// Those of what was delivered.
    pub(super) delivered: &'a str,
    /// Those of what waits.
    pub(super) in_flight: &'a str,
}

/// The answer: time to value now against the days before, and what weighs against it.
pub(super) fn answer(
    window: &Window,
    figures: &Figures,
    earlier: &Figures,
    rows: &Rows<'_>,
) -> Markup {
    let (now, before) = (&figures.report, &earlier.report);
    let (value, then) = (&now.time_to_value, &before.time_to_value);
    if window.is_after_data {
        return html! {
            div.median { p.big.long { "Nothing to measure" } }
            p { "These days are after the newest data." }
        };
    }
    if value.n == 0 && value.waiting == 0 {
        return html! {
            div.median { p.big.long { "Nothing to measure yet" } }
            p { "Nothing was delivered " (window.told()) ", and nothing waits." }
        };
    }
    let difference = figures.part.as_ref().zip(earlier.part.as_ref());
    let p = difference.and_then(|(now, then)| rollup::difference(&[("", now), ("", then)]).p);
    let rate = |value: Option<f64>| value.map_or_else(|| "not known".to_owned(), decimal);
    html! {
        div.answer {
            div.median {
                p.lead { (lead(value)) }
                p.big .long[value.p50.seconds.is_none()] { (unbroken(&estimate(&value.p50))) }
                p.evidence { "p50, the median, " (window.told()) ". " (unbroken(&bounds(&value.p50)))
                    ". n = " a href=(rows.delivered) { (count(value.n)) " delivered" } ", with "
                    a href=(rows.in_flight) { (counted(value.waiting, "waiting change", "waiting changes")) }
                    " taken into account" }
            }
            div {
                p.verdict { (unbroken(&verdict(window, value, then, p))) }
                @if let Some(weight) = counterweight(window, now, before) { p.evidence { (unbroken(&weight)) } }
            }
        }
        (cards(&[
            card(&unbroken(&estimate(&then.p50)), &format!("p50, {}", window.told_before()),
                &unbroken(&format!("{}; n = {}", bounds(&then.p50), count(then.n)))),
            card(&unbroken(&estimate(&value.p85)), "p85", &unbroken(&bounds(&value.p85))),
            card(&rate(now.flow.deployments_per_week), "Deployments a week",
                &format!("before: {}", rate(before.flow.deployments_per_week))),
            card(&count(value.waiting), "Changes waiting",
                &now.flow.waiting_age_p50.map_or_else(String::new,
                    |age| format!("half of them longer than {}", humanize(age as f64)))),
        ]))
    }
}

fn lead(value: &TimeToValue) -> &'static str {
    match (value.n, value.p50.seconds) {
        (0, _) => "No change has reached customers; the median will be",
        (_, None) => "Fewer than half of all changes have reached customers; the median is",
        _ => "Half of all changes reach customers within",
    }
}

/// Whether a difference is more than chance, by the log-rank test.
fn noise(p: f64) -> String {
    let side = if LogRank::is_beyond_noise(p) { "beyond" } else { "within" };
    let p = if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") };
    format!("{side} noise (log-rank p {p})")
}

/// Now against before in a sentence, and whether that is more than chance.
fn verdict(window: &Window, now: &TimeToValue, then: &TimeToValue, p: Option<f64>) -> String {
    let (Some(new), Some(old)) = (now.p50.seconds, then.p50.seconds) else {
        return format!("There is no median of {} to compare with.", window.told_before());
    };
    let size = (new - old).abs() / old.max(1.0);
    let sure = match p {
        Some(p) if LogRank::is_beyond_noise(p) => format!("This is {}.", noise(p)),
        Some(p) => format!("It may be chance: it is {}.", noise(p)),
        None => "Whether that is chance cannot be told.".to_owned(),
    };
    if size < 0.01 {
        return format!("As long as in {}.", window.told_before());
    }
    let word = if new < old { "Faster" } else { "Slower" };
    let (new, old) = (humanize(new), humanize(old));
    format!("{word} than in {}: {new} in the place of {old}. {sure}", window.told_before())
}

/// What changed in failing: speed with a rising fail rate is not speed.
fn counterweight(window: &Window, now: &Report, before: &Report) -> Option<String> {
    let rate = |report: &Report| {
        let of = |it: &&seaway_core::delivery::report::DoraMeasure| it.name.contains("fail rate");
        report.dora.iter().find(of).and_then(|it| it.value)
    };
    let new = rate(now)?;
    Some(match rate(before) {
        Some(old) => format!(
            "Against it: {} of deployments failed, {} in {}.",
            percent(new),
            percent(old),
            window.told_before()
        ),
        None => format!("Against it: {} of deployments failed.", percent(new)),
    })
}

/// All sections of evidence that the pages share. `json` is where the report is as JSON, with a span.
pub(super) fn evidence(figures: &Figures, in_flight: &str, json: &str) -> Markup {
    let report = &figures.report;
    let sheet = |table: &str| as_csv(&format!("{json}&format=csv&table={table}"), "This table");
    html! {
        (section("waits", "What is in the way",
            "The stages of the changes merged in these days, by the time lost in them; what waits still \
             counts until now. “Without it” takes the stage out of each single change and asks again.",
            &html! { (waits(&figures.waits)) (sheet("waits")) }))
        (section("stages", "Stages",
            "Where the time of delivered changes went. A stage lies between two milestones of a change; its \
             stages add up to its whole time.", &html! { (stages(report)) (sheet("stages")) }))
        (section("trend", "Trend",
            "Time to value by the time of delivery. Whiskers are 95 % intervals.",
            &html! { (value::trend(&report.trend)) (sheet("trend")) }))
        (section("ages", "Waiting work",
            "A change is waiting from its first commit until a deployment contains it.",
            &html! { (ages(report, in_flight)) (sheet("ages")) }))
        (section("dora", "DORA’s five measures",
            "By DORA’s definitions of 2025. They are the counterweights: speed with a rising fail rate is not \
             speed.", &html! { (course::dora(&report.dora)) (sheet("dora")) }))
    }
}

fn waits(waits: &Waits) -> Markup {
    let lost =
        |seconds: i64| waits.stages.iter().map(|it| it.seconds).sum::<i64>() > 0 && seconds > 0;
    let Some(worst) = waits.stages.first().filter(|it| lost(it.seconds)) else {
        return nothing("No change spent any time in a stage that is known.");
    };
    let all: i64 = waits.stages.iter().map(|it| it.seconds).sum();
    let rows = waits.stages.iter().filter(|it| it.seconds > 0).map(|it| {
        let share = it.seconds as f64 / all as f64;
        vec![
            html! { span.nowrap { (stage(it.to)) } },
            html! { (hours(it.hours_per_week)) },
            html! { (percent(share)) " " span.in-cell { (share_bar(share, None, None)) } },
            estimate_cell(&it.p50_without),
            html! { (sooner(&waits.p50, &it.p50_without)) },
        ]
    });
    let table = Table {
        caption: "What each stage costs".to_owned(),
        columns: &[
            Column::Text("Stage"),
            Column::Number("Hours lost a week"),
            Column::Number("Of all time"),
            Column::Number("p50 without it"),
            Column::Number("Sooner by"),
        ],
        rows: rows.collect(),
    };
    let lost = match worst.hours_per_week {
        Some(hours) => format!("{} hours a week pass", decimal(hours)),
        None => format!("{} of the time passes", percent(worst.seconds as f64 / all as f64)),
    };
    let finding = format!(
        "{lost} {}; without that, half of all changes would be there within {} in the place \
         of {}",
        stage(worst.to),
        estimate(&worst.p50_without),
        estimate(&waits.p50)
    );
    let evidence = format!(
        "n = {} delivered and {}, of the changes merged in these days; over {} weeks",
        count(waits.n),
        counted(waits.waiting, "waiting change", "waiting changes"),
        decimal(waits.weeks)
    );
    html! { (finding_line(&finding, &evidence)) (table.markup()) }
}

/// How much sooner half of the changes would be there.
fn sooner(now: &Estimate, without: &Estimate) -> String {
    let gain = now.seconds.zip(without.seconds).map(|(now, without)| (now - without).max(0.0));
    gain.map_or_else(|| "not known".to_owned(), humanize)
}

fn hours(hours: Option<f64>) -> String {
    hours.map_or_else(|| "not known".to_owned(), decimal)
}

fn stages(report: &Report) -> Markup {
    let known: Vec<_> = report.stages.iter().filter(|it| it.n > 0 || it.waiting > 0).collect();
    let shares: Vec<f64> = known.iter().filter_map(|it| it.share).collect();
    let share = |it: &&&seaway_core::delivery::rollup::Stage| it.share.unwrap_or(0.0);
    let Some(most) = known.iter().max_by(|a, b| share(a).total_cmp(&share(b))) else {
        return nothing("No change has finished a stage yet.");
    };
    let rows = known.iter().map(|it| {
        vec![
            html! { (stage(it.to)) },
            html! { (count(it.n)) },
            html! { (count(it.waiting)) },
            estimate_cell(&it.p50),
            estimate_cell(&it.p85),
            html! { (it.share.map_or_else(|| "not known".to_owned(), percent)) },
        ]
    });
    let table = Table {
        caption: "Time by stage".to_owned(),
        columns: &[
            Column::Text("Stage"),
            Column::Number("n"),
            Column::Number("In it now"),
            Column::Number("p50"),
            Column::Number("p85"),
            Column::Number("Share of all time"),
        ],
        rows: rows.collect(),
    };
    let finding = match most.share {
        Some(share) => {
            format!("{} of the time of delivered changes passes {}", percent(share), stage(most.to))
        }
        None => "How the time is shared between the stages is not known yet".to_owned(),
    };
    html! {
        (finding_line(&finding, &format!("n = {} delivered", count(report.time_to_value.n))))
        @if shares.len() == known.len() {
            (stacked_bar(&shares))
            ul.parts { @for (i, it) in known.iter().enumerate() { li {
                svg viewBox="0 0 10 10" aria-hidden="true" { rect class={ "part-" (i % 6) } width="10" height="10" rx="2" {} }
                (stage(it.to)) ": " (percent(it.share.unwrap_or_default()))
            } } }
        }
        (table.folded_on_phones())
    }
}

fn ages(report: &Report, in_flight: &str) -> Markup {
    let flow = &report.flow;
    if flow.waiting == 0 {
        return nothing("Nothing is waiting.");
    }
    let rows = flow.waiting_by_age.iter().map(|band| {
        let share = band.changes as f64 / flow.waiting as f64;
        vec![
            html! { (band.label) },
            html! { (count(band.changes)) },
            html! { (percent(share)) " " span.in-cell { (share_bar(share, None, None)) } },
        ]
    });
    let table = Table {
        caption: "Waiting changes by age".to_owned(),
        columns: &[Column::Text("Age"), Column::Number("Waiting"), Column::Number("Share")],
        rows: rows.collect(),
    };
    let waiting = counted(flow.waiting, "change waits", "changes wait");
    let finding = match flow.waiting_age_p50 {
        Some(age) if flow.waiting == 1 => format!("{waiting}, for {}", humanize(age as f64)),
        Some(age) => format!("{waiting}, half of them longer than {}", humanize(age as f64)),
        None => waiting,
    };
    html! {
        (finding_line(&finding, ""))
        (table.markup())
        p { a href=(in_flight) { "All waiting changes, oldest first" } }
    }
}
