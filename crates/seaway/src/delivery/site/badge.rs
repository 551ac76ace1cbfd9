//! Badges: time to value as a small picture, for a repository's README or a wiki.

use super::window::Window;
use crate::app::App;
use crate::delivery::api::{GroupReport, Names, OrganizationReport, ServiceReport};
use crate::pages::words::{NAME, clean, count, estimate};
use crate::problem::Problem;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use seaway_core::delivery::report::TimeToValue;
use seaway_core::delivery::rollup::Report;
use std::sync::Arc;

/// What stands on the left.
const LABEL: &str = "time to value";
/// About how wide a character of 11 pixels is, and the room beside a text.
const CHARACTER: usize = 7;
const MARGIN: usize = 9;
/// How long browsers and forges may show a badge again, in seconds.
const KEPT: &str = "public, max-age=300";

/// `GET /badge/organization.svg`.
pub(crate) async fn organization(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let window = Window::of(&app, None, &[]).await?;
    let now = OrganizationReport::of(&app, window.now.clone()).await?.figures.report;
    let before = OrganizationReport::of(&app, window.before.clone()).await?.figures.report;
    Ok(answer("All services", &window, [&now, &before]))
}

/// `GET /badge/groups/{group}.svg`.
pub(crate) async fn group(
    State(app): State<Arc<App>>,
    Names(file): Names<String>,
) -> Result<Response, Problem> {
    let group = named(&file)?;
    let window = Window::of(&app, None, &[]).await?;
    let now = GroupReport::of(&app, group, window.now.clone()).await?.figures.report;
    let before = GroupReport::of(&app, group, window.before.clone()).await?.figures.report;
    Ok(answer(group, &window, [&now, &before]))
}

/// `GET /badge/services/{service}.svg`.
pub(crate) async fn service(
    State(app): State<Arc<App>>,
    Names(file): Names<String>,
) -> Result<Response, Problem> {
    let service = named(&file)?;
    let window = Window::of(&app, None, &[]).await?;
    let now = ServiceReport::of(&app, service, window.now.clone()).await?.figures.report;
    let before = ServiceReport::of(&app, service, window.before.clone()).await?.figures.report;
    Ok(answer(service, &window, [&now, &before]))
}

/// The name in the name of a file.
fn named(file: &str) -> Result<&str, Problem> {
    file.strip_suffix(".svg").filter(|name| !name.is_empty()).ok_or_else(|| {
        Problem::not_found(format!("there is no badge {file}")).hint(
            "badges are /badge/organization.svg, /badge/groups/NAME.svg and \
                   /badge/services/NAME.svg",
        )
    })
}

fn answer(name: &str, window: &Window, [now, before]: [&Report; 2]) -> Response {
    let badge = Badge::of(name, &window.told(), &now.time_to_value, &before.time_to_value);
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, KEPT)];
    (headers, badge.picture().into_string()).into_response()
}

/// What a badge says.
struct Badge {
    /// On its right.
    value: String,
    /// To those who cannot see it, and on hover.
    told: String,
}

impl Badge {
    fn of(name: &str, days: &str, now: &TimeToValue, before: &TimeToValue) -> Self {
        let (value, basis) = match (now.n, now.p50.seconds) {
            (0, _) => ("nothing delivered".to_owned(), String::new()),
            (_, None) => ("not reached".to_owned(), format!(", n = {}", count(now.n))),
            _ => (estimate(&now.p50), format!(", n = {}", count(now.n))),
        };
        let (arrow, course) = match course(now, before) {
            Some(true) => (" ↓", "; faster than in as many days before"),
            Some(false) => (" ↑", "; slower than in as many days before"),
            None => ("", ""),
        };
        let name = clean(name, NAME);
        let told = format!("{name}: {LABEL} {value}, the median {days}{basis}{course}");
        Self { value: value + arrow, told }
    }

    fn picture(&self) -> Markup {
        let wide = |text: &str| text.chars().count() * CHARACTER + 2 * MARGIN;
        let (left, right) = (wide(LABEL), wide(&self.value));
        html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(left + right) height="20" role="img"
                aria-label=(self.told) {
                title { (self.told) }
                rect width=(left + right) height="20" rx="3" fill="#15232d" {}
                rect x=(left) width=(right) height="20" rx="3" fill="#0a6a94" {}
                rect x=(left) width="4" height="20" fill="#0a6a94" {}
                g fill="#ffffff" text-anchor="middle" font-size="11"
                    font-family="Verdana, DejaVu Sans, sans-serif" {
                    text x=(left / 2) y="14" { (LABEL) }
                    text x=(left + right / 2) y="14" { (self.value) }
                }
            }
        }
    }
}

/// Whether it became faster, where that is more than chance: the intervals do not overlap.
fn course(now: &TimeToValue, before: &TimeToValue) -> Option<bool> {
    let below = |a: &TimeToValue, b: &TimeToValue| {
        a.p50.high.zip(b.p50.low).is_some_and(|(high, low)| high < low)
    };
    match (below(now, before), below(before, now)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_is_as_wide_as_its_words_and_its_name_is_text() {
        let of = |value: &str, name: &str| {
            let told = format!("{}: {value}", clean(name, NAME));
            Badge { value: value.to_owned(), told }.picture().into_string()
        };
        assert!(of("7 h", "x").contains("width=\"148\""), "{}", of("7 h", "x"));
        assert!(of("nothing delivered", "x").contains("width=\"246\""));
        let hostile = of("<b>", "\"><script>alert(1)</script>\u{202e}\n");
        assert!(!hostile.contains("<script") && !hostile.contains("<b>"), "{hostile}");
        assert!(!hostile.contains('\u{202e}') && !hostile.contains('\n'), "{hostile}");
    }

    #[test]
    fn files_have_names() {
        assert_eq!(named("a.b.svg").ok(), Some("a.b"));
        assert!(named(".svg").is_err() && named("a.png").is_err() && named("a").is_err());
    }
}
