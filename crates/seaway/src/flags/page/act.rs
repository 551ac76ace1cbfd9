//! The forms of a flag's page: turning it off and on, and going back to an earlier revision.

use super::flag_url;
use super::one::{Notice, Wish, shown};
use crate::app::App;
use crate::author::Sender;
use crate::flags::edit::{Base, Edit, Refused};
use crate::flags::snapshot::Entry;
use crate::form::Form;
use crate::problem::Problem;
use crate::url::Names;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

type Key = Names<(String, String)>;

/// A number in a form.
fn number(form: &Form, name: &str) -> Result<u64, Problem> {
    let number = form.get(name).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Problem::bad_request(format!("the form does not say its {name}")))
}

fn edit(form: &Form, base: Base, sender: &Sender) -> Edit {
    Edit {
        base,
        by: sender.by.clone(),
        from: sender.from.to_string(),
        reason: form.get("reason").unwrap_or_default().to_owned(),
        unlock: form.get("unlock") == Some("yes"),
    }
}

/// Back on the flag's page.
pub(super) fn gone_to(environment: &str, key: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, flag_url(environment, key))]).into_response()
}

/// What a form did, or the page that says why it did nothing.
async fn answered(
    app: &Arc<App>,
    (environment, key): (&str, &str),
    sender: &Sender,
    headers: &HeaderMap,
    changed: Result<Arc<Entry>, Refused>,
    wish: Wish,
) -> Result<Response, Problem> {
    let refused = match changed {
        Ok(_) => return Ok(gone_to(environment, key)),
        Err(refused) => refused,
    };
    let is_locked = matches!(refused, Refused::Locked(_));
    let problem = Problem::from(refused);
    if problem.status() == StatusCode::NOT_FOUND {
        return Err(problem);
    }
    let what = problem.detail().to_owned();
    let notice = Notice { status: problem.status(), what, locked: is_locked.then_some(wish) };
    shown(app, (environment, key), None, sender, headers, Some(notice)).await
}

/// `POST /flags/{environment}/{key}/off`: at once, whatever its revision is.
pub(crate) async fn off(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let Extension(form) = form.unwrap_or_default();
    let changed = app.flags.off(&environment, &key, edit(&form, Base::Any, &sender)).await;
    let wish = Wish { verb: "off", fields: Vec::new() };
    answered(&app, (&environment, &key), &sender, &headers, changed, wish).await
}

/// `POST /flags/{environment}/{key}/on`: the revision that whoever sent the form has seen.
pub(crate) async fn on(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let Extension(form) = form.unwrap_or_default();
    let base = Base::Revision(number(&form, "base")?);
    let changed = app.flags.on(&environment, &key, edit(&form, base, &sender)).await;
    let wish = Wish { verb: "on", fields: Vec::new() };
    answered(&app, (&environment, &key), &sender, &headers, changed, wish).await
}

/// `POST /flags/{environment}/{key}/restore`: makes an earlier revision the newest again.
pub(crate) async fn restore(
    State(app): State<Arc<App>>,
    Names((environment, key)): Key,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let Extension(form) = form.unwrap_or_default();
    let base = Base::Revision(number(&form, "base")?);
    let revision = number(&form, "revision")?;
    let edit = edit(&form, base, &sender);
    let changed = app.flags.restore(&environment, &key, revision, edit).await;
    let wish = Wish { verb: "restore", fields: vec![("revision", revision.to_string())] };
    answered(&app, (&environment, &key), &sender, &headers, changed, wish).await
}
