//! Editing a definition: what it would do is shown before it is saved, and nothing that was typed is
//! ever lost.

use super::act::gone_to;
use super::diff::diff;
use super::history::difference;
use super::json::pretty;
use super::one::{REASON_MAX, before_and_after, found};
use super::{ANSWER, SHOWN_BYTES_MAX, by, done, flag_url, now, page, stalled, trail};
use crate::app::App;
use crate::author::Sender;
use crate::flags::edit::{Base, Edit, Refused, within};
use crate::flags::registry::compiled;
use crate::flags::seen::Moves;
use crate::flags::snapshot::Entry;
use crate::form::{self, Form};
use crate::pages::parts::{Column, Table, finding_line, section};
use crate::pages::site::{Step, capital};
use crate::pages::words::{LINE, NAME, count, counted, moment, outside, percent};
use crate::problem::Problem;
use crate::url::{Names, Parameters};
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use seaway_core::flags::{Flag, Problem as Objection};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The longest definition that is edited on a page, in bytes.
const DEFINITION_BYTES_MAX: usize = 256 << 10;
/// Problems of a definition that are listed.
const PROBLEMS: usize = 50;
/// Moves between variants that are listed.
const MOVES: usize = 20;
/// The longest reason of a problem, in characters.
const PROBLEM_CHARS: usize = 400;

/// What is to be filled in.
struct Draft {
    definition: String,
    reason: String,
    /// The revision that the definition was made of.
    base: u64,
    unlock: bool,
}

/// What is said of a draft.
enum Said {
    /// Nothing yet.
    Nothing,
    /// What it would do.
    Preview(Box<Preview>),
    /// Why it cannot be saved, each with its place.
    Problems(Vec<Objection>),
    /// It was not saved: why.
    Refused(StatusCode, String),
    /// Somebody else was faster.
    Conflict,
}

struct Preview {
    answers: [String; 2],
    moves: Moves,
    /// Why it is shown although it was to be saved.
    is_anew: bool,
}

/// `GET /flags/{environment}/{key}/edit`.
pub(crate) async fn edit(
    State(app): State<Arc<App>>,
    Names((environment, key)): Names<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let entry = found(&app, &environment, &key)?;
    let draft = Draft {
        definition: pretty(entry.source()),
        reason: String::new(),
        base: entry.revision.revision,
        unlock: false,
    };
    if entry.source().len() > DEFINITION_BYTES_MAX {
        let what = format!(
            "a definition of more than {} KiB is not edited here",
            DEFINITION_BYTES_MAX >> 10
        );
        return Err(Problem::too_large(what).hint("use seaway flag set"));
    }
    shown(&app, &entry, &headers, &draft, Said::Nothing)
}

/// `POST /flags/{environment}/{key}/edit`: shows what a definition would do, or saves it.
pub(crate) async fn edited(
    State(app): State<Arc<App>>,
    Names((environment, key)): Names<(String, String)>,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let Extension(form) = form.unwrap_or_default();
    let entry = found(&app, &environment, &key)?;
    let field = |name: &str| form.get(name).unwrap_or_default();
    let base = field("base")
        .parse()
        .map_err(|_| Problem::bad_request("the form does not say its base"))?;
    let draft = Draft {
        // As forms write the ends of lines.
        definition: field("definition").replace("\r\n", "\n").trim().to_owned(),
        reason: field("reason").to_owned(),
        base,
        unlock: field("unlock") == "yes",
    };
    let flag = match read(&app, &entry, &draft.definition) {
        Ok(flag) => flag,
        Err(problems) => return shown(&app, &entry, &headers, &draft, Said::Problems(problems)),
    };
    if draft.base != entry.revision.revision {
        return shown(&app, &entry, &headers, &draft, Said::Conflict);
    }
    let is_previewed = field("previewed") == mark(&draft);
    if field("do") != "save" || !is_previewed {
        let moves = moves(&app, &entry, &flag).await;
        let answers = before_and_after(&entry, &flag);
        let preview = Preview { answers, moves, is_anew: field("do") == "save" };
        return shown(&app, &entry, &headers, &draft, Said::Preview(Box::new(preview)));
    }
    let edit = Edit {
        base: Base::Revision(draft.base),
        by: sender.by,
        from: sender.from.to_string(),
        reason: draft.reason.clone(),
        unlock: draft.unlock,
    };
    let definition = RawValue::from_string(draft.definition.clone());
    let saved = match definition {
        Ok(definition) => app.flags.set(&environment, &key, &definition, edit).await,
        Err(error) => Err(Refused::Json(error)),
    };
    let said = match saved {
        Ok(_) => return Ok(gone_to(&environment, &key)),
        Err(Refused::Conflict { .. }) => Said::Conflict,
        Err(Refused::Objections(problems)) => Said::Problems(problems),
        Err(refused) => {
            let problem = Problem::from(refused);
            Said::Refused(problem.status(), problem.detail().to_owned())
        }
    };
    // It may be another one by now.
    let entry = found(&app, &environment, &key)?;
    shown(&app, &entry, &headers, &draft, said)
}

/// The flag that a text defines, and that people may want.
fn read(app: &App, entry: &Entry, text: &str) -> Result<Arc<Flag>, Vec<Objection>> {
    let (environment, key) = (&entry.revision.environment, entry.key());
    let whole = |reason: String| vec![Objection { place: String::new(), reason }];
    if text.len() > DEFINITION_BYTES_MAX {
        let most = DEFINITION_BYTES_MAX >> 10;
        return Err(whole(format!(
            "a definition of more than {most} KiB is not edited here: use seaway flag set"
        )));
    }
    // Tells the line and the column of what is no JSON.
    serde_json::from_str::<&RawValue>(text)
        .map_err(|error| whole(format!("this is no JSON: {error}")))?;
    let flag = compiled(&app.flags.around(environment), key, text).map_err(|it| within(key, it))?;
    match flag.objections() {
        [] => Ok(flag),
        objections => Err(within(key, objections.to_vec())),
    }
}

/// Names a draft, so that what is saved is what was previewed.
fn mark(draft: &Draft) -> String {
    let hash = Sha256::digest(format!("{} {}", draft.base, draft.definition).as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Who of those who were seen lately would move; of a flag that is off, nobody does.
async fn moves(app: &Arc<App>, entry: &Arc<Entry>, flag: &Arc<Flag>) -> Moves {
    let environment = app.flags.environment(&entry.revision.environment);
    let (before, after, now) = (entry.flag.clone(), Arc::clone(flag), now(app));
    let is_off = entry.revision.off;
    let work = move || {
        let after = if is_off { before.as_deref() } else { Some(&*after) };
        environment.map(|it| it.seen.moves(before.as_deref(), after, now))
    };
    tokio::task::spawn_blocking(work).await.ok().flatten().unwrap_or_else(Moves::nobody)
}

fn shown(
    app: &Arc<App>,
    entry: &Entry,
    headers: &HeaderMap,
    draft: &Draft,
    said: Said,
) -> Result<Response, Problem> {
    let bound = app.access.bound(headers)?;
    let (environment, key) = (entry.revision.environment.as_str(), entry.key());
    let status = match &said {
        Said::Nothing | Said::Preview(_) => StatusCode::OK,
        Said::Problems(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Said::Conflict => StatusCode::PRECONDITION_FAILED,
        Said::Refused(status, _) => *status,
    };
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Editing a flag in " (outside(environment, NAME)) }
            h1 { (outside(key, LINE)) }
            (stalled(app))
            (answer(entry, draft, &said))
        } }
        main.frame {
            @match &said {
                Said::Preview(preview) => (section("preview", "Who moves", "Of the units that this server has seen in \
                    the last 7 days, those who would get another variant.", &who_moves(preview))),
                Said::Problems(problems) => (section("problems", "What is wrong", "Places are JSON pointers into the \
                    definition.", &problem_table(problems))),
                Said::Conflict => (section("conflict", "What was changed", "From what you wrote to how it is now. What you \
                    wrote is in the form below, as you wrote it.", &conflict(entry, draft))),
                Said::Nothing | Said::Refused(..) => {}
            }
            (section("edit", "Definition", "flagd's JSON of one flag. It is saved as you write it, after you have seen \
                what it does.", &fields(entry, draft, &said, &bound.proof)))
        }
    };
    let mut trail = trail(environment);
    trail.push(Step { url: flag_url(environment, key), name: key.to_owned() });
    Ok(bound.answer((status, page("Edit", trail, None, body))))
}

/// The answer first: what would be, or why it cannot be.
fn answer(entry: &Entry, draft: &Draft, said: &Said) -> Markup {
    html! { @match said {
        Said::Nothing => p.verdict { "Now: " (outside(&super::answer(entry), ANSWER)) },
        Said::Preview(preview) => {
            div.median {
                @let [before, after] = &preview.answers;
                @if entry.revision.off {
                    p.lead { "It stays off for everyone, until somebody turns it on. Then:" }
                    p.big.long { (outside(after, ANSWER)) }
                } @else if before == after {
                    p.lead { "As now:" }
                    p.big.long { (outside(after, ANSWER)) }
                } @else {
                    p.lead { "From " strong { (outside(before, ANSWER)) } " to" }
                    p.big.long { (outside(after, ANSWER)) }
                }
                p.evidence { "It is not saved yet." @if preview.is_anew {
                    " It was changed after you looked at what it does: look again, and save it." } }
            }
        }
        Said::Problems(problems) => div.notice role="alert" {
            p { strong { "It cannot be saved. " } (capital(&counted(problems.len(), "thing is", "things are"))) " wrong." }
        },
        Said::Conflict => div.notice role="alert" {
            p { strong { "It was not saved." } " You began with revision " (draft.base) ". Meanwhile it was "
                (done(entry.revision.action)) " by " (by(&entry.revision.by)) " at " (moment(Some(entry.revision.at)))
                " UTC, and is revision " (entry.revision.revision) " now." }
        },
        Said::Refused(_, what) => div.notice role="alert" {
            p { strong { "It was not saved." } " " (outside(&capital(what), PROBLEM_CHARS)) "." }
        },
    } }
}

fn who_moves(preview: &Preview) -> Markup {
    let moves = &preview.moves;
    let variant = |name: &Option<String>| {
        html! { @match name { Some(name) => (outside(name, NAME)), None => "the code's own default" } }
    };
    let finding = match moves.share {
        None => "Nobody was seen lately, so nobody can say who moves".to_owned(),
        Some(_) if moves.moved == 0 => "Nobody who was seen lately moves".to_owned(),
        Some(share) => format!(
            "{} of {} move: {}",
            count(moves.moved),
            counted(moves.seen, "unit", "units"),
            percent(share)
        ),
    };
    let rows = moves.moves.iter().take(MOVES).map(|it| {
        let share = it.units as f64 / moves.seen.max(1) as f64;
        vec![
            variant(&it.from),
            variant(&it.to),
            html! { (count(it.units)) },
            html! { (percent(share)) },
        ]
    });
    let table = Table {
        caption: "Who moves".to_owned(),
        columns: &[
            Column::Text("From"),
            Column::Text("To"),
            Column::Number("Units"),
            Column::Number("Share"),
        ],
        rows: rows.collect(),
    };
    html! {
        (finding_line(&finding, ""))
        @if !table.rows.is_empty() { (table.markup()) }
    }
}

fn problem_table(problems: &[Objection]) -> Markup {
    let row = |it: &Objection| {
        let place = if it.place.is_empty() { "all of it" } else { &it.place };
        vec![html! { code { (outside(place, LINE)) } }, outside(&it.reason, PROBLEM_CHARS)]
    };
    let table = Table {
        caption: "What is wrong".to_owned(),
        columns: &[Column::Text("Place"), Column::Text("What is wrong")],
        rows: problems.iter().take(PROBLEMS).map(row).collect(),
    };
    let more = problems.len().saturating_sub(PROBLEMS);
    html! {
        (table.markup())
        @if more > 0 { p.note { "And " (counted(more, "more", "more")) "." } }
    }
}

/// What is there now, beside what was written.
fn conflict(entry: &Entry, draft: &Draft) -> Markup {
    let source = entry.source();
    if source.len().max(draft.definition.len()) > SHOWN_BYTES_MAX {
        return html! { p.note { "The definitions are too long to be compared here." } };
    }
    let (mine, theirs) = (pretty(&draft.definition), pretty(source));
    html! {
        h3 { "From yours (−) to what is there now (+)" }
        (difference(&diff(&mine, &theirs)))
        h3 { "As it is now" }
        @if source.is_empty() { p { "It was deleted." } }
        @else { pre.code tabindex="0" aria-label="As it is now" { (theirs) } }
    }
}

fn fields(entry: &Entry, draft: &Draft, said: &Said, proof: &str) -> Markup {
    let (environment, key) = (entry.revision.environment.as_str(), entry.key());
    let is_previewed = matches!(said, Said::Preview(_));
    let rows = draft.definition.lines().count().clamp(12, 40);
    // Who has seen what somebody else saved goes on from there.
    let base = entry.revision.revision;
    html! {
        form.edit action={ (flag_url(environment, key)) "/edit" } method="post" {
            input type="hidden" name=(form::FIELD) value=(proof);
            input type="hidden" name="base" value=(base);
            @if is_previewed { input type="hidden" name="previewed" value=(mark(draft)); }
            label { "Definition"
                // Browsers pass over the first line, if it is empty.
                textarea name="definition" rows=(rows) spellcheck="false" autocapitalize="off" autocomplete="off" required {
                    "\n" (draft.definition)
                }
            }
            label { "Why"
                input name="reason" maxlength=(REASON_MAX) value=(draft.reason) autocomplete="off";
            }
            @if entry.revision.lock.is_some() {
                label.check {
                    input type="checkbox" name="unlock" value="yes" checked[draft.unlock];
                    " Take its lock away: the reason says why it may go on"
                }
            }
            p.buttons {
                @if is_previewed {
                    button type="submit" name="do" value="save" { "Save" }
                    button.quiet type="submit" name="do" value="preview" { "Preview again" }
                } @else {
                    button type="submit" name="do" value="preview" { "Preview" }
                }
                a href=(flag_url(environment, key)) { "Leave it as it is" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::seen::Move;

    #[test]
    fn who_moves_is_told_with_its_share() {
        let told = |seen: usize, moves: Vec<Move>| {
            let moved = moves.iter().map(|it| it.units).sum();
            let share = (seen > 0).then(|| moved as f64 / seen as f64);
            let moves = Moves { seen, moved, share, moves };
            let answers = ["a".to_owned(), "b".to_owned()];
            who_moves(&Preview { answers, moves, is_anew: false }).into_string()
        };
        assert!(told(0, Vec::new()).contains("nobody can say who moves"));
        assert!(told(9, Vec::new()).contains("Nobody who was seen lately moves"));
        let some = Move { from: Some("<off>".to_owned()), to: None, units: 10 };
        let page = told(1_000, vec![some]);
        assert!(page.contains("10 of 1,000 units move: 1\u{a0}%"), "{page}");
        assert!(page.contains("&lt;off&gt;") && page.contains("the code's own default"), "{page}");
    }
}
