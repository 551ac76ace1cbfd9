//! What a flag is: its definition, its variants, and its targeting in words.

use super::SHOWN_BYTES_MAX;
use super::json::pretty;
use super::who::{Gets, Who};
use crate::flags::api::Row;
use crate::flags::definition::off_variant;
use crate::flags::seen::Moves;
use crate::flags::snapshot::Entry;
use crate::pages::parts::{Column, Table, share_bar};
use crate::pages::words::{LINE, NAME, clean, count, counted, outside, percent};
use maud::{Markup, html};
use seaway_core::flags::Flag;

/// Variants that are listed.
const VARIANTS: usize = 50;
/// The longest rule that is told, in characters.
const RULE: usize = 400;

/// What stands for somebody's variant.
fn variant(name: Option<&str>) -> Markup {
    html! { @match name {
        Some(name) => { strong { (outside(name, NAME)) } }
        None => "the code's own default",
    } }
}

/// Who gets what, rule by rule, and what those got who were seen lately; of one that is off also what
/// it is when it is turned on.
pub(super) fn who(entry: &Entry, when_on: Option<&Flag>, seen: Option<&Moves>) -> Markup {
    let Some(flag) = entry.flag.as_deref() else {
        return html! { p { "Everyone: " (variant(None)) } };
    };
    html! {
        (rules(flag))
        @if let Some(seen) = seen.filter(|it| it.seen > 0) { (lately(seen)) }
        @if let Some(flag) = when_on {
            p.note { "It is turned off. Turned on again, it is what its definition says:" }
            (rules(flag))
        }
    }
}

fn rules(flag: &Flag) -> Markup {
    let who = Who::of(flag);
    html! {
        ol.rules {
            @for rule in &who.rules {
                li { "If " (outside(&rule.when, RULE)) ": " (gets(&rule.gets, flag)) }
            }
            li {
                @if who.rules.is_empty() { "Everyone: " } @else { "All others: " }
                (gets(&who.rest, flag))
                @if let Some(keyless) = &who.keyless {
                    p.note { "Who has no targeting key: " (gets(keyless, flag)) }
                }
            }
        }
    }
}

fn gets(gets: &Gets, flag: &Flag) -> Markup {
    match gets {
        Gets::Variant(name) => variant(Some(name)),
        Gets::Code => variant(None),
        Gets::Rule(rule) => html! { "what this rule says: " code { (outside(rule, RULE)) } },
        Gets::Shares(shares) => shared_out(shares, off_variant(flag)),
    }
}

/// Shares as a bar, what stands for off without colour.
fn shared_out(shares: &[(Option<String>, f64)], off: Option<&str>) -> Markup {
    let mut from = 0.0;
    let mut coloured = 0;
    let mut parts = Vec::new();
    for (name, share) in shares {
        let part = match name.as_deref() {
            Some(name) if Some(name) != off => {
                coloured += 1;
                format!("part-{}", (coloured - 1) % 5)
            }
            _ => "part-off".to_owned(),
        };
        parts.push((part, from, name.as_deref(), *share));
        from += share;
    }
    html! {
        "a share each, always the same for the same unit"
        div.shares-of {
            svg.stacked viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                @for (part, from, _, share) in &parts {
                    rect class=(part) x=(format!("{:.3}", from * 100.0)) width=(format!("{:.3}", share * 100.0)) height="10" {}
                }
            }
            ul.parts { @for (part, _, name, share) in &parts { li {
                svg viewBox="0 0 10 10" aria-hidden="true" { rect class=(part) width="10" height="10" rx="2" {} }
                (variant(*name)) ": " (percent(*share))
            } } }
        }
    }
}

/// What units that were seen lately get of it.
fn lately(seen: &Moves) -> Markup {
    let rest = seen.seen.saturating_sub(seen.moved);
    let given = seen.moves.iter().map(|it| (it.to.as_deref(), it.units));
    let all: Vec<(Option<&str>, usize)> =
        given.chain((rest > 0).then_some((None, rest))).take(VARIANTS).collect();
    let rows = all.iter().map(|(name, units)| {
        let share = *units as f64 / seen.seen as f64;
        vec![
            variant(*name),
            html! { (count(*units)) },
            html! { (percent(share)) " " span.in-cell { (share_bar(share, None, None)) } },
        ]
    });
    let table = Table {
        caption: "What units that were seen lately get now".to_owned(),
        columns: &[Column::Text("Variant"), Column::Number("Units"), Column::Number("Share")],
        rows: rows.collect(),
    };
    html! {
        p.evidence { "Of " (counted(seen.seen, "unit", "units")) " that this server has seen in the last 7 days, these \
            get now:" }
        (table.markup())
    }
}

/// Its definition, with what is known of it beside; `is_owner` tells whether its owner is a service.
pub(super) fn definition(entry: &Entry, is_owner: bool, json: &str) -> Markup {
    let row = Row::of(entry);
    let text = |text: Option<&str>| {
        html! { @match text { Some(text) => (outside(text, NAME)), None => span.muted { "none" } } }
    };
    html! {
        dl.facts {
            dt { "Owner" }
            dd { @match row.owner {
                Some(owner) if is_owner => {
                    a href={ "/services/" (crate::pages::site::escape(owner)) } { (outside(owner, NAME)) }
                }
                owner => (text(owner)),
            } }
            dt { "Purpose" } dd { (text(row.purpose)) }
            dt { "Expires" } dd { @match row.expires { Some(it) => (outside(it, NAME)), None => "never" } }
            dt { "Revision" } dd { (row.revision) }
            @if let Some(version) = row.bucketing { dt { "Spread by" } dd { "fractional, version " (version) } }
        }
        @if let Some(problem) = &entry.problem {
            p.wrong { "This version of Seaway cannot understand it: " (outside(problem, RULE)) }
        }
        @if let Some(flag) = entry.flag.as_deref() { (variants(entry, flag)) }
        (source(entry.source(), json))
    }
}

fn variants(entry: &Entry, flag: &Flag) -> Markup {
    // What is served while it is off has another default than the definition.
    let default = flag.default_variant().filter(|_| !entry.revision.off);
    let off = off_variant(flag);
    let rows = flag.variants().iter().take(VARIANTS).map(|(name, value)| {
        let value = serde_json::to_string(value).unwrap_or_default();
        let marks = [
            (default == Some(name), "the default"),
            (off == Some(name), "everyone's while it is off"),
        ];
        let marks: Vec<&str> = marks.iter().filter(|it| it.0).map(|it| it.1).collect();
        vec![
            outside(name, NAME),
            html! { code { (outside(&value, LINE)) } },
            html! { (marks.join(", ")) },
        ]
    });
    let table = Table {
        caption: "Variants".to_owned(),
        columns: &[Column::Text("Variant"), Column::Text("Value"), Column::Text("Is")],
        rows: rows.collect(),
    };
    let more = flag.variants().len().saturating_sub(VARIANTS);
    html! {
        @if !table.rows.is_empty() { (table.markup()) }
        @if more > 0 { p.note { "And " (counted(more, "more variant", "more variants")) "." } }
    }
}

/// The text of a definition.
fn source(source: &str, json: &str) -> Markup {
    html! { @if source.len() > SHOWN_BYTES_MAX {
        p { "The definition has " (count(source.len() >> 10)) " KiB, more than fits here: "
            a href=(json) { "all of it as JSON" } "." }
    } @else if !source.is_empty() {
        pre.code tabindex="0" aria-label="Definition" { (pretty(source)) }
    } }
}

/// A text of one line without what hides or turns text, its indentation kept.
pub(super) fn line(text: &str, most: usize) -> String {
    let inner = text.trim_start_matches(' ');
    let indent = (text.len() - inner.len()).min(most);
    format!("{}{}", " ".repeat(indent), clean(inner, most))
}
