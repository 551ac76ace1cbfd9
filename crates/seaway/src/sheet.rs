//! Rows as files of CSV, by RFC 4180.

use crate::problem::Problem;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// A column: its name, and where its value stands in the JSON of a row.
pub(crate) type Column = (&'static str, &'static str);

/// Tells of a file that could not be written.
pub(crate) fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "rows could not be written as CSV");
    Problem::failed("the rows could not be written as CSV")
}

/// The JSON of rows as a file of CSV.
pub(crate) fn written<'a>(
    file: &str,
    columns: &[Column],
    rows: impl Iterator<Item = &'a Value>,
) -> Result<Response, Problem> {
    let terminator = csv::Terminator::CRLF;
    let mut sheet = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
    let names = columns.iter().map(|(name, _)| *name);
    sheet.write_record(names).map_err(|error| failed(&error))?;
    for row in rows {
        let cells = columns.iter().map(|(_, place)| cell(row.pointer(place)));
        sheet.write_record(cells).map_err(|error| failed(&error))?;
    }
    let bytes = sheet.into_inner().map_err(|error| failed(error.error()))?;
    let file = format!("attachment; filename=\"{file}.csv\"");
    let kind = "text/csv; charset=utf-8; header=present".to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, file)], bytes).into_response())
}

/// A value in a cell: nothing where it is not known, and the parts of a list with spaces between.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => harmless(text),
        Some(Value::Array(parts)) => {
            let parts: Vec<String> = parts.iter().map(|part| cell(Some(part))).collect();
            harmless(&parts.join(" "))
        }
        Some(other) => other.to_string(),
    }
}

/// Text from outside. Spreadsheets run what begins like a formula: an apostrophe keeps it text.
fn harmless(text: &str) -> String {
    let text = text.replace('\0', " ");
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text,
    }
}
