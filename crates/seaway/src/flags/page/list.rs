//! All flags, filtered and in the order that the URL asks for.

use super::{ANSWER, answer, by, done, flag_url, now, page, staleness, stalled};
use crate::app::App;
use crate::flags::api::state;
use crate::flags::snapshot::{Entry, Snapshot};
use crate::flags::stale::expires;
use crate::pages::parts::{Column, Table, nothing, section};
use crate::pages::site::{Page, escape};
use crate::pages::words::{LINE, NAME, clean, count, counted, moment, outside};
use crate::problem::Problem;
use crate::url::Parameters;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use seaway_core::time::Time;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Flags on a page.
const ROWS: usize = 30;
/// The last page that can be asked for.
const PAGES_MAX: i64 = 1_000_000;
/// Owners that are offered.
const OWNERS_MAX: usize = 200;
/// The longest text that is looked for, in characters.
const TEXT_CHARS: usize = 200;

const STATES: [&str; 4] = ["on", "off", "disabled", "broken"];
const PURPOSES: [&str; 4] = ["release", "experiment", "operations", "permission"];
/// The filters that the list of the API has too, and the one that it has not.
const FILTERS: [&str; 6] = ["environment", "owner", "purpose", "state", "q", "stale"];

/// The orders by their words in the URL; the first one is that of a URL that names none.
const ORDERS: [(&str, &str); 4] = [
    ("key", "by environment and key"),
    ("changed", "changed last first"),
    ("owner", "by owner"),
    ("expires", "expiring first"),
];

/// What the URL asks for.
struct Asked<'p> {
    environment: Option<&'p str>,
    owner: Option<&'p str>,
    purpose: Option<&'p str>,
    state: Option<&'static str>,
    q: Option<&'p str>,
    is_stale: bool,
    sort: &'static str,
    page: usize,
}

impl<'p> Asked<'p> {
    fn of(parameters: &'p Parameters) -> Result<Self, Problem> {
        let sort = parameters.word("sort", &ORDERS.map(|(name, _)| name))?;
        let page = parameters.number("page", PAGES_MAX)?.unwrap_or(1);
        Ok(Self {
            environment: parameters.text("environment"),
            owner: parameters.text("owner"),
            purpose: parameters.text("purpose"),
            state: parameters.word("state", &STATES)?,
            q: parameters.text("q"),
            is_stale: parameters.word("stale", &["yes"])?.is_some(),
            sort: sort.unwrap_or(ORDERS[0].0),
            page: usize::try_from(page).unwrap_or(1),
        })
    }

    fn value(&self, filter: &str) -> Option<&str> {
        match filter {
            "environment" => self.environment,
            "owner" => self.owner,
            "purpose" => self.purpose,
            "state" => self.state,
            "q" => self.q,
            _ => self.is_stale.then_some("yes"),
        }
    }

    fn is_filtered(&self) -> bool {
        FILTERS.iter().any(|filter| self.value(filter).is_some())
    }

    /// The filters as a query, each as `name=value`.
    fn filters(&self) -> Vec<String> {
        let pair = |name: &&str| Some(format!("{name}={}", escape(self.value(name)?)));
        FILTERS.iter().filter_map(pair).collect()
    }

    fn url(&self, sort: &str, page: usize) -> String {
        let mut parts = self.filters();
        parts.extend((sort != ORDERS[0].0).then(|| format!("sort={sort}")));
        parts.extend((page > 1).then(|| format!("page={page}")));
        match parts.is_empty() {
            true => "/flags".to_owned(),
            false => format!("/flags?{}", parts.join("&")),
        }
    }

    /// The same flags in the API, in some format; it knows nothing of stale ones.
    fn api(&self, format: &str) -> Option<String> {
        let mut parts = self.filters();
        parts.extend((!format.is_empty()).then(|| format!("format={format}")));
        let query = if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) };
        (!self.is_stale).then(|| format!("/api/v1/flags{query}"))
    }

    fn takes(&self, entry: &Entry, q: Option<&str>, now: Time) -> bool {
        self.environment.is_none_or(|it| entry.revision.environment == it)
            && self.owner.is_none_or(|it| entry.metadata("owner") == Some(it))
            && self.purpose.is_none_or(|it| entry.metadata("purpose") == Some(it))
            && self.state.is_none_or(|it| state(entry) == it)
            && q.is_none_or(|q| entry.key().to_lowercase().contains(q))
            && (!self.is_stale || !staleness(entry, now).is_empty())
    }

    /// Puts flags in the order that is asked for; they are in that of their environments and keys.
    fn sort(&self, flags: &mut [&Arc<Entry>]) {
        let last = |text: Option<&str>| (text.is_none(), text.map(str::to_owned));
        match self.sort {
            "changed" => flags.sort_by_key(|it| Reverse((it.revision.at, it.position))),
            "owner" => flags.sort_by_cached_key(|it| last(it.metadata("owner"))),
            "expires" => flags.sort_by_cached_key(|it| expires(it).map_or(i64::MAX, |it| it.0)),
            _ => {}
        }
    }
}

/// A form sends what nobody has chosen with no value.
fn chosen(query: Option<&str>) -> String {
    let parts = query.unwrap_or_default().split('&');
    parts.filter(|part| !part.is_empty() && !part.ends_with('=')).collect::<Vec<_>>().join("&")
}

/// `GET /flags`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let allowed = [&FILTERS[..], &["sort", "page"]].concat();
    let parameters = Parameters::of(Some(&chosen(query.as_deref())), &allowed)?;
    let asked = Asked::of(&parameters)?;
    let (names, now) = (app.flags.environments(), now(&app));
    let snapshots: Vec<Arc<Snapshot>> =
        names.iter().filter_map(|name| app.flags.snapshot(name)).collect();
    let all: Vec<&Arc<Entry>> = snapshots.iter().flat_map(|it| &it.entries).collect();
    let q = asked.q.map(str::to_lowercase);
    let takes = |entry: &&&Arc<Entry>| asked.takes(entry, q.as_deref(), now);
    let mut found: Vec<&Arc<Entry>> = all.iter().filter(takes).copied().collect();
    asked.sort(&mut found);
    let first = (asked.page - 1).saturating_mul(ROWS);
    let shown: Vec<&Arc<Entry>> = found.iter().skip(first).take(ROWS).copied().collect();
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Flags" @if let Some(name) = asked.environment { " in " (outside(name, NAME)) } }
            h1 { (finding(&asked, &found, now)) }
            (stalled(&app))
            (filters(&asked, &names, &owners(&all)))
        } }
        main.frame {
            (section("flags", "Flags", "Who sees each of them now, by its definition. Its page tells what \
                it was before, and why.", &html! {
                @if all.is_empty() { (none()) }
                @else if shown.is_empty() { (nothing("No flag is like that.")) }
                @else {
                    p.orders { "In order: " @for (at, (name, told)) in ORDERS.iter().enumerate() {
                        @if at > 0 { ", " }
                        @if *name == asked.sort { strong { (told) } } @else { a href=(asked.url(name, 1)) { (told) } }
                    } }
                    (rows(&shown, now))
                    (pager(&asked, found.len()))
                    @if let Some(sheet) = asked.api("csv") {
                        p.csv { a href=(sheet) { "These flags as CSV" } }
                    }
                }
            }))
        }
    };
    Ok(page("Flags", Vec::new(), asked.api(""), body))
}

fn finding(asked: &Asked<'_>, found: &[&Arc<Entry>], now: Time) -> String {
    let those = if asked.is_filtered() { "like that" } else { "in all" };
    if found.is_empty() {
        return if asked.is_filtered() { "No flag is like that" } else { "There are no flags yet" }
            .to_owned();
    }
    let many = |n: usize, what: &str| {
        (n > 0).then(|| format!("{} {} {what}", count(n), if n == 1 { "is" } else { "are" }))
    };
    let is_off = |it: &&&Arc<Entry>| matches!(state(it), "off" | "disabled");
    let off = many(found.iter().filter(is_off).count(), "turned off");
    let broken = many(found.iter().filter(|it| state(it) == "broken").count(), "broken");
    let stale = many(found.iter().filter(|it| !staleness(it, now).is_empty()).count(), "stale");
    let rest: Vec<String> = [off, broken, stale].into_iter().flatten().collect();
    let rest = if rest.is_empty() { String::new() } else { format!("; {}", rest.join(", ")) };
    format!("{} {those}{rest}", counted(found.len(), "flag", "flags"))
}

fn owners<'e>(all: &[&'e Arc<Entry>]) -> BTreeSet<&'e str> {
    let owners: BTreeSet<&str> = all.iter().filter_map(|it| it.metadata("owner")).collect();
    // Of others, people could not tell which they choose.
    let is_plain = |owner: &&str| clean(owner, NAME) == *owner;
    owners.into_iter().filter(is_plain).take(OWNERS_MAX).collect()
}

fn filters(asked: &Asked<'_>, environments: &[Arc<str>], owners: &BTreeSet<&str>) -> Markup {
    let option = |value: &str, is_chosen: bool| {
        html! { option value=(value) selected[is_chosen] { (clean(value, NAME)) } }
    };
    let words = |name: &str, words: &[&str]| {
        html! { select name=(name) {
            option value="" { "any" }
            @for word in words { (option(word, asked.value(name) == Some(word))) }
        } }
    };
    let typed = |text: Option<&str>| clean(text.unwrap_or_default(), TEXT_CHARS);
    let environments: Vec<&str> = environments.iter().map(|it| &**it).collect();
    html! {
        form.filters action="/flags" method="get" {
            label { "Environment" (words("environment", &environments)) }
            label { "Owner" input name="owner" list="owners" value=(typed(asked.owner))
                maxlength=(TEXT_CHARS) autocomplete="off"; }
            datalist id="owners" { @for owner in owners { option value=(owner) {} } }
            label { "Purpose" (words("purpose", &PURPOSES)) }
            label { "State" (words("state", &STATES)) }
            label { "Stale" select name="stale" {
                option value="" { "any" }
                option value="yes" selected[asked.is_stale] { "stale" }
            } }
            label { "Key contains" input name="q" value=(typed(asked.q))
                maxlength=(TEXT_CHARS) autocomplete="off"; }
            @if asked.sort != ORDERS[0].0 { input type="hidden" name="sort" value=(asked.sort); }
            button type="submit" { "Show" }
            @if asked.is_filtered() { a href="/flags" { "All flags" } }
        }
    }
}

fn rows(shown: &[&Arc<Entry>], now: Time) -> Markup {
    let table = Table {
        caption: "Flags".to_owned(),
        columns: &[
            Column::Text("Flag"),
            Column::Text("Who sees it"),
            Column::Text("Owner"),
            Column::Text("Purpose"),
            Column::Text("Changed (UTC)"),
            Column::Text("Expires"),
        ],
        rows: shown.iter().map(|it| row(it, now)).collect(),
    };
    table.markup()
}

fn row(entry: &Entry, now: Time) -> Vec<Markup> {
    let revision = &entry.revision;
    let text = |name: &str| {
        html! { @match entry.metadata(name) { Some(text) => (outside(text, NAME)), None => span.muted { "none" } } }
    };
    let stale = staleness(entry, now);
    vec![
        html! {
            a href=(flag_url(&revision.environment, entry.key())) { (outside(entry.key(), LINE)) }
            span.bounds { "in " (outside(&revision.environment, NAME)) }
        },
        html! {
            (outside(&answer(entry), ANSWER))
            @let marks = marks(entry);
            @if !marks.is_empty() { span.bounds { (marks.join(", ")) } }
        },
        text("owner"),
        text("purpose"),
        html! {
            span.nowrap { (moment(Some(revision.at))) }
            span.bounds { (done(revision.action)) " by " (by(&revision.by)) }
        },
        html! {
            @match entry.metadata("expires") { Some(text) => (outside(text, NAME)), None => span.muted { "never" } }
            @if !stale.is_empty() { span.bounds { strong { "stale" } ": " (stale.join("; ")) } }
        },
    ]
}

/// What is special about the state of a flag.
fn marks(entry: &Entry) -> Vec<&'static str> {
    let state = match state(entry) {
        "off" => Some("turned off"),
        "disabled" => Some("disabled"),
        "broken" => Some("broken: this version of Seaway cannot read it"),
        _ => None,
    };
    let ramp = entry.revision.ramp.is_some().then_some("on a ramp");
    let lock = entry.revision.lock.is_some().then_some("locked");
    [state, ramp, lock].into_iter().flatten().collect()
}

fn pager(asked: &Asked<'_>, all: usize) -> Markup {
    let pages = all.div_ceil(ROWS);
    html! { @if pages > 1 {
        nav.pager aria-label="Pages of flags" {
            @if asked.page > 1 { a rel="prev" href=(asked.url(asked.sort, asked.page - 1)) { "Before" } }
            span { "Page " (asked.page) " of " (count(pages)) }
            @if asked.page < pages { a rel="next" href=(asked.url(asked.sort, asked.page + 1)) { "Next" } }
        }
    } }
}

fn none() -> Markup {
    html! {
        p { "A flag parts deploying code from releasing what it does. Its definition is flagd's JSON:" }
        pre.code { "{\n  \"state\": \"ENABLED\",\n  \"variants\": {\"on\": true, \"off\": false},\n  \"defaultVariant\": \"off\"\n}" }
        p { "Make one with " code { "seaway flag set" } ", or take in what flagd serves with "
            code { "seaway flag import" } "." }
    }
}
