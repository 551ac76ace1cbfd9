//! What the URL of a report may say.

use super::csv::Format;
use super::filter::FILTERS;
use crate::app::App;
use crate::delivery::store::After;
use crate::problem::Problem;
use seaway_core::delivery::summary::Day;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows of a page, unless the URL says otherwise, and at most.
const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
/// Rows of a CSV file, unless the URL says otherwise, and at most.
const SHEET_MAX: i64 = 10_000;
/// How long a report waits for events that are to be in it.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The parameters of a URL: each known, and given once unless it filters or names what is compared.
#[derive(Debug, Default, Clone)]
pub(in crate::delivery) struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    /// Reads the query of a URL, which may name `allowed` parameters and `position`.
    pub(in crate::delivery) fn of(query: Option<&str>, allowed: &[&str]) -> Result<Self, Problem> {
        Self::read(query, &[allowed, &["position"]].concat())
    }

    /// Reads the query of a URL that has no parameters.
    pub(in crate::delivery) fn none(query: Option<&str>) -> Result<(), Problem> {
        Self::read(query, &[]).map(drop)
    }

    fn read(query: Option<&str>, allowed: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(
            &format!("/?{}", query.unwrap_or_default()).parse().map_err(|_| malformed())?,
        )
        .map_err(|_| malformed())?
        .0;
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs {
            if !allowed.contains(&name.as_str()) {
                let known = match allowed {
                    [] => "this URL has no parameters".to_owned(),
                    _ => format!("the parameters of this URL are {}", allowed.join(", ")),
                };
                let what = format!("there is no parameter {name}");
                return Err(Problem::bad_request(what).hint(known));
            }
            if value.contains('\0') {
                return Err(malformed());
            }
            let values = all.entry(name.clone()).or_default();
            if !values.is_empty() && !FILTERS.contains(&name.as_str()) && name != "of" {
                return Err(Problem::bad_request(format!("{name} is given twice")));
            }
            values.push(value);
        }
        Ok(Self(all))
    }

    pub(in crate::delivery) fn text(&self, name: &str) -> Option<&str> {
        self.values(name).first().map(String::as_str)
    }

    /// All parameters, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// All values of a parameter that filters.
    pub(in crate::delivery) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// A day: `2026-01-31`.
    pub(in crate::delivery) fn day(&self, name: &str) -> Result<Option<Day>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let date: jiff::civil::Date = text.parse().map_err(|_| {
            Problem::bad_request(format!("{name}={text} is not a day"))
                .hint("write it like 2026-01-31")
        })?;
        Ok(Some(Day::of(date)))
    }

    /// How many rows a page has.
    pub(in crate::delivery) fn limit(&self) -> Result<i64, Problem> {
        let (usual, most) = match self.format()? {
            Format::Json => (LIMIT, LIMIT_MAX),
            Format::Csv => (SHEET_MAX, SHEET_MAX),
        };
        let Some(text) = self.text("limit") else { return Ok(usual) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| {
            Problem::bad_request(format!("limit={text} is not a number from 1 to {most}"))
        })
    }

    /// Where a page begins.
    pub(in crate::delivery) fn after(&self, first: After) -> Result<After, Problem> {
        let Some(text) = self.text("after") else { return Ok(first) };
        let parsed = text
            .split_once(' ')
            .and_then(|(at, key)| Some(After { at: at.parse().ok()?, key: key.to_owned() }));
        parsed.ok_or_else(|| {
            Problem::bad_request("after is not what a page before has named in next")
        })
    }

    /// Waits until the events up to `position` are in the reports, if the URL asks for it.
    pub(in crate::delivery) async fn wait(&self, app: &App) -> Result<(), Problem> {
        let Some(text) = self.text("position") else { return Ok(()) };
        let position: i64 = text
            .parse()
            .map_err(|_| Problem::bad_request(format!("position={text} is not a number")))?;
        let mut progress = app.progress.clone();
        let there = progress.wait_for(|progress| progress.settled >= position);
        match tokio::time::timeout(WAIT_MAX, there).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Problem::failed(format!(
                "the events up to position {position} are not in the reports yet"
            ))
            .hint("try again later")),
        }
    }
}

fn malformed() -> Problem {
    Problem::bad_request("the parameters of the URL cannot be read")
}
