//! Lists: all flags, one flag, and its history.

use super::{Row, Whole, state, tag};
use crate::app::App;
use crate::author::Author;
use crate::flags::edit::Refused;
use crate::flags::revision::Revision;
use crate::flags::snapshot::{Entry, Snapshot};
use crate::problem::Problem;
use crate::sheet::{Column, failed, written};
use crate::url::{Names, Parameters};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use seaway_core::time::Time;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Rows of a page, unless the URL says otherwise, and at most; the same of a CSV file.
const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
const SHEET_MAX: i64 = 10_000;

/// The parameters that narrow the list down.
const FILTERS: [&str; 7] = ["environment", "owner", "purpose", "state", "q", "limit", "format"];
const STATES: [&str; 4] = ["on", "off", "disabled", "broken"];

const COLUMNS: &[Column] = &[
    ("environment", "/environment"),
    ("key", "/key"),
    ("revision", "/revision"),
    ("state", "/state"),
    ("kind", "/kind"),
    ("variants", "/variants"),
    ("default_variant", "/default_variant"),
    ("off_variant", "/off_variant"),
    ("targeted", "/targeted"),
    ("owner", "/owner"),
    ("purpose", "/purpose"),
    ("expires", "/expires"),
    ("bucketing", "/bucketing"),
    ("locked", "/locked"),
    ("ramping", "/ramping"),
    ("action", "/action"),
    ("changed_at", "/changed_at"),
    ("changed_by_id", "/changed_by/id"),
    ("changed_by_name", "/changed_by/name"),
    ("reason", "/reason"),
];

#[derive(Serialize)]
struct Page<T> {
    rows: Vec<T>,
    /// What the next page begins after.
    next: Option<String>,
}

#[derive(Serialize)]
struct FlagPage<'e> {
    #[serde(flatten)]
    page: Page<Row<'e>>,
    /// Since when the log cannot be read, so that flags are as they were then.
    stale_since: Option<Time>,
}

/// What flags have to be like.
struct Filter<'p> {
    owner: Option<&'p str>,
    purpose: Option<&'p str>,
    state: Option<&'static str>,
    q: Option<String>,
}

impl Filter<'_> {
    fn takes(&self, entry: &Entry) -> bool {
        self.owner.is_none_or(|owner| entry.metadata("owner") == Some(owner))
            && self.purpose.is_none_or(|purpose| entry.metadata("purpose") == Some(purpose))
            && self.state.is_none_or(|wanted| state(entry) == wanted)
            && self.q.as_deref().is_none_or(|q| entry.key().to_lowercase().contains(q))
    }
}

/// `GET /api/v1/flags`: all flags, by environment and key.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let allowed = [&FILTERS[..], &["after"]].concat();
    let parameters = Parameters::of(query.as_deref(), &allowed)?;
    let is_sheet = parameters.word("format", &["json", "csv"])? == Some("csv");
    let most = if is_sheet { SHEET_MAX } else { LIMIT_MAX };
    let limit = parameters.number("limit", most)?.unwrap_or(if is_sheet { most } else { LIMIT });
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = parameters.text("after").unwrap_or_default();
    let after = after.split_once('/').unwrap_or((after, ""));
    let filter = Filter {
        owner: parameters.text("owner"),
        purpose: parameters.text("purpose"),
        state: parameters.word("state", &STATES)?,
        q: parameters.text("q").map(str::to_lowercase),
    };
    let environment = parameters.text("environment");
    if let Some(environment) = environment {
        crate::environment::check(environment).map_err(Problem::bad_request)?;
    }
    let names = app.flags.environments();
    let names = names.iter().filter(|name| environment.is_none_or(|wanted| wanted == &***name));
    let snapshots: Vec<Arc<Snapshot>> = names.filter_map(|name| app.flags.snapshot(name)).collect();
    let all = snapshots.iter().flat_map(|snapshot| &snapshot.entries).filter(|entry| {
        let place = (entry.revision.environment.as_str(), entry.key());
        place > after && filter.takes(entry)
    });
    let found: Vec<&Arc<Entry>> = all.take(limit + 1).collect();
    let last = found.get(limit.wrapping_sub(1)).filter(|_| found.len() > limit);
    let next = last.map(|it| format!("{}/{}", it.revision.environment, it.key()));
    let rows: Vec<Row<'_>> = found.iter().take(limit).map(|it| Row::of(it)).collect();
    if !is_sheet {
        let stale_since = app.flags.failing_since().map(|it| Time(it.div_euclid(1_000_000)));
        return Ok(Json(FlagPage { page: Page { rows, next }, stale_since }).into_response());
    }
    let rows: Result<Vec<_>, _> = rows.iter().map(serde_json::to_value).collect();
    let rows = rows.map_err(|error| failed(&error))?;
    let mut answer = written("flags", COLUMNS, rows.iter())?;
    if let Some(next) = next {
        answer.headers_mut().extend(link(&parameters, &next).map(|link| (header::LINK, link)));
    }
    Ok(answer)
}

/// Where the rows go on.
fn link(parameters: &Parameters, after: &str) -> Option<HeaderValue> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut query = format!("?after={}", encoded(after));
    for name in FILTERS {
        if let Some(value) = parameters.text(name) {
            query.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    HeaderValue::from_str(&format!("<{query}>; rel=\"next\"")).ok()
}

/// The flag of an environment and a key.
pub(in crate::flags) fn found(
    app: &App,
    environment: &str,
    key: &str,
) -> Result<Arc<Entry>, Problem> {
    let entry = app.flags.snapshot(environment).and_then(|it| it.get(key).map(Arc::clone));
    entry.ok_or_else(|| {
        let refused = Refused::NotFound(format!("there is no flag {key} in {environment}"));
        Problem::from(refused).hint("seaway flag list shows all")
    })
}

/// `GET /api/v1/flags/{environment}/{key}`: all of one flag; its revision is the tag.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Names((environment, key)): Names<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let entry = found(&app, &environment, &key)?;
    Ok((tag(entry.revision.revision), Json(Whole::of(&entry))).into_response())
}

#[derive(Serialize)]
struct Past {
    revision: u64,
    action: &'static str,
    at: Time,
    by: Author,
    reason: String,
    off: bool,
    locked: bool,
    definition: Option<Box<RawValue>>,
}

impl From<Revision> for Past {
    fn from(it: Revision) -> Self {
        let (action, locked) = (it.action.name(), it.lock.is_some());
        let Revision { revision, at, by, reason, off, definition, .. } = it;
        Self { revision, action, at, by, reason, off, locked, definition }
    }
}

/// `GET /api/v1/flags/{environment}/{key}/history`: its revisions, the newest first; also of a flag
/// that was deleted.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Names((environment, key)): Names<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["limit", "after"])?;
    let limit = parameters.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT);
    let before = parameters.number("after", i64::MAX)?.unwrap_or(i64::MAX);
    if app.flags.newest(&environment, &key).is_none() {
        found(&app, &environment, &key)?;
    }
    let most = limit.saturating_add(1);
    let revisions = app.flags.history(&environment, &key, before, most).await;
    let mut revisions = revisions.map_err(|error| Problem::from(Refused::from(error)))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = revisions.len() > limit;
    revisions.truncate(limit);
    let next = revisions.last().filter(|_| has_more).map(|(position, _)| position.to_string());
    let rows: Vec<Past> = revisions.into_iter().map(|(_, revision)| revision.into()).collect();
    Ok(Json(Page { rows, next }).into_response())
}
