//! Finding services, groups, changes and deployments by what people remember of them.

use super::csv::{Column, Sheet as _};
use super::parameters::Parameters;
use super::reports::name_of;
use super::rows::{Change, Deployment, read};
use super::tables::{self, TELLING, Table};
use crate::app::App;
use crate::delivery::store::Kept;
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

/// Rows of each kind that are found.
pub(in crate::delivery) const FOUND_MAX: usize = 20;
/// The newest changes, whose subjects are looked through.
pub(in crate::delivery) const LOOKED_AT: i64 = 2_000;
/// Characters of what is searched for.
const QUERY_MAX: usize = 200;
/// The least and the most digits of a hash.
const HASH: std::ops::RangeInclusive<usize> = 4..=64;

/// Something with a name and perhaps a title.
#[derive(Debug, Serialize)]
pub(in crate::delivery) struct Titled {
    pub(in crate::delivery) name: String,
    pub(in crate::delivery) title: Option<String>,
}

/// What was found; at most 20 of each.
#[derive(Default, Serialize)]
pub(in crate::delivery) struct Found {
    pub(in crate::delivery) q: String,
    pub(in crate::delivery) services: Vec<Titled>,
    pub(in crate::delivery) groups: Vec<Titled>,
    /// By the first digits of their hash, by their pull request, and of the newest ones by words of
    /// their subject, in this order.
    pub(in crate::delivery) changes: Vec<Change>,
    /// By the beginning of their name.
    pub(in crate::delivery) deployments: Vec<Deployment>,
}

impl Found {
    /// What a query finds.
    pub(in crate::delivery) async fn of(app: &App, query: Option<&str>) -> Result<Self, Problem> {
        let parameters = Parameters::of(query, &[&["q"][..], &TELLING].concat())?;
        parameters.wait(app).await?;
        let q = parameters.text("q").unwrap_or_default().trim();
        if q.chars().nth(QUERY_MAX).is_some() {
            return Err(Problem::bad_request(format!(
                "what is searched for is longer than {QUERY_MAX} characters"
            )));
        }
        let mut found = Self { q: q.to_owned(), ..Self::default() };
        if q.is_empty() {
            return Ok(found);
        }
        found.name(app).await?;
        found.change(app).await?;
        let kept = app.store.deployments_named(q, FOUND_MAX as i64).await?;
        for Kept { service, body, .. } in kept {
            found.deployments.push(Deployment::of(service, read(&body)?));
        }
        Ok(found)
    }

    /// Finds services and groups: all words are in the name or the title.
    async fn name(&mut self, app: &App) -> Result<(), Problem> {
        let words: Vec<String> = self.q.to_lowercase().split_whitespace().map(Into::into).collect();
        let catalog = Arc::clone(&app.progress.borrow().latest);
        let fits = |name: &str, title: Option<&str>| {
            let text = format!("{name} {}", title.unwrap_or_default()).to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        let groups = catalog.groups().map(|it| (name_of(&it.entity), &it.title));
        let groups = groups.filter(|(name, title)| fits(name, title.as_deref()));
        let titled =
            |(name, title): (String, &Option<String>)| Titled { name, title: title.clone() };
        self.groups = groups.map(titled).take(FOUND_MAX).collect();
        let services = catalog.services().map(|it| (name_of(&it.entity), &it.title));
        let services = services.filter(|(name, title)| fits(name, title.as_deref()));
        self.services = services.map(titled).take(FOUND_MAX).collect();
        for row in app.store.services_like(&self.q, FOUND_MAX as i64).await? {
            let is_new = self.services.iter().all(|it| it.name != row.service);
            if is_new && self.services.len() < FOUND_MAX {
                self.services.push(Titled { name: row.service, title: None });
            }
        }
        // What is named just so comes first.
        let q = self.q.to_lowercase();
        self.services.sort_by_key(|it| it.name.to_lowercase() != q);
        Ok(())
    }

    async fn change(&mut self, app: &App) -> Result<(), Problem> {
        let q = self.q.clone();
        let most = FOUND_MAX as i64;
        let hash = q.to_ascii_lowercase();
        if HASH.contains(&hash.len()) && hash.bytes().all(|c| c.is_ascii_hexdigit()) {
            let kept = app.store.changes_hashed(&hash, most).await?;
            self.take(kept, &[])?;
        }
        let number = q.trim_start_matches(['#', '!']);
        if !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) {
            let kept = app.store.changes_pulled(number, most).await?;
            self.take(kept, &[])?;
        }
        let words: Vec<String> = q.to_lowercase().split_whitespace().map(Into::into).collect();
        if self.changes.len() < FOUND_MAX {
            let kept = app.store.changes_about(&words, LOOKED_AT).await?;
            self.take(kept, &words)?;
        }
        Ok(())
    }

    /// Takes changes whose subjects have all of some words, each once.
    fn take(&mut self, kept: Vec<Kept>, words: &[String]) -> Result<(), Problem> {
        for Kept { service, body, .. } in kept {
            let change = Change::of(service, read(&body)?, false);
            let subject = change.subject.to_lowercase();
            let is_new = || {
                let same = |it: &Change| it.change == change.change && it.service == change.service;
                !self.changes.iter().any(same)
            };
            let fits = words.iter().all(|word| subject.contains(word.as_str()));
            if self.changes.len() < FOUND_MAX && fits && is_new() {
                self.changes.push(change);
            }
        }
        Ok(())
    }
}

/// `GET /api/v1/search?q=…`.
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let found = Found::of(&app, query.as_deref()).await?;
    let parameters = Parameters::of(query.as_deref(), &[&["q"][..], &TELLING].concat())?;
    tables::any(&parameters, &found, &TABLES)
}

const TITLED: &[Column] = &[("name", "/name"), ("title", "/title")];

const TABLES: [Table; 4] = [
    Table { name: "services", rows: "/services", columns: TITLED },
    Table { name: "groups", rows: "/groups", columns: TITLED },
    Table { name: "changes", rows: "/changes", columns: Change::COLUMNS },
    Table { name: "deployments", rows: "/deployments", columns: Deployment::COLUMNS },
];
