//! The document around a page: head, policy, styles, and the scripts that draw its charts.

use super::chart;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The styles of all pages.
pub(crate) const STYLE: &str = include_str!("style.css");
/// Draws the charts of a page.
pub(crate) const DRAW: &str = include_str!("chart.js");

/// A page as one file that loads nothing from elsewhere.
///
/// The chart script (4.65 MB) is there only if the page has a chart.
pub(crate) fn document(title: &str, body: &Markup) -> String {
    let nonce = nonce(&body.0);
    let plotly = if body.0.contains(chart::MARK) { plotly() } else { None };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&nonce));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
                noscript { style { (PreEscaped(".plot { display: none }")) } }
            }
            body {
                (body)
                @if let Some(plotly) = plotly {
                    script nonce=(nonce) { (PreEscaped(plotly)) }
                    script nonce=(nonce) { (PreEscaped(DRAW)) }
                }
            }
        }
    };
    page.into_string()
}

/// Only the page's own scripts run; nothing is loaded, sent or framed. Plotly writes style
/// elements and attributes, hence `unsafe-inline` for styles alone.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; \
         img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
}

/// A nonce that depends on all of the page, so that equal reports give equal files and yet no
/// text in a history can know it beforehand: it would have to contain a hash of itself.
fn nonce(body: &str) -> String {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, body).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", hash(0), hash(1))
}

/// The chart library: the first of the two scripts that the crate embeds. The second, MathJax,
/// would take the file over its bound and is not needed.
pub(crate) fn plotly() -> Option<String> {
    let sources = plotly::Plot::offline_js_sources();
    let (_, rest) = sources.split_once('>')?;
    rest.split_once("</script>").map(|(script, _)| script.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_script_is_whole_alone_and_safe_to_inline() {
        let script = plotly().unwrap();
        assert!(script.contains("plotly.js v") && script.trim_end().ends_with("}));"));
        assert!((4_000_000..5_000_000).contains(&script.len()), "{}", script.len());
        for forbidden in ["<script", "</script", "<!--"] {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
        assert!(!DRAW.contains("</") && !STYLE.contains("</"));
    }

    #[test]
    fn a_page_without_charts_carries_no_script() {
        let page = document("t", &html! { p { "x" } });
        assert!(!page.contains("<script") && page.len() < 30_000);
    }

    #[test]
    fn the_nonce_follows_the_content() {
        assert_eq!(nonce("a"), nonce("a"));
        assert_ne!(nonce("a"), nonce("b"));
    }
}
