//! The files that pages load: styles, scripts, the chart library. Their names hold a hash of what
//! is in them, so that browsers keep them for good; each is compressed once.

use super::{layout, site};
use crate::problem::Problem;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::io::Write as _;
use std::sync::LazyLock;

/// A file that pages load.
pub(crate) struct Asset {
    name: &'static str,
    extension: &'static str,
    kind: &'static str,
    text: fn() -> Cow<'static, str>,
    /// Its URL, and the file compressed; made when it is first asked for.
    made: LazyLock<Made>,
}

struct Made {
    url: String,
    compressed: Bytes,
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The styles of all pages.
pub(crate) static STYLE: Asset = Asset {
    name: "style",
    extension: "css",
    kind: CSS,
    text: || Cow::Owned(format!("{}\n{}", layout::STYLE, site::STYLE)),
    made: LazyLock::new(|| Made::of(&STYLE)),
};

/// What draws the charts.
pub(crate) static DRAW: Asset = Asset {
    name: "chart",
    extension: "js",
    kind: JS,
    text: || Cow::Borrowed(layout::DRAW),
    made: LazyLock::new(|| Made::of(&DRAW)),
};

/// The chart library.
pub(crate) static PLOTLY: Asset = Asset {
    name: "plotly",
    extension: "js",
    kind: JS,
    text: || Cow::Owned(layout::plotly().unwrap_or_default()),
    made: LazyLock::new(|| Made::of(&PLOTLY)),
};

/// What keeps open pages up to date.
pub(crate) static LIVE: Asset = Asset {
    name: "live",
    extension: "js",
    kind: JS,
    text: || Cow::Borrowed(site::LIVE),
    made: LazyLock::new(|| Made::of(&LIVE)),
};

static ALL: [&Asset; 4] = [&STYLE, &DRAW, &PLOTLY, &LIVE];

impl Made {
    fn of(asset: &Asset) -> Self {
        let text = (asset.text)();
        let hash = Sha256::digest(text.as_bytes());
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        Self {
            url: format!("/assets/{}.{hash}.{}", asset.name, asset.extension),
            compressed: written.map(Bytes::from).unwrap_or_default(),
        }
    }
}

impl Asset {
    /// Where browsers find it.
    pub(crate) fn url(&self) -> &str {
        &self.made.url
    }
}

/// `GET /assets/{file}`.
pub(crate) async fn asset(
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let url = format!("/assets/{file}");
    // The first one to ask waits until all are compressed; others go on meanwhile.
    let found = tokio::task::spawn_blocking(move || ALL.iter().find(|it| it.url() == url));
    let asset = found.await.ok().flatten().ok_or_else(|| {
        Problem::not_found(format!("there is no file {file}")).hint("load the page again")
    })?;
    let takes_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|it| it.trim().starts_with("gzip")));
    let head = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    Ok(match takes_gzip {
        true => (head, [(header::CONTENT_ENCODING, "gzip")], asset.made.compressed.clone())
            .into_response(),
        false => (head, (asset.text)().into_owned()).into_response(),
    })
}
