//! Changes: of one flag, and of a whole environment by a file.

use super::rows::found;
use super::{Tag, Whole, precondition, tag};
use crate::app::App;
use crate::author::Sender;
use crate::flags::edit::{Base, Edit, Refused};
use crate::flags::import::{Imported, Onto};
use crate::flags::registry::{FLAG_BYTES_MAX, compiled};
use crate::flags::seen::Moves;
use crate::flags::snapshot::{Entry, Version};
use crate::problem::{Misfit, Problem};
use crate::url::{Names, Parameters};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use seaway_core::flags::Problem as Objection;
use seaway_core::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

/// What a body may have beside a definition, in bytes.
const ROOM: usize = 64 << 10;

/// What somebody wants to change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    /// flagd's JSON of one flag.
    definition: Option<Box<RawValue>>,
    reason: String,
    /// The revision that is changed; 0 for a flag that is not there yet.
    base: Option<u64>,
    /// The revision that is restored.
    revision: Option<u64>,
    /// Whether the lock of the flag is taken away.
    unlock: bool,
}

impl Wish {
    async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let body = app.budget.read(headers, body).await?;
        if body.bytes.is_empty() {
            return Ok(Self::default());
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(Problem::unsupported("a flag is changed with application/json"));
        }
        if body.bytes.len() > FLAG_BYTES_MAX + ROOM {
            let what = format!("a flag has at most {} KiB", FLAG_BYTES_MAX >> 10);
            return Err(Problem::too_large(what));
        }
        serde_json::from_slice(&body.bytes).map_err(|error| {
            Problem::bad_request(format!("this changes no flag: {error}"))
                .hint("send {\"definition\": {…}, \"reason\": \"…\", \"base\": 3}")
        })
    }

    /// The change as it is made by somebody.
    fn edit(&self, headers: &HeaderMap, sender: Sender) -> Result<(Option<Base>, Edit), Problem> {
        let told = precondition(headers)?.map(Tag::base).transpose()?;
        let base = match (told, self.base) {
            (Some(told), None) => Some(told),
            (None, Some(0)) => Some(Base::Nothing),
            (None, Some(base)) => Some(Base::Revision(base)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(Problem::bad_request(
                    "the revision is named twice: in a header and as \
                     base",
                ));
            }
        };
        let edit = Edit {
            base: base.unwrap_or(Base::Any),
            by: sender.by,
            from: sender.from.to_string(),
            reason: self.reason.clone(),
            unlock: self.unlock,
        };
        Ok((base, edit))
    }
}

/// The change, which has to say what it changes.
fn based(
    app: &App,
    (environment, key): (&str, &str),
    (base, edit): (Option<Base>, Edit),
) -> Result<Edit, Problem> {
    match base {
        Some(_) => Ok(edit),
        None => Err(Refused::NoBase { current: app.flags.current(environment, key) }.into()),
    }
}

fn changed(entry: Result<Arc<Entry>, Refused>) -> Result<Response, Problem> {
    let entry = entry?;
    Ok((tag(entry.revision.revision), Json(Whole::of(&entry))).into_response())
}

type Key = Names<(String, String)>;

/// `PUT /api/v1/flags/{environment}/{key}`: writes its definition.
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let wish = Wish::read(&app, &headers, body).await?;
    let edit = based(&app, (&environment, &key), wish.edit(&headers, sender)?)?;
    let definition = wish.definition.ok_or_else(no_definition)?;
    changed(app.flags.set(&environment, &key, &definition, edit).await)
}

fn no_definition() -> Problem {
    Problem::bad_request("there is no definition").hint("send {\"definition\": {…}}")
}

/// `POST …/off`: turns it off, whatever its revision is.
pub(crate) async fn off(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let wish = Wish::read(&app, &headers, body).await?;
    let (_, edit) = wish.edit(&headers, sender)?;
    changed(app.flags.off(&environment, &key, edit).await)
}

/// `POST …/on`: turns it on again.
pub(crate) async fn on(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let wish = Wish::read(&app, &headers, body).await?;
    let (_, edit) = wish.edit(&headers, sender)?;
    changed(app.flags.on(&environment, &key, edit).await)
}

/// `POST …/restore`: makes an earlier revision the newest again.
pub(crate) async fn restore(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let wish = Wish::read(&app, &headers, body).await?;
    let edit = based(&app, (&environment, &key), wish.edit(&headers, sender)?)?;
    let revision = wish.revision.ok_or_else(|| {
        Problem::bad_request("it is not said which revision is restored")
            .hint("send {\"revision\": 2}")
    })?;
    changed(app.flags.restore(&environment, &key, revision, edit).await)
}

/// `DELETE /api/v1/flags/{environment}/{key}`.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["reason"])?;
    found(&app, &environment, &key)?;
    let reason = parameters.text("reason").unwrap_or_default().to_owned();
    let wish = Wish { reason, ..Wish::default() };
    let edit = based(&app, (&environment, &key), wish.edit(&headers, sender)?)?;
    changed(app.flags.delete(&environment, &key, edit).await)
}

/// What a definition would do if it were written.
#[derive(Serialize)]
struct Preview {
    /// The revision that is there now; 0 if there is none.
    revision: u64,
    /// What keeps it from being written.
    problems: Vec<Misfit>,
    /// Whom it would move; `None` if it cannot be written.
    moves: Option<Moves>,
}

fn misfits<'p>(problems: impl IntoIterator<Item = &'p Objection>) -> Vec<Misfit> {
    problems.into_iter().map(|it| Misfit::of(&it.place, &it.reason)).collect()
}

/// `POST …/preview`: who would move if a definition were written, and whether it can be.
pub(crate) async fn preview(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    crate::environment::check(&environment).map_err(Problem::bad_request)?;
    crate::flags::revision::check_key(&key).map_err(Problem::bad_request)?;
    let wish = Wish::read(&app, &headers, body).await?;
    let definition = wish.definition.ok_or_else(no_definition)?;
    let revision = app.flags.current(&environment, &key);
    let around = app.flags.around(&environment);
    let flag = match compiled(&around, &key, definition.get()) {
        Err(problems) => {
            let problems = misfits(&crate::flags::edit::within(&key, problems));
            return Ok(Json(Preview { revision, problems, moves: None }).into_response());
        }
        Ok(flag) => flag,
    };
    let problems = misfits(&crate::flags::edit::within(&key, flag.objections().to_vec()));
    let now = Time((app.clock)().div_euclid(1_000_000));
    let flags = Arc::clone(&app.flags);
    let moves = tokio::task::spawn_blocking(move || {
        let environment = flags.environment(&environment)?;
        let before = environment.snapshot().get(&key).and_then(|entry| entry.flag.clone());
        Some(environment.seen.moves(before.as_deref(), Some(&flag), now))
    });
    let moves = moves.await.ok().flatten().unwrap_or_else(Moves::nobody);
    Ok(Json(Preview { revision, problems, moves: Some(moves) }).into_response())
}

/// What a file changed, and what is odd about it.
#[derive(Serialize)]
struct Done {
    /// The version of the environment now: the tag of its export.
    version: String,
    #[serde(flatten)]
    imported: Imported,
    /// What flagd takes although nobody can want it.
    objections: Vec<Misfit>,
}

/// `POST /api/v1/flags/{environment}/import`: a file of flagd, all of it or nothing.
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Names(environment): Names<String>,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["replace", "reason"])?;
    let replace = parameters.word("replace", &["true", "false"])? == Some("true");
    let onto = match precondition(&headers)? {
        Some(Tag::Any) => Onto::Any,
        Some(Tag::Nothing) => Onto::Version(Version::default()),
        Some(Tag::Text(text)) => {
            Onto::Version(Version::of(&text).ok_or_else(|| {
                Problem::bad_request(format!("\"{text}\" is the tag of no export"))
            })?)
        }
        None => {
            return Err(Problem::no_base("say which version of the environment the file is for")
                .hint("send If-Match with the tag of the export, or If-Match: * for any"));
        }
    };
    let wish = Wish {
        reason: parameters.text("reason").unwrap_or_default().to_owned(),
        ..Wish::default()
    };
    let (_, edit) = wish.edit(&HeaderMap::new(), sender)?;
    let body = app.budget.read(&headers, body).await?;
    let flags = Arc::clone(&app.flags);
    let name = environment.clone();
    // Reading it takes a while, in which others are to be answered.
    let runtime = tokio::runtime::Handle::current();
    let bytes: Bytes = body.bytes.clone();
    let work = move || runtime.block_on(flags.import(&name, &bytes, onto, replace, edit));
    let imported = tokio::task::spawn_blocking(work).await.map_err(|_| Problem::fault())?;
    let imported = imported?;
    let version = app.flags.snapshot(&environment).map(|it| it.version).unwrap_or_default();
    let objections = misfits(&imported.objections);
    let version = version.to_string();
    Ok((tag(&version), Json(Done { version, imported, objections })).into_response())
}

/// `GET /api/v1/flags/{environment}/export`: all flags in flagd's format.
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Names(environment): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let snapshot = app
        .flags
        .snapshot(&environment)
        .ok_or_else(|| Problem::not_found(format!("there is no environment {environment}")))?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((tag(snapshot.version), kind, snapshot.export()).into_response())
}
