//! Lists as CSV by RFC 4180: the same rows as in their JSON, a column for each field.

use super::parameters::Parameters;
use super::rows::Page;
use crate::problem::Problem;
use crate::sheet::failed;
pub(super) use crate::sheet::{Column, written};
use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

/// A row that can be told as CSV.
pub(super) trait Sheet: Serialize {
    /// The file's name.
    const FILE: &'static str;
    /// Its columns.
    const COLUMNS: &'static [Column];
}

/// How an answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

impl Parameters {
    /// What the URL wants its rows as.
    pub(super) fn format(&self) -> Result<Format, Problem> {
        match self.text("format") {
            None | Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            Some(other) => Err(Problem::bad_request(format!("there is no format {other}"))
                .hint("format is one of json, csv")),
        }
    }

    /// The query of the page that begins after a row.
    pub(in crate::delivery) fn next(&self, after: &str) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut query = format!("?after={}", encoded(after));
        for (name, values) in self.all().filter(|(name, _)| !["after", "position"].contains(name)) {
            for value in values {
                query.push_str(&format!("&{}={}", encoded(name), encoded(value)));
            }
        }
        query
    }
}

/// Some of the rows, in the format that the URL wants.
pub(super) fn listed<T: Sheet>(
    parameters: &Parameters,
    page: Page<T>,
) -> Result<Response, Problem> {
    match parameters.format()? {
        Format::Json => Ok(Json(page).into_response()),
        Format::Csv => {
            let mut answer = sheet(&page.rows)?;
            if let Some(next) = page.next {
                let link = format!("<{}>; rel=\"next\"", parameters.next(&next));
                if let Ok(link) = HeaderValue::from_str(&link) {
                    answer.headers_mut().insert(header::LINK, link);
                }
            }
            Ok(answer)
        }
    }
}

/// Rows as CSV.
pub(super) fn sheet<T: Sheet>(rows: &[T]) -> Result<Response, Problem> {
    let rows: Result<Vec<Value>, _> = rows.iter().map(serde_json::to_value).collect();
    written(T::FILE, T::COLUMNS, rows.map_err(|error| failed(&error))?.iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use serde_json::json;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        at: Value,
    }

    impl Sheet for Row {
        const FILE: &'static str = "rows";
        const COLUMNS: &'static [Column] =
            &[("name", "/name"), ("opened_at", "/at/opened"), ("list", "/at/list")];
    }

    #[tokio::test]
    async fn cells_are_quoted_and_never_formulas() {
        let rows = [
            Row { name: "a,\"b\"\r\nc", at: json!({ "opened": 7, "list": ["x", "y"] }) },
            Row { name: "=1+1", at: json!({ "opened": null, "list": [] }) },
            Row { name: "\t@", at: json!({ "opened": true, "list": ["+1"] }) },
        ];
        let answer = sheet(&rows).unwrap();
        assert_eq!(
            answer.headers()[header::CONTENT_DISPOSITION],
            "attachment; filename=\"rows.csv\""
        );
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            String::from_utf8_lossy(&body),
            "name,opened_at,list\r\n\"a,\"\"b\"\"\r\nc\",7,x y\r\n'=1+1,,\r\n'\t@,true,'+1\r\n"
        );
    }

    #[test]
    fn the_next_page_is_asked_for_with_all_that_this_one_was() {
        let query = "format=csv&tier=1&tier=2&after=x&position=7";
        let parameters = Parameters::of(Some(query), &["format", "tier", "after"]).unwrap();
        assert_eq!(parameters.next("5 a>\"b"), "?after=5%20a%3E%22b&format=csv&tier=1&tier=2");
    }
}
