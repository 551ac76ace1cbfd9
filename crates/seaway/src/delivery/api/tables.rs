//! The tables of a report as CSV: what stands in its JSON, a file for each table.

use super::csv::{Column, Format, written};
use super::parameters::Parameters;
use crate::problem::Problem;
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

/// What the URL of a report may say of how it is told.
pub(super) const TELLING: [&str; 2] = ["format", "table"];

/// A table of a report, or of another value with several.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Where its rows stand in the JSON of the value.
    pub(super) rows: &'static str,
    pub(super) columns: &'static [Column],
}

/// The tables of a report.
pub(super) const REPORT: [Table; 5] = [
    Table {
        name: "waits",
        rows: "/waits/stages",
        columns: &[
            ("to", "/to"),
            ("seconds", "/seconds"),
            ("hours_per_week", "/hours_per_week"),
            ("p50_without_seconds", "/p50_without/seconds"),
            ("p50_without_low", "/p50_without/low"),
            ("p50_without_high", "/p50_without/high"),
        ],
    },
    Table {
        name: "stages",
        rows: "/stages",
        columns: &[
            ("to", "/to"),
            ("n", "/n"),
            ("waiting", "/waiting"),
            ("p50_seconds", "/p50/seconds"),
            ("p50_low", "/p50/low"),
            ("p50_high", "/p50/high"),
            ("p85_seconds", "/p85/seconds"),
            ("p85_low", "/p85/low"),
            ("p85_high", "/p85/high"),
            ("share", "/share"),
        ],
    },
    Table {
        name: "trend",
        rows: "/trend/points",
        columns: &[
            ("period", "/label"),
            ("start", "/start"),
            ("end", "/end"),
            ("complete", "/complete"),
            ("n", "/n"),
            ("waiting", "/waiting"),
            ("p50_seconds", "/p50/seconds"),
            ("p50_low", "/p50/low"),
            ("p50_high", "/p50/high"),
            ("p85_seconds", "/p85/seconds"),
            ("p85_low", "/p85/low"),
            ("p85_high", "/p85/high"),
            ("p95_seconds", "/p95/seconds"),
            ("p95_low", "/p95/low"),
            ("p95_high", "/p95/high"),
        ],
    },
    Table {
        name: "ages",
        rows: "/flow/waiting_by_age",
        columns: &[("age", "/label"), ("changes", "/changes")],
    },
    Table {
        name: "dora",
        rows: "/dora",
        columns: &[
            ("measure", "/name"),
            ("unit", "/unit"),
            ("n", "/n"),
            ("value", "/value"),
            ("low", "/low"),
            ("high", "/high"),
            ("note", "/note"),
        ],
    },
];

/// A report in the format that the URL wants: all of it, or one table of it as CSV.
pub(super) fn told<T: Serialize>(parameters: &Parameters, report: &T) -> Result<Response, Problem> {
    any(parameters, report, &REPORT)
}

/// A value in the format that the URL wants: all of it, or one of its tables as CSV.
pub(super) fn any<T: Serialize>(
    parameters: &Parameters,
    value: &T,
    tables: &[Table],
) -> Result<Response, Problem> {
    let names = || tables.iter().map(|it| it.name).collect::<Vec<_>>().join(", ");
    let hint = || format!("table is one of {}", names());
    let named = parameters.text("table");
    match (parameters.format()?, named) {
        (Format::Json, None) => Ok(Json(value).into_response()),
        (Format::Json, Some(_)) => Err(Problem::bad_request("table goes with format=csv only")
            .hint("all tables are in the JSON")),
        (Format::Csv, None) => Err(Problem::bad_request("there are several tables").hint(hint())),
        (Format::Csv, Some(name)) => {
            let table = tables.iter().find(|it| it.name == name).ok_or_else(|| {
                Problem::bad_request(format!("there is no table {name}")).hint(hint())
            })?;
            one(value, table.name, table.rows, table.columns)
        }
    }
}

/// The rows that stand at a place of a value's JSON, as CSV.
pub(super) fn one<T: Serialize>(
    value: &T,
    file: &str,
    rows: &str,
    columns: &[Column],
) -> Result<Response, Problem> {
    let mut value = serde_json::to_value(value).map_err(|error| {
        tracing::error!(%error, "a report could not be written as JSON");
        Problem::failed("the report could not be written")
    })?;
    let rows = match value.pointer_mut(rows).map(Value::take) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    };
    written(file, columns, rows.iter())
}
