//! The document around every page of the server: head, navigation, where one is, how fresh the data
//! are; and errors as pages.

use super::words::{NAME, clean, count, moment, outside};
use super::{assets, chart};
use crate::problem::Problem;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use seaway_core::time::Time;

/// Styles of the server's pages, beside those that all pages share.
pub(crate) const STYLE: &str = include_str!("site.css");
/// Keeps what says `data-live` up to date, and tells when the rest of a page no longer is.
pub(crate) const LIVE: &str = include_str!("live.js");

/// Only this server's own scripts run, and nothing is sent, loaded or framed elsewhere. Plotly
/// writes style elements and attributes, hence `unsafe-inline` for styles alone.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What in a URL's path or query has to be escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A name from outside as a part of a URL's path, or as a value in its query. Names that browsers
/// take for steps in a path have no URL of their own, and lead nowhere else.
pub(crate) fn escape(text: &str) -> String {
    match text {
        "." | ".." => text.replace('.', "%252E"),
        _ => utf8_percent_encode(text, ESCAPED).to_string(),
    }
}

/// Whether a URL from outside may be led to.
pub(crate) fn is_link(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://")) && !url.contains(char::is_control)
}

/// The entries of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Compare,
    InFlight,
    Flags,
    Quality,
    /// None of them.
    Elsewhere,
}

const ENTRIES: [(Place, &str, &str); 5] = [
    (Place::Overview, "/", "Overview"),
    (Place::Compare, "/compare", "Compare"),
    (Place::InFlight, "/in-flight", "In flight"),
    (Place::Flags, "/flags", "Flags"),
    (Place::Quality, "/quality", "Data quality"),
];

/// Who looks at a page, as its foot says.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// The name of their token, from outside; `None` where nobody is asked.
    pub(crate) name: Option<String>,
    pub(crate) role: &'static str,
    /// Whether they manage tokens.
    pub(crate) manages: bool,
    /// What proves that the form to sign out is of their page, if they signed in.
    pub(crate) proof: Option<String>,
}

tokio::task_local! {
    /// Who looks at the page that is made. It is told here, as it is no matter of any single page.
    static VISITOR: Visitor;
}

/// Makes an answer for a visitor.
pub(crate) async fn visited<F: Future>(visitor: Visitor, answer: F) -> F::Output {
    VISITOR.scope(visitor, answer).await
}

/// A page that leads to this one.
pub(crate) struct Step {
    /// Its URL.
    pub(crate) url: String,
    /// Its name, from outside.
    pub(crate) name: String,
}

/// How far the views have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// The newest moment of all data.
    pub(crate) newest: Option<Time>,
    /// Events that have arrived and are not in the views yet.
    pub(crate) behind: i64,
    /// The place on the log up to which the page has everything: its script tells when the views
    /// have moved on.
    pub(crate) settled: i64,
    /// When the page was made.
    pub(crate) made: Time,
}

/// A page of the server.
pub(crate) struct Page {
    /// What it is about, for the window's title; from outside.
    pub(crate) title: String,
    pub(crate) place: Place,
    /// The pages that lead to it, the highest first.
    pub(crate) trail: Vec<Step>,
    pub(crate) freshness: Option<Freshness>,
    /// What was searched for, from outside.
    pub(crate) searched: String,
    /// The page's JSON twin, if there is one.
    pub(crate) json: Option<String>,
    /// A `header.hero` with the answer, and a `main.frame` with the evidence.
    pub(crate) body: Markup,
}

impl Page {
    /// The whole document.
    pub(crate) fn document(&self) -> String {
        let body = &self.body.0;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (clean(&self.title, NAME)) " · Seaway" }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(assets::STYLE.url());
                    noscript { style { ".plot { display: none }" } }
                    @if body.contains(chart::MARK) {
                        script defer src=(assets::PLOTLY.url()) {}
                        script defer src=(assets::DRAW.url()) {}
                    }
                    @if self.freshness.is_some() { script defer src=(assets::LIVE.url()) {} }
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    (self.bar())
                    (self.way())
                    div id="content" { (self.body) }
                    (self.foot())
                }
            }
        };
        page.into_string()
    }

    fn bar(&self) -> Markup {
        html! {
            div.bar role="banner" { div.frame {
                a.brand href="/" { "Seaway" }
                nav.main aria-label="Pages" { ul {
                    @for (place, url, name) in ENTRIES { li {
                        a href=(url) aria-current=[(place == self.place).then_some("page")] { (name) }
                    } }
                } }
                form.search role="search" action="/search" method="get" {
                    input type="search" name="q" value=(clean(&self.searched, NAME)) maxlength="200"
                        placeholder="Search" aria-label="Search for a service, group, change or deployment";
                }
            } }
        }
    }

    fn way(&self) -> Markup {
        html! {
            @if !self.trail.is_empty() {
                nav.way aria-label="Where you are" { div.frame { ol {
                    @for step in &self.trail { li { a href=(step.url) { (outside(&step.name, NAME)) } } }
                    li aria-current="page" { (outside(&self.title, NAME)) }
                } } }
            }
        }
    }

    fn foot(&self) -> Markup {
        let settled = self.freshness.map(|it| it.settled);
        let made = self.freshness.map(|it| moment(Some(it.made)));
        html! {
            footer.frame data-settled=[settled] data-made=[made] {
                p {
                    @match self.freshness {
                        Some(Freshness { newest: Some(newest), behind: 0, .. }) => {
                            "Data up to " (moment(Some(newest))) " UTC; everything that arrived is in it. "
                        }
                        Some(Freshness { newest: Some(newest), behind, .. }) => {
                            "Data up to " (moment(Some(newest))) " UTC; "
                            (count(usize::try_from(behind).unwrap_or(0))) " events that arrived are not in it yet. "
                        }
                        Some(_) => { "There are no data yet. " }
                        None => {}
                    }
                    @if self.freshness.is_some() { "Intervals are at 95 %. A month is 30 days, a year 365." }
                }
                @if let Some(json) = &self.json { p { a href=(json) { "This page as JSON" } } }
                @if let Ok(visitor) = VISITOR.try_with(Visitor::clone) { (visited_by(&visitor)) }
            }
        }
    }
}

fn visited_by(visitor: &Visitor) -> Markup {
    html! {
        @if visitor.name.is_some() || visitor.manages {
            div.visitor {
                @if let Some(name) = &visitor.name {
                    span { "You are " (outside(name, NAME)) " (" (visitor.role) ")" }
                }
                @if visitor.manages { a href="/tokens" { "Tokens" } }
                @if let Some(proof) = &visitor.proof {
                    form action="/sign-out" method="post" {
                        input type="hidden" name="csrf" value=(proof);
                        button.quiet type="submit" { "Sign out" }
                    }
                }
            }
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Html(self.document()).into_response();
        // Pages are of the moment.
        let head = response.headers_mut();
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// Shows a problem as a page, whatever handler told it. For routes of pages.
pub(crate) async fn problems_as_pages(response: Response) -> Response {
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    let page = Page {
        title: problem.title().to_owned(),
        place: Place::Elsewhere,
        trail: Vec::new(),
        freshness: None,
        searched: String::new(),
        json: None,
        body: told(&problem),
    };
    let mut shown = (problem.status(), page).into_response();
    if let Some(after) = response.headers().get(header::RETRY_AFTER) {
        shown.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    for name in [header::WWW_AUTHENTICATE, header::VARY] {
        if let Some(value) = response.headers().get(&name) {
            shown.headers_mut().insert(name, value.clone());
        }
    }
    shown
}

fn told(problem: &Problem) -> Markup {
    html! {
        main.frame {
            div.problem {
                p.eyebrow { (problem.status().as_u16()) }
                h1 { (problem.title()) }
                p { bdi { (capital(problem.detail())) } "." }
                @if let Some(hint) = problem.hint_told() { p.note { (hinted(&clean(hint, NAME * 4))) "." } }
                p { a href="/" { "Go to the overview" } }
            }
        }
    }
}

/// A hint that begins with a list of the API leads there.
fn hinted(hint: &str) -> Markup {
    let (first, rest) = hint.split_once(' ').unwrap_or((hint, ""));
    let is_list = first
        .strip_prefix("/api/v1/")
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()));
    html! {
        @if is_list { a href=(first) { (first) } " " bdi { (rest) } } @else { bdi { (capital(hint)) } }
    }
}

/// A sentence as it begins a line, unless a word begins it that has to stay as it is.
pub(crate) fn capital(sentence: &str) -> String {
    let first = sentence.split(' ').next().unwrap_or_default();
    if !first.chars().all(char::is_alphabetic) {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names_in_urls() {
        assert_eq!(escape("a/b ?&#%é"), "a%2Fb%20%3F%26%23%25%C3%A9");
        assert_eq!(escape(".."), "%252E%252E");
    }

    #[test]
    fn problems_are_sentences_and_lead_to_lists() {
        assert_eq!(capital("there is no such thing"), "There is no such thing");
        assert_eq!(capital("since=x is not a day"), "since=x is not a day");
        let list = hinted("/api/v1/services names all").into_string();
        assert!(list.starts_with("<a href=\"/api/v1/services\">/api/v1/services</a>"), "{list}");
        for other in ["/api/v1/../x y", "//example.com/api/v1/x y", "/api/v1/ y", "/apiv1 y"] {
            assert!(!hinted(other).into_string().contains("<a"), "{other}");
        }
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let evil = "\"><script>alert(1)</script>";
        let page = Page {
            title: evil.to_owned(),
            place: Place::Elsewhere,
            trail: vec![Step { url: format!("/services/{}", escape(evil)), name: evil.to_owned() }],
            freshness: None,
            searched: evil.to_owned(),
            json: None,
            body: told(&Problem::not_found(evil).hint(evil)),
        };
        let page = page.document();
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
    }
}
