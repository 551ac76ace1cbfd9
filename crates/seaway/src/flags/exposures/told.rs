//! What is told of the exposures of a flag, described by `docs/openapi.json`.

use super::Exposures;
use super::audience::Audience;
use super::state::{Count, FlagTold, Span, VariantTold};
use crate::app::App;
use crate::problem::Problem;
use crate::sheet::{Column, written};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use seaway_core::time::Time;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer waits for events that are to be in it.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Exposures of a flag in an environment.
#[derive(Debug, Serialize)]
struct Told {
    environment: String,
    flag: String,
    /// The first and the last one.
    first: Option<Time>,
    last: Option<Time>,
    /// All that came in.
    received: u64,
    /// Units that have seen more than one variant.
    units_in_two_variants: u64,
    /// Units that were forgotten for want of room: when they come again, they are new.
    units_forgotten: u64,
    /// Exposures of units that there was no room for: they are in `received` alone.
    left_out: u64,
    variants: Vec<VariantRow>,
    audiences: Vec<AudienceRow>,
    hours: Vec<HourRow>,
}

#[derive(Debug, Serialize)]
struct VariantRow {
    variant: String,
    /// Units that have seen it.
    units: u64,
    received: u64,
    first: Option<Time>,
    last: Option<Time>,
    /// The first exposure outside the team.
    released: Option<Time>,
    /// Of these units and exposures, those that were before the hours that are told.
    units_before: u64,
    received_before: u64,
}

#[derive(Debug, Serialize)]
struct AudienceRow {
    variant: String,
    audience: &'static str,
    received: u64,
    first: Time,
    last: Time,
}

#[derive(Debug, Serialize)]
struct HourRow {
    hour: Time,
    variant: String,
    /// Units that saw the variant for the first time.
    units: u64,
    received: u64,
}

/// Unix milliseconds, to be told.
fn moment(millis: i64) -> Time {
    Time(millis.div_euclid(1_000))
}

impl Told {
    fn of(environment: String, flag: String, told: &FlagTold) -> Self {
        let variants: Vec<VariantRow> = told.variants.iter().map(VariantRow::of).collect();
        let mut hours: Vec<HourRow> = told.variants.iter().flat_map(HourRow::of).collect();
        hours.sort_by(|a, b| (a.hour, &a.variant).cmp(&(b.hour, &b.variant)));
        Self {
            environment,
            flag,
            first: variants.iter().filter_map(|it| it.first).min(),
            last: variants.iter().filter_map(|it| it.last).max(),
            received: variants.iter().map(|it| it.received).sum(),
            units_in_two_variants: told.in_two,
            units_forgotten: told.forgotten,
            left_out: told.left_out,
            audiences: told.variants.iter().flat_map(AudienceRow::of).collect(),
            variants,
            hours,
        }
    }
}

impl VariantRow {
    fn of(told: &VariantTold) -> Self {
        let spans = || told.audiences.iter().flatten();
        let hours = told.hours.iter().map(|(_, count)| count.units);
        Self {
            variant: told.name.clone(),
            units: hours.sum::<u64>() + told.before.units,
            received: spans().map(|span| span.received).sum(),
            first: spans().map(|span| moment(span.first)).min(),
            last: spans().map(|span| moment(span.last)).max(),
            released: told.released().map(moment),
            units_before: told.before.units,
            received_before: told.before.received,
        }
    }
}

impl AudienceRow {
    fn of(told: &VariantTold) -> impl Iterator<Item = Self> + '_ {
        Audience::ALL.iter().zip(told.audiences).filter_map(|(audience, span)| {
            let Span { first, last, received } = span?;
            let (variant, audience) = (told.name.clone(), audience.name());
            Some(Self { variant, audience, received, first: moment(first), last: moment(last) })
        })
    }
}

impl HourRow {
    fn of(told: &VariantTold) -> impl Iterator<Item = Self> + '_ {
        told.hours.iter().map(|(hour, Count { units, received })| Self {
            hour: Time(i64::from(*hour) * 3_600),
            variant: told.name.clone(),
            units: *units,
            received: *received,
        })
    }
}

/// A table of the answer, as CSV: its name, where its rows stand, and its columns.
type Table = (&'static str, &'static str, &'static [Column]);

const TABLES: [Table; 3] = [
    (
        "hours",
        "/hours",
        &[
            ("hour", "/hour"),
            ("variant", "/variant"),
            ("units", "/units"),
            ("received", "/received"),
        ],
    ),
    (
        "variants",
        "/variants",
        &[
            ("variant", "/variant"),
            ("units", "/units"),
            ("received", "/received"),
            ("first", "/first"),
            ("last", "/last"),
            ("released", "/released"),
            ("units_before", "/units_before"),
            ("received_before", "/received_before"),
        ],
    ),
    (
        "audiences",
        "/audiences",
        &[
            ("variant", "/variant"),
            ("audience", "/audience"),
            ("received", "/received"),
            ("first", "/first"),
            ("last", "/last"),
        ],
    ),
];

/// What the URL may say.
#[derive(Debug, Default)]
struct Wanted {
    format: Option<String>,
    table: Option<String>,
    position: Option<i64>,
}

impl Wanted {
    fn of(query: Option<&str>) -> Result<Self, Problem> {
        let wrong = || Problem::bad_request("the parameters of the URL cannot be read");
        let uri = format!("/?{}", query.unwrap_or_default()).parse().map_err(|_| wrong())?;
        let Query(pairs) =
            Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| wrong())?;
        let mut wanted = Self::default();
        for (name, value) in pairs {
            let was_given = match name.as_str() {
                "format" => wanted.format.replace(value).is_some(),
                "table" => wanted.table.replace(value).is_some(),
                "position" => {
                    let position = value.parse().map_err(|_| {
                        Problem::bad_request(format!("position={value} is not a number"))
                    })?;
                    wanted.position.replace(position).is_some()
                }
                _ => {
                    return Err(Problem::bad_request(format!("there is no parameter {name}"))
                        .hint("the parameters of this URL are format, table, position"));
                }
            };
            if was_given {
                return Err(Problem::bad_request(format!("{name} is given twice")));
            }
        }
        Ok(wanted)
    }

    /// The table that is wanted as CSV.
    fn table(&self) -> Result<Option<&'static Table>, Problem> {
        match self.format.as_deref() {
            None | Some("json") => match self.table {
                Some(_) => Err(Problem::bad_request("table goes with format=csv only")
                    .hint("all tables are in the JSON")),
                None => Ok(None),
            },
            Some("csv") => {
                let name = self.table.as_deref().unwrap_or("hours");
                let table = TABLES.iter().find(|(found, ..)| *found == name);
                table.map(Some).ok_or_else(|| {
                    Problem::bad_request(format!("there is no table {name}"))
                        .hint("table is one of hours, variants, audiences")
                })
            }
            Some(other) => Err(Problem::bad_request(format!("there is no format {other}"))
                .hint("format is one of json, csv")),
        }
    }
}

impl Exposures {
    /// Waits until the events up to a position are known.
    async fn wait(&self, position: i64) -> Result<(), Problem> {
        let mut followed = self.followed();
        let there = followed.wait_for(|followed| *followed >= position);
        match tokio::time::timeout(WAIT_MAX, there).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Problem::failed(format!(
                "the events up to position {position} have not been counted yet"
            ))
            .hint("try again later")),
        }
    }
}

/// `GET /api/v1/flags/{environment}/{key}/exposures`: who saw a flag, by hour and variant.
pub(crate) async fn exposures(
    State(app): State<Arc<App>>,
    names: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = Wanted::of(query.as_deref())?;
    let table = wanted.table()?;
    let Path((environment, flag)) = names
        .ok()
        .filter(|Path((environment, flag))| !environment.contains('\0') && !flag.contains('\0'))
        .ok_or_else(|| {
            Problem::bad_request("a name in the path of the URL cannot be read")
                .hint("write it in UTF-8, and / in it as %2F")
        })?;
    if let Some(position) = wanted.position {
        app.exposures.wait(position).await?;
    }
    let told = app.exposures.shared.read().told(&environment, &flag);
    let told = told.ok_or_else(|| {
        let what = format!("nobody has seen a flag {flag} in {environment}, as far as is known");
        Problem::not_found(what).hint("exposures come by POST /api/v1/exposures or /v1/logs")
    })?;
    let told = Told::of(environment, flag, &told);
    let Some((name, rows, columns)) = table else { return Ok(Json(told).into_response()) };
    let value = serde_json::to_value(&told).unwrap_or_default();
    let rows = value.pointer(rows).and_then(|rows| rows.as_array());
    written(name, columns, rows.into_iter().flatten())
}
