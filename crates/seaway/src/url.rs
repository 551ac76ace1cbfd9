//! What the URL of a request says: the names in its path, and its parameters.

use crate::problem::Problem;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The names in the path of a URL.
pub(crate) struct Names<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // No name has a zero in it, and PostgreSQL takes none.
        let has_zero = parts.uri.path().contains("%00");
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) if !has_zero => Ok(Self(names)),
            _ => Err(Problem::bad_request("a name in the path of the URL cannot be read")
                .hint("write it in UTF-8, and / in it as %2F")),
        }
    }
}

/// The parameters of a URL, each given once.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query of a URL, which may name `allowed` parameters.
    ///
    /// # Errors
    /// It cannot be read, or names another one, or one twice.
    pub(crate) fn of(query: Option<&str>, allowed: &[&str]) -> Result<Self, Problem> {
        let wrong = || Problem::bad_request("the query of the URL cannot be read");
        let uri = format!("/?{}", query.unwrap_or_default()).parse().map_err(|_| wrong())?;
        let Query(pairs) =
            Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| wrong())?;
        for (place, (name, value)) in pairs.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                return Err(Problem::bad_request(format!("there is no parameter {name}")));
            }
            if pairs.iter().take(place).any(|(before, _)| before == name) {
                return Err(Problem::bad_request(format!("{name} is given twice")));
            }
            if value.contains('\0') {
                return Err(wrong());
            }
        }
        Ok(Self(pairs))
    }

    /// The parameter of a name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A number from 1 to `most`.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn number(&self, name: &str, most: i64) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.map(Some).ok_or_else(|| {
            Problem::bad_request(format!("{name}={text} is not a number from 1 to {most}"))
        })
    }

    /// One of some words.
    ///
    /// # Errors
    /// It is none of them.
    pub(crate) fn word(
        &self,
        name: &str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = words.iter().find(|word| **word == text).copied();
        found.map(Some).ok_or_else(|| {
            Problem::bad_request(format!("there is no {name} {text}"))
                .hint(format!("{name} is one of {}", words.join(", ")))
        })
    }
}
