//! What must hold of everything that reads what comes from outside, whatever that is.
//!
//! Each function takes any bytes and panics where a promise is broken. The fuzz targets in `fuzz/`
//! make up the bytes; `cargo test` tries the corpora that are kept there.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped is what fuzzing looks for")]

pub use crate::catalog::catalog;
pub use crate::delivery::{deployments, knowledge};
pub use crate::flags::flags;
pub use crate::intake::backfill::backfill;
pub use crate::intake::fuzzing::{cloudevents, github, gitlab, import};

use crate::body::{BYTES_MAX, Budget};
use crate::config::Config;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use axum::routing::post;
use bytes::Bytes;
use http_body_util::BodyExt;
use seaway_core::delivery::summary::DaySummary;
use tower::ServiceExt;

/// A request as HTTP writes it: lines of headers, an empty line, the body. Lines that are no
/// headers are left out.
pub(crate) fn request(data: &[u8]) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value)
            && headers.len() < 200
        {
            headers.append(name, value);
        }
    }
    (headers, Bytes::copy_from_slice(rest))
}

/// Whether a text has so many characters at most, and none that a terminal obeys.
pub(crate) fn is_for_people(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.contains(char::is_control)
}

/// The body of a request, compressed or not: headers, an empty line, the body.
pub fn body(data: &[u8]) {
    let (headers, sent) = request(data);
    let mut builder = Request::post("/");
    if let Some(to) = builder.headers_mut() {
        to.extend(headers.clone());
    }
    let Ok(request) = builder.body(Body::from(sent.clone())) else { return };
    let budget = Budget::of_bytes(2 * BYTES_MAX);
    let (before, held) = (format!("{budget:?}"), budget.clone());
    let read = move |headers: HeaderMap, body: Body| async move {
        held.read(&headers, body).await.map(|taken| taken.bytes.clone())
    };
    let routes: Router = crate::router::decompressing(Router::new().route("/", post(read)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (status, answer) = runtime.block_on(async {
        let answer = routes.oneshot(request).await.unwrap();
        (answer.status().as_u16(), answer.into_body().collect().await.unwrap().to_bytes())
    });
    assert!(matches!(status, 200 | 400 | 413 | 415 | 429), "{status}");
    assert_eq!(format!("{budget:?}"), before, "all memory is given back");
    if status == 200 {
        assert!(answer.len() <= BYTES_MAX);
        let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
        assert!(!is_plain || answer == sent, "what is not compressed comes as it is");
    }
}

/// A configuration file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(config) = Config::of(Some(("seaway.toml", text))) else { return };
    let github = &config.github;
    assert!(github.every_minutes > 0 && github.days > 0);
    let again = Config::of(Some(("seaway.toml", text))).ok().unwrap();
    assert_eq!(again.patterns_text, config.patterns_text, "the same twice");
    assert_eq!(again.repositories, config.repositories, "the same twice");
    config.release.is_match("v1.2.3");
    config.patterns.bots.is_match(b"Build Bot <bot@example.com>");
}

/// Two stored summaries of a day, cut at the byte that the first one says.
pub fn summary(data: &[u8]) {
    let Some((&cut, rest)) = data.split_first() else { return };
    let (a, b) = rest.split_at(usize::from(cut).min(rest.len()));
    let decode = |bytes: &[u8]| {
        let summary = DaySummary::decode(bytes)?;
        assert_eq!(summary.encode(), bytes, "equal summaries are equal bytes");
        Some(summary)
    };
    let (Some(a), Some(b)) = (decode(a), decode(b)) else { return };
    let merged = |a: &DaySummary, b: &DaySummary| {
        let mut both = a.clone();
        both.merge(b);
        both
    };
    let mut both = merged(&a, &b);
    assert_eq!(both, merged(&b, &a), "in another order");
    assert_eq!(DaySummary::decode(&both.encode()).as_ref(), Some(&both), "stored");
    both.subtract(&b);
    assert_eq!(both, a, "taken away again");
    both.subtract(&a);
    assert!(both.is_empty(), "all taken away");
}

#[cfg(test)]
mod tests {
    use super::*;

    type Target = (&'static str, fn(&[u8]));

    /// All targets; a folder of the corpora and a file of `fuzz/fuzz_targets` is named like each.
    const TARGETS: [Target; 12] = [
        ("backfill", backfill),
        ("body", body),
        ("catalog", catalog),
        ("cloudevents", cloudevents),
        ("config", config),
        ("deployments", deployments),
        ("flags", flags),
        ("github", github),
        ("gitlab", gitlab),
        ("import", import),
        ("knowledge", knowledge),
        ("summary", summary),
    ];

    #[test]
    fn promises_hold_for_what_fuzzing_starts_from() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        for (name, target) in TARGETS {
            let source = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs")));
            assert!(source.unwrap().contains(&format!("fuzzing::{name}(")), "{name}");
            let mut seeds = 0;
            for entry in std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                target(&std::fs::read(path).unwrap());
                seeds += 1;
            }
            assert!(seeds > 0, "{name} has a corpus");
        }
        let files = std::fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
        assert_eq!(files, TARGETS.len(), "every target is tried here");
    }
}
