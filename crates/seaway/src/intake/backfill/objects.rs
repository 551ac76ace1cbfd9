//! Objects of the API, written as events in the form of webhooks.

use crate::intake::payload::parse_moment;
use crate::intake::webhook::fingerprint;
use crate::ledger::Event;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A repository: what events of webhooks tell of it, and readers need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    pub(super) full_name: String,
    html_url: String,
    clone_url: Option<String>,
    default_branch: Option<String>,
    pushed_at: Option<String>,
    updated_at: Option<String>,
}

impl Repository {
    /// The repository itself as an event.
    pub(super) fn event(&self) -> Event {
        let state = [&self.updated_at, &self.pushed_at, &self.default_branch];
        let state: Vec<&str> = state.into_iter().flatten().map(String::as_str).collect();
        self.event_of("repository", &format!("repository@{}", state.join(",")), &[])
    }

    /// An event of the repository: `id` is what it tells of, and in which state.
    pub(super) fn event_of(&self, name: &str, id: &str, parts: &[(&str, &str)]) -> Event {
        let mut data = String::from("{");
        for (key, json) in parts {
            data.push_str(&format!("\"{key}\":{json},"));
        }
        // A struct of texts is always JSON.
        let repository = serde_json::to_string(self).unwrap_or_default();
        data.push_str(&format!("\"repository\":{repository}}}"));
        let id = format!("{}/{id}", self.full_name);
        // Identifiers are bounded; the fingerprint of a longer one tells it as well.
        let id = if id.len() <= 250 { id } else { fingerprint(id.as_bytes()) };
        Event {
            source: self.host(),
            id,
            kind: format!("com.github.rest.{name}"),
            subject: None,
            time: None,
            content_type: "application/json".to_owned(),
            extensions: BTreeMap::new(),
            data: data.into(),
        }
    }

    /// Scheme and host of the URL that people use: the `source` of webhooks.
    fn host(&self) -> String {
        let end = self.html_url.match_indices('/').nth(2).map_or(self.html_url.len(), |it| it.0);
        self.html_url[..end].to_ascii_lowercase()
    }
}

/// What is looked at in any listed object; the object itself is kept as it came.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    pub(super) id: u64,
    pub(super) number: u64,
    updated_at: Option<String>,
    created_at: Option<String>,
    pub(super) state: Option<String>,
    pub(super) status: Option<String>,
    user: Option<User>,
    html_url: Option<String>,
    head: Option<Head>,
    pub(super) labels: Vec<Label>,
    /// There for issues that are pull requests.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct User {
    login: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    sha: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Label {
    pub(super) name: String,
}

impl Object {
    pub(super) fn read(raw: &RawValue) -> Result<Self, String> {
        serde_json::from_str(raw.get()).map_err(|error| error.to_string())
    }

    /// The state in which it is, for its identifier.
    pub(super) fn state_at(&self) -> &str {
        self.updated_at.as_deref().unwrap_or_default()
    }

    /// When it changed last, Unix seconds. What does not say counts as just changed.
    pub(super) fn updated_at(&self) -> i64 {
        self.updated_at.as_deref().and_then(parse_moment).unwrap_or(i64::MAX)
    }

    /// When it was made, Unix seconds. What does not say counts as just made.
    pub(super) fn created_at(&self) -> i64 {
        self.created_at.as_deref().and_then(parse_moment).unwrap_or(i64::MAX)
    }

    /// The newest commit of a pull request.
    pub(super) fn head(&self) -> &str {
        self.head.as_ref().map_or("", |head| head.sha.as_str())
    }

    /// What its reviews and commits need to tell of a pull request, as JSON.
    pub(super) fn slim(&self) -> String {
        let slim = serde_json::json!({
            "number": self.number,
            "updated_at": self.updated_at,
            "created_at": self.created_at,
            "user": self.user,
            "html_url": self.html_url,
        });
        slim.to_string()
    }
}
