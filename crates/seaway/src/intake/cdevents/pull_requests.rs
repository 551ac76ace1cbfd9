//! `pullrequest.updated` and `review.submitted`.

use super::{Telling, fact, hash, key, latest, lines, link, optional_key, repository};
use crate::intake::commits::TEXT_CHARS_MAX;
use crate::intake::text::Text;
use crate::pages::words;
use seaway_core::delivery::facts::{
    Earliest, Entity, Fact, Latest, PullRequest, REVIEWS_MAX, Review, Scope, Verdict,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A number that may be written as text.
struct Number<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl<'de> Visitor<'de> for NumberVisitor {
            type Value = Number<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number or text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Number<'de>, E> {
                Ok(Number(Text(text.into())))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number<'de>, E> {
                Ok(Number(Text(text.to_owned().into())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number<'de>, E> {
                Ok(Number(Text(number.to_string().into())))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Updated<'a> {
    #[serde(borrow)]
    repository: Text<'a>,
    #[serde(borrow)]
    number: Number<'a>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
    #[serde(borrow, default)]
    opened_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    merged_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    closed_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    merge_commit: Option<Text<'a>>,
    #[serde(borrow, default)]
    head: Option<Text<'a>>,
    #[serde(borrow, default)]
    base: Option<Text<'a>>,
    #[serde(borrow, default)]
    branch: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Option<Text<'a>>,
    #[serde(default)]
    bot: bool,
    #[serde(borrow, default)]
    first_authored_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    commits: Vec<Text<'a>>,
    #[serde(default)]
    lines_added: Option<u32>,
    #[serde(default)]
    lines_deleted: Option<u32>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
}

/// The state of a pull request.
pub(super) fn updated(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    let told: Updated<'_> = telling.content()?;
    let moment = telling.moment;
    let commit = |name: &str, text: Option<&Text<'_>>| {
        text.map(|text| hash(name, text)).transpose().map(|hash| latest(moment, hash))
    };
    let name = |name: &str, text: Option<&Text<'_>>| {
        optional_key(name, text).map(|key| latest(moment, key))
    };
    let said = |text: Option<&Text<'_>>| {
        latest(moment, text.map(|text| words::clean(text.as_str(), TEXT_CHARS_MAX)))
    };
    let merged_at = telling.time("mergedAt", told.merged_at.as_ref())?;
    let closed_at = telling.time("closedAt", told.closed_at.as_ref())?;
    let mut commits = BTreeSet::new();
    for text in told.commits.iter().take(REVIEWS_MAX) {
        commits.insert(hash("commits", text)?);
    }
    let pull_request = PullRequest {
        number: key("number", &told.number.0)?,
        opened_at: Earliest(telling.time("openedAt", told.opened_at.as_ref())?),
        merged_at: Earliest(merged_at),
        // A merge closes it too.
        abandoned_at: Earliest(closed_at.filter(|_| told.merged_at.is_none())),
        merge_commit: match told.merged_at {
            // Forges name a trial merge before there is one.
            Some(_) => commit("mergeCommit", told.merge_commit.as_ref())?,
            None => Latest::default(),
        },
        head: commit("head", told.head.as_ref())?,
        base: name("base", told.base.as_ref())?,
        branch: name("branch", told.branch.as_ref())?,
        title: said(told.title.as_ref()),
        author: said(told.author.as_ref()),
        url: latest(moment, told.url.and_then(|url| link(url.as_str()))),
        bot: told.bot,
        commits,
        authored_at: Earliest(telling.time("firstAuthoredAt", told.first_authored_at.as_ref())?),
        lines: latest(moment, lines(told.lines_added, told.lines_deleted)),
        reviews: BTreeMap::new(),
    };
    let scope = Scope::Repository(repository("repository", &told.repository)?);
    Ok(vec![fact(scope, Entity::PullRequest(pull_request))])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Submitted<'a> {
    #[serde(borrow)]
    repository: Text<'a>,
    #[serde(borrow)]
    pull_request: Number<'a>,
    #[serde(borrow)]
    review_id: Number<'a>,
    verdict: Verdict,
    #[serde(borrow)]
    submitted_at: Text<'a>,
    #[serde(borrow, default)]
    reviewer: Option<Text<'a>>,
}

/// A review with what it said.
pub(super) fn reviewed(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    let told: Submitted<'_> = telling.content()?;
    let id = key("reviewId", &told.review_id.0)?;
    let at = telling.time("submittedAt", Some(&told.submitted_at))?;
    let by = told.reviewer.map(|it| words::clean(it.as_str(), TEXT_CHARS_MAX));
    let by = by.filter(|by| !by.is_empty());
    let review = at.map(|at| (id, Review { at, verdict: told.verdict, by }));
    let pull_request = PullRequest {
        number: key("pullRequest", &told.pull_request.0)?,
        reviews: review.into_iter().collect(),
        ..PullRequest::default()
    };
    let scope = Scope::Repository(repository("repository", &told.repository)?);
    Ok(vec![fact(scope, Entity::PullRequest(pull_request))])
}
