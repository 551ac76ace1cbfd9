//! Exposures and outcomes that are sent as plain JSON, described by `docs/openapi.json`.

use super::audience::Audience;
use super::intake::{Exposure, ITEMS_MAX, Intake, Outcome, Taken, Wrong};
use crate::app::App;
use crate::body::Taken as Body;
use crate::problem::{Problem, Rejected};
use axum::Json;
use axum::body::Body as Sent;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Items that are named in an answer, of those that were not taken.
const REJECTED_MAX: usize = 1_000;

/// A text of a request: a part of it, unless it is written with escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    /// Unix microseconds, if it is RFC 3339.
    fn micros(&self) -> Result<i64, Wrong> {
        let moment: Result<jiff::Timestamp, _> = self.0.parse();
        moment.map(jiff::Timestamp::as_microsecond).map_err(|_| "the time is not RFC 3339".into())
    }
}

/// What is looked at of the attributes of a unit.
#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    audience: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExposureSent<'a> {
    #[serde(borrow)]
    flag: Text<'a>,
    variant: Text<'a>,
    unit: Option<Text<'a>>,
    environment: Option<Text<'a>>,
    time: Option<Text<'a>>,
    audience: Option<Text<'a>>,
    attributes: Option<Attributes<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomeSent<'a> {
    #[serde(borrow)]
    unit: Text<'a>,
    metric: Text<'a>,
    value: f64,
    environment: Option<Text<'a>>,
    time: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExposuresSent<'a> {
    #[serde(borrow)]
    environment: Option<Text<'a>>,
    exposures: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomesSent<'a> {
    #[serde(borrow)]
    environment: Option<Text<'a>>,
    outcomes: &'a RawValue,
}

/// What became of what was sent.
#[derive(Serialize)]
struct Answer {
    /// Items that are on the log now.
    accepted: usize,
    /// Items of a batch that was sent before: they change nothing.
    known: usize,
    /// Items that were not taken: the first thousand.
    rejected: Vec<Rejected>,
    /// How many were not taken.
    rejected_count: usize,
    /// The newest place on the log that they have.
    position: Option<i64>,
}

/// Calls something with each item of a list of JSON, one after the other: none is kept.
pub(super) fn each<'a, E>(
    list: &'a RawValue,
    call: impl FnMut(&'a RawValue) -> Result<(), E>,
) -> Result<Result<(), E>, serde_json::Error> {
    struct Each<F>(F);
    impl<'de, E, F: FnMut(&'de RawValue) -> Result<(), E>> serde::de::Visitor<'de> for Each<F> {
        type Value = Result<(), E>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            mut self,
            mut items: A,
        ) -> Result<Self::Value, A::Error> {
            while let Some(item) = items.next_element::<&'de RawValue>()? {
                if let Err(error) = self.0(item) {
                    while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        }
    }
    let mut json = serde_json::Deserializer::from_str(list.get());
    serde::Deserializer::deserialize_seq(&mut json, Each(call))
}

/// Reads the items of a batch, each by itself.
fn items<'a>(
    list: &'a RawValue,
    mut take: impl FnMut(&'a str) -> Result<(), Wrong>,
) -> Result<Vec<(usize, Wrong)>, Problem> {
    let (mut index, mut wrong) = (0, Vec::new());
    let done = each(list, |item| {
        if index == ITEMS_MAX {
            return Err(Problem::too_large(format!("a batch has {ITEMS_MAX} items at most"))
                .hint("send fewer at once"));
        }
        if let Err(why) = take(item.get()) {
            wrong.push((index, why));
        }
        index += 1;
        Ok(())
    });
    done.map_err(|error| Problem::bad_request(format!("the items cannot be read: {error}")))??;
    Ok(wrong)
}

fn malformed(error: serde_json::Error) -> Wrong {
    error.to_string().into()
}

fn expose(intake: &mut Intake<'_>, usual: Option<&str>, item: &str) -> Result<(), Wrong> {
    let sent: ExposureSent<'_> = serde_json::from_str(item).map_err(malformed)?;
    let of_attributes = sent.attributes.as_ref().and_then(|it| it.audience.as_ref());
    let audience =
        match (&sent.audience, of_attributes) {
            (Some(told), _) => Some(Audience::told(&told.0).ok_or_else(|| {
                Wrong::from("the audience is none of team, internal and everyone")
            })?),
            // Attributes are the sender's own: an audience that is another word there is nobody's.
            (None, Some(told)) => Audience::told(&told.0),
            (None, None) => None,
        };
    intake.expose(&Exposure {
        environment: sent.environment.as_ref().map(|it| &*it.0).or(usual),
        flag: &sent.flag.0,
        variant: &sent.variant.0,
        unit: sent.unit.as_ref().map(|it| &*it.0),
        audience,
        time: sent.time.as_ref().map(Text::micros).transpose()?,
    })
}

fn conclude(intake: &mut Intake<'_>, usual: Option<&str>, item: &str) -> Result<(), Wrong> {
    let sent: OutcomeSent<'_> = serde_json::from_str(item).map_err(malformed)?;
    intake.conclude(&Outcome {
        environment: sent.environment.as_ref().map(|it| &*it.0).or(usual),
        unit: &sent.unit.0,
        metric: &sent.metric.0,
        value: sent.value,
        time: sent.time.as_ref().map(Text::micros).transpose()?,
    })
}

/// The body of a request that is JSON.
async fn json_body(app: &App, headers: &HeaderMap, body: Sent) -> Result<Body, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Problem::unsupported("this is sent as application/json"));
    }
    app.budget.read(headers, body).await
}

fn answered(taken: Taken, wrong: Vec<(usize, Wrong)>) -> Result<Response, Problem> {
    let rejected_count = wrong.len();
    let rejected: Vec<Rejected> = wrong
        .into_iter()
        .take(REJECTED_MAX)
        .map(|(index, why)| Rejected { index, reason: crate::pages::words::clean(&why, 300) })
        .collect();
    let Taken { accepted, known, position } = taken;
    if accepted + known == 0 && rejected_count > 0 {
        return Err(Problem::bad_request("none of the items can be taken").rejecting(rejected));
    }
    let status = if rejected_count == 0 { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let answer = Answer { accepted, known, rejected, rejected_count, position };
    Ok((status, Json(answer)).into_response())
}

fn unread(error: &serde_json::Error, hint: &str) -> Problem {
    Problem::bad_request(format!("the body cannot be read: {error}")).hint(hint)
}

/// `POST /api/v1/exposures`: who saw which variants.
pub(crate) async fn send_exposures(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    let body = json_body(&app, &headers, body).await?;
    let shared = &app.exposures.shared;
    let (batch, wrong) = tokio::task::block_in_place(|| {
        let sent: ExposuresSent<'_> = serde_json::from_slice(&body.bytes).map_err(|error| {
            let hint = "send {\"environment\": \"production\", \"exposures\": [{\"flag\": …, \
                        \"variant\": …, \"unit\": …, \"time\": …}]}";
            unread(&error, hint)
        })?;
        let usual = sent.environment.as_ref().map(|it| &*it.0);
        let mut intake = Intake::new(shared, (app.clock)());
        let wrong = items(sent.exposures, |item| expose(&mut intake, usual, item))?;
        Ok::<_, Problem>((intake.done(&[b"exposures", &body.bytes])?, wrong))
    })?;
    drop(body);
    answered(shared.append(batch).await?, wrong)
}

/// `POST /api/v1/outcomes`: what came of it, by unit and metric.
pub(crate) async fn send_outcomes(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    let body = json_body(&app, &headers, body).await?;
    let shared = &app.exposures.shared;
    let (batch, wrong) = tokio::task::block_in_place(|| {
        let sent: OutcomesSent<'_> = serde_json::from_slice(&body.bytes).map_err(|error| {
            let hint = "send {\"environment\": \"production\", \"outcomes\": [{\"unit\": …, \
                        \"metric\": …, \"value\": …, \"time\": …}]}";
            unread(&error, hint)
        })?;
        let usual = sent.environment.as_ref().map(|it| &*it.0);
        let mut intake = Intake::new(shared, (app.clock)());
        let wrong = items(sent.outcomes, |item| conclude(&mut intake, usual, item))?;
        Ok::<_, Problem>((intake.done(&[b"outcomes", &body.bytes])?, wrong))
    })?;
    drop(body);
    answered(shared.append(batch).await?, wrong)
}
